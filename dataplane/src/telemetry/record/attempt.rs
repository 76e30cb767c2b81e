//! The requests to backends that one message causes, each with a span of its own below the message's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_mcp::{Method, Revision};
use ringway_snapshot::Backend;
use smallvec::SmallVec;

use super::{Finished, Record, outcome_of_fault};
use crate::fault::{Fault, Reason};
use crate::telemetry::labels::Outcome;
use crate::telemetry::metrics::BackendMetrics;
use crate::telemetry::trace::{self, TRACEPARENT};

/// Most upstream attempts that one record describes: a merged list of many backends counts on, without detail.
const TRIES: usize = 64;

/// One request to a backend under way, made by [`Record::attempt`]. Dropped without [`Record::tried`]: it was abandoned,
/// and the backend's metrics say cancelled.
#[derive(Debug)]
pub struct Attempt {
    /// Its duration and outcome are those of the end.
    begun: Try,
    method: Method,
    /// What the backend gets as the parent of its spans.
    context: Option<[u8; TRACEPARENT]>,
    ended: bool,
}

/// One request to a backend that ended.
#[derive(Debug, Clone)]
pub struct Try {
    pub backend: Arc<BackendMetrics>,
    /// Where it went, and in which revision, where that was told.
    pub server: Option<Arc<Backend>>,
    pub revision: Option<Revision>,
    pub span_id: u64,
    pub started: Instant,
    pub duration: Duration,
    pub outcome: Outcome,
    /// Code of the JSON-RPC error that the backend answered with.
    pub rpc_code: Option<i64>,
    /// Why there was no answer.
    pub reason: Option<Reason>,
}

// === impl Record ===

impl Record {
    /// The `traceparent` that the next attempt sends. A gateway that makes no spans is no part of a trace: it passes its
    /// caller's context on, and has none of its own.
    #[must_use]
    pub fn next_traceparent(&mut self) -> Option<[u8; TRACEPARENT]> {
        let trace = self.finished.trace;
        if !self.telemetry.spans.is_on() {
            return trace.parent.map(|parent| trace.traceparent(parent));
        }
        if self.next_span == 0 {
            self.next_span = trace::new_id();
        }
        Some(trace.traceparent(self.next_span))
    }

    /// The same for a body that carries its caller's context: only that of a span that will exist is worth an edit.
    #[must_use]
    pub fn context_to_splice(&mut self) -> Option<[u8; TRACEPARENT]> {
        if self.is_recorded() { self.next_traceparent() } else { None }
    }

    /// Begins a request to `backend`, with a span of its own below this message's.
    #[must_use]
    pub fn attempt(&mut self, backend: &Arc<BackendMetrics>, method: Method) -> Attempt {
        self.finished.attempts = self.finished.attempts.saturating_add(1);
        self.finished.backend = Some(Arc::clone(backend));
        let context = self.next_traceparent();
        let begun = Try {
            backend: Arc::clone(backend),
            server: None,
            revision: None,
            span_id: std::mem::take(&mut self.next_span),
            started: Instant::now(),
            duration: Duration::ZERO,
            outcome: Outcome::Cancelled,
            rpc_code: None,
            reason: None,
        };
        Attempt { begun, method, context, ended: false }
    }

    /// Ends an attempt.
    pub fn tried(&mut self, attempt: Attempt, outcome: Outcome) {
        self.end(attempt, outcome, None, None);
    }

    /// Ends an attempt whose answer is the message's own, which the record was told before.
    pub fn tried_and_answered(&mut self, attempt: Attempt) {
        let Finished { outcome, rpc_code, .. } = self.finished;
        self.end(attempt, outcome, rpc_code, None);
    }

    /// Ends an attempt that brought no answer.
    pub fn tried_in_vain(&mut self, attempt: Attempt, fault: &Fault) {
        self.end(attempt, outcome_of_fault(fault), None, Some(fault.reason));
    }

    fn end(&mut self, mut attempt: Attempt, outcome: Outcome, rpc_code: Option<i64>, reason: Option<Reason>) {
        attempt.ended = true;
        let duration = attempt.begun.started.elapsed();
        attempt.begun.backend.observe(attempt.method, outcome, duration);
        if self.finished.tries.len() < TRIES {
            self.finished.tries.push(Try { duration, outcome, rpc_code, reason, ..attempt.begun.clone() });
        }
    }
}

// === impl Attempt ===

impl Attempt {
    /// Says where it goes, and in which revision.
    #[must_use]
    pub fn to(mut self, server: &Arc<Backend>, revision: Revision) -> Self {
        self.begun.server = Some(Arc::clone(server));
        self.begun.revision = Some(revision);
        self
    }

    /// The `traceparent` for the backend: this attempt is the parent of what happens there. See
    /// [`Record::next_traceparent`].
    #[must_use]
    pub fn traceparent(&self) -> Option<[u8; TRACEPARENT]> {
        self.context
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.begun.backend.observe(self.method, Outcome::Cancelled, self.begun.started.elapsed());
        }
    }
}

/// Wall time covered by `tries`, which may overlap in a fan-out. Leaves them in order of their start.
pub(super) fn time_in(tries: &mut SmallVec<[Try; 1]>) -> Duration {
    tries.sort_by_key(|each| each.started);
    let mut sum = Duration::ZERO;
    let mut covered: Option<Instant> = None;
    for each in tries.iter() {
        let end = each.started + each.duration;
        let from = covered.map_or(each.started, |until| until.max(each.started));
        sum += end.saturating_duration_since(from);
        covered = Some(covered.map_or(end, |until| until.max(end)));
    }
    sum
}
