//! Whether this process is on its way out, and how many calls it still owes an answer.
//!
//! Begun once, by the program at SIGTERM. Listeners, streams and readiness watch [`Drain::begun`]; every call holds one
//! unit of the gauge, at which shutdown looks until its deadline. Ends nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::telemetry::cells::{Gauge, Held};

/// The state; clones share it.
#[derive(Debug, Clone)]
pub struct Drain(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: watch::Sender<bool>,
    /// The same, for those who look once per request.
    draining: AtomicBool,
    inflight: Gauge,
}

// === impl Drain ===

impl Drain {
    /// Counts calls in `inflight`, which nobody else may change.
    #[must_use]
    pub fn new(inflight: Gauge) -> Self {
        Self(Arc::new(Shared { begun: watch::Sender::new(false), draining: AtomicBool::new(false), inflight }))
    }

    /// From now on the process drains. There is no way back.
    pub fn begin(&self) {
        self.0.draining.store(true, Ordering::Release);
        self.0.begun.send_replace(true);
    }

    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Acquire)
    }

    /// Done once draining has begun; at once if it has already. Does not borrow the drain, so that a task can own it.
    pub fn begun(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut begun = self.0.begun.subscribe();
        // Keeps the sender alive, so that waiting cannot fail.
        let shared = Arc::clone(&self.0);
        async move {
            let _ = begun.wait_for(|begun| *begun).await;
            drop(shared);
        }
    }

    /// Counts a call until the returned value is dropped. Calls that come while draining are counted, too: refusing
    /// them is the caller's decision.
    #[must_use]
    pub fn enter(&self) -> Held {
        self.0.inflight.hold()
    }

    /// Calls in flight.
    #[must_use]
    pub fn inflight(&self) -> usize {
        usize::try_from(self.0.inflight.value()).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_calls_while_it_drains() {
        let drain = Drain::new(Gauge::default());
        let (one, two) = (drain.enter(), drain.enter());
        assert!(!drain.is_draining());
        let begun = drain.begun();
        drain.begin();
        begun.await;
        drain.begun().await;
        assert!(drain.is_draining());

        assert_eq!(drain.inflight(), 2);
        drop(one);
        assert_eq!(drain.inflight(), 1);
        drop(two);
        assert_eq!(drain.inflight(), 0);
    }
}
