//! One [`Record`] per JSON-RPC message (also inside a batch), GET and DELETE: the source of log, metrics and span.
//!
//! The pipeline starts one when a message begins and each stage writes what it learned; dropping it makes the
//! [`Finished`] description that the consumers read. Setters copy into the record and allocate nothing (but the cause of
//! a failure). Holds no arguments, results, headers, tokens or session ids.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_mcp::{Method, Revision};
use smallvec::SmallVec;

use super::Telemetry;
use super::inline::Inline;
use super::labels::Outcome;
use super::metrics::{BackendMetrics, Operation, RouteMetrics};
use super::trace::{self, TRACEPARENT, TraceContext};
use crate::fault::{Fault, Reason, Source};

/// Most of a cause that goes into the log, in bytes.
const CAUSE: usize = 512;
/// Most upstream attempts that one record describes: a merged list of many backends counts on, without detail.
const TRIES: usize = 64;

/// A message under way. Emitted when dropped.
#[derive(Debug)]
pub struct Record {
    telemetry: Arc<Telemetry>,
    finished: Finished,
    /// Set by whoever answered; a record dropped without it was abandoned.
    answered: bool,
}

/// The complete description of a message: what metrics and log read, and what a span would be made of.
#[derive(Debug)]
pub struct Finished {
    pub started: Instant,
    pub duration: Duration,
    /// Part of `duration` in which an upstream was awaited.
    pub upstream: Duration,
    pub operation: Operation,
    pub route: Arc<RouteMetrics>,
    pub target: Target,
    /// Name or URI of the target.
    pub name: Inline<128>,
    /// A catalogue knows the name, so that it may be a label.
    pub catalogued: bool,
    /// The backend that answered, or was asked last.
    pub backend: Option<Arc<BackendMetrics>>,
    pub revision: Option<Revision>,
    /// As on the wire: a string with its quotes, or a number.
    pub request_id: Inline<64>,
    pub session: Option<SessionHash>,
    pub outcome: Outcome,
    pub reason: Option<Reason>,
    pub cause: Option<Box<str>>,
    /// Zero: none was sent.
    pub http_status: u16,
    /// Code of the JSON-RPC error that was the answer.
    pub rpc_code: Option<i64>,
    pub tries: SmallVec<[Try; 1]>,
    /// Upstream attempts, also those that `tries` has no room for.
    pub attempts: u32,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub client: Option<SocketAddr>,
    pub client_name: Inline<48>,
    pub trace: TraceContext,
}

/// What a message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    None,
    Tool,
    Prompt,
    /// The URI, without query, fragment and user information.
    Resource,
}

/// Names a session in logs without being its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionHash(pub(super) u128);

/// One request to a backend under way, made by [`Record::attempt`]. Dropped without [`Record::tried`]: it was abandoned,
/// and the backend's metrics say cancelled.
#[derive(Debug)]
pub struct Attempt {
    backend: Arc<BackendMetrics>,
    method: Method,
    span_id: u64,
    started: Instant,
    trace: TraceContext,
    ended: bool,
}

/// One request to a backend that ended.
#[derive(Debug)]
pub struct Try {
    pub backend: Arc<BackendMetrics>,
    pub span_id: u64,
    pub started: Instant,
    pub duration: Duration,
    pub outcome: Outcome,
}

// === impl Record ===

impl Record {
    /// Begins now.
    #[must_use]
    pub fn start(telemetry: &Arc<Telemetry>, operation: Operation) -> Self {
        Self::start_at(telemetry, operation, Instant::now())
    }

    /// Began at `started`: for a batch, or where the head was read before anything could be known.
    #[must_use]
    pub fn start_at(telemetry: &Arc<Telemetry>, operation: Operation, started: Instant) -> Self {
        let finished = Finished {
            started,
            duration: Duration::ZERO,
            upstream: Duration::ZERO,
            operation,
            route: Arc::clone(telemetry.metrics.unrouted()),
            target: Target::None,
            name: Inline::new(),
            catalogued: false,
            backend: None,
            revision: None,
            request_id: Inline::new(),
            session: None,
            outcome: Outcome::Cancelled,
            reason: None,
            cause: None,
            http_status: 0,
            rpc_code: None,
            tries: SmallVec::new(),
            attempts: 0,
            bytes_in: 0,
            bytes_out: 0,
            client: None,
            client_name: Inline::new(),
            trace: TraceContext::root(),
        };
        Self { telemetry: Arc::clone(telemetry), finished, answered: false }
    }

