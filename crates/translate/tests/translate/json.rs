//! Objects as an API server sends them: the same reading as of YAML.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use ringway_translate::{Install, Object, Problem, World, parse_documents, translate};
use serde_json::{Value, json};

/// The documents of a file as JSON, each with what an API server adds.
fn as_json(text: &str) -> Vec<Value> {
    text.split("\n---\n")
        .filter(|document| document.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#')))
        .map(|document| {
            let mut json: Value = serde_yaml::from_str(document).expect("an example is YAML");
            json["metadata"]["uid"] = json!("0f8f0e52");
            json["metadata"]["managedFields"] = json!([{ "manager": "kubectl", "fieldsV1": { "f:spec": {} } }]);
            json["metadata"]["deletionGracePeriodSeconds"] = json!(30);
            json["status"] = json!({ "conditions": [], "surprise": null });
            json
        })
        .collect()
}

fn read(json: &[Value]) -> (World, Vec<Problem>) {
    let (objects, problems): (Vec<_>, Vec<_>) = json.iter().map(Object::from_json).unzip();
    (World::from_objects(objects.into_iter().flatten()), problems.concat())
}

#[test]
fn every_example_gives_the_same_snapshot_as_its_yaml() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let files: Vec<_> = fs::read_dir(root)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>())
        .expect("the documentation can be read");
    let env = |_: &str| Some("value".to_owned());
    let mut count = 0;
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let text = fs::read_to_string(file).expect("an example can be read");
        let (objects, _) = parse_documents("x.yaml", &text);
        let yaml = translate(&World::from_objects(objects), &Install::Standalone, &env).snapshot;
        let (world, problems) = read(&as_json(&text));
        assert_eq!(problems, []);
        let json = translate(&world, &Install::Standalone, &env).snapshot;
        assert_eq!(json.backends, yaml.backends, "{}", file.display());
        assert_eq!(json.routes, yaml.routes, "{}", file.display());
        count += 1;
    }
    assert!(count >= 5, "the examples are gone");
}

fn problems(json: &Value) -> Vec<String> {
    Object::from_json(json).1.iter().map(ToString::to_string).collect()
}

fn backend(spec: &Value) -> Value {
    json!({
        "apiVersion": "ringway.dev/v1alpha1",
        "kind": "MCPBackend",
        "metadata": { "name": "b", "namespace": "t", "uid": "x", "generation": 3 },
        "spec": spec,
    })
}

#[test]
fn misfits_are_told_without_a_line() {
    assert_eq!(
        problems(&backend(&json!({ "host": false, "tls": null, "limits": { "maxConnections": 1e30 } }))),
        [
            "cluster: MCPBackend t/b: spec.limits.maxConnections: InvalidValue: the number does not fit into 64 bits; quote it",
            "cluster: MCPBackend t/b: spec.tls: InvalidValue: has no value: write one, or leave the field out",
            "cluster: MCPBackend t/b: spec.host: InvalidValue: expected a string, found the boolean false; quote it",
        ]
    );
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let told = problems(&backend(&json!({ "url": deep })));
    assert!(told.iter().any(|problem| problem.ends_with("is too deep: at most 64 levels")), "{told:?}");
    for strange in [json!(null), json!([]), json!({}), json!({ "apiVersion": 1, "kind": {} }), json!("x")] {
        assert!(!problems(&strange).is_empty());
    }
}

#[test]
fn a_broken_object_keeps_its_problems() {
    let (object, problems) = Object::from_json(&backend(&json!({ "ulr": "x" })));
    let object = object.expect("it has a name");
    assert_eq!(object.problems(), problems);
    assert_eq!(object.file(), "cluster");
}

#[test]
fn a_world_is_kept_up_to_date() {
    let route = json!({
        "apiVersion": "ringway.dev/v1alpha1",
        "kind": "MCPRoute",
        "metadata": { "name": "r", "namespace": "t" },
        "spec": {
            "backends": [{ "ref": { "name": "b" } }],
            "authentication": { "anonymous": true },
            "authorization": "Open",
        },
    });
    let service = json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s", "namespace": "t" },
        "spec": { "ports": [{ "port": 80 }] } });
    let slice = |service: &str, address: &str| {
        json!({ "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": "s-1", "namespace": "t", "labels": { "kubernetes.io/service-name": service } },
            "addressType": "IPv4", "endpoints": [{ "addresses": [address] }], "ports": [{ "port": 8080 }] })
    };
    let b = backend(&json!({ "service": { "name": "s", "port": 80 } }));
    let object = |json: &Value| Arc::new(Object::from_json(json).0.expect("it has a name"));
    let endpoints = |world: &World| {
        let snapshot = translate(world, &Install::Standalone, &|_| None).snapshot;
        serde_json::to_value(&snapshot).expect("plain data")["backends"]["t/b"]["target"]["Http"]["endpoints"].clone()
    };
    let (mut world, _) = read(&[route, service, b, slice("s", "10.0.0.1")]);
    assert_eq!(endpoints(&world), json!(["10.0.0.1:8080"]));
    world.insert(object(&slice("s", "10.0.0.2")));
    assert_eq!(endpoints(&world), json!(["10.0.0.2:8080"]));
    world.insert(object(&slice("other", "10.0.0.2")));
    assert_eq!(endpoints(&world), json!([]));
    world.insert(object(&slice("s", "10.0.0.3")));
    let id = object(&slice("s", "10.0.0.3")).id().clone();
    world.remove(&id);
    world.remove(&id);
    assert_eq!(endpoints(&world), json!([]));
    assert_eq!(world.len(), 3);
}
