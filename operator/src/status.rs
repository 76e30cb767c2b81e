//! What is written into the status of each object, decided without I/O.
//!
//! Verdicts of translation, acknowledgements and findings of pods, and the status as it stands go in; patches come out,
//! only for objects whose status would differ. Called by `reconcile` in the replica that holds the Lease; [`writer`] sends
//! the patches.
//!
//! Programmed is True for a generation once every ready pod serves a configuration that holds it, and stays so: pods that
//! come start from what is current, and pods that go take nothing along. It is False with reason Invalid while nothing of
//! the object is served, Rejected when a pod cannot use it, NoDataPlane without any ready pod, and Pending until the pods
//! have acknowledged (as Gateway API has it for what is not yet online).
//!
//! Stalled says that nothing will change until somebody changes this object; Reconciling that it waits for something
//! else: an acknowledgement, a pod, an object that it refers to.

pub mod conditions;
pub mod facts;
pub mod fleet;
pub mod needs;
mod objects;
pub mod patch;
pub mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use ringway_config_stream::limits::REJECTIONS;
use ringway_config_stream::{Key, Kind as Resource};
use ringway_snapshot::{ObjectName, Snapshot};
use ringway_translate::ObjectId;
use ringway_translate::install::ClusterInstall;
use ringway_translate::verdict::{Condition as Verdict, Verdicts};
use serde_json::{Map, Value};

use crate::observe::entry::Entry;
use crate::observe::kind::Kind;
use crate::observe::store::Observed;
use conditions::{Condition, State};
use facts::Gathered;
use fleet::Fleet;
use needs::Needs;
pub use patch::Patch;

/// How often what pods found may change a status that says the same otherwise.
pub const FACTS_INTERVAL: Duration = Duration::from_secs(10);

/// Everything that a status follows from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    pub observed: &'a Observed,
    pub verdicts: &'a Verdicts,
    pub snapshot: &'a Snapshot,
    pub needs: &'a Needs,
    pub fleet: &'a Fleet<'a>,
    pub facts: &'a Gathered,
    pub install: &'a ClusterInstall,
    pub now: Timestamp,
}

/// What is to be written.
#[derive(Debug, Default)]
pub struct Changes {
    pub patches: Vec<Patch>,
    /// Objects of which nothing but findings differs: written when their interval is over.
    pub deferrable: BTreeSet<ObjectId>,
}

/// A status as it has to be.
#[derive(Debug, Clone, PartialEq)]
struct Desired {
    status: Map<String, Value>,
    /// Fields that hold findings and counts.
    findings: &'static [&'static str],
    /// Fields that are ours, there or not.
    fields: &'static [&'static str],
}

/// Patches for `only`, or for every object.
#[must_use]
pub fn changes(input: Input<'_>, only: Option<&BTreeSet<ObjectId>>) -> Changes {
    let mut changes = Changes::default();
    match only {
        Some(only) => only.iter().for_each(|id| changes.add(input, id.clone())),
        None => all(input.verdicts).for_each(|id| changes.add(input, id)),
    }
    changes
}

impl Changes {
    fn add(&mut self, input: Input<'_>, id: ObjectId) {
        let Some(entry) = input.observed.find(id.kind, &id.name) else { return };
        let Some(desired) = desired(input, &id, entry) else { return };
        let Some(difference) = patch::difference(&entry.status, &desired) else { return };
        if difference == patch::Difference::Findings {
            self.deferrable.insert(id.clone());
        }
        self.patches.push(Patch::new(id, entry, desired.status));
    }
}

/// `None`: nothing was translated of it.
fn desired(input: Input<'_>, id: &ObjectId, entry: &Entry) -> Option<Desired> {
    let (name, verdicts) = (&id.name, input.verdicts);
    Some(match id.kind {
        Kind::MCPBackend => objects::backend(input, name, entry, verdicts.backends.get(name)?),
        Kind::RESTBridge => objects::bridge(input, name, entry, verdicts.bridges.get(name)?),
        Kind::MCPRoute => objects::route(input, name, entry, verdicts.routes.get(name)?),
        Kind::ToolPolicy => objects::policy(input, name, entry, verdicts.policies.get(name)?),
        Kind::Gateway => objects::gateway(input, name, entry, verdicts.gateways.get(name)?),
        Kind::GatewayClass => objects::class(input, entry, verdicts.classes.get(&name.name)?),
        _ => return None,
    })
}

/// Everything that has a status of ours.
fn all(verdicts: &Verdicts) -> impl Iterator<Item = ObjectId> {
    let id = |kind| move |name: &ObjectName| ObjectId { kind, name: name.clone() };
    let backends = verdicts.backends.keys().map(id(Kind::MCPBackend));
    let bridges = verdicts.bridges.keys().map(id(Kind::RESTBridge));
    let routes = verdicts.routes.keys().map(id(Kind::MCPRoute));
    let policies = verdicts.policies.keys().map(id(Kind::ToolPolicy));
    let gateways = verdicts.gateways.keys().map(id(Kind::Gateway));
    let classes = verdicts.classes.keys();
    let classes = classes.map(|name| ObjectId { kind: Kind::GatewayClass, name: ObjectName::new("", name.as_str()) });
    backends.chain(bridges).chain(routes).chain(policies).chain(gateways).chain(classes)
}

