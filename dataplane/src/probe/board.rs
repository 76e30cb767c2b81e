//! What was found out so far: written by the probes, read by whoever sends it on.

use std::sync::{Arc, Mutex, PoisonError};

use ringway_config_stream::{BackendFacts, Facts, RouteFacts};
use ringway_snapshot::ObjectName;

/// The facts. A reader keeps what it took; the writer copies only then.
#[derive(Debug, Default)]
pub(super) struct Board {
    facts: Mutex<Arc<Facts>>,
}

// === impl Board ===

impl Board {
    pub(super) fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn backend(&self, name: &ObjectName, found: &BackendFacts) {
        self.change(
            |facts| facts.backends.get(name) != Some(found),
            |facts| {
                facts.backends.insert(name.clone(), found.clone());
            },
        );
    }

    pub(super) fn route(&self, name: &ObjectName, found: &RouteFacts) {
        self.change(
            |facts| facts.routes.get(name) != Some(found),
            |facts| {
                facts.routes.insert(name.clone(), found.clone());
            },
        );
    }

    /// Forgets what is no longer configured.
    pub(super) fn retain(&self, backend: impl Fn(&ObjectName) -> bool, route: impl Fn(&ObjectName) -> bool) {
        self.change(
            |facts| !facts.backends.keys().all(&backend) || !facts.routes.keys().all(&route),
            |facts| {
                facts.backends.retain(|name, _| backend(name));
                facts.routes.retain(|name, _| route(name));
            },
        );
    }

    fn change(&self, is_due: impl Fn(&Facts) -> bool, change: impl Fn(&mut Facts)) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if is_due(&facts) {
            change(Arc::make_mut(&mut facts));
        }
    }
}
