//! The examples against the manifests, and against an API server where there is one.

use std::collections::BTreeSet;
use std::thread;

use ringway_crds::examples::{self, Kubectl};
use ringway_crds::{GroupKind, MCPBackendSpec, MCPRouteSpec, RESTBridgeSpec, ToolPolicySpec};
use serde::Deserialize;
use serde_json::Value;

use super::walk::{Place, visit};
use super::{KINDS, schema_of};

#[test]
fn every_rule_has_a_refused_example() {
    let examples = examples::read().expect("the examples are there");
    let mut missing = Vec::new();
    for kind in KINDS {
        let refusals: Vec<_> =
            examples.iter().filter(|example| example.kind == directory(kind)).flat_map(|e| &e.refusals).collect();
        visit(&schema_of(kind), &mut |Place { path, schema }| {
            for rule in schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten() {
                let message = rule.get("message").and_then(Value::as_str).expect("every rule has a message");
                let is_shown = refusals.iter().any(|refusal| {
                    refusal.split_once(": ").is_some_and(|(field, said)| bare(field) == path && said == message)
                });
                if !is_shown {
                    missing.push(format!("{kind}: {path}: {message}"));
                }
            }
        });
    }
    assert!(missing.is_empty(), "without a refused example:\n{}", missing.join("\n"));
}

#[test]
fn every_kind_of_bound_has_a_refused_example() {
    let said = [
        "should match",
        "supported values",
        "should be greater than or equal to",
        "should be less than or equal to",
        "must have at most",
        "should have at least 1 items",
        "should have at least 1 properties",
        "may not be more than",
        "Required value",
        "Duplicate value",
        "unknown field",
        "must be of type",
    ];
    let examples = examples::read().expect("the examples are there");
    for said in said {
        assert!(examples.iter().flat_map(|e| &e.refusals).any(|refusal| refusal.contains(said)), "none for: {said}");
    }
}

#[test]
fn what_the_api_server_accepts_the_types_can_hold() {
    let examples = examples::read().expect("the examples are there");
    for kind in KINDS {
        let accepted: Vec<_> = examples.iter().filter(|e| e.kind == directory(kind) && e.refusals.is_empty()).collect();
        assert!(accepted.len() > 1, "{kind}: no examples");
        for example in accepted {
            let document: Value = serde_yaml::from_str(&example.yaml).expect(&example.place);
            let spec = document.get("spec").expect(&example.place);
            let held = match kind {
                GroupKind::MCPBackend => MCPBackendSpec::deserialize(spec).err(),
                GroupKind::MCPRoute => MCPRouteSpec::deserialize(spec).err(),
                GroupKind::ToolPolicy => ToolPolicySpec::deserialize(spec).err(),
                _ => RESTBridgeSpec::deserialize(spec).err(),
            };
            assert!(held.is_none(), "{}: {held:?}", example.place);
        }
    }
}

#[test]
#[ignore = "needs an API server with the manifests: KUBECONFIG, and kubectl in PATH"]
fn a_real_api_server_accepts_and_refuses_as_written() {
    let kubectl = kubectl();
    let examples = examples::read().expect("the examples are there");
    let failed: BTreeSet<String> = thread::scope(|scope| {
        let quarter = examples.len().div_ceil(4);
        let checks: Vec<_> = examples
            .chunks(quarter)
            .map(|some| {
                let kubectl = &kubectl;
                scope.spawn(move || some.iter().filter_map(|example| example.check(kubectl).err()).collect::<Vec<_>>())
            })
            .collect();
        checks.into_iter().flat_map(|check| check.join().expect("no panic")).collect()
    });
    assert!(failed.is_empty(), "{}", failed.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
#[ignore = "needs an API server with the manifests: KUBECONFIG, and kubectl in PATH"]
fn the_largest_objects_stay_within_the_budget_of_the_rules() {
    let kubectl = kubectl();
    for object in examples::largest() {
        let said = kubectl.dry_run("create", &object.to_string()).expect("kubectl runs");
        assert_eq!(said, Ok(()), "{}", object["kind"]);
    }
}

fn kubectl() -> Kubectl {
    let kubeconfig = std::env::var_os("KUBECONFIG").expect("KUBECONFIG names the cluster");
    Kubectl { program: "kubectl".into(), kubeconfig: kubeconfig.into() }
}

fn directory(kind: GroupKind) -> String {
    kind.kind().to_lowercase()
}

/// `spec.backends[0].ref` → `spec.backends[].ref`.
fn bare(field: &str) -> String {
    let mut bare = String::new();
    let mut is_inside = false;
    for c in field.chars() {
        match c {
            '[' => is_inside = true,
            ']' => is_inside = false,
            _ if is_inside => continue,
            _ => {}
        }
        bare.push(c);
    }
    bare
}
