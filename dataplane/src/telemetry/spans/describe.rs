//! A finished message as spans: one SERVER span, and one CLIENT span below it for each attempt. Pure.
//!
//! Runs on the exporter's thread. What may be an error on a span is told by the MCP conventions, which differ for the two
//! ends of a call, and not by the outcome that metrics and objectives use.

use std::time::{Instant, SystemTime};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use ringway_mcp::Method;
use ringway_snapshot::{Backend, Target as Place};

use super::names;
use crate::fault::Reason;
use crate::telemetry::labels::Outcome;
use crate::telemetry::metrics::Operation;
use crate::telemetry::record::{Finished, Target, Try, is_callers_fault};

/// One instant on both clocks, to place others by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) wall: SystemTime,
    pub(super) instant: Instant,
}

/// W3C's sampled flag, and OTLP's "it is known whether the parent is remote".
const FLAGS: u32 = 0x101;
const PARENT_IS_REMOTE: u32 = 0x200;

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

/// Appends the spans of one message.
pub(super) fn append(out: &mut Vec<Span>, finished: &Finished, now: Now) {
    out.push(server(finished, now));
    for (attempt, number) in finished.tries.iter().zip(1..) {
        out.push(client(finished, attempt, number, now));
    }
}

fn server(finished: &Finished, now: Now) -> Span {
    let mut attributes = Attributes::default();
    subject(&mut attributes, finished, finished.name.as_str());
    if let Some(revision) = finished.revision {
        attributes.text(names::MCP_PROTOCOL_VERSION, revision.as_str());
    }
    if let Some(session) = finished.session {
        attributes.text(names::MCP_SESSION_ID, session.to_string());
    }
    attributes.text(names::NETWORK_TRANSPORT, "tcp");
    attributes.text(names::NETWORK_PROTOCOL_NAME, "http");
    if let Some(version) = finished.http_version {
        attributes.text(names::NETWORK_PROTOCOL_VERSION, http_version(version));
    }
    if let Some(client) = finished.client {
        attributes.text(names::CLIENT_ADDRESS, client.ip().to_string());
        attributes.int(names::CLIENT_PORT, client.port().into());
    }
    if !finished.client_name.is_empty() {
        attributes.text(names::CLIENT_NAME, finished.client_name.as_str());
    }
    attributes.text(names::ROUTE, &**finished.route.label());
    if let Some(backend) = &finished.backend {
        attributes.text(names::BACKEND, &**backend.label());
    }
    if finished.http_status != 0 {
        attributes.int(names::HTTP_STATUS_CODE, finished.http_status.into());
    }
    let error = server_error(finished);
    let status = attributes.result(finished.outcome, finished.rpc_code, finished.reason, error);
    let remote = if finished.trace.parent.is_some() { PARENT_IS_REMOTE } else { 0 };
    Span {
        trace_id: finished.trace.trace_id.to_be_bytes().into(),
        span_id: finished.trace.span_id.to_be_bytes().into(),
        parent_span_id: finished.trace.parent.map(|parent| parent.to_be_bytes().into()).unwrap_or_default(),
        flags: FLAGS | remote,
        name: name(finished, finished.name.as_str()),
        kind: SpanKind::Server.into(),
        start_time_unix_nano: now.nanos_of(finished.started),
        end_time_unix_nano: now.nanos_of(finished.started + finished.duration),
        attributes: attributes.0,
        status,
        ..Span::default()
    }
}

fn client(finished: &Finished, attempt: &Try, number: i64, now: Now) -> Span {
    let mut attributes = Attributes::default();
    let own = finished.own_name.as_deref().unwrap_or(finished.name.as_str());
    subject(&mut attributes, finished, own);
    if let Some(revision) = attempt.revision {
        attributes.text(names::MCP_PROTOCOL_VERSION, revision.as_str());
    }
    if let Some(server) = &attempt.server {
        attributes.place(server);
    }
    attributes.text(names::BACKEND, &**attempt.backend.label());
    attributes.int(names::ATTEMPT, number);
    let status = attributes.result(attempt.outcome, attempt.rpc_code, attempt.reason, client_error(attempt));
    Span {
        trace_id: finished.trace.trace_id.to_be_bytes().into(),
        span_id: attempt.span_id.to_be_bytes().into(),
        parent_span_id: finished.trace.span_id.to_be_bytes().into(),
        flags: FLAGS,
        name: name(finished, own),
        kind: SpanKind::Client.into(),
        start_time_unix_nano: now.nanos_of(attempt.started),
        end_time_unix_nano: now.nanos_of(attempt.started + attempt.duration),
        attributes: attributes.0,
        status,
        ..Span::default()
    }
}

/// The method, and what a tool or prompt is called; a URI has too many values for a name.
fn name(finished: &Finished, target: &str) -> String {
    let method = finished.operation.as_str();
    match finished.target {
        Target::Tool | Target::Prompt => format!("{method} {target}"),
        Target::None | Target::Resource => method.to_owned(),
    }
}

