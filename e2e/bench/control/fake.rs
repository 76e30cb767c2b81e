//! Pods that serve nothing: each follows the operator as a real one does, by the same code, obeys at once and finds nothing out. For as many pods as
//! one machine has no room for.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use ringway_config_stream::{Facts, Pod, Rejection};
use ringway_dataplane::config::{FollowSettings, Follower, Following, Obey};
use ringway_dataplane::telemetry::metrics::StreamMetrics;
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;

use crate::world::NAMESPACE;

/// Takes every snapshot and keeps none.
struct Obedient {
    facts: Arc<Facts>,
    keyring: Arc<Keyring>,
    metrics: Arc<StreamMetrics>,
}

impl Obey for Obedient {
    fn apply(&self, _: Snapshot) -> Vec<Rejection> {
        Vec::new()
    }

    fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts)
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.keyring)
    }

    fn metrics(&self) -> Arc<StreamMetrics> {
        Arc::clone(&self.metrics)
    }

    fn unreachable(&self, _: &str) {}
}

/// Starts to follow as the pod `name`, with the credentials of a folder.
pub(crate) fn follow(name: &str, operator: &str, credentials: &Path) -> Result<Following> {
    let pod = Pod { namespace: NAMESPACE.into(), name: name.into(), incarnation: 1, ..Pod::default() };
    let settings = FollowSettings::new(operator, credentials, None, pod);
    // Nothing is kept on a disk, so nothing is sealed.
    let keyring = Arc::new(Keyring::new([7; 32], []).context("a key")?);
    let obedient = Obedient { facts: Arc::default(), keyring, metrics: Arc::default() };
    Follower::new(settings, Arc::new(obedient)).spawn().context("a thread of a fake pod")
}