    pub fn set_operation(&mut self, operation: Operation) {
        self.finished.operation = operation;
    }

    pub fn set_route(&mut self, route: &Arc<RouteMetrics>) {
        self.finished.route = Arc::clone(route);
    }

    pub fn set_client(&mut self, address: SocketAddr) {
        self.finished.client = Some(address);
    }

    pub fn set_client_name(&mut self, name: &str) {
        self.finished.client_name.set(name);
    }

    pub fn set_revision(&mut self, revision: Revision) {
        self.finished.revision = Some(revision);
    }

    /// The id as it stands in the message: `"a"` or `10`.
    pub fn set_request_id(&mut self, raw: &[u8]) {
        self.finished.request_id.set(std::str::from_utf8(raw).unwrap_or_default());
    }

    /// The 16-byte key inside the session id; only its keyed hash is kept.
    pub fn set_session(&mut self, key: &[u8; 16]) {
        self.finished.session = Some(self.telemetry.session_hash(key));
    }

    /// The visible name of the tool or prompt. `catalogued`: a catalogue has it, so that it may label metrics.
    pub fn set_name(&mut self, target: Target, name: &str, catalogued: bool) {
        self.finished.target = target;
        self.finished.name.set(name);
        // A cut name could be another one's.
        self.finished.catalogued = catalogued && self.finished.name.as_str().len() == name.len();
    }

