//! What is said of Ringway's objects and Gateways.

use serde_json::{Value, json};

use super::{after, forbidden, healthy};
use crate::status::check::report;
use crate::status::facts::{Gateways, Objects};
use crate::status::report::Level;

fn object(conditions: &Value) -> Value {
    json!({
        "metadata": { "namespace": "tools", "name": "x", "generation": 4 },
        "status": { "observedGeneration": 4, "conditions": conditions },
    })
}

fn objects(one: Value) -> Objects {
    Objects { items: vec![one], namespace: None }
}

fn ready() -> Value {
    json!({ "type": "Ready", "status": "True", "reason": "Ready", "message": "" })
}

#[test]
fn objects_speak_through_their_conditions() {
    let false_ = |kind: &str, reason: &str, message: &str| json!({ "type": kind, "status": "False", "reason": reason, "message": message });
    let not_ready = || false_("Ready", "NotReady", "see Accepted");
    let mut of_parent = object(&json!([not_ready()]));
    of_parent["status"]["parents"] =
        json!([{ "conditions": [false_("Accepted", "Conflicted", "tools/old has this path")] }]);
    let mut of_ancestor = object(&json!([not_ready()]));
    of_ancestor["status"]["ancestors"] =
        json!([{ "conditions": [false_("Accepted", "UnsupportedValue", "spec.rules")] }]);
    let mut stale = object(&json!([ready()]));
    stale["metadata"]["generation"] = json!(5);
    let fresh = json!({ "metadata": { "namespace": "tools", "name": "x", "generation": 1 }, "status": { "observedGeneration": -1 } });
    for (object, expected_level, expected) in [
        (of_parent, Level::Problem, "MCPRoute tools/x: Conflicted: tools/old has this path"),
        (of_ancestor, Level::Problem, "MCPRoute tools/x: UnsupportedValue: spec.rules"),
        (
            object(&json!([
                false_("ResolvedRefs", "RefNotPermitted", "b"),
                false_("Accepted", "Invalid", "a"),
                not_ready()
            ])),
            Level::Problem,
            "MCPRoute tools/x: Invalid: a",
        ),
        (object(&json!([not_ready()])), Level::Problem, "MCPRoute tools/x: NotReady: see Accepted"),
        (stale, Level::Problem, "MCPRoute tools/x: the operator has not looked at its newest form yet"),
        (fresh, Level::Problem, "MCPRoute tools/x: the operator has not looked"),
        (object(&json!([])), Level::Problem, "MCPRoute tools/x: Pending: there is no condition Ready"),
        (
            object(&json!([ready(), false_("Reachable", "Timeout", "10.0.0.1: 2 s")])),
            Level::Warning,
            "MCPRoute tools/x: Timeout: the server is not reached: 10.0.0.1: 2 s",
        ),
        (
            object(
                &json!([ready(), { "type": "Conflicted", "status": "True", "reason": "NameConflict", "message": "gh_issue" }]),
            ),
            Level::Warning,
            "MCPRoute tools/x: NameConflict: gh_issue",
        ),
    ] {
        let (level, text) = after(|facts| drop(facts.objects.insert("MCPRoute", Ok(Some(objects(object))))));
        assert!(level == expected_level && text.starts_with(expected), "{text}");
    }
    let mut good = healthy();
    good.objects.insert("MCPRoute", Ok(Some(objects(object(&json!([ready()]))))));
    assert_eq!(report(&good).result, Level::Ok);
    let alone = Objects { namespace: Some("mine".to_owned()), ..Objects::default() };
    let (level, text) = after(|facts| drop(facts.objects.insert("MCPRoute", Ok(Some(alone)))));
    assert!(level == Level::Unchecked && text.contains("MCPRoute: only those of namespace mine"), "{text}");
    let (level, text) = after(|facts| drop(facts.objects.insert("MCPRoute", Err(forbidden()))));
    assert!(level == Level::Unchecked && text.contains("objects of kind MCPRoute"), "{text}");
}

#[test]
fn gateways_speak_through_their_listeners() {
    let with = |status: Value| {
        let one = json!({ "metadata": { "namespace": "tools", "name": "agents" }, "status": status });
        after(|facts| facts.gateways = Ok(Gateways::Ours(vec![one])))
    };
    let programmed = |status: &str, reason: &str| json!([{ "type": "Programmed", "status": status, "reason": reason, "message": "m" }]);
    let (level, text) = with(json!({
        "conditions": programmed("False", "Invalid"),
        "listeners": [
            { "name": "a", "conditions": programmed("True", "Programmed") },
            { "name": "b", "conditions": programmed("False", "PortUnavailable") },
        ],
    }));
    assert!(level == Level::Problem && text == "Gateway tools/agents listener b: PortUnavailable: m", "{text}");
    let (level, text) = with(json!({ "conditions": programmed("Unknown", "Pending") }));
    assert!(level == Level::Problem && text == "Gateway tools/agents: Pending: m", "{text}");
    let mut good = healthy();
    good.gateways = Ok(Gateways::Ours(vec![json!({ "status": { "conditions": programmed("True", "Programmed") } })]));
    assert_eq!(report(&good).result, Level::Ok);
}
