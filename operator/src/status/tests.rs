use kube::core::DynamicObject;
use ringway_config_stream::{BackendFacts, Cursor, Facts, Position, Reach, Rejection, RouteFacts};
use ringway_translate::verdict::{
    Condition as Stated, GatewayVerdict, ListenerVerdict, ParentVerdict, PolicyVerdict, RouteVerdict, Verdict,
};
use serde_json::json;

use super::fleet::{Published, ReadyPod, holds};
use super::*;
use crate::observe::store::{Scope, Store, Trouble};

const BACKEND: &str = "echo";

/// A world with what pods say, from which patches come out and go back into the store as an API server would have them.
struct Case {
    store: Store,
    verdicts: Verdicts,
    needs: Needs,
    pods: Vec<Pod>,
    absent_for: Duration,
    now: Timestamp,
    version: u64,
}

#[derive(Default, Clone)]
struct Pod {
    name: &'static str,
    position: Option<Position>,
    rejections: Vec<Rejection>,
    has_more_rejections: bool,
    /// None: it has said nothing yet.
    facts: Option<Facts>,
}

// === impl Case ===

impl Case {
    fn new() -> Self {
        let now = "2026-01-01T00:00:00Z".parse().expect("a time");
        let (store, verdicts, needs) = (Store::default(), Verdicts::default(), Needs::default());
        Self { store, verdicts, needs, pods: Vec::new(), absent_for: Duration::ZERO, now, version: 10 }
    }

    fn with_backend() -> Self {
        let mut case = Self::new();
        case.put(Kind::MCPBackend, 1, &json!({}));
        case.verdicts.backends.insert(name(BACKEND), verdict(true));
        case.translated();
        case
    }

    fn put(&mut self, kind: Kind, generation: i64, fields: &Value) {
        self.version += 1;
        let mut object = json!({
            "apiVersion": if kind.group() == "ringway.dev" { "ringway.dev/v1alpha1" } else { "gateway.networking.k8s.io/v1" },
            "kind": kind.kind(), "spec": { "service": { "name": "svc", "port": 80 } },
            "metadata": { "name": BACKEND, "namespace": "tools", "uid": "u", "generation": generation, "resourceVersion": self.version.to_string() },
        });
        object.as_object_mut().expect("a map").extend(fields.as_object().cloned().unwrap_or_default());
        self.store.apply(kind, serde_json::from_value::<DynamicObject>(object).expect("an object"));
    }

    /// As after a round: published, and what each object needs is known.
    fn translated(&mut self) {
        self.needs.update(&self.store.observed(), &self.verdicts);
    }

    fn pod(&mut self, name: &'static str) -> &mut Pod {
        self.pods.push(Pod { name, ..Pod::default() });
        self.pods.last_mut().expect("just added")
    }

    fn all_acknowledge(&mut self) {
        let position = self.store.observed().position();
        self.pods.iter_mut().for_each(|pod| pod.position = Some(position.clone()));
    }

    fn changes(&self) -> Changes {
        let all = self.changes_of(None);
        // Looked at alone, each object comes out the same.
        for patch in &all.patches {
            let alone = self.changes_of(Some(&[patch.id.clone()].into()));
            assert!(alone.patches.len() == 1 && alone.patches[0].is_as(patch), "{alone:?} instead of {patch:?}");
            assert_eq!(alone.deferrable.contains(&patch.id), all.deferrable.contains(&patch.id));
        }
        all
    }

    fn changes_of(&self, only: Option<&BTreeSet<ObjectId>>) -> Changes {
        let observed = self.store.observed();
        let (position, install) = (observed.position(), install());
        let published = Published { position: &position, refused: &[] };
        let ready: Vec<_> = self.pods.iter().map(Pod::ready).collect();
        let facts = Gathered::of(&ready, endpoints(&observed, only), only);
        let fleet = Fleet::new(ready, &self.needs, published, self.absent_for);
        let input = Input {
            observed: &observed,
            verdicts: &self.verdicts,
            snapshot: &Snapshot::default(),
            needs: &self.needs,
            fleet: &fleet,
            facts: &facts,
            install: &install,
            now: self.now,
        };
        changes(input, only)
    }

