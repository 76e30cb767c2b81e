//! Waits between attempts: doubled each time up to a longest one, each taken from its upper half at random.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The waits of one series of failures.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    most: Duration,
}

// === impl Backoff ===

impl Backoff {
    /// Starts at `first`, ends at `most`.
    #[must_use]
    pub(crate) fn new((first, most): (Duration, Duration)) -> Self {
        Self { next: first, most }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let now = self.next.min(self.most);
        self.next = now.saturating_mul(2);
        // The standard library's hasher keys are random: enough to keep many gateways from knocking in step.
        let random = u32::try_from(RandomState::new().hash_one(now) & 0xffff).unwrap_or(0);
        now / 2 + (now / 2).mul_f64(f64::from(random) / 65_536.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;
    use std::time::Duration;

    #[test]
    fn waits_grow_to_the_longest_and_differ() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new((second, second * 30));
        for most in [1, 2, 4, 8, 16, 30, 30, 30] {
            let wait = backoff.next();
            assert!(wait >= second * most / 2 && wait <= second * most, "{wait:?} of {most} s");
        }
        let mut several: Vec<_> = (0..8).map(|_| Backoff::new((second, second)).next()).collect();
        several.dedup();
        assert!(several.len() > 1);
    }
}
