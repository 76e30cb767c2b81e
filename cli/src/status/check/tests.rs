//! Whole looks at an install, each with one thing wrong: what is said of it.

mod objects;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, from_value, json};

use super::report;
use crate::cluster::ClusterError;
use crate::cluster::install::{Found, Install, Searched};
use crate::status::facts::{Facts, Gateways, InstallFacts, KubernetesVersion, Named, OURS, Objects, Scope, Secrets};
use crate::status::report::{Level, Report};

const VERSION: &str = "1.2.3";

fn forbidden() -> ClusterError {
    ClusterError::Refused { status: 403, message: "it is forbidden: User \"eve\" cannot".to_owned() }
}

fn now() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> String {
    (now() - SignedDuration::from_secs(seconds)).to_string()
}

fn definition(kind: &str) -> Value {
    let kind = OURS.into_iter().find(|one| one.kind() == kind).unwrap();
    let mut definition = ringway_crds::manifest::of(kind).unwrap();
    definition["status"] = json!({ "conditions": [{ "type": "Established", "status": "True" }] });
    definition
}

fn deployment(name: &str) -> Value {
    json!({
        "metadata": {
            "name": name, "namespace": "gw", "generation": 2, "labels": { "app.kubernetes.io/version": VERSION },
        },
        "spec": { "replicas": 2, "selector": {}, "template": { "spec": { "containers": [] } } },
        "status": { "observedGeneration": 2, "availableReplicas": 2, "updatedReplicas": 2, "replicas": 2 },
    })
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "namespace": "gw" },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }], "containerStatuses": [] },
    })
}

fn lease() -> Value {
    json!({
        "metadata": { "name": "edge-operator" },
        "spec": { "holderIdentity": "edge-operator-1", "leaseDurationSeconds": 15, "renewTime": ago(3) },
    })
}

fn certificate(days: i64) -> Value {
    let mut parameters = rcgen::CertificateParams::default();
    let at = |days: i64| {
        rcgen::date_time_ymd(1970, 1, 1)
            + std::time::Duration::from_secs(u64::try_from(now().as_second() + days * 86_400).unwrap())
    };
    (parameters.not_before, parameters.not_after) = (at(-100), at(days));
    let key = rcgen::KeyPair::generate().unwrap();
    secret(&[("tls.crt", &parameters.self_signed(&key).unwrap().pem()), ("tls.key", "k")])
}

fn secret(fields: &[(&str, &str)]) -> Value {
    use base64::Engine as _;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let data: BTreeMap<_, _> = fields.iter().map(|(key, text)| (*key, encode(text))).collect();
    json!({ "metadata": { "name": "s" }, "data": data })
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    from_value(value).unwrap()
}

fn install() -> InstallFacts {
    let named = |name: &str, secret: Value| Named { name: name.to_owned(), looked: Ok(Some(read(secret))) };
    let config = json!({ "generation": 1, "listeners": {}, "backends": {}, "routes": { "tools/x": {} } });
    InstallFacts {
        install: Install { namespace: "gw".into(), name: "edge".into(), instance: "edge".into() },
        operator: read(deployment("edge-operator")),
        operator_pods: Ok(vec![read(pod("edge-operator-1")), read(pod("edge-operator-2"))]),
        lease: Ok(Some(read(lease()))),
        data_plane: Ok(Some(read(deployment("edge-dataplane")))),
        pods: Ok(vec![read(pod("a")), read(pod("b"))]),
        services: Ok(vec![read(json!({ "metadata": { "name": "edge" }, "spec": { "ports": [{ "port": 80 }] } }))]),
        secrets: Some(Secrets {
            authority: named("edge-ca", certificate(300)),
            data_plane: named("edge-dataplane-tls", certificate(300)),
            keys: named("edge-session-keys", secret(&[("keys", &ringway_seal::generate_file_text().unwrap())])),
            keys_key: "keys".to_owned(),
        }),
        configs: [("a".to_owned(), Ok(config.clone())), ("b".to_owned(), Ok(config))].into(),
    }
}

fn healthy() -> Facts {
    let kinds = ["MCPBackend", "MCPRoute", "RESTBridge", "ToolPolicy"];
    let install = install();
    Facts {
        scope: Scope::Whole,
        now: now(),
        version: VERSION,
        server: "https://cluster".to_owned(),
        kubernetes: Ok(KubernetesVersion::new("1", "37", "v1.37.2").unwrap()),
        definitions: kinds.map(|kind| (kind, Ok(Some(definition(kind))))).into(),
        found: Ok(Found::One { install: install.install.clone(), operator: Box::new(install.operator.clone()) }),
        install: Some(install),
        objects: kinds.map(|kind| (kind, Ok(Some(Objects::default())))).into(),
        gateways: Ok(Gateways::NoApi),
    }
}

