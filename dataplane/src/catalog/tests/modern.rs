//! Lists of modern servers, and servers of the other era.

use ringway_mcp::capability::ClientCapabilities as C;
use serde_json::json;

use super::fake::{Fake, Script, tool};
use super::{Bench, LEGACY, missing, modern, names, plain, short, told, until, viewer};
use crate::catalog::{KindSet, ListKind, Presence};

fn script(names: &[&str]) -> Script {
    Script { modern: true, tools: names.iter().map(|name| tool(name)).collect(), ..Script::default() }
}

#[tokio::test]
async fn a_modern_list_is_read_watched_and_marked() {
    let a = Fake::start(script(&["x"])).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    assert_eq!(bench.tools(&route, &modern()).await, ["a_x"]);
    until("subscribed", || a.streams() == 1).await;
    // The promise of freshness comes with the subscription.
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let page = bench.page(&route, &modern(), ListKind::Tools, None).await;
        if page["ttlMs"] == 60_000 {
            assert_eq!((&page["resultType"], &page["cacheScope"]), (&json!("complete"), &json!("public")));
            break;
        }
        assert!(tokio::time::Instant::now() < end, "{page}");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut changes = bench.catalog.changes(&route, &modern());
    a.announce("tools", |script| script.tools.push(tool("y")));
    assert_eq!(told(&mut changes).await, Some(KindSet::default().with(ListKind::Tools)));
    assert_eq!(bench.tools(&route, &modern()).await, ["a_x", "a_y"]);
    assert_eq!((a.asked("initialize"), a.asked("server/discover"), a.asked("subscriptions/listen")), (0, 1, 1));
}

#[tokio::test]
async fn a_server_of_the_other_era_is_missing_until_it_changes() {
    let (old, new) = (Fake::tools(&["x"]).await, Fake::start(script(&["y"])).await);
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("old", old.address), ("new", new.address)]);
    let page = bench.page(&route, &plain(), ListKind::Tools, None).await;
    assert_eq!((missing(&page), names(&page, ListKind::Tools)), (vec!["new"], vec!["old_x".to_owned()]));
    let page = bench.page(&route, &modern(), ListKind::Tools, None).await;
    assert_eq!((missing(&page), names(&page, ListKind::Tools)), (vec!["old"], vec!["new_y".to_owned()]));
    let hello = bench.catalog.hello(&route, &plain(), std::time::Duration::ZERO).await;
    assert_eq!((hello.sections[0].state, hello.sections[1].state), (Presence::Up, Presence::OtherEra));
    let facts = hello.sections[0].facts.as_ref().unwrap();
    assert_eq!(facts.revision, LEGACY);
    assert_eq!(facts.instructions.as_deref(), Some("Be \"kind\"."));
    assert_eq!(facts.capabilities_raw(), br#"{"tools":{"listChanged":true}}"#);
    assert_eq!(facts.server_info_raw(), Some(&br#"{"name":"fake","version":"1"}"#[..]));
    assert!(hello.sections[1].facts.is_none());
    let hello = bench.catalog.hello(&route, &modern(), std::time::Duration::ZERO).await;
    assert_eq!(
        hello.sections[1].facts.as_ref().unwrap().server_info_raw(),
        Some(&br#"{"name":"fake","version":"2"}"#[..])
    );
}

#[tokio::test]
async fn a_tool_with_a_broken_annotation_is_for_legacy_viewers_only() {
    let broken = json!({"name": "b", "inputSchema": {"type": "object", "properties": {"x": {"type": "array", "x-mcp-header": "X"}}}});
    let good = json!({"name": "g", "inputSchema": {"type": "object", "properties": {"x": {"type": "string", "x-mcp-header": "X"}}}});
    let a = Fake::start(Script { modern: true, tools: vec![broken.clone(), good], ..Script::default() }).await;
    let old = Fake::start(Script { tools: vec![broken], ..Script::default() }).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address), ("old", old.address)]);
    assert_eq!(bench.tools(&route, &modern()).await, ["a_g"]);
    assert_eq!(bench.tools(&route, &plain()).await, ["old_b"]);
    let headers = bench.catalog.param_headers(&route, &modern(), 0, "g").unwrap();
    assert_eq!(headers.len(), 1);
    assert!(bench.catalog.param_headers(&route, &modern(), 0, "b").is_none());
    assert!(bench.catalog.param_headers(&route, &plain(), 0, "g").is_none());
    let dropped = bench.catalog.dropped(&route, &modern(), ListKind::Tools);
    assert_eq!(dropped.len(), 1);
    assert_eq!(dropped[0].1.why.as_str(), "header_annotation");
}

#[tokio::test]
async fn capabilities_travel_with_each_modern_request() {
    let a = Fake::start(Script { by_capabilities: true, ..script(&["x"]) }).await;
    let mut bench = Bench::new(short());
    let route = bench.serve(&[("a", a.address)]);
    let able = viewer(modern().revision, C(C::SAMPLING.0 | C::ELICITATION.0));
    assert_eq!(bench.tools(&route, &able).await, ["a_x", "a_sampling", "a_elicitation"]);
    assert_eq!(bench.tools(&route, &modern()).await, ["a_x"]);
}
