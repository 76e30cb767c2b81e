//! What the data plane obeys: routes and backends as plain data, with names, hash and secrets.
//!
//! Does not read YAML, know Kubernetes or compile matchers. Made by `ringway-translate`, obeyed by `ringway-dataplane`.

mod backend;
mod name;
mod route;
mod secret;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

pub use backend::{
    Affinity, Backend, BackendLimits, BackendTls, Credentials, EndpointLoss, HttpTarget, Scheme, StdioTarget, Target, Timeouts,
    TransportHint, Trust,
};
pub use name::{BackendKey, ObjectName};
pub use route::{OnBackendFailure, Override, Route, RouteBackend, Selection, Sessions};
pub use secret::Secret;

/// Everything a data plane needs to serve: one immutable value per generation.
///
/// Objects stand behind `Arc`s so that a new snapshot shares what did not change and a reader can compare by pointer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    /// Counts up with every published snapshot of one publisher.
    pub generation: u64,
    pub backends: BTreeMap<ObjectName, Arc<Backend>>,
    pub routes: BTreeMap<ObjectName, Arc<Route>>,
}

// === impl Snapshot ===

impl Snapshot {
    /// A hash of the content without the generation: equal content, equal hash, on every machine.
    ///
    /// Secrets count through their digest only.
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        let bytes = serde_json::to_vec(&(&self.backends, &self.routes)).unwrap_or_default();
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// This snapshot with every object that equals the one in `previous` replaced by that very `Arc`.
    ///
    /// What lives per object (pools, catalogues, probes) then survives a reload that did not concern it.
    #[must_use]
    pub fn sharing_with(mut self, previous: &Self) -> Self {
        for (name, backend) in &mut self.backends {
            if let Some(old) = previous.backends.get(name).filter(|old| *old == backend) {
                *backend = Arc::clone(old);
            }
        }
        for (name, route) in &mut self.routes {
            if let Some(old) = previous.routes.get(name).filter(|old| *old == route) {
                *route = Arc::clone(old);
            }
        }
        self
    }
}