    /// The URI of a resource: its query, fragment and user information, which may hold secrets, are left out.
    pub fn set_resource(&mut self, uri: &str) {
        let clean = uri.split_once(['?', '#']).map_or(uri, |(path, _)| path);
        self.finished.target = Target::Resource;
        let authority =
            clean.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('/').unwrap_or((rest, ""))));
        match authority.and_then(|(scheme, (host, path))| Some((scheme, host.rsplit_once('@')?.1, path))) {
            // Rare, so it may allocate.
            Some((scheme, host, path)) => self.finished.name.set(&format!("{scheme}://{host}/{path}")),
            None => self.finished.name.set(clean),
        }
    }

    pub fn set_backend(&mut self, backend: &Arc<BackendMetrics>) {
        self.finished.backend = Some(Arc::clone(backend));
    }

    pub fn set_http_status(&mut self, status: u16) {
        self.finished.http_status = status;
    }

    pub fn add_bytes_in(&mut self, bytes: usize) {
        self.finished.bytes_in = self.finished.bytes_in.saturating_add(bytes as u64);
    }

    pub fn add_bytes_out(&mut self, bytes: usize) {
        self.finished.bytes_out = self.finished.bytes_out.saturating_add(bytes as u64);
    }

    /// Takes the caller's trace over: `_meta.traceparent` before the header, as MCP's context is independent of HTTP's.
    /// False: neither is valid, the trace starts here.
    pub fn continue_trace(&mut self, meta: Option<&[u8]>, header: Option<&[u8]>) -> bool {
        let found = meta.and_then(TraceContext::below).or_else(|| header.and_then(TraceContext::below));
        if let Some(context) = found {
            self.finished.trace = context;
        }
        found.is_some()
    }

    #[must_use]
    pub fn trace(&self) -> &TraceContext {
        &self.finished.trace
    }

    /// A `traceparent` that names this message's span as the parent.
    #[must_use]
    pub fn child_traceparent(&self) -> [u8; TRACEPARENT] {
        self.finished.trace.traceparent(self.finished.trace.span_id)
    }

    /// Begins a request to `backend`, with a span of its own below this message's.
    #[must_use]
    pub fn attempt(&mut self, backend: &Arc<BackendMetrics>, method: Method) -> Attempt {
        self.finished.attempts = self.finished.attempts.saturating_add(1);
        self.finished.backend = Some(Arc::clone(backend));
        let trace = self.finished.trace;
        let (backend, started) = (Arc::clone(backend), Instant::now());
        Attempt { backend, method, span_id: trace::new_id(), started, trace, ended: false }
    }

    /// Ends an attempt.
    pub fn tried(&mut self, mut attempt: Attempt, outcome: Outcome) {
        attempt.ended = true;
        let duration = attempt.started.elapsed();
        attempt.backend.observe(attempt.method, outcome, duration);
        let (span_id, started) = (attempt.span_id, attempt.started);
        if self.finished.tries.len() < TRIES {
            let backend = Arc::clone(&attempt.backend);
            self.finished.tries.push(Try { backend, span_id, started, duration, outcome });
        }
    }

    /// Adds time in which something upstream was awaited that is no attempt of this record (a shared list, a bind).
    pub fn waited(&mut self, time: Duration) {
        self.finished.upstream += time;
    }

    /// The message was answered with a result.
    pub fn succeed(&mut self, outcome: Outcome) {
        self.finished.outcome = outcome;
        self.answered = true;
    }

    /// The upstream answered with a JSON-RPC error.
    pub fn rpc_error(&mut self, code: i64) {
        self.finished.rpc_code = Some(code);
        self.finished.outcome = outcome_of_code(code);
        self.answered = true;
    }

    /// The gateway answered with a fault. `rpc_code`: the error's code, where there was one.
    pub fn fail(&mut self, fault: &Fault, rpc_code: Option<i64>) {
        self.finished.outcome = outcome_of_fault(fault);
        self.finished.reason = Some(fault.reason);
        self.finished.rpc_code = rpc_code;
        self.finished.cause = fault.cause.as_deref().map(cause_text);
        self.answered = true;
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let finished = &mut self.finished;
        finished.duration = finished.started.elapsed();
        finished.upstream = (finished.upstream + time_in(&mut finished.tries)).min(finished.duration);
        if !self.answered && std::thread::panicking() {
            finished.outcome = Outcome::GatewayError;
            finished.reason = Some(Reason::Internal);
        }
        self.telemetry.finish(&self.finished);
    }
}

// === impl Attempt ===

impl Attempt {
    /// The `traceparent` for the backend: this attempt is the parent of what happens there.
    #[must_use]
    pub fn traceparent(&self) -> [u8; TRACEPARENT] {
        self.trace.traceparent(self.span_id)
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.backend.observe(self.method, Outcome::Cancelled, self.started.elapsed());
        }
    }
}

/// Wall time covered by `tries`, which may overlap in a fan-out. Leaves them in order of their start.
fn time_in(tries: &mut SmallVec<[Try; 1]>) -> Duration {
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

/// The caller's faults as the semantic conventions list them for the server side; all other codes are the server's.
fn outcome_of_code(code: i64) -> Outcome {
    match code {
        -32700 | -32600 | -32601 | -32602 | -32002 => Outcome::ClientError,
        _ => Outcome::UpstreamError,
    }
}

fn outcome_of_fault(fault: &Fault) -> Outcome {
    match (fault.reason, fault.source) {
        (Reason::Rate | Reason::Busy, _) => Outcome::Limited,
        (Reason::Cancelled, _) => Outcome::Cancelled,
        (Reason::UpstreamTimeout, _) => Outcome::Timeout,
        (_, Source::Client) => Outcome::ClientError,
        (_, Source::Policy) => Outcome::Denied,
        (_, Source::Gateway) => Outcome::GatewayError,
        (_, Source::Upstream) => Outcome::UpstreamError,
    }
}

/// The whole chain: hyper's own text says only that something failed.
fn cause_text(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> Box<str> {
    let mut text = cause.to_string();
    let mut next = cause.source();
    while let Some(error) = next
        && text.len() < CAUSE
    {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text.truncate(text.floor_char_boundary(CAUSE));
    text.into()
}

#[cfg(test)]
mod tests;
