//! How long a large cluster takes: `cargo test --release -p ringway-translate scale -- --ignored --nocapture`.

use std::sync::Arc;
use std::time::Instant;

use ringway_translate::install::ClusterInstall;
use ringway_translate::{Install, Object, World, translate};
use serde_json::{Value, json};

const NAMESPACES: usize = 50;
const BACKENDS: usize = 4000;
const ROUTES: usize = 2000;
/// All in one namespace, with 400 backends beside them.
const SELECTING: usize = 400;
const OTHERS: usize = 1200;

fn namespace(index: usize) -> String {
    format!("team-{}", index % NAMESPACES)
}

fn of(api_version: &str, kind: &str, namespace: &str, name: &str, body: Value) -> Value {
    let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "namespace": namespace, "name": name,
        "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "6f5902ac", "resourceVersion": "1" } });
    if let (Value::Object(object), Value::Object(body)) = (&mut object, body) {
        object.extend(body);
    }
    object
}

const RINGWAY: &str = "ringway.dev/v1alpha1";

fn route(namespace: &str, index: usize, mut spec: Value) -> Value {
    spec["path"] = json!(format!("/route-{index}"));
    spec["authentication"] = json!({ "anonymous": true });
    spec["authorization"] = json!("Open");
    of(RINGWAY, "MCPRoute", namespace, &format!("route-{index}"), json!({ "spec": spec }))
}

/// Some 10,000 objects.
fn objects() -> Vec<Value> {
    let mut all = Vec::new();
    for index in 0..BACKENDS {
        let service = json!({ "name": format!("service-{}", index % OTHERS), "port": 80 });
        let mut backend = of(
            RINGWAY,
            "MCPBackend",
            &namespace(index),
            &format!("backend-{index}"),
            json!({ "spec": { "service": service } }),
        );
        backend["metadata"]["labels"] = json!({ "team": "eng", "tier": (index % 7).to_string() });
        if index < 400 {
            backend["metadata"]["namespace"] = json!("selecting");
            backend["spec"] = json!({ "url": format!("https://mcp-{index}.example.com/mcp") });
        }
        all.push(backend);
    }
    for index in 0..ROUTES {
        let entries: Vec<_> = (0..4)
            .map(|nth| json!({ "ref": { "name": format!("backend-{}", 400 + (index + nth * NAMESPACES) % (BACKENDS - 400)) } }))
            .collect();
        all.push(route(&namespace(index), index, json!({ "backends": entries })));
    }
    for index in 0..SELECTING {
        let labels = json!({ "team": "eng", "tier": (index % 7).to_string() });
        all.push(route("selecting", ROUTES + index, json!({ "backendSelector": { "matchLabels": labels } })));
    }
    for index in 0..OTHERS {
        let (namespace, name) = (namespace(index), format!("service-{index}"));
        all.push(of("v1", "Service", &namespace, &name, json!({ "spec": { "ports": [{ "port": 80 }] } })));
        let mut slice = of(
            "discovery.k8s.io/v1",
            "EndpointSlice",
            &namespace,
            &name,
            json!({ "addressType": "IPv4",
            "endpoints": [{ "addresses": ["10.0.0.1"] }, { "addresses": ["10.0.0.2"] }], "ports": [{ "port": 8080 }] }),
        );
        slice["metadata"]["labels"] = json!({ "kubernetes.io/service-name": name });
        all.push(slice);
        all.push(of("v1", "Secret", &namespace, &name, json!({ "data": { "token": "c2VjcmV0" } })));
    }
    all
}

#[test]
#[ignore = "prints a figure, which means something in a release build on a quiet machine"]
fn scale_of_ten_thousand_objects() {
    let install: ClusterInstall = serde_json::from_value(json!({
        "namespace": "ringway-system", "name": "ringway", "routeNamespaces": ["*"], "secretNamespaces": ["*"],
        "ports": [80], "defaultListener": { "port": 80 },
    }))
    .expect("an install");
    let install = Install::Cluster(Box::new(install));
    let json = objects();
    let start = Instant::now();
    let objects: Vec<Arc<Object>> = json.iter().filter_map(|json| Object::from_json(json).0).map(Arc::new).collect();
    println!("{} objects read in {:?}", objects.len(), start.elapsed());
    assert_eq!(objects.len(), json.len());
    let start = Instant::now();
    let mut world = World::from_objects(objects.iter().map(Arc::clone));
    println!("a world made of them in {:?}", start.elapsed());
    let start = Instant::now();
    for object in objects.iter().take(1000) {
        world.insert(Arc::clone(object));
    }
    println!("1000 of them replaced in {:?}", start.elapsed());
    let start = Instant::now();
    let translation = translate(&world, &install, &|_| None);
    println!("translated in {:?}", start.elapsed());
    assert_eq!(translation.snapshot.routes.len(), ROUTES + SELECTING);
    assert_eq!(translation.verdicts.backends.len(), BACKENDS);
}