/// The pods behind each Service, ready ones and all: of every Service, or of those of the backends among `only`.
#[must_use]
pub fn endpoints(observed: &Observed, only: Option<&BTreeSet<ObjectId>>) -> BTreeMap<ObjectName, (usize, usize)> {
    use crate::observe::entry::Detail;
    let service = |id: &ObjectId| match &observed.find(id.kind, &id.name)?.detail {
        Detail::Backend { service } => service.clone(),
        _ => None,
    };
    let wanted: Option<BTreeSet<ObjectName>> = only.map(|only| only.iter().filter_map(service).collect());
    if wanted.as_ref().is_some_and(BTreeSet::is_empty) {
        return BTreeMap::new();
    }
    let mut services: BTreeMap<&ObjectName, BTreeMap<u64, bool>> = BTreeMap::new();
    for (_, entry) in observed.of(Kind::EndpointSlice) {
        let Detail::Endpoints { service: Some(service), endpoints } = &entry.detail else { continue };
        if wanted.as_ref().is_some_and(|wanted| !wanted.contains(service)) {
            continue;
        }
        let known = services.entry(service).or_default();
        for (key, is_ready) in endpoints {
            *known.entry(*key).or_default() |= *is_ready;
        }
    }
    let count = |pods: &BTreeMap<u64, bool>| (pods.values().filter(|is_ready| **is_ready).count(), pods.len());
    services.into_iter().map(|(service, pods)| (service.clone(), count(&pods))).collect()
}

/// Accepted and ResolvedRefs as translation says them.
fn stated(kind: &'static str, verdict: &Verdict) -> Condition {
    let state = if verdict.is_true { State::True } else { State::False };
    Condition::new(kind, state, verdict.reason, verdict.message.clone())
}

/// Secrets and ConfigMaps that the object names and the operator may not read: said with the remedy.
fn resolved(input: Input<'_>, entry: &Entry, verdict: &Verdict) -> Condition {
    let condition = stated("ResolvedRefs", verdict);
    // Of what may not be referred to, or not be read, translation has said so, with the remedy.
    if verdict.is_true || verdict.reason == "RefNotPermitted" {
        return condition;
    }
    let forbidden = entry.references.iter().find(|(kind, name)| {
        input.observed.forbidden.iter().any(|scope| {
            scope.kind == *kind && scope.namespace.as_deref().is_none_or(|namespace| namespace == name.namespace)
        })
    });
    let Some((kind, name)) = forbidden else { return condition };
    let ClusterInstall { name: install, namespace: home, .. } = input.install;
    let namespace = &name.namespace;
    let role = match kind {
        Kind::Secret => format!("ClusterRole {install}-secret-reader"),
        _ => format!("a Role with get, list and watch on {}", kind.plural()),
    };
    let message = format!(
        "{}; the operator may not read {kind}s in namespace {namespace}: create a RoleBinding there of {role} to \
         ServiceAccount {} of namespace {home}",
        verdict.message,
        input.install.service_account()
    );
    Condition::new("ResolvedRefs", State::False, "RefNotPermitted", message)
}

/// Programmed of an object or of a part of it (a parent, a listener), whose conditions stand as `old`; `resource`: what
/// pods call it, where they can refuse it.
fn programmed(
    input: Input<'_>,
    (kind, name): (Kind, &ObjectName),
    entry: &Entry,
    is_served: bool,
    old: &Value,
    resource: Option<&Key>,
) -> Condition {
    let condition = |state, reason: &'static str, message: String| Condition::new("Programmed", state, reason, message);
    if !is_served {
        let message = "nothing of it is served; Accepted and ResolvedRefs say why".to_owned();
        return condition(State::False, "Invalid", message);
    }
    let id = ObjectId { kind, name: name.clone() };
    // Changed since it was translated: the next round says more.
    let need = input.needs.find(&id, entry);
    if let Some(reason) = need.and_then(|need| input.fleet.rejection(need, resource?)) {
        return condition(State::False, "Rejected", reason);
    }
    if let Some(pod) = need.and_then(|need| input.fleet.unnamed(need, resource?)) {
        let message = format!(
            "pod {pod} refuses more than the {REJECTIONS} objects that it can name; whether this is one of them is not known"
        );
        return condition(State::False, "Pending", message);
    }
    let was_true = conditions::is_true_for(old, "Programmed", entry.generation);
    match input.fleet.ready() {
        0 if was_true && input.fleet.is_absence_short() => {}
        0 => return condition(State::False, "NoDataPlane", "no pod of the data plane is ready".to_owned()),
        _ if was_true => {}
        ready => {
            // Without a number: it would be written anew with each pod that acknowledges.
            if need.map_or(ready, |need| input.fleet.behind(need)) > 0 {
                let message = "not every ready pod of the data plane has acknowledged it yet".to_owned();
                return condition(State::False, "Pending", message);
            }
        }
    }
    condition(State::True, "Programmed", String::new())
}

fn route_key(name: &ObjectName) -> Key {
    Key::new(Resource::Route, name)
}

#[cfg(test)]
mod tests;
