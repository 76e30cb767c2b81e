//! A world as the status sees it, and what comes of it; the tests stand by subject.

mod found;
mod kinds;
mod programmed;

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
            assert!(
                alone.patches.len() == 1 && alone.patches[0].content == patch.content,
                "{alone:?} instead of {patch:?}"
            );
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
        self.facts.get_or_insert_default().backends.insert(name(BACKEND).into(), facts.into());
    }

    fn tallied(&mut self, facts: RouteFacts) {
        self.facts.get_or_insert_default().routes.insert(name(BACKEND).into(), facts.into());
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
