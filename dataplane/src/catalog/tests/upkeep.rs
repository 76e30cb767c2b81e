//! What lasts and what goes: configuration, idle viewers, limits, own lists, names that several prefixes fit.

use std::sync::Arc;
use std::time::Duration;

use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities as C;
use ringway_snapshot::OnBackendFailure;

use super::fake::{Fake, Script, tool};
use super::{Bench, LEGACY, plain, section, short, told, until, viewer};
use crate::catalog::{BackendList, KindSet, Limits, ListKind, OwnList, Resolution, read_list};
use crate::fault::Reason;
use crate::state::route::NameKind;
use crate::telemetry::labels::TaskName;
use crate::upstream::{Hello, Pool, initialize};

#[tokio::test]
async fn an_idle_viewer_goes_with_its_session_and_tasks() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(Limits { idle: Duration::from_millis(200), ..short() });
    let route = bench.serve(&[("a", a.address)]);
    bench.tools(&route, &plain()).await;
    let changes = bench.catalog.changes(&route, &plain());
    until("watched", || a.streams() == 1).await;
    let other = viewer(LEGACY, C::ROOTS);
    bench.tools(&route, &other).await;
    // The one that nobody watches goes, the other stays.
    until("the unwatched viewer is gone", || bench.catalog.views() == 1 && a.sessions() == 1).await;
    drop(changes);
    until("all is gone", || bench.catalog.views() == 0 && a.sessions() == 0 && a.streams() == 0).await;
    until("no task is left", || {
        bench.metrics.live_tasks(TaskName::Catalog) == 0 && bench.metrics.live_tasks(TaskName::UpstreamStream) == 0
    })
    .await;
    // And it comes again.
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x"]);
}

#[tokio::test]
async fn a_stopped_catalogue_says_goodbye() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    bench.tools(&route, &plain()).await;
    assert_eq!(a.sessions(), 1);
    let (metrics, catalog) = (Arc::clone(&bench.metrics), Arc::clone(&bench.catalog));
    // Its thread is waited for, so not on this one.
    tokio::task::spawn_blocking(move || catalog.stop()).await.unwrap();
    assert_eq!((a.sessions(), metrics.live_tasks(TaskName::Catalog)), (0, 0));
    // What was merged is still there.
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x"]);
}

#[tokio::test]
async fn the_last_handle_ends_the_catalogue() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    bench.tools(&route, &plain()).await;
    let metrics = Arc::clone(&bench.metrics);
    drop(bench);
    until("goodbye", || a.sessions() == 0 && metrics.live_tasks(TaskName::Catalog) == 0).await;
}

#[tokio::test]
async fn a_new_configuration_shows_at_once_and_keeps_connections() {
    let a = Fake::tools(&["x", "y"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x", "a_y"]);
    let mut changes = bench.catalog.changes(&route, &plain());
    let mut edited = section("a");
    edited.prefix = "b".into();
    edited.tools.exclude = vec!["y".into()];
    let next = bench.route("route", OnBackendFailure::Partial, vec![(edited, a.address)]);
    bench.catalog.apply(vec![Arc::clone(&next)]);
    assert!(told(&mut changes).await.is_some_and(|kinds| kinds.contains(ListKind::Tools)));
    assert_eq!(bench.tools(&next, &plain()).await, ["b_x"]);
    assert_eq!(a.asked("initialize"), 1);
    bench.catalog.apply(vec![]);
    assert_eq!(told(&mut changes).await, None);
    until("nothing is kept", || a.sessions() == 0 && bench.catalog.views() == 0).await;
    let fault = bench.catalog.list(&next, &plain(), ListKind::Tools, None, &[]).await.unwrap_err();
    assert_eq!(fault.reason, Reason::Busy);
}

#[tokio::test]
async fn overlapping_prefixes_are_resolved_by_the_lists() {
    let (gh, ent) = (Fake::tools(&["ent_search", "ent_only", "a"]).await, Fake::tools(&["search", "b"]).await);
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("gh", gh.address), ("gh_ent", ent.address)]);
    let of = async |name: &str| bench.catalog.resolve(&route, &plain(), NameKind::Tool, name).await;
    assert_eq!(of("gh_ent_search").await, Resolution::Conflict);
    assert_eq!(of("gh_ent_b").await, Resolution::One { section: 1, own: "b".into() });
    assert_eq!(of("gh_ent_only").await, Resolution::One { section: 0, own: "ent_only".into() });
    assert_eq!(of("gh_ent_none").await, Resolution::Unknown);
    assert_eq!(bench.tools(&route, &plain()).await, ["gh_ent_only", "gh_a", "gh_ent_b"]);
    assert_eq!(bench.catalog.conflicts(&route, &plain(), ListKind::Tools)[0].visible, "gh_ent_search".into());
}

#[tokio::test]
async fn a_backend_of_unknown_list_may_have_the_name() {
    let (gh, ent) = (Fake::tools(&["a"]).await, Fake::tools(&["b"]).await);
    ent.set_down(true);
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("gh", gh.address), ("gh_ent", ent.address)]);
    let found = bench.catalog.resolve(&route, &plain(), NameKind::Tool, "gh_ent_b").await;
    assert_eq!(found, Resolution::One { section: 1, own: "b".into() });
}

