//! How long who failed waits before the next try: doubling, spread, and short again once things went well.
//!
//! Pure: told the time. kube's own pause begins anew whenever a watch begins to list, so that one that cannot list would
//! be tried about once a second for ever. Used by every watch.

use std::time::Duration;

use ringway_config_stream::backoff;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep};

/// After the first failure.
const SHORTEST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    listed: Option<Instant>,
}

// === impl Pause ===

impl Pause {
    /// A list is whole. What fails right after it, list by list, is not well yet.
    pub(super) fn listed(&mut self, now: Instant) {
        self.listed = Some(now);
    }

    /// An event came.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// [`backoff::pause`] of the failures in a row, with this one. `random` is any number.
    pub(super) fn after_failure(&mut self, now: Instant, random: u64) -> Duration {
        if self.listed.take().is_some_and(|listed| now.duration_since(listed) >= LONGEST) {
            self.reset();
        }
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        backoff::pause((SHORTEST, LONGEST), failures, random)
    }

    /// Waits so long, or until everything is to be listed anew.
    pub(super) async fn wait(&mut self, renewals: &mut Receiver<()>) {
        tokio::select! {
            () = sleep(self.after_failure(Instant::now(), backoff::random())) => {}
            // The sender lives as long as any watch.
            _ = renewals.changed() => self.reset(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_to_its_bound() {
        let (mut pause, now) = (Pause::default(), Instant::now());
        let shortest: Vec<_> = (0..8).map(|_| pause.after_failure(now, 0).as_millis()).collect();
        assert_eq!(shortest, [250, 500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
        assert!(pause.after_failure(now, u64::MAX) < LONGEST);
        let mut old = Pause { failures: u32::MAX, listed: None };
        assert!(old.after_failure(now, 7) >= LONGEST / 2, "it does not overflow");
        assert_ne!(Pause::default().after_failure(now, 1), Pause::default().after_failure(now, 2));
    }

    #[test]
    fn it_begins_anew_with_an_event_or_a_list_that_held() {
        let (mut pause, start) = (Pause { failures: 6, listed: None }, Instant::now());
        pause.listed(start);
        let soon = pause.after_failure(start + Duration::from_secs(1), 0);
        assert_eq!(soon, LONGEST / 2, "a list that fails again and again is not well");
        pause.listed(start);
        assert_eq!(pause.after_failure(start + LONGEST, 0), SHORTEST / 2);
        pause.reset();
        let first = pause.after_failure(start, u64::MAX);
        assert!(first >= SHORTEST / 2 && first < SHORTEST, "{first:?}");
    }
}
