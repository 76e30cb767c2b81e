use ringway_config_stream::Cursor;
use serde_json::json;

use super::*;

const ROUTES: Scope = Scope { kind: Kind::MCPRoute, namespace: None };

fn object(kind: Kind, name: &str, fields: &serde_json::Value) -> DynamicObject {
    let mut json = json!({
        "apiVersion": if kind == Kind::MCPRoute { "ringway.dev/v1alpha1" } else { "v1" }, "kind": kind.kind(),
        "metadata": { "name": name, "namespace": "tools", "uid": format!("uid-{name}") },
    });
    let metadata = fields.get("metadata").and_then(serde_json::Value::as_object).cloned().unwrap_or_default();
    json["metadata"].as_object_mut().expect("a map").extend(metadata);
    for (key, value) in fields.as_object().expect("a map").iter().filter(|(key, _)| *key != "metadata") {
        json[key] = value.clone();
    }
    serde_json::from_value(json).expect("an object")
}

fn route(name: &str, generation: i64, version: u64) -> DynamicObject {
    let fields = json!({
        "metadata": { "generation": generation, "resourceVersion": version.to_string() },
        "spec": { "path": format!("/{generation}"), "authentication": { "anonymous": true }, "authorization": "Open" },
        "status": { "observedGeneration": version },
    });
    object(Kind::MCPRoute, name, &fields)
}

fn secret(name: &str, version: u64) -> DynamicObject {
    let fields = json!({ "metadata": { "resourceVersion": version.to_string() }, "data": {} });
    object(Kind::Secret, name, &fields)
}

fn cursor(store: &Store, kind: Kind) -> Cursor {
    let name = if kind == Kind::Secret { "Secret/tools" } else { kind.kind() };
    store.observed().position().0.get(name).copied().unwrap_or_default()
}

#[test]
fn a_status_is_no_change_of_the_configuration() {
    let mut store = Store::default();
    assert_eq!(store.list(&ROUTES, 0, vec![route("a", 1, 5)]), Change::Config);
    let before = cursor(&store, Kind::MCPRoute);
    let object = store.observed().find(Kind::MCPRoute, &ObjectName::new("tools", "a")).cloned();
    assert_eq!(before.revision, 5);
    assert_eq!(store.apply(Kind::MCPRoute, route("a", 1, 9)), Change::Status);
    assert_eq!(cursor(&store, Kind::MCPRoute), before, "neither the revision nor the fingerprint moved");
    let later = store.observed().find(Kind::MCPRoute, &ObjectName::new("tools", "a")).cloned();
    let (object, later) = (object.expect("there"), later.expect("there"));
    assert_eq!(later.status["observedGeneration"], 9);
    let (object, later) = (object.object.as_ref().expect("read"), later.object.as_ref().expect("read"));
    assert!(Arc::ptr_eq(object, later), "it was not converted again");
    assert_eq!(store.apply(Kind::MCPRoute, route("a", 2, 10)), Change::Config);
    assert_eq!(cursor(&store, Kind::MCPRoute).revision, 10);
    assert_ne!(cursor(&store, Kind::MCPRoute).fingerprint, before.fingerprint);
}

#[test]
fn an_event_that_is_older_than_what_is_held_says_nothing() {
    let mut store = Store::default();
    store.list(&ROUTES, 0, vec![route("a", 2, 9)]);
    assert_eq!(store.apply(Kind::MCPRoute, route("a", 1, 8)), Change::Nothing);
    assert_eq!(store.refresh(Kind::MCPRoute, route("a", 2, 10)), Change::Status, "an answer to a write");
    let before = cursor(&store, Kind::MCPRoute);
    assert_eq!(store.refresh(Kind::MCPRoute, route("a", 3, 11)), Change::Nothing, "the watch may not be there yet");
    assert_eq!(cursor(&store, Kind::MCPRoute), before);
    store.delete(Kind::MCPRoute, &route("a", 2, 11));
    assert_eq!(store.refresh(Kind::MCPRoute, route("a", 2, 12)), Change::Nothing, "gone stays gone");
    assert_eq!(store.observed().count(Kind::MCPRoute), 0);
}

#[test]
fn equal_sets_have_equal_fingerprints_whatever_was_seen_before() {
    let (mut one, mut two) = (Store::default(), Store::default());
    one.list(&ROUTES, 0, vec![route("a", 1, 5), route("b", 1, 6)]);
    one.apply(Kind::MCPRoute, route("c", 1, 7));
    one.delete(Kind::MCPRoute, &route("b", 1, 8));
    two.list(&ROUTES, 0, vec![route("c", 1, 7), route("a", 1, 5)]);
    assert_eq!(cursor(&one, Kind::MCPRoute).fingerprint, cursor(&two, Kind::MCPRoute).fingerprint);
    assert_eq!((cursor(&one, Kind::MCPRoute).revision, cursor(&two, Kind::MCPRoute).revision), (8, 7));
    one.delete(Kind::MCPRoute, &route("a", 1, 9));
    one.delete(Kind::MCPRoute, &route("c", 1, 10));
    assert_eq!(cursor(&one, Kind::MCPRoute), Cursor { revision: 10, fingerprint: 0 });
}

