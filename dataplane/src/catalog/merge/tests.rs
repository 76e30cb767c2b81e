use super::*;
use crate::catalog::page::cursor_name;
use bytes::Bytes;
use proptest::prelude::*;
use ringway_snapshot::{ObjectName, Override, Route, RouteBackend};
use ringway_testkit::objects;

pub(crate) fn backend(section: &str, prefix: &str) -> RouteBackend {
    objects::section(section, ObjectName::new("test", section), prefix)
}

pub(crate) fn route(backends: Vec<RouteBackend>) -> CompiledRoute {
    CompiledRoute::new(Arc::new(objects::route(ObjectName::new("test", "route"), backends)))
}

pub(crate) fn list(items: &[(&str, &str)]) -> Arc<BackendList> {
    let limits = Limits::default();
    let mut pages = super::super::list::Pages::new(ListKind::Tools, &limits);
    let items: Vec<String> = items.iter().map(|(name, more)| format!(r#"{{"name":"{name}"{more}}}"#)).collect();
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}],"ttlMs":1000,"cacheScope":"public"}}}}"#,
        items.join(",")
    );
    pages.take(&Bytes::from(text)).unwrap();
    Arc::new(pages.finish())
}

fn named(names: &[&str]) -> Arc<BackendList> {
    list(&names.iter().map(|name| (*name, "")).collect::<Vec<_>>())
}

fn here(list: Arc<BackendList>) -> Source {
    Source { list: Some(list), missing: false, trust_scope: true, watched: true }
}

fn seal(backend: BackendKey, name: &str) -> Option<String> {
    Some(format!("{}/{name}", backend.0))
}

fn merge(route: &CompiledRoute, sources: &[Source], previous: Option<&Merged>, page_bytes: usize) -> Merged {
    let limits = Limits { page_bytes, ..Limits::default() };
    Merged::new(route, ListKind::Tools, sources, previous, &Terms { modern: true, limits: &limits, seal: &seal })
}

struct Read {
    names: Vec<String>,
    cursor: Option<(BackendKey, String)>,
    page: serde_json::Value,
}

fn read(page: &[u8]) -> Read {
    let page: serde_json::Value = serde_json::from_slice(page).unwrap();
    let names =
        page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect();
    let cursor = page["nextCursor"].as_str().map(|text| {
        let (key, name) = text.split_once('/').unwrap();
        (BackendKey(key.parse().unwrap()), name.to_owned())
    });
    Read { names, cursor, page }
}

fn all(merged: &Merged) -> Vec<String> {
    walk(merged, |_| None)
}

/// Pages through, with another list from the given page on.
fn walk<'a>(first: &'a Merged, later: impl Fn(usize) -> Option<&'a Merged>) -> Vec<String> {
    let mut page = read(&first.start());
    let mut names = page.names;
    for n in 1..10_000 {
        let Some((backend, name)) = page.cursor else { return names };
        page = read(&later(n).unwrap_or(first).after(backend, &name).unwrap());
        names.extend(page.names);
    }
    panic!("a walk without an end");
}

#[test]
fn order_is_the_routes_and_then_the_servers() {
    let route = route(vec![backend("b", "b"), backend("a", "a")]);
    let merged = merge(&route, &[here(named(&["z", "y"])), here(named(&["z", "x"]))], None, 1 << 20);
    assert_eq!(all(&merged), ["b_z", "b_y", "a_z", "a_x"]);
    let page = read(&merged.start()).page;
    assert_eq!(
        (&page["resultType"], &page["ttlMs"], &page["cacheScope"]),
        (&"complete".into(), &1000.into(), &"public".into())
    );
    assert!(page.get("_meta").is_none());
}

