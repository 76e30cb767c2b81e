//! Resources: walked page by page, over several backends.

use serde_json::Value;

use super::fake::{Fake, Paging, Script, resource};
use super::{Bench, missing, names, plain, short, told, until};
use crate::catalog::{KindSet, Limits, ListKind};
use crate::fault::Reason;

fn resources(prefix: &str, many: usize, paging: Paging) -> Script {
    let items = (0..many).map(|n| resource(&format!("{prefix}{n}"))).collect();
    Script { resources: Some(items), paging, ..Script::default() }
}

#[tokio::test]
async fn a_walk_gives_every_resource_once_in_route_order() {
    let a = Fake::start(resources("file:///a", 10, Paging::Of(3))).await;
    let none = Fake::tools(&["x"]).await;
    let b = Fake::start(resources("https://b/", 7, Paging::Of(2))).await;
    let mut bench = Bench::new(Limits { page_bytes: 250, ..short() });
    let route = bench.serve(&[("a", a.address), ("none", none.address), ("b", b.address)]);
    let (mut got, mut cursor, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page: Value = bench.page(&route, &plain(), ListKind::Resources, cursor.as_deref()).await;
        assert_eq!(missing(&page), Vec::<&str>::new());
        got.extend(names(&page, ListKind::Resources));
        pages += 1;
        cursor = page["nextCursor"].as_str().map(str::to_owned);
        if cursor.is_none() || pages > 50 {
            break;
        }
    }
    let want: Vec<String> =
        (0..10).map(|n| format!("a+file:///a{n}")).chain((0..7).map(|n| format!("https://b/{n}"))).collect();
    assert_eq!(got, want);
    assert!(pages > 3, "{pages}");
    assert_eq!(none.asked("resources/list"), 0);
}

#[tokio::test]
async fn a_walk_goes_round_a_backend_that_fails_and_ends_loops() {
    let a = Fake::start(resources("file:///a", 2, Paging::Loop)).await;
    let down = Fake::start(resources("file:///d", 2, Paging::Whole)).await;
    let b = Fake::start(resources("file:///b", 2, Paging::Whole)).await;
    down.set_down(true);
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address), ("d", down.address), ("b", b.address)]);
    let page = bench.page(&route, &plain(), ListKind::Resources, None).await;
    assert_eq!(missing(&page), ["d"]);
    // The loop's page came twice before it was known for one.
    assert_eq!(
        names(&page, ListKind::Resources),
        ["a+file:///a0", "a+file:///a1", "a+file:///a0", "a+file:///a1", "b+file:///b0", "b+file:///b1"]
    );
    assert!(page.get("nextCursor").is_none());
}

#[tokio::test]
async fn links_are_resolved_by_who_lists_them() {
    let a = Fake::start(resources("https://a/", 5, Paging::Of(2))).await;
    let b = Fake::start(resources("https://b/", 5, Paging::Of(2))).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address), ("b", b.address)]);
    assert_eq!(bench.catalog.resolve_uri(&route, &plain(), "https://b/4").await, Some(1));
    let asked = b.asked("resources/list");
    assert_eq!(bench.catalog.resolve_uri(&route, &plain(), "https://a/3").await, Some(0));
    // Unknown ones cost one walk in a while.
    for n in 0..20 {
        assert_eq!(bench.catalog.resolve_uri(&route, &plain(), &format!("https://c/{n}")).await, None);
    }
    assert_eq!(b.asked("resources/list"), asked);
}

#[tokio::test]
async fn changed_resources_are_told_and_lost_sessions_noticed() {
    let a = Fake::start(resources("file:///a", 2, Paging::Whole)).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    bench.page(&route, &plain(), ListKind::Resources, None).await;
    let mut changes = bench.catalog.changes(&route, &plain());
    until("watched", || a.streams() == 1).await;
    a.announce("resources", |_| {});
    assert_eq!(told(&mut changes).await, Some(KindSet::default().with(ListKind::Resources)));
    a.forget_sessions();
    until("a new session", || a.sessions() == 1).await;
    let page = bench.page(&route, &plain(), ListKind::Resources, None).await;
    assert_eq!(names(&page, ListKind::Resources).len(), 2);
}

#[tokio::test]
async fn a_walks_cursor_of_a_gone_backend_is_refused() {
    let a = Fake::start(resources("file:///a", 5, Paging::Of(2))).await;
    let b = Fake::tools(&["x"]).await;
    let mut bench = Bench::new(Limits { page_bytes: 50, ..short() });
    let route = bench.serve(&[("a", a.address)]);
    let page = bench.page(&route, &plain(), ListKind::Resources, None).await;
    let cursor = page["nextCursor"].as_str().unwrap().to_owned();
    let route = bench.serve(&[("b", b.address)]);
    let fault = bench.catalog.list(&route, &plain(), ListKind::Resources, Some(&cursor), &[]).await.unwrap_err();
    assert_eq!(fault.reason, Reason::State);
}