fn subject(attributes: &mut Attributes, finished: &Finished, target: &str) {
    match finished.operation {
        Operation::Rpc(method) => attributes.text(names::MCP_METHOD_NAME, method.as_str()),
        other => attributes.text(names::HTTP_REQUEST_METHOD, other.as_str()),
    }
    match finished.target {
        Target::None => {}
        Target::Tool => attributes.text(names::GEN_AI_TOOL_NAME, target),
        Target::Prompt => attributes.text(names::GEN_AI_PROMPT_NAME, target),
        Target::Resource => attributes.text(names::MCP_RESOURCE_URI, target),
    }
    if finished.operation == Operation::Rpc(Method::ToolsCall) {
        attributes.text(names::GEN_AI_OPERATION_NAME, names::EXECUTE_TOOL);
    }
    let id = finished.request_id_text();
    if !id.is_empty() {
        attributes.text(names::JSONRPC_REQUEST_ID, id);
    }
}

/// `error.type` of the receiver's span. Five codes are the caller's fault and no error of the server.
fn server_error(finished: &Finished) -> Option<String> {
    match (finished.outcome, finished.rpc_code) {
        (Outcome::Ok | Outcome::InputRequired, _) => None,
        (outcome @ (Outcome::ToolError | Outcome::Timeout | Outcome::Cancelled), _) => Some(outcome.as_str().into()),
        (Outcome::ClientError, Some(code)) if is_callers_fault(code) => None,
        (_, Some(code)) => Some(code.to_string()),
        (_, None) if finished.http_status >= 400 => Some(finished.http_status.to_string()),
        (outcome, None) => Some(outcome.as_str().into()),
    }
}

/// `error.type` of the sender's span: every error is one, whoever is to blame.
fn client_error(attempt: &Try) -> Option<String> {
    match (attempt.outcome, attempt.rpc_code, attempt.reason) {
        (Outcome::Ok | Outcome::InputRequired, ..) => None,
        (outcome @ (Outcome::ToolError | Outcome::Timeout | Outcome::Cancelled), ..) => Some(outcome.as_str().into()),
        (_, Some(code), _) => Some(code.to_string()),
        (_, None, Some(reason)) => Some(reason.as_str().into()),
        (outcome, None, None) => Some(outcome.as_str().into()),
    }
}

fn http_version(version: http::Version) -> &'static str {
    match version {
        http::Version::HTTP_2 => "2",
        http::Version::HTTP_10 => "1.0",
        _ => "1.1",
    }
}

// === impl Now ===

impl Now {
    pub(super) fn read() -> Self {
        Self { wall: SystemTime::now(), instant: Instant::now() }
    }

    fn nanos_of(self, instant: Instant) -> u64 {
        let earlier = self.instant.saturating_duration_since(instant);
        let later = instant.saturating_duration_since(self.instant);
        let since = self.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        u64::try_from((since + later).saturating_sub(earlier).as_nanos()).unwrap_or(u64::MAX)
    }
}

// === impl Attributes ===

impl Attributes {
    fn text(&mut self, name: &str, value: impl Into<String>) {
        self.0.push(text(name, value));
    }

    fn int(&mut self, name: &str, value: i64) {
        self.0.push(KeyValue {
            key: name.to_owned(),
            value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
            ..KeyValue::default()
        });
    }

    /// How the backend is reached.
    fn place(&mut self, backend: &Backend) {
        match &backend.target {
            Place::Stdio(_) => self.text(names::NETWORK_TRANSPORT, "pipe"),
            Place::Http(http) => {
                self.text(names::NETWORK_TRANSPORT, "tcp");
                self.text(names::NETWORK_PROTOCOL_NAME, "http");
                self.text(names::NETWORK_PROTOCOL_VERSION, "1.1");
                self.text(names::SERVER_ADDRESS, http.hostname.as_str());
                self.int(names::SERVER_PORT, http.port.into());
            }
        }
    }

    fn result(
        &mut self,
        outcome: Outcome,
        rpc_code: Option<i64>,
        reason: Option<Reason>,
        error: Option<String>,
    ) -> Option<Status> {
        self.text(names::OUTCOME, outcome.as_str());
        if let Some(code) = rpc_code {
            self.text(names::RPC_STATUS_CODE, code.to_string());
        }
        if let Some(reason) = reason {
            self.text(names::REASON, reason.as_str());
        }
        let error = error?;
        self.text(names::ERROR_TYPE, error);
        // The error's own message is the upstream's text and may hold data of the caller.
        let message = reason.map_or(outcome.as_str(), Reason::as_str).to_owned();
        Some(Status { message, code: StatusCode::Error.into() })
    }
}

pub(super) fn text(name: &str, value: impl Into<String>) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value.into())) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_before_and_after_the_reading_are_placed() {
        let now = Now { wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000), instant: Instant::now() };
        let ten = Duration::from_secs(10);
        assert_eq!(now.nanos_of(now.instant + ten), 1_010_000_000_000);
        if let Some(before) = now.instant.checked_sub(ten) {
            assert_eq!(now.nanos_of(before), 990_000_000_000);
        }
        let early = Now { wall: SystemTime::UNIX_EPOCH, ..now };
        assert_eq!(early.nanos_of(now.instant), 0);
    }
}
