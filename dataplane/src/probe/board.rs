//! What was found out so far, within the bounds of the config stream: written by the probes, read by whoever sends it on.

use std::sync::{Arc, Mutex, PoisonError};

use ringway_config_stream::facts::Found;
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
        let found = Arc::new(found.clone().bounded());
        self.change(|facts| facts.backends.get(name) != Some(&found), |facts| put(&mut facts.backends, name, &found));
    }

    pub(super) fn route(&self, name: &ObjectName, found: &RouteFacts) {
        let found = Arc::new(found.clone().bounded());
        self.change(|facts| facts.routes.get(name) != Some(&found), |facts| put(&mut facts.routes, name, &found));
    }

    /// Forgets what is no longer configured.
    pub(super) fn retain(&self, backend: impl Fn(&ObjectName) -> bool, route: impl Fn(&ObjectName) -> bool) {
        self.change(
            |facts| !facts.backends.keys().all(|name| backend(name)) || !facts.routes.keys().all(|name| route(name)),
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

/// A name that is there is kept: readers of before share it.
fn put<T>(known: &mut Found<T>, name: &ObjectName, found: &Arc<T>) {
    match known.get_mut(name) {
        Some(known) => *known = Arc::clone(found),
        None => drop(known.insert(Arc::new(name.clone()), Arc::clone(found))),
    }
}
