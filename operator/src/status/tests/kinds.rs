//! The status of each kind, beside what others write into it.

use super::*;

#[test]
fn times_and_foreign_conditions_are_kept() {
    let mut case = Case::with_backend();
    let foreign = json!({ "type": "example.com/Seen", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z" });
    case.put(Kind::MCPBackend, 1, &json!({ "status": { "conditions": [foreign] } }));
    case.pod("a");
    let first = case.written().expect("something to say");
    assert!(!first.status["conditions"].to_string().contains("example.com"), "what is not ours is not sent");
    assert!(first.body()["metadata"].get("resourceVersion").is_none(), "nor can it be overwritten");
    case.all_acknowledge();
    let second = case.written().expect("something to say");
    let time = |patch: &Patch, kind: &str| {
        conditions::find(&patch.status["conditions"], kind).expect("there")["lastTransitionTime"].clone()
    };
    assert_eq!(time(&second, "Accepted"), "2026-01-01T00:00:00Z");
    assert_eq!(time(&second, "Programmed"), "2026-01-01T00:01:00Z");
    let stands = case.store.observed().find(Kind::MCPBackend, &name(BACKEND)).expect("there").status.clone();
    assert_eq!(conditions::find(&stands["conditions"], "example.com/Seen"), Some(&foreign));
    // Somebody takes away a condition of ours: it is written again.
    case.put(Kind::MCPBackend, 1, &json!({ "status": { "observedGeneration": 1, "conditions": [foreign] } }));
    assert!(case.written().is_some());
}

#[test]
fn a_secret_that_may_not_be_read_is_said_with_the_remedy() {
    let mut case = Case::new();
    let spec = json!({ "spec": { "credentials": { "bearer": { "secretRef": { "name": "token", "key": "t" } } } } });
    case.put(Kind::MCPBackend, 1, &spec);
    case.verdicts.backends.insert(name(BACKEND), unresolved("RefNotFound"));
    let scope = Scope { kind: Kind::Secret, namespace: Some("tools".to_owned()) };
    case.store.trouble(&scope, Trouble::Forbidden);
    case.translated();
    let patch = case.written().expect("something to say");
    let condition = conditions::find(&patch.status["conditions"], "ResolvedRefs").expect("there");
    let message = condition["message"].as_str().expect("text");
    assert_eq!(condition["reason"], "RefNotPermitted");
    for part in
        ["Secrets in namespace tools", "ClusterRole ringway-secret-reader", "ServiceAccount ringway-operator", "spec.y"]
    {
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_route_speaks_for_each_parent_and_leaves_foreign_entries_alone() {
    let mut case = Case::new();
    let foreign = json!({ "parentRef": { "name": "x" }, "controllerName": "example.com/other", "conditions": [] });
    let stale = json!({ "parentRef": { "name": "gone" }, "controllerName": "ringway.dev/gateway-controller", "conditions": [] });
    case.put(Kind::MCPRoute, 1, &json!({ "status": { "parents": [foreign, stale] } }));
    let parent =
        |name: &str, verdict| ParentVerdict { parent_ref: json!({ "name": name }), verdict, listeners: Vec::new() };
    let parents = vec![parent("a", verdict(true)), parent("b", refused("NotAllowedByListeners"))];
    let route = RouteVerdict { parents, url: Some("https://x.example/mcp".to_owned()) };
    case.verdicts.routes.insert(name(BACKEND), route);
    case.translated();
    let clashes = vec!["gh_search".to_owned()];
    case.pod("p").tallied(RouteFacts { tools: Some(3), clashes });
    case.all_acknowledge();
    let patch = case.written().expect("something to say");
    let parents = patch.status["parents"].as_array().expect("a list").clone();
    assert_eq!(parents.len(), 3, "the stale entry is gone");
    assert_eq!(parents[0], foreign);
    let version = patch.resource_version.to_string();
    assert_eq!(patch.body()["metadata"]["resourceVersion"], version, "a newer entry of the other's is not overwritten");
    let expected = ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs", "Programmed=True Programmed"];
    assert_eq!(lines(&parents[1]["conditions"]), expected);
    assert_eq!(lines(&parents[2]["conditions"])[2], "Programmed=False Invalid");
    let expected =
        ["Ready=False NotAllowedByListeners", "Stalled=True NotAllowedByListeners", "Conflicted=True NameConflict"];
    assert_eq!(lines(&patch.status["conditions"]), expected);
    assert_eq!((&patch.status["url"], &patch.status["tools"]), (&json!("https://x.example/mcp"), &json!(3)));
    // A pod that has just come knows of no clash, which is no news.
    for facts in [None, Some(Facts::default())] {
        case.pods[0].facts = facts;
        assert!(case.written().is_none());
    }
    case.pods[0].tallied(RouteFacts::default());
    assert!(case.written().is_none(), "not tallied yet");
    // The clash is over: the condition goes.
    case.pods[0].tallied(RouteFacts { tools: Some(4), clashes: Vec::new() });
    let patch = case.written().expect("something to say");
    assert_eq!(lines(&patch.status["conditions"]).len(), 2);
    assert_eq!(patch.status["tools"], 4);
    // Of what is served no more, nothing that was found holds.
    case.pods[0].facts = None;
    for parent in &mut case.verdicts.routes.get_mut(&name(BACKEND)).expect("there").parents {
        parent.verdict = refused("Invalid");
    }
    case.translated();
    assert!(!case.written().expect("something to say").status.contains_key("tools"));
}

#[test]
fn a_route_that_is_another_controllers_gets_nothing_of_ours() {
    let mut case = Case::new();
    let foreign = json!({ "parentRef": { "name": "x" }, "controllerName": "example.com/other", "conditions": [] });
    case.put(Kind::MCPRoute, 1, &json!({ "status": { "parents": [foreign], "conditions": [{ "type": "Ready" }] } }));
    case.verdicts.routes.insert(name(BACKEND), RouteVerdict::default());
    case.translated();
    assert!(case.written().is_none(), "what another says of it is not ours to take away");
    let parent = ParentVerdict { parent_ref: json!({ "name": "a" }), verdict: verdict(true), listeners: Vec::new() };
    case.verdicts
        .routes
        .insert(name(BACKEND), RouteVerdict { parents: vec![parent], url: Some("http://x/mcp".into()) });
    case.translated();
    assert_eq!(case.written().expect("something to say").status["parents"].as_array().map(Vec::len), Some(2));
    // It moves to the other's Gateway: what we said is taken back.
    case.verdicts.routes.insert(name(BACKEND), RouteVerdict::default());
    case.translated();
    let patch = case.written().expect("something to take back");
    assert_eq!(Value::Object(patch.status), json!({ "parents": [foreign] }));
}

#[test]
fn a_policy_without_any_target_that_can_be_read_is_not_ready() {
    let mut case = Case::new();
    case.put(Kind::ToolPolicy, 1, &json!({}));
    let accepted = Stated::no("Invalid", "spec.targetRefs[0]: is a number");
    case.verdicts.policies.insert(name(BACKEND), PolicyVerdict { accepted, ancestors: Vec::new() });
    case.translated();
    assert_eq!(case.conditions(Kind::ToolPolicy), ["Ready=False Invalid", "Stalled=True Invalid"]);
}

#[test]
fn a_gateway_speaks_for_each_listener() {
    let mut case = Case::new();
    case.put(Kind::Gateway, 4, &json!({}));
    let listener = |name: &str, is_served| ListenerVerdict {
        name: name.to_owned(),
        accepted: if is_served { Stated::yes("Accepted") } else { Stated::no("PortUnavailable", "port 81") },
        resolved_refs: Stated::yes("ResolvedRefs"),
        conflicted: Stated { is_true: false, reason: "NoConflicts", message: String::new() },
        supports_routes: is_served,
        attached_routes: 2,
        is_served,
    };
    let listeners = vec![listener("http", true), listener("odd", false)];
    let gateway =
        GatewayVerdict { accepted: Stated::yes("Accepted"), resolved_refs: Stated::yes("ResolvedRefs"), listeners };
    case.verdicts.gateways.insert(name(BACKEND), gateway);
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "spec": { "type": "LoadBalancer" },
        "metadata": { "name": "ringway", "namespace": "ringway-system", "uid": "s", "resourceVersion": "3" },
        "status": { "loadBalancer": { "ingress": [{ "ip": "192.0.2.7" }, { "hostname": "lb.example" }] } },
    });
    case.store.apply(Kind::Service, serde_json::from_value(service).expect("an object"));
    case.translated();
    case.pod("p").rejections = vec![Rejection {
        kind: Resource::Listener,
        name: "tools/echo/http".to_owned(),
        reason: "no socket".to_owned(),
    }];
    case.all_acknowledge();
    let status = case.written().expect("something to say").status;
    assert!(!status.contains_key("observedGeneration"), "no field of a Gateway's status");
    let expected = ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs", "Programmed=True Programmed"];
    assert_eq!(lines(&status["conditions"]), expected);
    let listeners = status["listeners"].as_array().expect("a list");
    assert_eq!(lines(&listeners[0]["conditions"])[2], "Programmed=False Rejected");
    assert_eq!(listeners[0]["supportedKinds"], json!([{ "group": "ringway.dev", "kind": "MCPRoute" }]));
    assert_eq!(lines(&listeners[1]["conditions"])[0], "Accepted=False PortUnavailable");
    assert_eq!((&listeners[1]["supportedKinds"], &listeners[1]["attachedRoutes"]), (&json!([]), &json!(2)));
    let addresses =
        json!([{ "type": "IPAddress", "value": "192.0.2.7" }, { "type": "Hostname", "value": "lb.example" }]);
    assert_eq!(status["addresses"], addresses);
}