#[tokio::test]
async fn a_session_may_have_a_list_of_its_own() {
    let (a, b) = (Fake::tools(&["x"]).await, Fake::tools(&["y"]).await);
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address), ("b", b.address)]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x", "b_y"]);
    let (pool, server) = (Pool::new(), &route.servers[0]);
    let hello = Hello::Made { revision: LEGACY, capabilities: C::NONE, client_name: "t", client_version: "1" };
    let session = initialize(&pool, server, &hello).await.unwrap().session;
    let read = async || -> OwnList {
        let list: Arc<BackendList> =
            read_list(&pool, server, &session, C::NONE, ListKind::Tools, &short()).await.unwrap();
        OwnList { key: route.compiled.sections[0].spec.key, kind: ListKind::Tools, list }
    };
    let same = read().await;
    assert!(bench.catalog.same_as_viewer(&route, &plain(), &same));
    a.script(|script| script.tools = vec![tool("mine")]);
    let own = read().await;
    assert!(!bench.catalog.same_as_viewer(&route, &plain(), &own));
    assert_eq!(bench.with_own(&route, &[own]).await, ["a_mine", "b_y"]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x", "b_y"]);
    a.forget_sessions();
    let lost = read_list(&pool, server, &session, C::NONE, ListKind::Tools, &short()).await.unwrap_err();
    assert!(lost.is_session_lost());
}

#[tokio::test]
async fn merged_bytes_stay_within_the_budget_and_come_again() {
    let big: Vec<_> =
        (0..50).map(|n| serde_json::json!({"name": format!("t{n}"), "description": "x".repeat(1_000)})).collect();
    let a = Fake::start(Script { tools: big, ..Script::default() }).await;
    let mut bench = Bench::new(Limits { budget: 80_000, ..short() });
    let route = bench.serve(&[("a", a.address)]);
    let (one, two) = (plain(), viewer(LEGACY, C::ROOTS));
    let mut changes = bench.catalog.changes(&route, &one);
    assert_eq!(bench.tools(&route, &one).await.len(), 50);
    assert_eq!(bench.tools(&route, &two).await.len(), 50);
    assert!(bench.catalog.dropped(&route, &one, ListKind::Tools).is_empty());
    until("the older one is evicted", || !bench.is_kept(&route, &one) && bench.is_kept(&route, &two)).await;
    // A change of an evicted list is told all the same.
    until("watched", || a.streams() == 2).await;
    a.announce("tools", |script| script.tools.push(tool("more")));
    assert_eq!(told(&mut changes).await, Some(KindSet::default().with(ListKind::Tools)));
    assert_eq!(bench.tools(&route, &one).await.len(), 51);
}

#[tokio::test]
async fn viewers_are_bounded() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(Limits { viewers: 3, viewer_rest: Duration::from_millis(300), ..short() });
    let route = bench.serve(&[("a", a.address)]);
    let all: Vec<_> = Revision::LEGACY.iter().map(|revision| viewer(*revision, C::NONE)).collect();
    let mut held = Vec::new();
    for one in &all[..3] {
        held.push(bench.catalog.changes(&route, one));
        assert_eq!(bench.tools(&route, one).await, ["a_x"]);
    }
    let fault = bench.catalog.list(&route, &all[3], ListKind::Tools, None, &[]).await.unwrap_err();
    assert_eq!(fault.reason, Reason::Busy);
    assert_eq!(told(&mut bench.catalog.changes(&route, &all[3])).await, None);
    // Once one rested, it makes room.
    drop(held);
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while bench.catalog.list(&route, &all[3], ListKind::Tools, None, &[]).await.is_err() {
        assert!(tokio::time::Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(bench.catalog.views() <= 3);
}

#[tokio::test]
async fn foreign_and_damaged_cursors_are_refused() {
    let a = Fake::start(Script {
        tools: (0..5).map(|n| tool(&format!("t{n}"))).collect(),
        prompts: Some(vec![]),
        ..Script::default()
    })
    .await;
    let mut bench = Bench::new(Limits { page_bytes: 150, ..short() });
    let one = bench.route("one", OnBackendFailure::Partial, vec![(section("a"), a.address)]);
    let two = bench.route("two", OnBackendFailure::Partial, vec![(section("a"), a.address)]);
    bench.catalog.apply(vec![Arc::clone(&one), Arc::clone(&two)]);
    let page = bench.page(&one, &plain(), ListKind::Tools, None).await;
    let cursor = page["nextCursor"].as_str().unwrap();
    let rest = bench.page(&one, &plain(), ListKind::Tools, Some(cursor)).await;
    assert!(!super::names(&rest, ListKind::Tools).is_empty());
    let changed: String = cursor.chars().rev().collect();
    for (route, kind, text) in [
        (&one, ListKind::Prompts, cursor),
        (&one, ListKind::Resources, cursor),
        (&two, ListKind::Tools, cursor),
        (&one, ListKind::Tools, ""),
        (&one, ListKind::Tools, "4"),
        (&one, ListKind::Tools, changed.as_str()),
    ] {
        let refused = bench.catalog.list(route, &plain(), kind, Some(text), &[]).await;
        assert_eq!(refused.map_err(|fault| fault.reason), Err(Reason::State), "{kind:?} {text}");
    }
}