#[test]
fn a_list_replaces_its_scope_even_by_older_objects() {
    let mut store = Store::default();
    store.list(&ROUTES, 0, vec![route("a", 1, 50), route("b", 1, 60)]);
    assert_eq!(store.list(&ROUTES, 0, vec![route("a", 1, 50), route("b", 1, 60)]), Change::Nothing);
    // A restored etcd: lower numbers, and they are right.
    assert_eq!(store.list(&ROUTES, 0, vec![route("a", 3, 20)]), Change::Config);
    let observed = store.observed();
    assert_eq!(observed.find(Kind::MCPRoute, &ObjectName::new("tools", "a")).map(|entry| entry.generation), Some(3));
    assert_eq!(observed.count(Kind::MCPRoute), 1);
}

#[test]
fn only_named_secrets_are_kept() {
    let scope = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    let name = ObjectName::new("tools", "token");
    let mut store = Store::default();
    store.want([(Kind::Secret, name)].into());
    assert_eq!(store.list(&scope, 0, vec![secret("token", 3), secret("other", 4)]), Change::Config);
    assert_eq!(store.apply(Kind::Secret, secret("other", 5)), Change::Nothing);
    assert_eq!(store.observed().count(Kind::Secret), 1);
    assert_eq!(cursor(&store, Kind::Secret).revision, 3, "what nobody names does not count");
    assert_eq!(store.want(BTreeSet::new()), Change::Config);
    assert_eq!(store.observed().count(Kind::Secret), 0);
}

#[test]
fn secrets_that_may_not_be_read_any_more_go_and_are_not_spoken_of() {
    let scope = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    let named = |name: &str| (Kind::Secret, ObjectName::new("tools", name));
    let mut store = Store::default();
    store.want([named("token"), named("late")].into());
    store.list(&scope, 0, vec![secret("token", 3)]);
    assert!(store.ask(&scope, ["late".to_owned()].into_iter()) && store.holds(&scope));
    assert_eq!(store.trouble(&scope, Trouble::Failing), Change::Nothing);
    assert!(store.holds(&scope), "it will pass");
    assert_eq!(store.trouble(&scope, Trouble::Forbidden), Change::Config);
    assert_eq!(store.trouble(&scope, Trouble::Forbidden), Change::Nothing, "told once");
    let observed = store.observed();
    assert!(observed.forbidden.contains(&scope) && !store.holds(&scope));
    assert!(!observed.position().0.contains_key("Secret/tools"), "as if it had never been let in");
    assert!(store.is_settled(&scope, false) && store.pending(&scope).is_empty(), "nothing is waited for");
    assert!(!store.ask(&scope, ["late".to_owned()].into_iter()), "nor asked for");
    assert_eq!(store.list(&scope, 9, vec![secret("token", 3)]), Change::Config, "it may be read again");
    assert!(store.observed().forbidden.is_empty() && store.holds(&scope));
    assert_eq!(cursor(&store, Kind::Secret).revision, 9);
}

#[test]
fn what_is_to_be_listed_anew_is_waited_for() {
    let narrow = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    let absent = Scope { kind: Kind::ReferenceGrant, namespace: None };
    let mut store = Store::default();
    store.list(&ROUTES, 1, vec![]);
    store.list(&narrow, 1, vec![]);
    store.trouble(&absent, Trouble::Absent);
    assert_eq!(store.awaited().count(), 0);
    store.await_lists();
    assert_eq!(store.awaited().collect::<Vec<_>>(), [&ROUTES, &narrow]);
    store.trouble(&ROUTES, Trouble::Failing);
    assert_eq!(store.awaited().count(), 2, "no answer is no list");
    store.list(&ROUTES, 2, vec![]);
    // Nobody names anything there any more.
    store.forget(&narrow);
    assert_eq!(store.awaited().count(), 0);
}

#[test]
fn an_optional_kind_that_is_no_more_takes_its_objects_along() {
    let scope = Scope { kind: Kind::ReferenceGrant, namespace: None };
    let mut store = Store::default();
    assert!(!store.is_listed(&scope));
    assert_eq!(store.trouble(&scope, Trouble::Absent), Change::Nothing);
    assert!(store.is_listed(&scope), "nothing more to wait for");
    let absent = store.trouble(&ROUTES, Trouble::Absent);
    assert!(absent == Change::Nothing && !store.is_listed(&ROUTES), "our own kinds are waited for");
}