#[test]
fn a_legacy_result_has_no_modern_members() {
    let route = route(vec![backend("a", "a")]);
    let limits = Limits::default();
    let merged = Merged::new(
        &route,
        ListKind::Tools,
        &[here(named(&["x"]))],
        None,
        &Terms { modern: false, limits: &limits, seal: &seal },
    );
    assert_eq!(merged.start(), r#"{"tools":[{"name":"a_x"}]}"#);
    let empty = Merged::new(
        &route,
        ListKind::Prompts,
        &[Source::default()],
        None,
        &Terms { modern: false, limits: &limits, seal: &seal },
    );
    assert_eq!(empty.start(), r#"{"prompts":[]}"#);
}

#[test]
fn a_contested_name_is_served_by_nobody() {
    let route = route(vec![backend("one", "gh"), backend("two", "gh_ent"), backend("three", "x")]);
    let sources = [here(named(&["ent_search", "a"])), here(named(&["search", "b"])), here(named(&["ent_search"]))];
    let merged = merge(&route, &sources, None, 1 << 20);
    assert_eq!(all(&merged), ["gh_a", "gh_ent_b", "x_ent_search"]);
    let want = Conflict { visible: "gh_ent_search".into(), sections: vec!["one".into(), "two".into()] };
    assert_eq!(merged.conflicts, [want]);
    assert_eq!(merged.owner("gh_ent_search"), Some(&Owner::Conflict));
    assert_eq!(merged.owner("gh_ent_b"), Some(&Owner::One { section: 1, own: "b".into() }));
    assert_eq!(merged.owner("gh_b"), None);
}

#[test]
fn what_is_missing_is_marked_and_makes_no_promise() {
    let mut spec = Route::clone(&route(vec![backend("a", "a"), backend("b", "b"), backend("c", "c")]).spec);
    let sources = [
        here(named(&["x"])),
        Source { missing: true, ..here(named(&["old"])) },
        Source { missing: true, ..Source::default() },
    ];
    let merged = merge(&CompiledRoute::new(Arc::new(spec.clone())), &sources, None, 1 << 20);
    let page = read(&merged.start());
    assert_eq!(page.names, ["a_x", "b_old"]);
    assert_eq!(page.page["_meta"], serde_json::json!({"dev.ringway/partial": {"missing": ["b", "c"]}}));
    assert_eq!((&page.page["ttlMs"], &page.page["cacheScope"]), (&0.into(), &"private".into()));
    assert_eq!(merged.failed, None);
    spec.on_backend_failure = OnBackendFailure::Fail;
    let merged = merge(&CompiledRoute::new(Arc::new(spec)), &sources, None, 1 << 20);
    assert_eq!(merged.failed.as_deref(), Some("b"));
}

#[test]
fn freshness_and_scope_need_every_backend() {
    let route = route(vec![backend("a", "a"), backend("b", "b")]);
    let of = |second: Source| {
        let page = read(&merge(&route, &[here(named(&["x"])), second], None, 1 << 20).start()).page;
        (page["ttlMs"].as_u64().unwrap(), page["cacheScope"].as_str().unwrap().to_owned())
    };
    assert_eq!(of(here(named(&["y"]))), (1000, "public".into()));
    assert_eq!(of(Source { watched: false, ..here(named(&["y"])) }), (0, "public".into()));
    assert_eq!(of(Source { trust_scope: false, ..here(named(&["y"])) }), (1000, "private".into()));
    assert_eq!(of(Source::default()), (1000, "public".into()));
}

#[test]
fn a_cursor_goes_on_where_its_gone_name_stood() {
    let route = route(vec![backend("a", "a"), backend("b", "b")]);
    let (key, other) = (route.sections[0].spec.key, route.sections[1].spec.key);
    // Every item is a page of its own.
    let old = merge(&route, &[here(named(&["p", "q", "r", "s"])), here(named(&["x"]))], None, 1);
    let without = |previous| merge(&route, &[here(named(&["p", "s"])), here(named(&["x"]))], previous, 1);
    let known = without(Some(&old));
    assert_eq!(read(&known.after(key, "r").unwrap()).names, ["a_s"]);
    assert_eq!(read(&known.after(key, "q").unwrap()).names, ["a_s"]);
    // Two generations later as well.
    let later = merge(&route, &[here(named(&["new", "p", "s"])), here(named(&["x"]))], Some(&known), 1);
    assert_eq!(read(&later.after(key, "r").unwrap()).names, ["a_s"]);
    // Unknown: that backend from its start. At the very end: an empty page. Another route's backend: refused.
    assert_eq!(read(&without(None).after(key, "r").unwrap()).names, ["a_p"]);
    let end = read(&known.after(other, "x").unwrap());
    assert!(end.names.is_empty() && end.cursor.is_none());
    assert!(known.after(BackendKey(7), "x").is_err());
    // The backend is on the route but has no list now.
    let down = merge(&route, &[Source { missing: true, ..Source::default() }, here(named(&["x"]))], Some(&old), 1);
    assert_eq!(read(&down.after(key, "q").unwrap()).names, ["b_x"]);
}

#[test]
fn a_very_long_name_fits_into_a_cursor() {
    let long = "n".repeat(4_000);
    assert!(cursor_name(&long).len() < 64);
    assert_eq!(cursor_name("short"), "short");
    let route = route(vec![backend("a", "a")]);
    let limits = Limits { page_bytes: 1, ..Limits::default() };
    let mut pages = super::super::list::Pages::new(ListKind::Templates, &limits);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"resourceTemplates":[{{"uriTemplate":"a://{long}"}},{{"uriTemplate":"a://{{x}}"}}]}}}}"#
    );
    pages.take(&Bytes::from(text)).unwrap();
    let merged = Merged::new(
        &route,
        ListKind::Templates,
        &[here(Arc::new(pages.finish()))],
        None,
        &Terms { modern: true, limits: &limits, seal: &seal },
    );
    let name = cursor_name(&format!("a://{long}"));
    let next = merged.after(route.sections[0].spec.key, &name).unwrap();
    assert!(next.starts_with(br#"{"resourceTemplates":[{"uriTemplate":"a+a://{x}"}"#));
}

#[test]
fn the_merged_limit_cuts() {
    let route = route(vec![backend("a", "a"), backend("b", "b")]);
    let limits = Limits { merged_items: 3, ..Limits::default() };
    let sources = [here(named(&["1", "2"])), here(named(&["3", "4"]))];
    let merged =
        Merged::new(&route, ListKind::Tools, &sources, None, &Terms { modern: true, limits: &limits, seal: &seal });
    let page = read(&merged.start());
    assert_eq!(page.names, ["a_1", "a_2", "b_3"]);
    assert_eq!(page.page["_meta"]["dev.ringway/partial"], serde_json::json!({"missing": [], "cut": ["b"]}));
}

fn renamed(name: &str, to: &str) -> Override {
    Override { name: name.into(), rename: Some(to.into()), description: None, annotations: None, timeout: None }
}

#[test]
fn hidden_items_are_stepped_over() {
    let mut one = backend("a", "a");
    one.tools.exclude = vec!["h*".into()];
    one.tools.overrides = vec![renamed("x", "y")];
    let route = route(vec![one]);
    let merged = merge(&route, &[here(named(&["h1", "x", "h2", "z", "h3"]))], None, 1);
    assert_eq!(all(&merged), ["a_y", "a_z"]);
    let key = route.sections[0].spec.key;
    assert_eq!(read(&merged.after(key, "h2").unwrap()).names, ["a_z"]);
    assert!(read(&merged.after(key, "h3").unwrap()).names.is_empty());
}

fn names(prefix: &'static str) -> impl Strategy<Value = Vec<(String, usize)>> {
    proptest::collection::vec((0_u8..40, 0_usize..60), 0..30).prop_map(move |picks| {
        let mut seen = std::collections::HashSet::new();
        picks.into_iter().filter(|(n, _)| seen.insert(*n)).map(|(n, pad)| (format!("{prefix}{n}"), pad)).collect()
    })
}

fn padded(names: &[(String, usize)]) -> Arc<BackendList> {
    let more: Vec<(String, String)> =
        names.iter().map(|(name, pad)| (name.clone(), format!(r#","d":"{}""#, "x".repeat(*pad)))).collect();
    list(&more.iter().map(|(name, more)| (name.as_str(), more.as_str())).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn every_item_comes_exactly_once(a in names("a"), b in names("b"), page_bytes in 1_usize..400) {
        let route = route(vec![backend("a", "p"), backend("b", "q")]);
        let merged = merge(&route, &[here(padded(&a)), here(padded(&b))], None, page_bytes);
        let want: Vec<String> = a.iter().map(|(n, _)| format!("p_{n}")).chain(b.iter().map(|(n, _)| format!("q_{n}"))).collect();
        prop_assert_eq!(all(&merged), want);
        // From any item, not only from where a page ended.
        for (index, (name, _)) in a.iter().enumerate() {
            let page = read(&merged.after(route.sections[0].spec.key, name).unwrap());
            let rest: Vec<String> = a[index + 1..].iter().map(|(n, _)| format!("p_{n}")).chain(b.iter().map(|(n, _)| format!("q_{n}"))).collect();
            prop_assert!(rest.starts_with(&page.names));
            prop_assert_eq!(page.names.is_empty(), rest.is_empty());
        }
    }

    /// Items that are there before and after a change come exactly once, wherever the change happens.
    #[test]
    fn a_change_in_between_loses_and_repeats_nothing_that_stays(
        a in names("a"), b in names("b"), gone in proptest::collection::vec(any::<bool>(), 40), added in names("n"),
        page_bytes in 1_usize..300, at in 1_usize..8,
    ) {
        let route = route(vec![backend("a", "p"), backend("b", "q")]);
        let old = merge(&route, &[here(padded(&a)), here(padded(&b))], None, page_bytes);
        let stays = |names: &[(String, usize)]| -> Vec<(String, usize)> {
            names.iter().zip(gone.iter().cycle()).filter(|(_, gone)| !**gone).map(|(name, _)| name.clone()).collect()
        };
        let (mut a2, b2) = (stays(&a), stays(&b));
        let split = a2.len() / 2;
        a2.splice(split..split, added.iter().cloned());
        let new = merge(&route, &[here(padded(&a2)), here(padded(&b2))], Some(&old), page_bytes);
        let got = walk(&old, |n| (n >= at).then_some(&new));
        for name in stays(&a).iter().map(|(n, _)| format!("p_{n}")).chain(b2.iter().map(|(n, _)| format!("q_{n}"))) {
            prop_assert_eq!(got.iter().filter(|one| **one == name).count(), 1, "{}", name);
        }
    }

    /// Whatever is not rewritten is the server's own bytes.
    #[test]
    fn items_outside_the_name_are_byte_equal(name in "[a-z]{1,8}", before in "[ -!#-\\[\\]-~]{0,20}", number in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,3})?") {
        let raw = format!(r#"{{ "k":"{before}" ,"n":{number}, "name":"{name}","tail":[ null ,{{"name":"x"}}]}}"#);
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{raw}]}}}}"#);
        let limits = Limits::default();
        let mut pages = super::super::list::Pages::new(ListKind::Tools, &limits);
        pages.take(&Bytes::from(text)).unwrap();
        let route = route(vec![backend("a", "p")]);
        let merged = Merged::new(&route, ListKind::Tools, &[here(Arc::new(pages.finish()))], None, &Terms { modern: false, limits: &limits, seal: &seal });
        let want = raw.replacen(&format!(r#""name":"{name}""#), &format!(r#""name":"p_{name}""#), 1);
        prop_assert_eq!(merged.start(), format!(r#"{{"tools":[{want}]}}"#));
    }
}
