//! When a change of the files has settled: a file that is being written must not be read half. Pure.

use std::time::Duration;

/// People do not notice, and reading a few files costs nothing.
pub(super) const POLL: Duration = Duration::from_millis(300);
/// Editors and `cp` write a file in far less.
const LOOK_AGAIN: Duration = Duration::from_millis(30);
/// 100 × 30 ms: files that never rest for three seconds are taken as they are.
const MAX_LOOKS: u32 = 100;

/// Which content is in use, and what is coming.
#[derive(Debug)]
pub(super) struct Settle {
    applied: u64,
    coming: Option<u64>,
    looks: u32,
}

/// What to do after a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing new.
    Rest,
    /// Something changed just now.
    LookAgain,
    /// Something new has settled.
    Apply,
}

// === impl Settle ===

impl Settle {
    pub(super) fn new(applied: u64) -> Self {
        Self { applied, coming: None, looks: 0 }
    }

    /// Takes the digest of what is there now.
    pub(super) fn observe(&mut self, seen: u64) -> Step {
        if seen == self.applied {
            self.coming = None;
            self.looks = 0;
            return Step::Rest;
        }
        if self.coming == Some(seen) || self.looks >= MAX_LOOKS {
            return self.accept(seen);
        }
        self.coming = Some(seen);
        self.looks += 1;
        Step::LookAgain
    }

    /// Takes it whether settled or not.
    pub(super) fn accept(&mut self, seen: u64) -> Step {
        *self = Self::new(seen);
        Step::Apply
    }
}

// === impl Step ===

impl Step {
    pub(super) fn wait(self) -> Duration {
        match self {
            Self::LookAgain => LOOK_AGAIN,
            Self::Rest | Self::Apply => POLL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_seen_twice_is_applied() {
        let mut settle = Settle::new(0);
        let steps: Vec<_> = [0, 1, 2, 2, 2, 3, 2].into_iter().map(|seen| settle.observe(seen)).collect();
        use Step::{Apply, LookAgain, Rest};
        assert_eq!(steps, [Rest, LookAgain, LookAgain, Apply, Rest, LookAgain, Rest]);
    }

    #[test]
    fn files_that_never_rest_are_taken_as_they_are() {
        let mut settle = Settle::new(0);
        let first = (1..).find(|seen| settle.observe(*seen) == Step::Apply).unwrap();
        assert_eq!(first, u64::from(MAX_LOOKS) + 1);
    }

    #[test]
    fn an_asked_for_reload_needs_no_change() {
        let mut settle = Settle::new(7);
        assert_eq!(settle.accept(7), Step::Apply);
        assert_eq!(settle.observe(7), Step::Rest);
    }
}
