//! What is known of the eras that a server speaks, and for how long it is believed.
//!
//! Pure: told the time. A verdict without a horizon would never correct itself, since an upgraded server still answers
//! `initialize` (mcp-spec 7.0b). Probing is done in `handshake`.

use std::time::Duration;

use ringway_mcp::Revision;
use tokio::time::Instant;

/// A verdict is believed this long.
const HORIZON: Duration = Duration::from_secs(300);
/// After a failure that may mean that another server stands there now.
const DOUBTED: Duration = Duration::from_secs(10);

/// One era of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Knowledge {
    /// It serves the era.
    Known,
    /// It does not.
    No,
    /// Nobody asked lately.
    #[default]
    Unknown,
}

/// Both eras of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Era {
    /// 2026-07-28.
    pub modern: Knowledge,
    /// Up to 2025-11-25.
    pub legacy: Knowledge,
}

/// An [`Era`] with its horizon.
#[derive(Debug, Default)]
pub(super) struct EraMemory {
    era: Era,
    until: Option<Instant>,
}

// === impl Era ===

impl Era {
    pub(super) fn of_revision(revision: Revision) -> Self {
        if revision.is_modern() {
            Self { modern: Knowledge::Known, legacy: Knowledge::No }
        } else {
            Self { modern: Knowledge::No, legacy: Knowledge::Known }
        }
    }
}

// === impl EraMemory ===

impl EraMemory {
    pub(super) fn now(&self, now: Instant) -> Era {
        if self.until.is_some_and(|until| now < until) { self.era } else { Era::default() }
    }

    /// `None` leaves what is known of that era, if it is still believed.
    pub(super) fn learn(&mut self, modern: Option<Knowledge>, legacy: Option<Knowledge>, now: Instant) {
        let old = self.now(now);
        self.era = Era { modern: modern.unwrap_or(old.modern), legacy: legacy.unwrap_or(old.legacy) };
        // Only news prolongs: a fact learned again and again must not keep the other one alive for ever.
        if self.era != old {
            self.until = Some(now + HORIZON);
        }
    }

    pub(super) fn doubt(&mut self, now: Instant) {
        self.until = self.until.map(|until| until.min(now + DOUBTED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_verdict_ends_at_its_horizon_and_sooner_in_doubt() {
        let start = Instant::now();
        let mut memory = EraMemory::default();
        memory.learn(Some(Knowledge::No), None, start);
        memory.learn(None, Some(Knowledge::Known), start);
        assert_eq!(memory.now(start), Era { modern: Knowledge::No, legacy: Knowledge::Known });
        // Learned once more near the end: still the old horizon.
        memory.learn(None, Some(Knowledge::Known), start + HORIZON - Duration::from_secs(1));
        assert_eq!(memory.now(start + HORIZON), Era::default());

        memory.learn(Some(Knowledge::Known), None, start);
        memory.doubt(start);
        assert_eq!(memory.now(start + DOUBTED - Duration::from_millis(1)).modern, Knowledge::Known);
        assert_eq!(memory.now(start + DOUBTED), Era::default());
    }
}
