//! One [`Record`] per JSON-RPC message (also inside a batch), GET and DELETE: the source of log, metrics and span.
//!
//! The pipeline starts one when a message begins and each stage writes what it learned; dropping it makes the
//! [`Finished`] description that the consumers read. Setters copy into the record and allocate nothing (but the cause of
//! a failure, and what only a span tells). Holds no arguments, results, headers, tokens or session ids.

mod attempt;

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringway_mcp::{Revision, error};
use smallvec::SmallVec;

use super::Telemetry;
use super::inline::Inline;
use super::labels::Outcome;
use super::metrics::{BackendMetrics, Operation, RouteMetrics};
use super::trace::{self, TRACEPARENT, TraceContext};
use crate::fault::{Fault, Reason, Source};
use attempt::time_in;
pub use attempt::{Attempt, Try};

/// Most of a cause that goes into the log, in bytes.
const CAUSE: usize = 512;

/// A message under way. Emitted when dropped.
#[derive(Debug)]
pub struct Record {
    telemetry: Arc<Telemetry>,
    finished: Finished,
    /// Span id of the next attempt, where it is already known to somebody; zero: not yet made.
    next_span: u64,
    /// Set by whoever answered; a record dropped without it was abandoned.
    answered: bool,
}

/// The complete description of a message: what metrics and log read, and what spans are made of.
#[derive(Debug, Clone)]
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
    /// What the backend calls the target, where that differs. Only for a sampled message.
    pub own_name: Option<Box<str>>,
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
    pub http_version: Option<http::Version>,
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
        let mut trace = TraceContext::root();
        trace.sampled = telemetry.spans.samples(None, trace.trace_id);
        let finished = Finished {
            started,
            duration: Duration::ZERO,
            upstream: Duration::ZERO,
            operation,
            route: Arc::clone(telemetry.metrics.unrouted()),
            target: Target::None,
            name: Inline::new(),
            own_name: None,
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
            http_version: None,
            trace,
        };
        Self { telemetry: Arc::clone(telemetry), finished, next_span: 0, answered: false }
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

    pub fn set_http_version(&mut self, version: http::Version) {
        self.finished.http_version = Some(version);
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
        self.finished.target = Target::Resource;
        self.finished.name.set(&without_secrets(uri));
    }

    /// What the backend calls the tool, prompt or resource that was named before.
    pub fn set_own_name(&mut self, name: &str) {
        if self.is_recorded() {
            let name = if self.finished.target == Target::Resource { without_secrets(name) } else { name.into() };
            self.finished.own_name = Some(name.into());
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
            let sampled = self.telemetry.spans.samples(Some(context.sampled), context.trace_id);
            self.finished.trace = TraceContext { sampled, ..context };
        }
        found.is_some()
    }

    /// Will spans be made of this message?
    fn is_recorded(&self) -> bool {
        self.finished.trace.sampled && self.telemetry.spans.is_on()
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

// === impl Finished ===

impl Finished {
    /// The request's id; a string without its quotes, as the attribute is always a string.
    #[must_use]
    pub fn request_id_text(&self) -> &str {
        let id = self.request_id.as_str();
        id.strip_prefix('"').map_or(id, |rest| rest.strip_suffix('"').unwrap_or(rest))
    }
}

// === impl SessionHash ===

impl SessionHash {
    /// Hexadecimal digits that are shown: 96 bits.
    pub(super) const DIGITS: usize = 24;
}

impl fmt::Display for SessionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; Self::DIGITS];
        trace::write_hex(&mut digits, self.0);
        f.write_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

/// A URI without query, fragment and user information.
fn without_secrets(uri: &str) -> Cow<'_, str> {
    let clean = uri.split_once(['?', '#']).map_or(uri, |(path, _)| path);
    let authority = clean.split_once("://").map(|(scheme, rest)| (scheme, rest.split_once('/').unwrap_or((rest, ""))));
    match authority.and_then(|(scheme, (host, path))| Some((scheme, host.rsplit_once('@')?.1, path))) {
        // Rare, so it may allocate.
        Some((scheme, host, path)) => Cow::Owned(format!("{scheme}://{host}/{path}")),
        None => Cow::Borrowed(clean),
    }
}

/// The caller's faults as the semantic conventions list them for the server side; all other codes are the server's.
pub(super) const fn is_callers_fault(code: i64) -> bool {
    matches!(
        code,
        error::PARSE
            | error::INVALID_REQUEST
            | error::METHOD_NOT_FOUND
            | error::INVALID_PARAMS
            | error::RESOURCE_NOT_FOUND
    )
}

fn outcome_of_code(code: i64) -> Outcome {
    if is_callers_fault(code) { Outcome::ClientError } else { Outcome::UpstreamError }
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
