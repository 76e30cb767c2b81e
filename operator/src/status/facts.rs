//! What pods found out, as one opinion: pods may disagree, and a status must not swing with whoever spoke last.
//!
//! Pure. The most common finding wins, then that of the pod whose name comes first.

use std::collections::BTreeMap;

use ringway_config_stream::{BackendFacts, Reach, RouteFacts};
use ringway_snapshot::ObjectName;

use super::fleet::ReadyPod;

#[derive(Debug, Default)]
pub struct Gathered {
    pub backends: BTreeMap<ObjectName, BackendFacts>,
    pub routes: BTreeMap<ObjectName, RouteFacts>,
    /// Ready pods behind each Service, and all.
    pub endpoints: BTreeMap<ObjectName, (usize, usize)>,
}

// === impl Gathered ===

impl Gathered {
    /// A backend that any pod reaches is reached: what is told of it is what those pods say.
    #[must_use]
    pub fn of(pods: &[ReadyPod<'_>], endpoints: BTreeMap<ObjectName, (usize, usize)>) -> Self {
        let mut backends: BTreeMap<&ObjectName, Vec<&BackendFacts>> = BTreeMap::new();
        let mut routes: BTreeMap<&ObjectName, Vec<&RouteFacts>> = BTreeMap::new();
        let mut pods: Vec<_> = pods.iter().collect();
        pods.sort_by_key(|pod| pod.name);
        for facts in pods.iter().filter_map(|pod| pod.facts) {
            for (name, facts) in &facts.backends {
                backends.entry(name).or_default().push(facts);
            }
            for (name, facts) in &facts.routes {
                routes.entry(name).or_default().push(facts);
            }
        }
        let backend = |(name, facts): (&ObjectName, Vec<&BackendFacts>)| {
            let best = facts.iter().map(|facts| rank(facts.reach)).max();
            let heard = facts.into_iter().filter(|facts| Some(rank(facts.reach)) == best);
            Some((name.clone(), commonest(heard)?.clone()))
        };
        let route = |(name, facts): (&ObjectName, Vec<&RouteFacts>)| {
            Some((name.clone(), commonest(facts.into_iter())?.clone()))
        };
        Self {
            backends: backends.into_iter().filter_map(backend).collect(),
            routes: routes.into_iter().filter_map(route).collect(),
            endpoints,
        }
    }
}

fn rank(reach: Reach) -> u8 {
    match reach {
        Reach::Unknown => 0,
        Reach::Failed => 1,
        Reach::Reached => 2,
    }
}

/// Of equally common ones the first.
fn commonest<'a, T: PartialEq>(all: impl Iterator<Item = &'a T>) -> Option<&'a T> {
    let mut counts: Vec<(&T, usize)> = Vec::new();
    for one in all {
        match counts.iter_mut().find(|(known, _)| *known == one) {
            Some((_, count)) => *count += 1,
            None => counts.push((one, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(one, _)| one)
}
