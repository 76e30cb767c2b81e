//! The examples against the manifests and the types; the end-to-end tests have an API server judge them.

use ringway_crds::examples;
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
