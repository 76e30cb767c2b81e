use super::*;
use crate::catalog::merge::tests::{backend, route};
use crate::state::route::CompiledRoute;
use ringway_snapshot::Selection;

fn section(prefix: &str, edit: impl FnOnce(&mut ringway_snapshot::RouteBackend)) -> CompiledRoute {
    let mut one = backend("s", prefix);
    edit(&mut one);
    route(vec![one])
}

fn item(kind: ListKind, raw: &str) -> ListItem {
    let span = Span { start: 0, end: u32::try_from(raw.len()).unwrap() };
    let own = super::super::list::own_name(kind, raw.as_bytes(), span).unwrap();
    ListItem { own, raw: Bytes::copy_from_slice(raw.as_bytes()) }
}

fn shown(route: &CompiledRoute, kind: ListKind, raw: &str) -> Result<String, Option<DropReason>> {
    match show(&route.sections[0], kind, &item(kind, raw), true, &Limits::default()) {
        Shown::Hidden => Err(None),
        Shown::Out(why) => Err(Some(why)),
        Shown::Item(visible) => Ok(String::from_utf8(visible.raw.to_vec()).unwrap()),
    }
}

fn rule(name: &str) -> Override {
    Override { name: name.into(), rename: None, description: None, annotations: None, timeout: None }
}

#[test]
fn only_what_must_change_changes() {
    let gh = section("gh", |_| {});
    for (kind, raw, want) in [
        (ListKind::Tools, r#"{ "x" : 1e400,"name": "a" }"#, r#"{ "x" : 1e400,"name": "gh_a" }"#),
        (ListKind::Prompts, r#"{"name":"\u0061","description":null}"#, r#"{"name":"gh_a","description":null}"#),
        (
            ListKind::Templates,
            r#"{"uriTemplate":"repo://{owner}/{+path}","name":"n"}"#,
            r#"{"uriTemplate":"gh+repo://{owner}/{+path}","name":"n"}"#,
        ),
        (ListKind::Templates, r#"{"uriTemplate":"ui:\/\/{x}"}"#, r#"{"uriTemplate":"ui://gh+{x}"}"#),
        (ListKind::Resources, r#"{"uri":"https://x/y","name":"n"}"#, r#"{"uri":"https://x/y","name":"n"}"#),
        (ListKind::Resources, r#"{"uri":"file:///x","name":"n"}"#, r#"{"uri":"gh+file:///x","name":"n"}"#),
        (
            ListKind::Tools,
            r#"{"name":"a","_meta":{"ui/resourceUri":"ui://b","ui":{"resourceUri":"ui://b","k":[]},"uri":"ui://b"}}"#,
            r#"{"name":"gh_a","_meta":{"ui/resourceUri":"ui://gh+b","ui":{"resourceUri":"ui://gh+b","k":[]},"uri":"ui://b"}}"#,
        ),
    ] {
        assert_eq!(shown(&gh, kind, raw).as_deref(), Ok(want));
    }
    let bare = section("", |_| {});
    let raw = r#"{"name":"a","_meta":{"ui":{"resourceUri":"ui://b"}}}"#;
    assert_eq!(shown(&bare, ListKind::Tools, raw).as_deref(), Ok(raw));
}

#[test]
fn overrides_replace_texts_and_single_annotations() {
    let annotations = serde_json::json!({"readOnlyHint": true, "title": "T"}).as_object().cloned();
    let full = Override { rename: Some("b".into()), description: Some("new \"d\"".into()), annotations, ..rule("a") };
    let gh = section("gh", |one| one.tools.overrides = vec![full]);
    for (raw, want) in [
        (
            r#"{"name":"a","description":"old","annotations":{"readOnlyHint":false, "x":1}}"#,
            r#"{"name":"gh_b","description":"new \"d\"","annotations":{"readOnlyHint":true, "x":1,"title":"T"}}"#,
        ),
        (
            r#"{"name":"a"}"#,
            r#"{"name":"gh_b","description":"new \"d\"","annotations":{"readOnlyHint":true,"title":"T"}}"#,
        ),
        (
            r#"{"name":"a","annotations":{}}"#,
            r#"{"name":"gh_b","annotations":{"readOnlyHint":true,"title":"T"},"description":"new \"d\""}"#,
        ),
        (
            r#"{"name":"a","annotations":null}"#,
            r#"{"name":"gh_b","annotations":{"readOnlyHint":true,"title":"T"},"description":"new \"d\""}"#,
        ),
    ] {
        assert_eq!(shown(&gh, ListKind::Tools, raw).as_deref(), Ok(want));
    }
}

#[test]
fn reasons_to_leave_an_item_out() {
    let gh = section("gh", |one| {
        one.tools = Selection {
            include: None,
            exclude: vec!["secret*".into()],
            overrides: vec![Override { rename: Some("taken".into()), ..rule("a") }],
        };
        one.resource_templates.exclude.push("db://*".into());
    });
    let tool = |more: &str| format!(r#"{{"name":"t"{more}}}"#);
    let long = "x".repeat((16 << 10) + 1);
    let schema = format!(r#","inputSchema":{{"x":"{}"}}"#, "x".repeat(256 << 10));
    for (raw, want) in [
        (r#"{"name":"secret_1"}"#.to_owned(), None),
        (r#"{"name":"taken"}"#.to_owned(), Some(DropReason::Shadowed)),
        (r#"{"name":"ｔool"}"#.to_owned(), Some(DropReason::NameCharacters)),
        (r#"{"name":"a b"}"#.to_owned(), Some(DropReason::NameCharacters)),
        (format!(r#"{{"name":"{}"}}"#, "n".repeat(126)), Some(DropReason::NameCharacters)),
        (tool(r#","description":"a","description":"b""#), Some(DropReason::DuplicateKey)),
        (tool(&format!(r#","description":"{long}""#)), Some(DropReason::Description)),
        (tool(&schema), Some(DropReason::Schema)),
        (
            tool(r#","inputSchema":{"type":"object","properties":{"x":{"type":"number","x-mcp-header":"X"}}}"#),
            Some(DropReason::HeaderAnnotation),
        ),
    ] {
        assert_eq!(shown(&gh, ListKind::Tools, &raw), Err(want), "{}", raw.chars().take(80).collect::<String>());
    }
    assert_eq!(shown(&gh, ListKind::Templates, r#"{"uriTemplate":"db://{x}"}"#), Err(None));
    assert!(
        shown(&gh, ListKind::Tools, &tool(&format!(r#","description":"{}""#, long.strip_prefix("x").unwrap()))).is_ok()
    );
}

#[test]
fn header_annotations_count_for_modern_viewers_only() {
    let bare = section("", |_| {});
    let good = item(
        ListKind::Tools,
        r#"{"name":"t","inputSchema":{"type":"object","properties":{"x":{"type":"string","x-mcp-header":"Region"}}}}"#,
    );
    let bad = item(
        ListKind::Tools,
        r#"{"name":"t","inputSchema":{"type":"object","properties":{"x":{"type":"string","x-mcp-header":"a b"}}}}"#,
    );
    let limits = Limits::default();
    let of = |item: &ListItem, modern| match show(&bare.sections[0], ListKind::Tools, item, modern, &limits) {
        Shown::Item(visible) => visible.params.map(|params| params.len()),
        _ => Some(99),
    };
    assert_eq!(of(&good, true), Some(1));
    assert_eq!(of(&good, false), None);
    assert_eq!(of(&bad, true), Some(99));
    assert_eq!(of(&bad, false), None);
}
