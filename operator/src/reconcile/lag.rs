//! How long changes take until every ready pod serves them: measured, not acted upon.

use std::collections::VecDeque;
use std::time::Duration;

use ringway_config_stream::Position;
use tokio::time::Instant;

use crate::status::fleet::{ReadyPod, holds};

/// Positions that are waited for; older ones are not measured any more.
const MOST: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Lag {
    waiting: VecDeque<(Instant, Position)>,
}

// === impl Lag ===

impl Lag {
    /// `since`: when the change was seen.
    pub(super) fn published(&mut self, since: Instant, position: Position) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back((since, position));
    }

    /// The lags of what all pods have now.
    pub(super) fn acknowledged(&mut self, pods: &[ReadyPod<'_>], current: &Position) -> Vec<Duration> {
        let mut lags = Vec::new();
        if pods.is_empty() {
            // Nobody is late.
            self.waiting.clear();
            return lags;
        }
        self.waiting.retain(|(since, need)| {
            let is_held = pods.iter().all(|pod| pod.position.is_some_and(|position| holds(position, need, current)));
            if is_held {
                lags.push(since.elapsed());
            }
            !is_held
        });
        lags
    }
}
