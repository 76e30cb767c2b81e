//! What pods found out, as one opinion: pods may disagree, and a status must not swing with whoever spoke last.
//!
//! Pure. The most common finding wins, then that of the pod whose name comes first.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::Hash;

use ringway_config_stream::facts::Found;
use ringway_config_stream::{BackendFacts, Facts, Reach, RouteFacts};
use ringway_snapshot::ObjectName;
use ringway_translate::ObjectId;

use super::fleet::ReadyPod;
use crate::observe::kind::Kind;

#[derive(Debug, Default)]
pub struct Gathered {
    pub backends: BTreeMap<ObjectName, BackendFacts>,
    pub routes: BTreeMap<ObjectName, RouteFacts>,
    /// Ready pods behind each Service, and all.
    pub endpoints: BTreeMap<ObjectName, (usize, usize)>,
}

// === impl Gathered ===

impl Gathered {
    /// A backend that any pod reaches is reached: what is told of it is what those pods say. Of all backends and routes,
    /// or of those among `only`.
    #[must_use]
    pub fn of(
        pods: &[ReadyPod<'_>],
        endpoints: BTreeMap<ObjectName, (usize, usize)>,
        only: Option<&BTreeSet<ObjectId>>,
    ) -> Self {
        let voices = voices(pods);
        let backends = said(&voices, |facts| &facts.backends, only, Kind::MCPBackend);
        let routes = said(&voices, |facts| &facts.routes, only, Kind::MCPRoute);
        let backend = |(name, facts): (&ObjectName, Vec<(&BackendFacts, usize)>)| {
            let best = facts.iter().map(|(facts, _)| rank(facts.reach)).max();
            let heard = facts.into_iter().filter(|(facts, _)| Some(rank(facts.reach)) == best);
            Some((name.clone(), commonest(heard)?.clone()))
        };
        let route = |(name, facts): (&ObjectName, Vec<(&RouteFacts, usize)>)| {
            Some((name.clone(), commonest(facts.into_iter())?.clone()))
        };
        Self {
            backends: backends.into_iter().filter_map(backend).collect(),
            routes: routes.into_iter().filter_map(route).collect(),
            endpoints,
        }
    }
}

/// What is said, in the order of the pods' names, and by how many: pods that agree in everything share their facts.
fn voices<'a>(pods: &[ReadyPod<'a>]) -> Vec<(&'a Facts, usize)> {
    let mut pods: Vec<_> = pods.iter().collect();
    pods.sort_by_key(|pod| pod.name);
    let mut voices: Vec<(&Facts, usize)> = Vec::new();
    let mut known: HashMap<*const Facts, usize> = HashMap::new();
    for facts in pods.into_iter().filter_map(|pod| pod.facts) {
        match known.entry(facts) {
            Entry::Occupied(index) => voices[*index.get()].1 += 1,
            Entry::Vacant(free) => {
                free.insert(voices.len());
                voices.push((facts, 1));
            }
        }
    }
    voices
}

type Said<'a, T> = BTreeMap<&'a ObjectName, Vec<(&'a T, usize)>>;

fn said<'a, T>(
    voices: &[(&'a Facts, usize)],
    part: impl Fn(&'a Facts) -> &'a Found<T>,
    only: Option<&BTreeSet<ObjectId>>,
    kind: Kind,
) -> Said<'a, T> {
    let mut said: Said<'a, T> = BTreeMap::new();
    for (facts, count) in voices {
        let facts = part(facts);
        match only {
            None => facts.iter().for_each(|(name, facts)| said.entry(&**name).or_default().push((&**facts, *count))),
            Some(only) => {
                let names = only.iter().filter(|id| id.kind == kind).map(|id| &id.name);
                for (name, facts) in names.filter_map(|name| facts.get_key_value(name)) {
                    said.entry(&**name).or_default().push((&**facts, *count));
                }
            }
        }
    }
    said
}

fn rank(reach: Reach) -> u8 {
    match reach {
        Reach::Unknown => 0,
        Reach::Failed => 1,
        Reach::Reached => 2,
    }
}

/// Of equally common ones the first.
fn commonest<'a, T: Eq + Hash>(all: impl Iterator<Item = (&'a T, usize)>) -> Option<&'a T> {
    let mut counts: HashMap<&T, (usize, Reverse<usize>)> = HashMap::new();
    for (index, (one, count)) in all.enumerate() {
        counts.entry(one).or_insert((0, Reverse(index))).0 += count;
    }
    counts.into_iter().max_by_key(|(_, standing)| *standing).map(|(one, _)| one)
}
