//! The ready pods of the data plane, and what they acknowledged.
//!
//! Pure. Made by `reconcile` of what the API server says of pods and what the pods say of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use ringway_config_stream::{Comparison, Facts, Key, Position, Rejection};

use super::needs::{Need, Needs};

/// How long the data plane may be without a ready pod before what was programmed is said not to be: a pod that
/// restarts is back by then.
pub const ABSENCE: Duration = Duration::from_secs(10);

/// A pod that takes traffic.
#[derive(Debug, Clone, Copy)]
pub struct ReadyPod<'a> {
    pub name: &'a str,
    /// Of the configuration that it serves; `None`: it has said nothing yet.
    pub position: Option<&'a Position>,
    pub rejections: &'a [Rejection],
    pub facts: Option<&'a Facts>,
}

#[derive(Debug)]
pub struct Fleet<'a> {
    pods: Vec<ReadyPod<'a>>,
    /// By the version of a need: the pods that do not serve it.
    behind: BTreeMap<u64, Vec<usize>>,
    rejections: BTreeMap<Key, Vec<(usize, &'a str)>>,
    /// What could not be sent to any of them.
    refused: BTreeMap<Key, &'a str>,
    absent_for: Duration,
}

/// Of this replica, not of a pod.
#[derive(Debug, Clone, Copy)]
pub struct Published<'a> {
    /// The newest.
    pub position: &'a Position,
    /// What cannot travel for its size.
    pub refused: &'a [Rejection],
}

// === impl Fleet ===

impl<'a> Fleet<'a> {
    /// `absent_for`: how long there has been no ready pod.
    #[must_use]
    pub fn new(pods: Vec<ReadyPod<'a>>, needs: &Needs, published: Published<'a>, absent_for: Duration) -> Self {
        let current = published.position;
        let holds = |pod: &ReadyPod<'_>, need| pod.position.is_some_and(|position| holds(position, need, current));
        let behind = needs.positions().map(|(version, need)| {
            let pods = pods.iter().enumerate().filter(|(_, pod)| !holds(pod, need));
            (version, pods.map(|(index, _)| index).collect())
        });
        let behind = behind.collect();
        let mut rejections: BTreeMap<Key, Vec<(usize, &'a str)>> = BTreeMap::new();
        for (index, pod) in pods.iter().enumerate() {
            for rejection in pod.rejections {
                let key = Key::new(rejection.kind, &rejection.name);
                rejections.entry(key).or_default().push((index, &rejection.reason));
            }
        }
        let refused = published.refused.iter().map(|it| (Key::new(it.kind, &it.name), it.reason.as_str())).collect();
        Self { pods, behind, rejections, refused, absent_for }
    }

    #[must_use]
    pub fn ready(&self) -> usize {
        self.pods.len()
    }

    #[must_use]
    pub fn pods(&self) -> &[ReadyPod<'a>] {
        &self.pods
    }

    /// Whether there may only be a restart under way.
    #[must_use]
    pub fn is_absence_short(&self) -> bool {
        self.pods.is_empty() && self.absent_for < ABSENCE
    }

    /// How many pods have not acknowledged what holds `need`.
    #[must_use]
    pub fn behind(&self, need: &Need) -> usize {
        self.behind.get(&need.version).map_or(self.pods.len(), Vec::len)
    }

    /// Why a resource is not served as it is now. What a pod said of an older configuration does not count.
    #[must_use]
    pub fn rejection(&self, need: &Need, key: &Key) -> Option<String> {
        if let Some(reason) = self.refused.get(key) {
            return Some((*reason).to_owned());
        }
        let behind = self.behind.get(&need.version)?;
        let (index, reason) = self.rejections.get(key)?.iter().find(|(index, _)| !behind.contains(index))?;
        Some(format!("pod {}: {reason}", self.pods.get(*index)?.name))
    }
}

/// Whether who stands at `position` serves all that was there at `need`. A kind may be behind by number and hold the
/// very objects that are current.
#[must_use]
pub fn holds(position: &Position, need: &Position, current: &Position) -> bool {
    match position.compared_to(need) {
        Comparison::Same | Comparison::NotOlder => true,
        Comparison::Older(kinds) => kinds.iter().all(|kind| {
            let of = |position: &Position| position.0.get(kind).copied().unwrap_or_default().fingerprint;
            of(position) == of(current)
        }),
    }
}
