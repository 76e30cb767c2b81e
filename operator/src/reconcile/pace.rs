//! How fast rounds follow each other: quick for one change, slower the more a round costs.
//!
//! Holds no data but times; asked by `reconcile`.

use std::time::Duration;

use tokio::time::Instant;

/// One change waits this long for its neighbours: `kubectl apply -f` of several objects is one round.
const GATHER: Duration = Duration::from_millis(30);
/// However long a translation takes, the next one starts by then.
const MAX_GATHER: Duration = Duration::from_secs(1);
/// After a look at statuses there is none for as many times as long as it took.
const SHARE: u32 = 2;

#[derive(Debug, Default)]
pub(super) struct Pace {
    translation: Duration,
    /// When the last translation ended.
    ended: Option<Instant>,
    /// Not before this: a look at the statuses that were touched.
    narrow_free: Option<Instant>,
    woken: Option<Instant>,
    /// When every status is looked at.
    wide: Option<Instant>,
    /// Not before this.
    wide_free: Option<Instant>,
}

// === impl Pace ===

impl Pace {
    /// To be slept before the round; `translates`: it will be a dear one.
    pub(super) fn gather(&mut self, translates: bool) -> Duration {
        let now = Instant::now();
        self.woken = Some(now);
        if !translates {
            let pause = self.narrow_free.map_or(GATHER, |free| free.saturating_duration_since(now));
            return pause.clamp(GATHER, MAX_GATHER);
        }
        // A change after a quiet time is not kept waiting by what the last one cost.
        let quiet = self.ended.map_or(self.translation, |ended| ended.elapsed());
        self.translation.saturating_sub(quiet).clamp(GATHER, MAX_GATHER)
    }

    /// When the present round was asked for.
    pub(super) fn woken(&self) -> Instant {
        self.woken.unwrap_or_else(Instant::now)
    }

    pub(super) fn translated(&mut self, took: Duration) {
        (self.translation, self.ended) = (took, Some(Instant::now()));
    }

    /// Every status is to be looked at, as soon as that is affordable.
    pub(super) fn ask_wide(&mut self) {
        self.ask_wide_after(Duration::ZERO);
    }

    pub(super) fn ask_wide_after(&mut self, pause: Duration) {
        let when = Instant::now() + pause;
        let when = self.wide_free.map_or(when, |free| when.max(free));
        self.wide = Some(self.wide.map_or(when, |wide| wide.min(when)));
    }

    pub(super) fn wide(&self) -> Option<Instant> {
        self.wide
    }

    /// What is asked for from now on, is asked for again: whether or not this replica may look at statuses.
    pub(super) fn wide_begins(&mut self) {
        let now = Instant::now();
        self.wide = self.wide.filter(|wide| *wide > now);
    }

    pub(super) fn narrow_done(&mut self, took: Duration) {
        self.narrow_free = Some(Instant::now() + took * SHARE);
    }

    pub(super) fn wide_done(&mut self, took: Duration) {
        self.wide_free = Some(Instant::now() + took * SHARE);
        // What is asked for later than now was asked for a reason of its own.
        self.wide_begins();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_change_is_quick_and_a_stream_of_them_is_paced() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::default();
        assert_eq!(pace.gather(true), GATHER);
        pace.translated(second / 2);
        assert_eq!(pace.gather(true), second / 2, "right after another");
        assert_eq!(pace.gather(false), GATHER, "statuses that were touched cost nothing");
        pace.narrow_done(second / 4);
        assert_eq!(pace.gather(false), second / 4 * SHARE, "unless they did");
        tokio::time::advance(second).await;
        assert_eq!(pace.gather(true), GATHER, "after a quiet time");
        pace.translated(second * 9);
        assert_eq!(pace.gather(true), MAX_GATHER);
    }

    #[tokio::test(start_paused = true)]
    async fn looks_at_every_status_leave_time_for_other_work() {
        let (mut pace, second) = (Pace::default(), Duration::from_secs(1));
        pace.ask_wide();
        assert_eq!(pace.wide(), Some(Instant::now()));
        pace.wide_done(second);
        assert_eq!(pace.wide(), None);
        pace.ask_wide();
        pace.ask_wide_after(second * 10);
        assert_eq!(pace.wide(), Some(Instant::now() + second * SHARE), "the earlier of the two");
    }
}
