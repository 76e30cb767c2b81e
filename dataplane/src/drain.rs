//! Whether this process is on its way out, and how many calls it still owes an answer.
//!
//! Begun once, by the program at SIGTERM. Listeners, streams and readiness watch [`Drain::begun`]; every call holds an
//! [`InFlight`]; shutdown waits for them with a deadline. Ends nothing itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::telemetry::cells::Gauge;

/// The state; clones share it.
#[derive(Debug, Clone)]
pub struct Drain(Arc<Shared>);

/// One call that is owed an answer.
#[derive(Debug)]
pub struct InFlight(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: watch::Sender<bool>,
    /// The same, for those who look once per request.
    draining: AtomicBool,
    inflight: Gauge,
    /// The last call ended.
    idle: Notify,
}

// === impl Drain ===

impl Drain {
    /// Counts calls in `inflight`, which nobody else may change.
    #[must_use]
    pub fn new(inflight: Gauge) -> Self {
        Self(Arc::new(Shared {
            begun: watch::Sender::new(false),
            draining: AtomicBool::new(false),
            inflight,
            idle: Notify::new(),
        }))
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
    pub fn enter(&self) -> InFlight {
        self.0.inflight.add(1);
        InFlight(Arc::clone(&self.0))
    }

    /// Calls in flight.
    #[must_use]
    pub fn inflight(&self) -> usize {
        usize::try_from(self.0.inflight.value()).unwrap_or(0)
    }

    /// Waits until no call is in flight, at most for `limit`; says how many are left.
    pub async fn drained(&self, limit: Duration) -> usize {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let idle = self.0.idle.notified();
            tokio::pin!(idle);
            // Listen first, then look: otherwise the last call could end between the two.
            idle.as_mut().enable();
            let left = self.inflight();
            if left == 0 || tokio::time::timeout_at(deadline, idle).await.is_err() {
                return self.inflight().min(left);
            }
        }
    }
}

// === impl InFlight ===

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.inflight.add(-1) == 0 {
            self.0.idle.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waits_for_calls_up_to_the_deadline() {
        let drain = Drain::new(Gauge::default());
        let (one, two) = (drain.enter(), drain.enter());
        assert!(!drain.is_draining());
        let begun = drain.begun();
        drain.begin();
        begun.await;
        drain.begun().await;
        assert!(drain.is_draining());

        drop(one);
        assert_eq!(drain.drained(Duration::from_secs(5)).await, 1);
        let waiting = tokio::spawn({
            let drain = drain.clone();
            async move { drain.drained(Duration::from_secs(3600)).await }
        });
        tokio::task::yield_now().await;
        let before = tokio::time::Instant::now();
        drop(two);
        assert_eq!(waiting.await.unwrap(), 0);
        assert_eq!(before.elapsed(), Duration::ZERO, "woken by the last call, not by the deadline");
        assert_eq!(drain.drained(Duration::ZERO).await, 0);
    }

    #[test]
    fn no_wake_up_is_lost_between_threads() {
        let drain = Drain::new(Gauge::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for _ in 0..2_000 {
            let call = drain.enter();
            let ender = std::thread::spawn(move || drop(call));
            assert_eq!(runtime.block_on(drain.drained(Duration::from_secs(60))), 0);
            ender.join().unwrap();
        }
    }
}