/// The one line that is not ok.
fn only(report: &Report) -> (Level, String) {
    let bad: Vec<_> =
        report.sections.iter().flat_map(|one| &one.checks).filter(|check| check.level != Level::Ok).collect();
    assert_eq!(bad.len(), 1, "{bad:#?}");
    assert!(bad[0].remedy.as_ref().is_some_and(|remedy| !remedy.is_empty()), "{:?}", bad[0]);
    let object = bad[0].object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let reason = bad[0].reason.as_ref().map(|reason| format!("{reason}: ")).unwrap_or_default();
    (bad[0].level, format!("{object}{reason}{}", bad[0].message))
}

/// What is said after one change to a healthy install.
fn after(change: impl FnOnce(&mut Facts)) -> (Level, String) {
    let mut facts = healthy();
    change(&mut facts);
    only(&report(&facts))
}

fn after_in_install(change: impl FnOnce(&mut InstallFacts)) -> (Level, String) {
    after(|facts| change(facts.install.as_mut().unwrap()))
}

#[test]
fn a_whole_install_is_well() {
    let report = report(&healthy());
    assert_eq!(report.result, Level::Ok, "{report:#?}");
    let names: Vec<&str> = report.sections.iter().map(|section| section.name).collect();
    assert_eq!(
        names,
        [
            "Kubernetes",
            "Resource definitions",
            "Operator",
            "Data plane",
            "Certificates and keys",
            "Configuration of the pods",
            "Versions",
            "Resources",
        ]
    );
    assert!(report.sections.iter().all(|section| !section.checks.is_empty()), "{report:#?}");
}

#[test]
fn the_install_alone_is_judged_without_what_it_is_used_for() {
    let mut facts = healthy();
    facts.scope = Scope::Install;
    let install = facts.install.as_mut().unwrap();
    (install.secrets, install.configs) = (None, BTreeMap::new());
    facts.objects.clear();
    let report = report(&facts);
    assert_eq!(report.result, Level::Ok, "{report:#?}");
    let names: Vec<&str> = report.sections.iter().map(|section| section.name).collect();
    assert_eq!(names, ["Kubernetes", "Resource definitions", "Operator", "Data plane", "Versions"]);
}

#[test]
fn without_an_api_server_nothing_else_is_said() {
    let mut facts = healthy();
    facts.kubernetes =
        Err(ClusterError::Unreachable { server: "https://cluster".to_owned(), reason: "refused".to_owned() });
    let report = report(&facts);
    assert_eq!(report.sections.len(), 1);
    let (level, text) = only(&report);
    assert!(level == Level::Problem && text.contains("https://cluster") && text.contains("refused"), "{text}");
}

#[test]
fn an_old_kubernetes_is_a_problem() {
    let (level, text) = after(|facts| facts.kubernetes = Ok(KubernetesVersion::new("1", "32", "v1.32.9").unwrap()));
    assert!(level == Level::Problem && text.contains("v1.32.9"), "{text}");
}