    /// Writes what came out, as the status writer and the API server would, a minute later each time.
    fn written(&mut self) -> Option<Patch> {
        let mut patches = self.changes().patches;
        assert!(patches.len() <= 1, "one object at a time: {patches:?}");
        let patch = patches.pop()?;
        let entry = self.store.observed().find(patch.id.kind, &patch.id.name).cloned().expect("there");
        let mut status = patch.status.clone();
        let foreign = entry.status.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let foreign = foreign.filter(|it| it["type"].as_str().is_some_and(|kind| kind.starts_with("example.com/")));
        if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
            conditions.extend(foreign.cloned());
        }
        self.put(patch.id.kind, entry.generation, &json!({ "status": status }));
        self.now += Duration::from_secs(60);
        assert!(self.changes().patches.is_empty(), "written twice");
        Some(patch)
    }

    /// `Type=State Reason` of the conditions as they stand after writing, one a line.
    fn conditions(&mut self, kind: Kind) -> Vec<String> {
        self.written();
        let entry = self.store.observed().find(kind, &name(BACKEND)).cloned().expect("there");
        lines(&entry.status["conditions"])
    }

    fn of(&mut self, kind: &str) -> String {
        let conditions = self.conditions(Kind::MCPBackend);
        conditions.into_iter().find(|line| line.starts_with(&format!("{kind}="))).unwrap_or_default()
    }
}

// === impl Pod ===

impl Pod {
    fn ready(&self) -> ReadyPod<'_> {
        let (rejections, has_more_rejections) = (self.rejections.as_slice(), self.has_more_rejections);
        let (position, facts) = (self.position.as_ref(), self.facts.as_ref());
        ReadyPod { name: self.name, position, rejections, has_more_rejections, facts }
    }

    fn rejects(&mut self, reason: &str) {
        self.rejections = vec![Rejection::new(&Key::new(Resource::Backend, name(BACKEND)), reason)];
    }

    fn found(&mut self, facts: BackendFacts) {
        self.facts.get_or_insert_default().backends.insert(name(BACKEND), facts);
    }

    fn tallied(&mut self, facts: RouteFacts) {
        self.facts.get_or_insert_default().routes.insert(name(BACKEND), facts);
    }
}

fn lines(conditions: &Value) -> Vec<String> {
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    let line = |it: &Value| format!("{}={} {}", text(it, "type"), text(it, "status"), text(it, "reason"));
    conditions.as_array().into_iter().flatten().map(line).collect()
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("tools", name)
}

fn verdict(is_served: bool) -> Verdict {
    Verdict {
        accepted: Stated::yes("Accepted"),
        resolved_refs: Stated::yes("ResolvedRefs"),
        conflicted: None,
        is_served,
    }
}

fn refused(reason: &'static str) -> Verdict {
    Verdict { accepted: Stated::no(reason, "spec.x: is wrong"), ..verdict(false) }
}

fn unresolved(reason: &'static str) -> Verdict {
    Verdict { resolved_refs: Stated::no(reason, "spec.y: is not there"), ..verdict(false) }
}

fn install() -> ClusterInstall {
    let text = "{\"namespace\":\"ringway-system\",\"name\":\"ringway\",\"routeNamespaces\":[],\"secretNamespaces\":[\"tools\"],\
                \"ports\":[80],\"defaultListener\":{\"port\":80}}";
    serde_json::from_str(text).expect("an install")
}

fn reached(tools: u32) -> BackendFacts {
    BackendFacts { reach: Reach::Reached, tools: Some(tools), ..BackendFacts::default() }
}

fn failed(reason: &str) -> BackendFacts {
    BackendFacts { reach: Reach::Failed, reason: reason.to_owned(), ..BackendFacts::default() }
}

