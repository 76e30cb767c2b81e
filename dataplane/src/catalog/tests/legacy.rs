//! Lists of legacy servers: merging, freshness, failures.

use std::time::Duration;

use ringway_mcp::capability::ClientCapabilities as C;
use ringway_snapshot::OnBackendFailure;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::fake::{Fake, Paging, Script, tool};
use super::{Bench, LEGACY, missing, names, plain, section, short, told, until, viewer};
use crate::catalog::{KindSet, ListKind, Presence};
use crate::fault::Reason;

#[tokio::test]
async fn a_warm_list_costs_the_upstream_nothing() {
    let (a, b) = (Fake::tools(&["x", "y"]).await, Fake::tools(&["x"]).await);
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address), ("b", b.address)]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x", "a_y", "b_x"]);
    until("both watched", || a.streams() == 1 && b.streams() == 1).await;
    let before = (a.asked_at_all(), b.asked_at_all());
    let begun = Instant::now();
    for _ in 0..100 {
        let (catalog, route) = (&bench.catalog, &route);
        let session = async move {
            for _ in 0..10 {
                let page = catalog.list(route, &plain(), ListKind::Tools, None, &[]).await.unwrap();
                assert!(page.starts_with(br#"{"tools":[{"#));
            }
        };
        session.await;
    }
    println!("1,000 warm lists: {:?}", begun.elapsed());
    assert_eq!((a.asked_at_all(), b.asked_at_all()), before);
    assert_eq!(a.asked("initialize"), 1);
    assert_eq!(a.asked("tools/list"), 1);
    // Only what the server has.
    assert_eq!(a.asked("prompts/list") + a.asked("resources/list") + a.asked("resources/templates/list"), 0);
}

#[tokio::test]
async fn many_first_lists_at_once_are_one_read() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    let viewer = plain();
    let lists = futures::future::join_all((0..50).map(|_| bench.tools(&route, &viewer))).await;
    assert!(lists.iter().all(|names| *names == ["a_x"]));
    assert_eq!((a.asked("initialize"), a.asked("tools/list")), (1, 1));
}

#[tokio::test]
async fn an_announced_change_is_read_and_told() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x"]);
    let mut changes = bench.catalog.changes(&route, &plain());
    until("watched", || a.streams() == 1).await;
    a.announce("tools", |script| script.tools.push(tool("y")));
    assert_eq!(told(&mut changes).await, Some(KindSet::default().with(ListKind::Tools)));
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x", "a_y"]);
    // A notice without a difference is passed on: what a client knows may be older than what was read last.
    let before = a.asked("tools/list");
    a.announce("tools", |_| {});
    assert_eq!(told(&mut changes).await, Some(KindSet::default().with(ListKind::Tools)));
    assert!(a.asked("tools/list") > before);
    a.announce("tools", |script| script.tools.push(tool("z")));
    assert_eq!(told(&mut changes).await, Some(KindSet::default().with(ListKind::Tools)));
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x", "a_y", "a_z"]);
}

#[tokio::test]
async fn a_storm_of_notices_is_a_few_reads() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    bench.tools(&route, &plain()).await;
    until("watched", || a.streams() == 1).await;
    let before = a.asked("tools/list");
    let begun = Instant::now();
    for _ in 0..10_000 {
        a.announce("tools", |_| {});
    }
    a.announce("tools", |script| script.tools.push(tool("last")));
    bench.tools_become(&route, &plain(), &["a_x", "a_last"]).await;
    let most = 2 + begun.elapsed().as_millis() / 40;
    assert!(((a.asked("tools/list") - before) as u128) <= most, "{} reads", a.asked("tools/list") - before);
}

#[tokio::test]
async fn tools_that_come_after_initialized_are_seen() {
    let a = Fake::start(Script { tools: vec![tool("early")], late: vec![tool("late")], ..Script::default() }).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    bench.tools_become(&route, &plain(), &["a_early", "a_late"]).await;
    // One that grows once the stream is open.
    a.announce("tools", |script| script.tools.push(tool("later")));
    bench.tools_become(&route, &plain(), &["a_early", "a_late", "a_later"]).await;
}

#[tokio::test]
async fn a_backend_that_goes_is_marked_and_comes_back_by_itself() {
    let (a, b) = (Fake::tools(&["x"]).await, Fake::tools(&["y"]).await);
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address), ("b", b.address)]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x", "b_y"]);
    let mut changes = bench.catalog.changes(&route, &plain());
    until("watched", || b.streams() == 1).await;
    b.set_down(true);
    // The next fresh read finds it: the stream broke and the session is gone.
    assert!(told(&mut changes).await.is_some_and(|kinds| kinds.contains(ListKind::Tools)));
    let page = bench.page(&route, &plain(), ListKind::Tools, None).await;
    assert_eq!((missing(&page), names(&page, ListKind::Tools)), (vec!["b"], vec!["a_x".to_owned(), "b_y".to_owned()]));
    let hello = bench.catalog.hello(&route, &plain(), Duration::ZERO).await;
    assert_eq!((hello.sections[0].state, hello.sections[1].state), (Presence::Up, Presence::Down));
    b.script(|script| script.tools = vec![tool("z")]);
    b.set_down(false);
    assert!(told(&mut changes).await.is_some_and(|kinds| kinds.contains(ListKind::Tools)));
    bench.tools_become(&route, &plain(), &["a_x", "b_z"]).await;
    assert_eq!(missing(&bench.page(&route, &plain(), ListKind::Tools, None).await), Vec::<&str>::new());
}

