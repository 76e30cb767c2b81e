//! How gently backends are visited.

use std::time::Duration;

/// Limits and times of the probes. Tests make the times short.
#[derive(Debug, Clone)]
pub struct Limits {
    /// `probe.interval`: between two visits of a backend that answers and that no client uses.
    pub interval: Duration,
    /// `probe.lists`: between two counts of what a backend has.
    pub lists: Duration,
    /// `probe.parallel`: backends visited at the same time.
    pub parallel: usize,
    /// `probe.rate`: visits that begin within a second. With more backends than `interval` times this, visits are rarer.
    pub rate: usize,
    /// Wait before the first and the longest wait between visits of a backend that does not answer.
    pub backoff: (Duration, Duration),
    /// A backend that answered counts as away once this many visits in a row failed: one lost packet is no news.
    pub failures: usize,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(30),
            lists: Duration::from_secs(300),
            parallel: 32,
            rate: 50,
            backoff: (Duration::from_secs(1), Duration::from_secs(30)),
            failures: 2,
        }
    }
}