#[test]
fn an_object_seen_first_is_reconciling_until_every_pod_acknowledged() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.pod("b");
    let expected = [
        "Accepted=True Accepted",
        "ResolvedRefs=True ResolvedRefs",
        "Programmed=False Pending",
        "Ready=False Pending",
        "Reconciling=True Pending",
        "Reachable=Unknown NotTried",
    ];
    assert_eq!(case.conditions(Kind::MCPBackend), expected);
    case.pods[0].position = Some(case.store.observed().position());
    assert!(case.written().is_none(), "one of two is no news");
    case.all_acknowledge();
    let expected = [
        "Accepted=True Accepted",
        "ResolvedRefs=True ResolvedRefs",
        "Programmed=True Programmed",
        "Ready=True Ready",
        "Reachable=Unknown NotTried",
    ];
    assert_eq!(case.conditions(Kind::MCPBackend), expected);
}

#[test]
fn pods_that_come_and_go_change_nothing() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    case.pod("b");
    assert!(case.written().is_none(), "a new pod that has nothing yet");
    case.pods.remove(0);
    assert!(case.written().is_none(), "and the old one gone");
    case.pods.clear();
    case.absent_for = fleet::ABSENCE - Duration::from_secs(1);
    assert!(case.written().is_none(), "a restart");
    case.absent_for = fleet::ABSENCE;
    assert_eq!(case.of("Programmed"), "Programmed=False NoDataPlane");
    case.pod("c");
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
    case.all_acknowledge();
    assert_eq!(case.of("Ready"), "Ready=True Ready");
}

#[test]
fn a_new_object_without_any_pod_is_said_so_at_once() {
    let mut case = Case::with_backend();
    assert_eq!(case.of("Programmed"), "Programmed=False NoDataPlane");
    assert_eq!(case.of("Reconciling"), "Reconciling=True NoDataPlane");
}

#[test]
fn a_new_generation_waits_for_its_own_acknowledgements() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    let status = case.store.observed().find(Kind::MCPBackend, &name(BACKEND)).expect("there").status.clone();
    case.put(Kind::MCPBackend, 2, &json!({ "status": status }));
    case.translated();
    let patch = case.written().expect("something to say");
    assert_eq!(patch.status["observedGeneration"], 2);
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
}

#[test]
fn after_a_restart_of_the_operator_what_was_true_stays() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    case.needs = Needs::default();
    case.translated();
    case.pods[0].position = None;
    assert!(case.written().is_none(), "the pod has not connected again yet");
}

#[test]
fn what_is_served_again_waits_for_acknowledgements() {
    let mut case = Case::with_backend();
    case.pod("a");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    case.verdicts.backends.insert(name(BACKEND), unresolved("RefNotFound"));
    case.translated();
    assert_eq!(case.of("Programmed"), "Programmed=False Invalid");
    // The Secret is back, at a position that no pod has.
    case.verdicts.backends.insert(name(BACKEND), verdict(true));
    case.put(Kind::MCPRoute, 1, &json!({}));
    case.translated();
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
    case.all_acknowledge();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
}

#[test]
fn a_rejection_counts_once_the_pod_has_what_it_is_about() {
    let mut case = Case::with_backend();
    case.pod("a").rejects("its key does not fit");
    assert_eq!(case.of("Programmed"), "Programmed=False Pending", "of an older form, perhaps");
    case.all_acknowledge();
    let patch = case.written().expect("something to say");
    let programmed = conditions::find(&patch.status["conditions"], "Programmed").expect("there").clone();
    assert_eq!(programmed["message"], "pod a: its key does not fit");
    assert_eq!(case.of("Stalled"), "Stalled=True Rejected");
    assert_eq!(patch.transitions.len(), 1, "{:?}", patch.transitions);
    case.pods[0].rejections.clear();
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    assert_eq!(case.of("Stalled"), "");
}

