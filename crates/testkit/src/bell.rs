//! Named signals between a test and the scripts of its peers: rung once, heard by whoever waits for that name, early or
//! late.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::PATIENCE;

/// A set of names that only grows.
#[derive(Debug, Default)]
pub struct Bell {
    rung: Mutex<BTreeSet<String>>,
    changed: Condvar,
}

// === impl Bell ===

impl Bell {
    /// Signals `name`, for ever.
    pub fn ring(&self, name: &str) {
        self.rung.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        self.changed.notify_all();
    }

    /// Waits for `name` at most this long; true: it was rung.
    #[must_use]
    pub fn heard(&self, name: &str, within: Duration) -> bool {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = |rung: &mut BTreeSet<String>| !rung.contains(name);
        let (rung, _) = self.changed.wait_timeout_while(rung, within, silent).unwrap_or_else(PoisonError::into_inner);
        rung.contains(name)
    }

    /// Waits for `name`.
    ///
    /// # Panics
    /// It is never rung.
    pub fn wait(&self, name: &str) {
        assert!(self.heard(name, PATIENCE), "{name} was never rung");
    }
}
