//! Spans: a sampled message, once it ended, waits in a bounded queue for a thread of its own that exports it by OTLP.
//!
//! No span exists while a call runs, only its ids ([`TraceContext`](super::trace::TraceContext)); an unsampled message
//! costs a comparison. A worker never waits: a full queue costs the oldest spans, which are counted. `describe` makes
//! spans of [`Finished`] records, `export` is the thread, `collector` the HTTP of it, `settings` the standard variables.

mod collector;
mod describe;
mod export;
mod names;
mod sampler;
mod settings;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::labels::Signal;
use super::metrics::Metrics;
use super::record::Finished;
pub use export::{SpanWriter, StartError};
pub use sampler::Sampler;
pub use settings::{SettingError, TraceSettings};

/// Most spans in one request to the collector.
pub const BATCH: usize = 512;
/// Most spans that wait: 16 batches, under 10 MB.
pub const QUEUE: usize = 16 * BATCH;

/// The sending end. Made once; shared by all threads.
pub struct Spans {
    /// `None`: no spans are made.
    queue: Option<Arc<Queue>>,
    sampler: Sampler,
}

/// Ended messages on their way to the exporter.
struct Queue {
    waiting: Mutex<Waiting>,
    /// Rung for the first message that waits, and for a full batch.
    bell: Notify,
    metrics: Arc<Metrics>,
}

/// Boxed, so that the lock is held for a pointer.
type Batch = VecDeque<Box<Finished>>;

#[derive(Default)]
struct Waiting {
    messages: Batch,
    /// Spans that `messages` stands for.
    spans: usize,
}

// === impl Spans ===

impl Spans {
    /// Makes none: callers' trace contexts pass through as they came.
    #[must_use]
    pub fn off() -> Self {
        Self { queue: None, sampler: Sampler::NEVER }
    }

    /// Starts the exporter.
    ///
    /// # Errors
    /// No thread can be started, or no certificates can be had for `https`.
    pub fn start(settings: TraceSettings, metrics: &Arc<Metrics>) -> Result<(Self, SpanWriter), StartError> {
        let queue = Arc::new(Queue::new(metrics));
        let sampler = settings.sampler;
        let writer = export::start(settings, Arc::clone(&queue))?;
        Ok((Self { queue: Some(queue), sampler }, writer))
    }

    /// Are spans made at all?
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.queue.is_some()
    }

    /// Whether a message of this trace is sampled. `caller`: the flag that it came with.
    pub(super) fn samples(&self, caller: Option<bool>, trace_id: u128) -> bool {
        match self.queue {
            Some(_) => self.sampler.samples(caller, trace_id),
            None => caller.unwrap_or(false),
        }
    }

    /// Queues the spans of a message that ended, if it is sampled.
    pub(super) fn submit(&self, finished: &Finished) {
        if let Some(queue) = &self.queue
            && finished.trace.sampled
        {
            queue.push(Box::new(finished.clone()));
        }
    }
}

impl fmt::Debug for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spans").field("on", &self.is_on()).field("sampler", &self.sampler).finish()
    }
}

// === impl Queue ===

impl Queue {
    fn new(metrics: &Arc<Metrics>) -> Self {
        Self { waiting: Mutex::default(), bell: Notify::new(), metrics: Arc::clone(metrics) }
    }

    fn push(&self, message: Box<Finished>) {
        let spans = count(&message);
        let mut lost = 0;
        let ring = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            while waiting.spans + spans > QUEUE
                && let Some(oldest) = waiting.messages.pop_front()
            {
                let gone = count(&oldest);
                waiting.spans = waiting.spans.saturating_sub(gone);
                lost += gone;
            }
            let before = waiting.spans;
            waiting.spans += spans;
            waiting.messages.push_back(message);
            before == 0 || (before < BATCH && waiting.spans >= BATCH)
        };
        if ring {
            self.bell.notify_one();
        }
        self.lost(lost);
    }

    /// The oldest messages, together at most one batch.
    fn take(&self) -> Batch {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::new();
        let mut spans = 0;
        while let Some(next) = waiting.messages.front().map(|message| count(message))
            && (batch.is_empty() || spans + next <= BATCH)
            && let Some(message) = waiting.messages.pop_front()
        {
            spans += next;
            batch.push_back(message);
        }
        waiting.spans = waiting.spans.saturating_sub(spans);
        batch
    }

    fn spans(&self) -> usize {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).spans
    }

    fn lost(&self, spans: usize) {
        if spans > 0 {
            self.metrics.dropped(Signal::Span, spans as u64);
        }
    }
}

/// Spans of one message: its own, and one for each attempt that it describes.
fn count(message: &Finished) -> usize {
    1 + message.tries.len()
}

#[cfg(test)]
mod tests;