#[test]
fn what_only_the_author_can_change_is_stalled_and_the_rest_waits() {
    let cases = [
        (refused("Invalid"), "Stalled=True Invalid"),
        (refused("UnsupportedValue"), "Stalled=True UnsupportedValue"),
        (refused("Conflicted"), "Stalled=True Conflicted"),
        (refused("NoMatchingParent"), "Reconciling=True NoMatchingParent"),
        (unresolved("InvalidKind"), "Stalled=True InvalidKind"),
        (unresolved("RefNotFound"), "Reconciling=True RefNotFound"),
        (unresolved("BackendNotFound"), "Reconciling=True BackendNotFound"),
        (unresolved("RefNotPermitted"), "Reconciling=True RefNotPermitted"),
    ];
    for (verdict, expected) in cases {
        let mut case = Case::with_backend();
        case.pod("a");
        case.all_acknowledge();
        case.verdicts.backends.insert(name(BACKEND), verdict);
        case.translated();
        let (kind, reason) = expected.split_once("=True ").expect("two parts");
        assert_eq!(case.of(kind), expected);
        assert_eq!(case.of("Ready"), format!("Ready=False {reason}"));
        assert_eq!(case.of("Programmed"), "Programmed=False Invalid");
        let other = if kind == "Stalled" { "Reconciling" } else { "Stalled" };
        assert_eq!(case.of(other), "", "{expected}");
    }
}

#[test]
fn times_and_foreign_conditions_are_kept() {
    let mut case = Case::with_backend();
    let foreign = json!({ "type": "example.com/Seen", "status": "True", "reason": "X", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z" });
    case.put(Kind::MCPBackend, 1, &json!({ "status": { "conditions": [foreign] } }));
    case.pod("a");
    let first = case.written().expect("something to say");
    assert!(!first.status["conditions"].to_string().contains("example.com"), "what is not ours is not sent");
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
fn what_was_found_holds_until_a_pod_knows_more() {
    let mut case = Case::with_backend();
    let server = BackendFacts { server_name: "echo".into(), protocol_versions: vec!["v".into()], ..reached(7) };
    case.pod("a").found(server);
    case.all_acknowledge();
    assert_eq!(case.of("Reachable"), "Reachable=True Reached");
    // The operator starts anew, the pod's stream breaks, the pod restarts.
    let unknown = Facts { backends: [(name(BACKEND), BackendFacts::default())].into(), ..Facts::default() };
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
fn a_pod_that_cannot_name_all_that_it_refuses_leaves_the_rest_open() {
    let mut case = Case::with_backend();
    case.pod("a").has_more_rejections = true;
    case.all_acknowledge();
    let patch = case.written().expect("something to say");
    let programmed = conditions::find(&patch.status["conditions"], "Programmed").expect("there");
    assert_eq!((&programmed["status"], &programmed["reason"]), (&json!("False"), &json!("Pending")));
    assert!(programmed["message"].as_str().is_some_and(|text| text.starts_with("pod a refuses more")), "{programmed}");
    case.pods[0].rejects("it is of another version");
    assert_eq!(case.of("Programmed"), "Programmed=False Rejected", "named");
    case.pods[0].rejections.clear();
    case.pods[0].has_more_rejections = false;
    assert_eq!(case.of("Programmed"), "Programmed=True Programmed");
    // And it does not stay so only because it once was.
    case.pods[0].has_more_rejections = true;
    assert_eq!(case.of("Programmed"), "Programmed=False Pending");
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
fn many_pods_that_all_differ_are_one_opinion_soon() {
    let names: Vec<String> = (0..200).map(|index| format!("pod-{index:03}")).collect();
    let said: Vec<Facts> = (0..200)
        .map(|index| {
            let backends = (0..50).map(|backend| (name(&format!("b{backend}")), reached(index / 2)));
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

#[test]
fn a_position_holds_what_is_not_newer_or_what_is_current() {
    let at = |revision, fingerprint| {
        Position([("MCPRoute".to_owned(), Cursor { revision, fingerprint })].into_iter().collect())
    };
    let (need, current) = (at(10, 1), at(20, 2));
    for (position, expected) in [
        (at(10, 7), true), // as far
        (at(11, 7), true), // further
        (at(5, 1), true),  // less far, and the very objects
        (at(5, 2), true),  // less far, and what is current
        (at(9, 7), false), // behind
        (Position::default(), false),
    ] {
        assert_eq!(holds(&position, &need, &current), expected, "{position:?}");
    }
}