#[test]
fn a_list_says_how_far_it_was_seen_though_what_was_deleted_cannot() {
    let (mut before, mut restarted) = (Store::default(), Store::default());
    before.list(&ROUTES, 100, vec![route("a", 1, 50)]);
    before.apply(Kind::MCPRoute, route("b", 1, 120));
    // `b` was deleted at 130, while nobody looked.
    restarted.list(&ROUTES, 131, vec![route("a", 1, 50)]);
    let offered = restarted.observed().position().offered_to(&before.observed().position());
    assert_eq!(offered, ringway_config_stream::Comparison::NotOlder, "a pod takes it at once");
    // The other learns of it by a list, too, and its pods do not go back to who lags.
    let lagging = before.observed().position();
    before.list(&ROUTES, 131, vec![route("a", 1, 50)]);
    let back = lagging.offered_to(&before.observed().position());
    assert_eq!(back, ringway_config_stream::Comparison::Older(vec!["MCPRoute".to_owned()]));
}

#[test]
fn a_namespace_lags_by_itself() {
    let tools = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    let other = Scope { kind: Kind::Secret, namespace: Some("other".to_owned()) };
    let in_other = |version: u64| {
        let meta = json!({ "namespace": "other", "resourceVersion": version.to_string() });
        object(Kind::Secret, "s2", &json!({ "metadata": meta, "data": {} }))
    };
    let replica = || {
        let mut store = Store::default();
        store.want(
            [("tools", "s1"), ("other", "s2")].map(|(ns, name)| (Kind::Secret, ObjectName::new(ns, name))).into(),
        );
        store.list(&tools, 10, vec![secret("s1", 5)]);
        store.list(&other, 10, vec![in_other(6)]);
        store
    };
    let (mut ahead, mut lags) = (replica(), replica());
    ahead.apply(Kind::Secret, secret("s1", 100));
    ahead.apply(Kind::Secret, in_other(101));
    lags.apply(Kind::Secret, in_other(101));
    let offered = lags.observed().position().offered_to(&ahead.observed().position());
    assert_eq!(offered, ringway_config_stream::Comparison::Older(vec!["Secret/tools".to_owned()]));
    ahead.forget(&tools);
    assert!(!ahead.observed().position().0.contains_key("Secret/tools"), "nobody names one there any more");
}

#[test]
fn what_was_passed_by_is_asked_for_and_a_ghost_is_not_taken() {
    let scope = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    let want = |names: &[&str]| names.iter().map(|name| (Kind::Secret, ObjectName::new("tools", *name))).collect();
    let names = |name: &str| BTreeSet::from([name.to_owned()]);
    let mut store = Store::default();
    store.want(want(&["a"]));
    assert!(!store.ask(&scope, ["a".to_owned()].into_iter()), "its first list brings it");
    assert!(!store.is_settled(&scope, true));
    store.list(&scope, 10, vec![secret("a", 3), secret("b", 4)]);
    store.want(want(&["a", "b"]));
    assert!(store.ask(&scope, ["b".to_owned()].into_iter()) && store.pending(&scope) == names("b"));
    assert!(!store.is_settled(&scope, true), "a moment's wait");
    // Deleted at 20; the answer is of 15.
    store.delete(Kind::Secret, &secret("b", 20));
    assert_eq!(store.answered(&scope, 15, &names("b"), vec![secret("b", 4)]), Change::Nothing);
    assert!(store.observed().count(Kind::Secret) == 1 && store.pending(&scope) == names("b"), "asked once more");
    store.unanswered(&scope);
    assert!(store.is_settled(&scope, true), "in vain: nobody waits for it any more");
    assert_eq!(store.answered(&scope, 30, &names("b"), vec![secret("b", 25)]), Change::Config);
    assert!(store.pending(&scope).is_empty() && store.observed().count(Kind::Secret) == 2);
    assert_eq!(cursor(&store, Kind::Secret).revision, 30);
}

#[test]
fn a_list_in_trouble_is_waited_for_once() {
    let scope = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    let mut store = Store::default();
    store.expect(&scope);
    assert!(!store.is_settled(&scope, true));
    store.trouble(&scope, Trouble::Failing);
    assert!(!store.is_settled(&scope, false) && store.is_settled(&scope, true));
    assert!(store.observed().position().0.contains_key("Secret/tools"), "who has more keeps it");
    store.trouble(&scope, Trouble::Forbidden);
    assert!(store.is_settled(&scope, false), "it may not be read, and that is an answer");
    assert!(!store.observed().position().0.contains_key("Secret/tools"));
}