#[test]
fn definitions_must_be_there_established_and_of_this_version() {
    let with = |change: fn(&mut Value)| {
        after(|facts| {
            let mut one = definition("MCPRoute");
            change(&mut one);
            facts.definitions.insert("MCPRoute", Ok(Some(one)));
            // The others are named one by one then.
        })
    };
    let older = |one: &mut Value| {
        let spec = &mut one["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
        spec["properties"].as_object_mut().unwrap().remove("path");
    };
    for label in [Value::Null, json!(VERSION)] {
        let (level, text) = after(|facts| {
            let mut one = definition("MCPRoute");
            older(&mut one);
            one["metadata"]["labels"]["app.kubernetes.io/version"] = label;
            facts.definitions.insert("MCPRoute", Ok(Some(one)));
        });
        assert!(level == Level::Warning && text.contains("of another version") && text.contains(VERSION), "{text}");
    }
    let (level, text) = after(|facts| {
        let mut one = definition("MCPRoute");
        older(&mut one);
        one["metadata"]["labels"]["app.kubernetes.io/version"] = json!("1.2.2");
        facts.definitions.insert("MCPRoute", Ok(Some(one)));
    });
    assert!(level == Level::Warning && text.contains("of version 1.2.2, this command of 1.2.3"), "{text}");
    let (level, text) = with(|one| one["status"]["conditions"][0]["status"] = json!("False"));
    assert!(level == Level::Problem && text.contains("not established"), "{text}");
    let mut facts = healthy();
    let mut one = definition("MCPRoute");
    one["status"]["conditions"][0]["status"] = json!("False");
    facts.definitions.insert("MCPRoute", Ok(Some(one)));
    let remedy = format!("{:?}", report(&facts));
    assert!(remedy.contains("kubectl describe crd mcproutes.ringway.dev;"), "{remedy}");
    let (level, text) = with(|one| one["spec"]["versions"][0]["served"] = json!(false));
    assert!(level == Level::Problem && text.contains("does not serve v1alpha1"), "{text}");
    let (level, text) = after(|facts| drop(facts.definitions.insert("MCPRoute", Ok(None))));
    assert!(level == Level::Problem && text.contains("MCPRoute is not installed"), "{text}");
}

#[test]
fn there_must_be_one_install() {
    let without = |found: Found| {
        after(|facts| {
            facts.found = Ok(found);
            facts.install = None;
        })
    };
    let (level, text) = without(Found::None { searched: Searched::Namespace("gw".to_owned()) });
    assert!(level == Level::Problem && text.contains("in namespace gw"), "{text}");
    let one = install().install;
    let (level, text) = without(Found::Several(vec![one.clone(), Install { namespace: "gw2".into(), ..one }]));
    assert!(level == Level::Problem && text.contains("gw/edge, gw2/edge"), "{text}");
    let (level, text) = after(|facts| (facts.found, facts.install) = (Err(forbidden()), None));
    assert!(level == Level::Unchecked && text.contains("eve"), "{text}");
}

#[test]
fn the_lease_must_be_held_and_fresh() {
    let with = |change: fn(&mut Value)| {
        let mut lease = lease();
        change(&mut lease);
        after_in_install(|install| install.lease = Ok(Some(read(lease))))
    };
    for (change, expected_level, expected) in [
        ((|lease| lease["spec"]["renewTime"] = json!(ago(16))) as fn(&mut Value), Level::Problem, "16 s ago"),
        (|lease| lease["spec"]["holderIdentity"] = json!(""), Level::Problem, "nobody holds"),
        (|lease| lease["spec"]["holderIdentity"] = json!("other-1"), Level::Warning, "none of the operator's pods"),
    ] {
        let (level, text) = with(change);
        assert!(level == expected_level && text.contains(expected), "{text}");
    }
    let (level, text) = after_in_install(|install| install.lease = Ok(None));
    assert!(level == Level::Problem && text.contains("edge-operator"), "{text}");
}

#[test]
fn a_deployment_says_how_many_pods_are_missing() {
    let with = |change: fn(&mut Value)| {
        let mut one = deployment("edge-dataplane");
        change(&mut one);
        after_in_install(|install| install.data_plane = Ok(Some(read(one))))
    };
    for (change, expected_level, expected) in [
        ((|one| one["status"]["availableReplicas"] = json!(1)) as fn(&mut Value), Level::Problem, "1 of 2"),
        (|one| one["spec"]["replicas"] = json!(0), Level::Problem, "scaled to 0"),
        (|one| one["status"]["updatedReplicas"] = json!(1), Level::Warning, "newest form"),
        (|one| one["metadata"]["generation"] = json!(3), Level::Problem, "not taken up"),
        (
            |one| one["metadata"]["labels"]["app.kubernetes.io/version"] = json!("1.3.0"),
            Level::Problem,
            "data plane of 1.3.0",
        ),
    ] {
        let (level, text) = with(change);
        assert!(level == expected_level && text.contains(expected), "{text}");
    }
    let (level, text) = after_in_install(|install| install.data_plane = Ok(None));
    assert!(level == Level::Problem && text.contains("no Deployment edge-dataplane"), "{text}");
    let (level, text) = after_in_install(|install| install.services = Ok(vec![]));
    assert!(level == Level::Problem && text.contains("no Service"), "{text}");
}

#[test]
fn a_pod_that_is_not_ready_says_why() {
    let with = |status: Value| {
        let mut one = pod("c");
        one["status"] = status;
        let one = read(one);
        after_in_install(|install| install.pods.as_mut().unwrap().push(one))
    };
    let not_ready = json!([{ "type": "Ready", "status": "False" }]);
    let container = |state: Value, last: Value| json!([{ "name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 3, "state": state, "lastState": last }]);
    let end = |at: String| json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled", "finishedAt": at } });
    for (status, expected_level, expected) in [
        (
            json!({ "conditions": [
                { "type": "PodScheduled", "status": "False", "message": "0/3 nodes are available: 3 Insufficient cpu." },
            ] }),
            Level::Problem,
            "3 Insufficient cpu",
        ),
        (
            json!({ "conditions": not_ready, "containerStatuses": container(
                json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image" } }), json!({}),
            ) }),
            Level::Problem,
            "ImagePullBackOff: Back-off",
        ),
        (
            json!({ "conditions": not_ready, "containerStatuses": container(
                json!({ "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 5m0s" } }), end(ago(60)),
            ) }),
            Level::Problem,
            "CrashLoopBackOff: it ended with 137 (OOMKilled)",
        ),
        (json!({ "conditions": not_ready }), Level::Problem, "pod c is not ready: NotReady"),
        (json!({ "phase": "Pending" }), Level::Problem, "pod c is not ready: Pending"),
        (
            json!({
                "conditions": [{ "type": "Ready", "status": "True" }],
                "containerStatuses": container(json!({}), end(ago(60))),
            }),
            Level::Warning,
            "restarted lately (3 in all): OOMKilled",
        ),
    ] {
        let (level, text) = with(status);
        assert!(level == expected_level && text.contains(expected), "{text}");
    }
    // Long ago, or on its way out.
    let mut old = pod("c");
    old["status"]["containerStatuses"] = container(json!({}), end(ago(3600)));
    let mut going = pod("d");
    going["metadata"]["deletionTimestamp"] = json!(ago(1));
    going["status"] = json!({});
    let mut facts = healthy();
    facts.install.as_mut().unwrap().pods = Ok(vec![read(old), read(going)]);
    assert_eq!(report(&facts).result, Level::Ok);
}

#[test]
fn certificates_and_keys_are_looked_into() {
    let with = |secret: Value| {
        let secret = read(secret);
        after_in_install(|install| install.secrets.as_mut().unwrap().data_plane.looked = Ok(Some(secret)))
    };
    for (secret, expected_level, expected) in [
        (certificate(-1), Level::Problem, "expired at 2026-11-23"),
        (certificate(5), Level::Warning, "expires at 2026-11-29"),
        (secret(&[("tls.crt", "x"), ("tls.key", "k")]), Level::Problem, "tls.crt is no certificate"),
        (secret(&[]), Level::Problem, "no key tls.key"),
    ] {
        let (level, text) = with(secret);
        assert!(level == expected_level && text.contains(expected), "{text}");
    }
    let secret_text = "not-a-key-but-s3cret";
    let broken = read(secret(&[("keys", secret_text)]));
    let (level, text) = after_in_install(|install| install.secrets.as_mut().unwrap().keys.looked = Ok(Some(broken)));
    assert!(level == Level::Problem && text.contains("keys: ") && !text.contains("s3cret"), "{text}");
    let (level, text) = after_in_install(|install| install.secrets.as_mut().unwrap().authority.looked = Ok(None));
    assert!(level == Level::Problem && text.contains("no Secret edge-ca in gw"), "{text}");
    let (level, text) = after_in_install(|install| install.secrets.as_mut().unwrap().keys.looked = Err(forbidden()));
    assert!(level == Level::Unchecked && text.contains("cannot look at Secret edge-session-keys"), "{text}");
}

#[test]
fn pods_must_serve_the_same() {
    let (level, text) = after_in_install(|install| {
        install.configs.insert("c".to_owned(), Ok(json!({ "routes": {}, "listeners": {}, "backends": {} })));
    });
    assert!(level == Level::Problem && text.contains("pod c") && text.contains("route tools/x is missing"), "{text}");
    let (level, text) = after_in_install(|install| drop(install.configs.insert("c".to_owned(), Err(forbidden()))));
    assert!(level == Level::Unchecked && text.contains("configuration of pod c"), "{text}");
    let (level, text) = after_in_install(|install| install.configs.clear());
    assert!(level == Level::Warning && text.contains("no data-plane pod is ready"), "{text}");
}

#[test]
fn another_version_of_this_command_is_a_warning() {
    let mut facts = healthy();
    facts.version = "1.3.0";
    let (level, text) = only(&report(&facts));
    assert!(level == Level::Warning && text.contains("the operator is of version 1.2.3"), "{text}");
}
