//! Which namespaces are read.

use kube::core::DynamicObject;
use serde_json::{Value, json};

use super::*;
use crate::observe::store::Store;

fn list(store: &mut Store, kind: Kind, objects: &[Value]) {
    let objects =
        objects.iter().map(|object| serde_json::from_value::<DynamicObject>(object.clone()).expect("an object"));
    store.list(&Scope { kind, namespace: None }, 1, objects.collect());
}

fn backend(namespace: &str, secret_namespace: &str) -> Value {
    json!({ "apiVersion": "ringway.dev/v1alpha1", "kind": "MCPBackend",
        "metadata": { "name": "b", "namespace": namespace, "uid": namespace, "resourceVersion": "1" },
        "spec": { "url": "https://mcp.example.com/", "credentials": { "type": "Bearer", "bearer": { "secretRef":
            { "name": "token", "namespace": secret_namespace, "key": "t" } } } } })
}

fn namespace(name: &str, created: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace",
        "metadata": { "name": name, "uid": name, "resourceVersion": "1", "creationTimestamp": created } })
}

fn install() -> ClusterInstall {
    let text = json!({ "namespace": "ringway-system", "name": "ringway", "routeNamespaces": [], "secretNamespaces": [],
        "ports": [80], "defaultListener": { "port": 80, "tlsSecret": "tls" } });
    serde_json::from_value(text).expect("an install")
}

fn names(wanted: &Wanted) -> Vec<String> {
    wanted.references.iter().map(|(kind, name)| format!("{kind} {name}")).collect()
}

#[test]
fn only_what_may_be_referred_to_is_read_wherever_the_chart_bound_the_role() {
    let mut store = Store::default();
    let grant = json!({ "apiVersion": "gateway.networking.k8s.io/v1", "kind": "ReferenceGrant",
        "metadata": { "name": "g", "namespace": "vault", "uid": "g", "resourceVersion": "1" },
        "spec": { "from": [{ "group": "ringway.dev", "kind": "MCPBackend", "namespace": "granted" }],
            "to": [{ "group": "", "kind": "Secret", "name": "token" }] } });
    list(&mut store, Kind::ReferenceGrant, &[grant]);
    let backends =
        [backend("own", "own"), backend("granted", "vault"), backend("thief", "vault"), backend("maker", "made-up")];
    list(&mut store, Kind::MCPBackend, &backends);
    let found = wanted(&store.observed(), &install(), 10);
    assert_eq!(names(&found), ["Secret own/token", "Secret ringway-system/tls", "Secret vault/token"]);
    assert!(found.beyond.is_empty());
    list(&mut store, Kind::ReferenceGrant, &[]);
    assert_eq!(names(&wanted(&store.observed(), &install(), 10)), ["Secret own/token", "Secret ringway-system/tls"]);
}

#[test]
fn beyond_the_limit_the_younger_namespaces_are_told_so() {
    let mut store = Store::default();
    list(&mut store, Kind::MCPBackend, &[backend("a", "a"), backend("b", "b"), backend("c", "c")]);
    let namespaces = [
        namespace("a", "2026-03-01T00:00:00Z"),
        namespace("b", "2026-01-01T00:00:00Z"),
        namespace("c", "2026-02-01T00:00:00Z"),
    ];
    list(&mut store, Kind::Namespace, &namespaces);
    let found = wanted(&store.observed(), &install(), 3);
    assert_eq!(names(&found), ["Secret b/token", "Secret c/token", "Secret ringway-system/tls"]);
    let beyond = Scope { kind: Kind::Secret, namespace: Some("a".to_owned()) };
    assert_eq!(found.beyond, [beyond.clone()].into());
    store.beyond(found.beyond);
    let observed = store.observed();
    let unread: Vec<_> = observed.unread().collect();
    assert_eq!(unread, [(&beyond, ringway_translate::Unread::Limit(NARROW_CURSORS))]);
}
