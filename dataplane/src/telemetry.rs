//! What the gateway says about itself: one [`record::Record`] per message, which becomes a log line and metrics.
//!
//! Holds no policy and decides nothing about a request. Made once by `app`, shared by every thread; each stage writes
//! into the record of its message. [`log`], [`metrics`] and [`spans`] read what it became, [`record::Finished`].

pub mod cells;
pub mod inline;
pub mod labels;
pub mod log;
pub mod metrics;
pub mod record;
pub mod spans;
pub mod tasks;
pub mod trace;

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use log::AccessLog;
use metrics::Metrics;
use record::{Finished, SessionHash};
use spans::Spans;
use tasks::Tasks;

/// Everything that observes; one per gateway.
pub struct Telemetry {
    pub metrics: Arc<Metrics>,
    pub log: AccessLog,
    pub spans: Spans,
    pub tasks: Tasks,
    /// Of this process alone, so that hashes in old logs name nobody.
    session_secret: [u8; 192],
}

// === impl Telemetry ===

impl Telemetry {
    /// With counters at zero, and without spans.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, log: AccessLog) -> Arc<Self> {
        Self::with_spans(metrics, log, Spans::off())
    }

    /// With spans as well.
    #[must_use]
    pub fn with_spans(metrics: Arc<Metrics>, log: AccessLog, spans: Spans) -> Arc<Self> {
        Arc::new(Self { tasks: Tasks::new(Arc::clone(&metrics)), metrics, log, spans, session_secret: secret() })
    }

    /// Without an access log.
    #[must_use]
    pub fn silent() -> Arc<Self> {
        Self::new(Metrics::new(), AccessLog::off())
    }

    fn session_hash(&self, key: &[u8; 16]) -> SessionHash {
        SessionHash(xxhash_rust::xxh3::xxh3_128_with_secret(key, &self.session_secret))
    }

    fn finish(&self, finished: &Finished) {
        self.metrics.observe(finished);
        self.log.write(finished, &self.metrics);
        self.spans.submit(finished);
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").field("log", &self.log).field("spans", &self.spans).finish_non_exhaustive()
    }
}

fn secret<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The standard library's hash keys come from the system's random source; SipHash spreads them.
    let random = RandomState::new();
    for (counter, chunk) in bytes.chunks_mut(8).enumerate() {
        chunk.copy_from_slice(random.hash_one(counter).to_le_bytes().get(..chunk.len()).unwrap_or_default());
    }
    bytes
}
