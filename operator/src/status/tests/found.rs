//! What pods find out, and the endpoints behind a backend.

use super::*;

#[test]
fn pods_that_disagree_make_one_opinion() {
    let mut case = Case::with_backend();
    case.pod("c").found(reached(7));
    case.pod("b").found(failed("Timeout"));
    case.pod("a").found(reached(5));
    case.all_acknowledge();
    let patch = case.written().expect("something to say");
    assert_eq!(patch.status["tools"], 5, "equally common: by name");
    assert_eq!(case.of("Reachable"), "Reachable=True Reached");
    case.pod("d").found(reached(7));
    case.all_acknowledge();
    let changes = case.changes();
    assert_eq!(changes.deferrable.len(), 1, "nothing but a count");
    assert_eq!(case.written().expect("something to say").status["tools"], 7);
    for pod in &mut case.pods {
        pod.found(failed("Unauthorized"));
    }
    assert!(case.changes().deferrable.is_empty());
    assert_eq!(case.of("Reachable"), "Reachable=False Unauthorized");
    assert_eq!(case.of("Ready"), "Ready=True Ready", "a server's outage is not ours");
    for pod in &mut case.pods {
        pod.found(failed("not a word!"));
    }
    assert_eq!(case.of("Reachable"), "Reachable=False Unreachable");
}

#[test]
fn endpoints_are_counted_once_a_pod() {
    let mut case = Case::with_backend();
    for (slice, ready) in [("v4", true), ("v6", true), ("other", false)] {
        let uid = if slice == "other" { "p2" } else { "p1" };
        let object = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": slice, "namespace": "tools", "uid": slice, "generation": 1, "resourceVersion": "5",
                "labels": { "kubernetes.io/service-name": "svc" } },
            "addressType": "IPv4", "endpoints": [{ "addresses": ["10.0.0.1"], "conditions": { "ready": ready }, "targetRef": { "uid": uid } }],
        });
        case.store.apply(Kind::EndpointSlice, serde_json::from_value(object).expect("an object"));
    }
    let patch = case.written().expect("something to say");
    assert_eq!(patch.status["endpoints"], json!({ "ready": 1, "total": 2 }));
}

#[test]
fn what_was_found_holds_until_a_pod_knows_more() {
    let mut case = Case::with_backend();
    let server = BackendFacts { server_name: "echo".into(), protocol_versions: vec!["v".into()], ..reached(7) };
    case.pod("a").found(server);
    case.all_acknowledge();
    assert_eq!(case.of("Reachable"), "Reachable=True Reached");
    // The operator starts anew, the pod's stream breaks, the pod restarts.
    let unknown =
        Facts { backends: [(name(BACKEND).into(), BackendFacts::default().into())].into(), ..Facts::default() };
    for facts in [None, Some(Facts::default()), Some(unknown)] {
        case.pods[0].facts = facts;
        assert!(case.written().is_none(), "{:?}", case.pods[0].facts);
    }
    case.pods.clear();
    assert!(case.written().is_none(), "no pod at all");
    case.pod("b").found(failed("Timeout"));
    case.all_acknowledge();
    let patch = case.written().expect("something to say");
    assert_eq!(case.of("Reachable"), "Reachable=False Timeout");
    assert!(!patch.status.contains_key("tools"), "{patch:?}");
    // Nobody has tried the next generation.
    let status = case.store.observed().find(Kind::MCPBackend, &name(BACKEND)).expect("there").status.clone();
    case.put(Kind::MCPBackend, 2, &json!({ "status": status }));
    case.pods[0].facts = None;
    case.translated();
    assert_eq!(case.of("Reachable"), "Reachable=Unknown NotTried");
}

#[test]
fn what_is_served_no_more_is_not_called_reachable() {
    let mut case = Case::with_backend();
    case.pod("a").found(reached(7));
    case.all_acknowledge();
    assert_eq!(case.of("Reachable"), "Reachable=True Reached");
    case.pods[0].facts = Some(Facts::default());
    case.verdicts.backends.insert(name(BACKEND), unresolved("RefNotFound"));
    case.translated();
    assert_eq!(case.of("Reachable"), "Reachable=Unknown NotTried");
}

#[test]
fn many_pods_that_all_differ_are_one_opinion_soon() {
    let names: Vec<String> = (0..200).map(|index| format!("pod-{index:03}")).collect();
    let said: Vec<Facts> = (0..200)
        .map(|index| {
            let backends = (0..50).map(|backend| (name(&format!("b{backend}")).into(), reached(index / 2).into()));
            Facts { backends: backends.collect(), ..Facts::default() }
        })
        .collect();
    let pod = |(name, facts)| ReadyPod {
        name,
        facts: Some(facts),
        position: None,
        rejections: &[],
        has_more_rejections: false,
    };
    let pods: Vec<ReadyPod<'_>> = names.iter().map(String::as_str).zip(&said).map(pod).collect();
    let all = Gathered::of(&pods, BTreeMap::new(), None);
    assert_eq!((all.backends.len(), all.backends[&name("b7")].tools), (50, Some(0)), "equally common: by name");
    let only = [ObjectId { kind: Kind::MCPBackend, name: name("b7") }].into();
    let narrow = Gathered::of(&pods, BTreeMap::new(), Some(&only));
    assert_eq!(narrow.backends.keys().collect::<Vec<_>>(), [&name("b7")], "a look at one gathers one");
    // Pods that share their facts count as many.
    let shared = vec![ReadyPod { facts: Some(&said[9]), ..pods[0] }; 3];
    let both: Vec<_> = pods[..4].iter().copied().chain(shared).collect();
    assert_eq!(Gathered::of(&both, BTreeMap::new(), None).backends[&name("b7")].tools, Some(4));
}
