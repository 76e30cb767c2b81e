//! How fast rounds follow each other: quick for one change, slower the more a round costs.
//!
//! Holds no data but times; asked by `reconcile`.

use std::time::Duration;

use tokio::time::Instant;

/// One change waits this long for its neighbours: `kubectl apply -f` of several objects is one round.
const GATHER: Duration = Duration::from_millis(30);
/// However long a translation takes, the next one starts by then.
const MAX_GATHER: Duration = Duration::from_secs(1);
/// A look at every status takes at most this share of the time.
const SHARE: u32 = 4;

#[derive(Debug, Default)]
pub(super) struct Pace {
    translation: Duration,
    woken: Option<Instant>,
    /// When every status is looked at.
    wide: Option<Instant>,
    /// Not before this.
    wide_free: Option<Instant>,
}

// === impl Pace ===

impl Pace {
    /// To be slept after something changed, before the round.
    pub(super) fn gather(&mut self) -> Duration {
        self.woken = Some(Instant::now());
        self.translation.clamp(GATHER, MAX_GATHER)
    }

    /// When the present round was asked for.
    pub(super) fn woken(&self) -> Instant {
        self.woken.unwrap_or_else(Instant::now)
    }

    pub(super) fn translated(&mut self, took: Duration) {
        self.translation = took;
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

    pub(super) fn wide_done(&mut self, took: Duration) {
        let now = Instant::now();
        self.wide_free = Some(now + took * SHARE);
        // What is asked for later than now was asked for a reason of its own.
        self.wide = self.wide.filter(|wide| *wide > now);
    }
}
