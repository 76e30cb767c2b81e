//! A gateway as the debug server shows it.

use std::sync::{Arc, Mutex, PoisonError};

use ringway_config_stream::Facts;
use serde_json::{Value, json};

use super::Applied;
use super::sockets::Bound;
use crate::admin::debug::Inspect;
use crate::probe::Probes;
use crate::worker::Shared;

/// What is looked at.
#[derive(Debug)]
pub(super) struct Inspection {
    pub(super) shared: Arc<Shared>,
    pub(super) sockets: Arc<Bound>,
    pub(super) applied: Arc<Mutex<Applied>>,
    pub(super) probes: Option<Arc<Probes>>,
}

// === impl Inspection ===

impl Inspect for Inspection {
    fn config(&self) -> serde_json::Result<Vec<u8>> {
        // Written outside of the lock: it may be large.
        let snapshot = self.applied.lock().unwrap_or_else(PoisonError::into_inner).snapshot.clone();
        serde_json::to_vec(&snapshot)
    }

    fn facts(&self) -> serde_json::Result<Vec<u8>> {
        let facts = self.probes.as_ref().map_or_else(Arc::<Facts>::default, |probes| probes.facts());
        serde_json::to_vec(&*facts)
    }

    fn listeners(&self) -> serde_json::Result<Vec<u8>> {
        let routes = self.shared.routes.load_full();
        let sockets = (0_u16..).zip(&self.sockets.numbers).map(|(socket, number)| {
            let listeners = routes.port(socket).map(|port| port.listeners.as_slice()).unwrap_or_default();
            let listeners: Vec<Value> = listeners
                .iter()
                .map(
                    |live| json!({ "name": live.spec.name, "hostname": live.spec.hostname, "tls": live.tls.is_some() }),
                )
                .collect();
            json!({ "port": number, "address": self.sockets.port(*number), "listeners": listeners })
        });
        let rejections = self.applied.lock().unwrap_or_else(PoisonError::into_inner).rejections.clone();
        let rejections: Vec<Value> = rejections
            .iter()
            .map(|one| json!({ "kind": one.kind.as_str(), "name": one.name, "reason": one.reason }))
            .collect();
        serde_json::to_vec(&json!({ "sockets": sockets.collect::<Vec<_>>(), "rejections": rejections }))
    }
}
