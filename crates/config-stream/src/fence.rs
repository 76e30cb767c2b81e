//! Never back to an older state: whether a pod takes what a replica offers.
//!
//! A replica whose caches lag, or that just started from a stale one, offers what the pod has left behind. The pod then
//! holds what it serves. The stated exception: an etcd restored from a backup counts from lower numbers for good, so
//! that after [`HOLD`] without an offer that is not older, the older one is taken. Time in which nobody offered anything
//! proves nothing and does not count. Called by the data plane.

use std::time::{Duration, Instant};

use crate::limits::HOLD;
use crate::position::{Comparison, Position};

/// Remembers since when only older states were offered, across streams and replicas.
#[derive(Debug)]
pub struct Fence {
    hold: Duration,
    held: Option<Held>,
}

/// Only older states were offered, from `since` to `last`.
#[derive(Debug, Clone, Copy)]
struct Held {
    since: Instant,
    last: Instant,
}

/// What to do with an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    Take,
    /// It is behind what is served, in these kinds; in so much time it will be taken all the same.
    Hold {
        kinds: Vec<String>,
        remaining: Duration,
    },
    /// It is behind, and nothing else came for so long that it must be the truth.
    TakeOlder {
        kinds: Vec<String>,
    },
}

// === impl Fence ===

impl Fence {
    /// Takes an older state after `hold`; [`HOLD`] by default.
    #[must_use]
    pub fn new(hold: Duration) -> Self {
        Self { hold, held: None }
    }

    /// Judges what is offered to somebody who stands at `served`.
    pub fn judge(&mut self, offered: &Position, served: &Position, now: Instant) -> Judgement {
        let Comparison::Older(kinds) = offered.offered_to(served) else {
            self.held = None;
            return Judgement::Take;
        };
        // Whoever holds asks again several times within `hold`: half of it without an offer was an outage.
        let is_broken = |held: &Held| now.saturating_duration_since(held.last) > self.hold / 2;
        let since = self.held.filter(|held| !is_broken(held)).map_or(now, |held| held.since);
        self.held = Some(Held { since, last: now });
        match self.hold.checked_sub(now.saturating_duration_since(since)) {
            Some(remaining) if !remaining.is_zero() => Judgement::Hold { kinds, remaining },
            _ => {
                self.held = None;
                Judgement::TakeOlder { kinds }
            }
        }
    }
}

impl Default for Fence {
    fn default() -> Self {
        Self::new(HOLD)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Fence, HOLD, Judgement};
    use crate::position::{Cursor, Position};

    fn at(revision: u64) -> Position {
        Position([("MCPRoute".to_owned(), Cursor { revision, fingerprint: revision })].into())
    }

    #[test]
    fn an_older_state_is_held_back_for_the_time_and_no_longer() {
        let (mut fence, start) = (Fence::default(), Instant::now());
        let served = at(10);
        let kinds = vec!["MCPRoute".to_owned()];
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let hold = |remaining: u64| Judgement::Hold { kinds: kinds.clone(), remaining: Duration::from_secs(remaining) };
        assert_eq!(fence.judge(&at(9), &served, after(0)), hold(HOLD.as_secs()));
        assert_eq!(fence.judge(&at(9), &served, after(30)), hold(30));
        assert_eq!(fence.judge(&at(8), &served, after(59)), hold(1));
        // What is not older, even if it is the same, shows that the older one is not the truth.
        assert_eq!(fence.judge(&at(10), &served, after(59)), Judgement::Take);
        assert_eq!(fence.judge(&at(9), &served, after(60)), hold(60));
        assert_eq!(fence.judge(&at(9), &served, after(90)), hold(30));
        assert_eq!(fence.judge(&at(9), &served, after(120)), Judgement::TakeOlder { kinds: kinds.clone() });
        assert_eq!(fence.judge(&at(8), &at(9), after(121)), hold(60));
    }

    #[test]
    fn time_without_any_offer_does_not_count() {
        let (mut fence, start) = (Fence::default(), Instant::now());
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        let remaining = |judgement| match judgement {
            Judgement::Hold { remaining, .. } => remaining.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(remaining(fence.judge(&at(9), &at(10), after(0))), 60);
        // Every replica was gone for ten minutes; the first that is back lags a little.
        assert_eq!(remaining(fence.judge(&at(9), &at(10), after(600))), 60);
        assert_eq!(remaining(fence.judge(&at(9), &at(10), after(610))), 50);
    }

    #[test]
    fn time_that_runs_backwards_holds() {
        let (mut fence, start) = (Fence::default(), Instant::now() + Duration::from_secs(5));
        fence.judge(&at(9), &at(10), start);
        let earlier = fence.judge(&at(9), &at(10), start - Duration::from_secs(5));
        assert!(matches!(earlier, Judgement::Hold { .. }), "{earlier:?}");
    }
}
