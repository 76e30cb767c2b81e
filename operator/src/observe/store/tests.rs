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
    store.observed().position().0.get(kind.kind()).copied().unwrap_or_default()
}

#[test]
fn a_status_is_no_change_of_the_configuration() {
    let mut store = Store::default();
    assert_eq!(store.list(&ROUTES, vec![route("a", 1, 5)]), Change::Config);
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
    store.list(&ROUTES, vec![route("a", 2, 9)]);
    assert_eq!(store.apply(Kind::MCPRoute, route("a", 1, 8)), Change::Nothing);
    assert_eq!(store.refresh(Kind::MCPRoute, route("a", 2, 10)), Change::Status, "an answer to a write");
    store.delete(Kind::MCPRoute, &route("a", 2, 11));
    assert_eq!(store.refresh(Kind::MCPRoute, route("a", 2, 12)), Change::Nothing, "gone stays gone");
    assert_eq!(store.observed().count(Kind::MCPRoute), 0);
}

#[test]
fn equal_sets_have_equal_fingerprints_whatever_was_seen_before() {
    let (mut one, mut two) = (Store::default(), Store::default());
    one.list(&ROUTES, vec![route("a", 1, 5), route("b", 1, 6)]);
    one.apply(Kind::MCPRoute, route("c", 1, 7));
    one.delete(Kind::MCPRoute, &route("b", 1, 8));
    two.list(&ROUTES, vec![route("c", 1, 7), route("a", 1, 5)]);
    assert_eq!(cursor(&one, Kind::MCPRoute).fingerprint, cursor(&two, Kind::MCPRoute).fingerprint);
    assert_eq!((cursor(&one, Kind::MCPRoute).revision, cursor(&two, Kind::MCPRoute).revision), (8, 7));
    one.delete(Kind::MCPRoute, &route("a", 1, 9));
    one.delete(Kind::MCPRoute, &route("c", 1, 10));
    assert_eq!(cursor(&one, Kind::MCPRoute), Cursor { revision: 10, fingerprint: 0 });
}

#[test]
fn a_list_replaces_its_scope_even_by_older_objects() {
    let mut store = Store::default();
    store.list(&ROUTES, vec![route("a", 1, 50), route("b", 1, 60)]);
    assert_eq!(store.list(&ROUTES, vec![route("a", 1, 50), route("b", 1, 60)]), Change::Nothing);
    // A restored etcd: lower numbers, and they are right.
    assert_eq!(store.list(&ROUTES, vec![route("a", 3, 20)]), Change::Config);
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
    assert_eq!(store.list(&scope, vec![secret("token", 3), secret("other", 4)]), Change::Config);
    assert_eq!(store.apply(Kind::Secret, secret("other", 5)), Change::Nothing);
    assert_eq!(store.observed().count(Kind::Secret), 1);
    assert_eq!(cursor(&store, Kind::Secret).revision, 3, "what nobody names does not count");
    assert_eq!(store.want(BTreeSet::new()), Change::Config);
    assert_eq!(store.observed().count(Kind::Secret), 0);
}

#[test]
fn a_forbidden_list_is_told_once_and_keeps_what_is_held() {
    let scope = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    let mut store = Store::default();
    store.want([(Kind::Secret, ObjectName::new("tools", "token"))].into());
    store.list(&scope, vec![secret("token", 3)]);
    assert_eq!(store.trouble(&scope, Trouble::Forbidden), Change::Config);
    assert_eq!(store.trouble(&scope, Trouble::Forbidden), Change::Nothing);
    assert!(store.observed().forbidden.contains(&scope) && store.is_listed(&scope));
    assert_eq!(store.observed().count(Kind::Secret), 1);
    assert_eq!(store.list(&scope, vec![secret("token", 3)]), Change::Config, "it may be read again");
    assert!(store.observed().forbidden.is_empty());
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
