//! Since which position each object has been served in its present form: what a pod must have acknowledged.
//!
//! Pure. Brought up to date after each translation; survives no restart, where an old Programmed counts instead.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ringway_config_stream::Position;
use ringway_translate::ObjectId;
use ringway_translate::verdict::Verdicts;
use xxhash_rust::xxh3::Xxh3;

use crate::observe::entry::Entry;
use crate::observe::kind::Kind;
use crate::observe::store::Observed;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    uid: String,
    generation: i64,
    /// Which parts of it are served.
    served: u64,
    /// Of the position.
    pub version: u64,
}

#[derive(Debug, Default)]
pub struct Needs {
    objects: BTreeMap<ObjectId, Need>,
    positions: BTreeMap<u64, Arc<Position>>,
    version: u64,
}

// === impl Needs ===

impl Needs {
    /// What was translated from `observed` has just been published with its position.
    pub fn update(&mut self, observed: &Observed, verdicts: &Verdicts) {
        let position = Arc::new(observed.position());
        self.version += 1;
        self.positions.insert(self.version, position);
        let mut objects = BTreeMap::new();
        for (id, served) in served(verdicts) {
            let Some(entry) = observed.find(id.kind, &id.name) else { continue };
            let fresh = Need { uid: entry.uid.clone(), generation: entry.generation, served, version: self.version };
            let need = self.objects.remove(&id).filter(|old| old.is_as(&fresh)).unwrap_or(fresh);
            objects.insert(id, need);
        }
        let used: BTreeSet<u64> = objects.values().map(|need| need.version).collect();
        self.positions.retain(|version, _| used.contains(version));
        self.objects = objects;
    }

    /// `None`: the object has changed since it was translated.
    #[must_use]
    pub fn find(&self, id: &ObjectId, entry: &Entry) -> Option<&Need> {
        self.objects.get(id).filter(|need| need.uid == entry.uid && need.generation == entry.generation)
    }

    /// What a pod must have that holds what `need` stands for.
    #[must_use]
    pub fn position(&self, need: &Need) -> Option<&Position> {
        self.positions.get(&need.version).map(|position| &**position)
    }
}

// === impl Need ===

impl Need {
    fn is_as(&self, other: &Self) -> bool {
        self.uid == other.uid && self.generation == other.generation && self.served == other.served
    }
}

fn served(verdicts: &Verdicts) -> impl Iterator<Item = (ObjectId, u64)> {
    let backends =
        verdicts.backends.iter().map(|(name, verdict)| (Kind::MCPBackend, name, u64::from(verdict.is_served)));
    let bridges = verdicts.bridges.iter().map(|(name, verdict)| (Kind::RESTBridge, name, u64::from(verdict.is_served)));
    let routes = verdicts.routes.iter().map(|(name, verdict)| {
        let parts = verdict.parents.iter().flat_map(|parent| {
            let listeners = parent.listeners.iter().map(ToString::to_string);
            listeners.chain([parent.verdict.is_served.to_string()])
        });
        (Kind::MCPRoute, name, hash(parts))
    });
    let policies = verdicts.policies.iter().map(|(name, verdict)| {
        let parts = verdict.ancestors.iter().map(|ancestor| ancestor.verdict.is_served.to_string());
        (Kind::ToolPolicy, name, hash(parts))
    });
    let gateways = verdicts.gateways.iter().map(|(name, verdict)| {
        let served = verdict.listeners.iter().filter(|listener| listener.is_served);
        (Kind::Gateway, name, hash(served.map(|listener| listener.name.clone())))
    });
    let all = backends.chain(bridges).chain(routes).chain(policies).chain(gateways);
    all.map(|(kind, name, served)| (ObjectId { kind, name: name.clone() }, served))
}

fn hash(parts: impl Iterator<Item = String>) -> u64 {
    let mut hash = Xxh3::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update(&[0]);
    }
    hash.digest()
}