#[tokio::test]
async fn a_black_hole_delays_only_the_first_list_and_not_beyond_the_deadline() {
    let hole = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address), ("hole", hole.local_addr().unwrap())]);
    let begun = Instant::now();
    let page = bench.page(&route, &plain(), ListKind::Tools, None).await;
    let first = begun.elapsed();
    assert!(first >= Duration::from_millis(1_400) && first < Duration::from_millis(3_000), "{first:?}");
    assert_eq!((missing(&page), names(&page, ListKind::Tools)), (vec!["hole"], vec!["a_x".to_owned()]));
    until("known to be down", || bench.catalog.views() == 1 && bench.metrics_say_missing()).await;
    // Neither later nor for other viewers.
    for other in [plain(), viewer(LEGACY, C::ROOTS), viewer(LEGACY, C::SAMPLING)] {
        let begun = Instant::now();
        assert_eq!(missing(&bench.page(&route, &other, ListKind::Tools, None).await), ["hole"]);
        assert!(begun.elapsed() < Duration::from_millis(700), "{:?}", begun.elapsed());
    }
    // Somebody moves in.
    let mut changes = bench.catalog.changes(&route, &plain());
    let address = hole.local_addr().unwrap();
    drop(hole);
    let b = Fake::start_at(address, Script { tools: vec![tool("new")], ..Script::default() }).await;
    assert!(told(&mut changes).await.is_some());
    bench.tools_become(&route, &plain(), &["a_x", "hole_new"]).await;
    drop(b);
}

#[tokio::test]
async fn a_route_that_wants_all_or_nothing_gets_a_fault() {
    let (a, b) = (Fake::tools(&["x"]).await, Fake::tools(&["y"]).await);
    b.set_down(true);
    let mut bench = Bench::new(short());
    let route = bench.route("all", OnBackendFailure::Fail, vec![(section("a"), a.address), (section("b"), b.address)]);
    bench.catalog.apply(vec![route.clone()]);
    let fault = bench.catalog.list(&route, &plain(), ListKind::Tools, None, &[]).await.unwrap_err();
    assert_eq!(fault.reason, Reason::UpstreamConnect);
    assert!(fault.message.contains("`b`"), "{fault}");
    b.set_down(false);
    let end = Instant::now() + Duration::from_secs(20);
    while bench.catalog.list(&route, &plain(), ListKind::Tools, None, &[]).await.is_err() {
        assert!(Instant::now() < end, "never whole");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_lost_session_is_made_anew() {
    let a = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    bench.tools(&route, &plain()).await;
    until("watched", || a.streams() == 1).await;
    a.script(|script| script.tools = vec![tool("new")]);
    a.forget_sessions();
    bench.tools_become(&route, &plain(), &["a_new"]).await;
    until("watched again", || a.streams() == 1).await;
    assert_eq!(a.asked("initialize"), 2);
}

#[tokio::test]
async fn pages_are_followed_and_loops_end() {
    let many: Vec<_> = (0..25).map(|n| tool(&format!("t{n:02}"))).collect();
    let paged = Fake::start(Script { tools: many, paging: Paging::Of(4), ..Script::default() }).await;
    let looped = Fake::start(Script { tools: vec![tool("x")], paging: Paging::Loop, ..Script::default() }).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("p", paged.address), ("l", looped.address)]);
    let page = bench.page(&route, &plain(), ListKind::Tools, None).await;
    let names = names(&page, ListKind::Tools);
    assert_eq!((names.len(), names[24].as_str(), names[25].as_str()), (26, "p_t24", "l_x"));
    assert_eq!(page["_meta"]["dev.ringway/partial"], json!({"missing": [], "cut": ["l"]}));
    assert_eq!((paged.asked("tools/list"), looped.asked("tools/list")), (7, 2));
}

#[tokio::test]
async fn viewers_see_the_lists_of_their_capabilities() {
    let a = Fake::start(Script { tools: vec![tool("x")], by_capabilities: true, ..Script::default() }).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x"]);
    let able = viewer(LEGACY, C(C::ROOTS.0 | C::SAMPLING.0 | C::ELICITATION.0));
    assert_eq!(bench.tools(&route, &able).await, ["a_x", "a_roots", "a_sampling", "a_elicitation"]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x"]);
    assert_eq!(a.asked("initialize"), 2);
}

#[tokio::test]
async fn without_a_stream_a_list_is_read_again_when_stale_and_served_at_once() {
    let a = Fake::start(Script { tools: vec![tool("x")], get: false, ..Script::default() }).await;
    let mut bench = Bench::new(crate::catalog::Limits { legacy_ttl: Duration::from_millis(100), ..short() });
    let route = bench.serve(&[("a", a.address)]);
    assert_eq!(bench.tools(&route, &plain()).await, ["a_x"]);
    a.script(|script| script.tools.push(tool("y")));
    bench.tools_become(&route, &plain(), &["a_x", "a_y"]).await;
    assert_eq!(a.asked("initialize"), 1);
}

#[tokio::test]
async fn one_broken_list_does_not_hurt_the_others() {
    let script =
        Script { tools: vec![tool("x")], prompts: Some(vec![tool("p")]), broken_prompts: true, ..Script::default() };
    let a = Fake::start(script).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    assert_eq!(missing(&bench.page(&route, &plain(), ListKind::Prompts, None).await), ["a"]);
    let page = bench.page(&route, &plain(), ListKind::Tools, None).await;
    assert_eq!((missing(&page), names(&page, ListKind::Tools)), (vec![], vec!["a_x".to_owned()]));
    a.script(|script| script.broken_prompts = false);
    let end = Instant::now() + Duration::from_secs(20);
    while !missing(&bench.page(&route, &plain(), ListKind::Prompts, None).await).is_empty() {
        assert!(Instant::now() < end, "prompts never read again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
