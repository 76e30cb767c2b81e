//! A gateway as the config stream sees it.

use std::sync::Arc;

use ringway_config_stream::{Facts, Rejection};
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;

use super::Gateway;
use crate::config::Obey;
use crate::telemetry::metrics::StreamMetrics;

impl Obey for Gateway {
    fn apply(&self, snapshot: Snapshot) -> Vec<Rejection> {
        Self::apply(self, snapshot)
    }

    fn facts(&self) -> Arc<Facts> {
        Self::facts(self)
    }

    fn keyring(&self) -> Arc<Keyring> {
        self.shared.keyring.load_full()
    }

    fn metrics(&self) -> Arc<StreamMetrics> {
        Arc::clone(&self.shared.telemetry.metrics.stream)
    }

    fn unreachable(&self, reason: &str) {
        self.config_missing(format!("no snapshot on disk, and none from the operator: {reason}"));
    }
}
