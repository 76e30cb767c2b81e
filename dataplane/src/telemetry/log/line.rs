//! The text of one access-log line: a JSON object whose keys are OpenTelemetry attribute names.
//!
//! Pure but for the date of the current second, kept per thread. Whatever a peer chose (names, ids, causes) is escaped
//! so that a line stays one line and a terminal stays sane.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use crate::fault::Reason;
use crate::telemetry::labels::Outcome;
use crate::telemetry::metrics::Operation;
use crate::telemetry::record::{Finished, SessionHash, Target};
use crate::telemetry::trace::write_hex;

/// Appends the line of `finished`, with its end.
pub(super) fn append(out: &mut Vec<u8>, finished: &Finished, now: SystemTime) {
    out.extend_from_slice(b"{\"time\":\"");
    time(out, now);
    out.extend_from_slice(b"\",\"severity\":\"");
    out.extend_from_slice(severity(finished.outcome).as_bytes());
    out.push(b'"');
    hex_field(out, "trace_id", finished.trace.trace_id, 32);
    hex_field(out, "span_id", finished.trace.span_id.into(), 16);
    if let Some(parent) = finished.trace.parent {
        hex_field(out, "parent_span_id", parent.into(), 16);
    }
    subject(out, finished);
    place(out, finished);
    result(out, finished);
    figures(out, finished);
    out.extend_from_slice(b"}\n");
}

fn subject(out: &mut Vec<u8>, finished: &Finished) {
    match finished.operation {
        Operation::Rpc(method) => plain(out, "mcp.method.name", method.as_str()),
        other => plain(out, "http.request.method", other.as_str()),
    }
    match finished.target {
        Target::None => {}
        Target::Tool => text(out, "gen_ai.tool.name", finished.name.as_str()),
        Target::Prompt => text(out, "gen_ai.prompt.name", finished.name.as_str()),
        Target::Resource => text(out, "mcp.resource.uri", finished.name.as_str()),
    }
    let id = finished.request_id_text();
    if !id.is_empty() {
        text(out, "jsonrpc.request.id", id);
    }
    if let Some(revision) = finished.revision {
        plain(out, "mcp.protocol.version", revision.as_str());
    }
    if let Some(session) = finished.session {
        hex_field(out, "mcp.session.id", session.0, SessionHash::DIGITS);
    }
}

fn place(out: &mut Vec<u8>, finished: &Finished) {
    text(out, "ringway.route", finished.route.label());
    if let Some(backend) = &finished.backend {
        text(out, "ringway.backend", backend.label());
    }
    if let Some(client) = finished.client {
        key(out, "client.address");
        out.push(b'"');
        display(out, &client.ip());
        out.push(b'"');
        number(out, "client.port", client.port());
    }
    if !finished.client_name.is_empty() {
        text(out, "ringway.client.name", finished.client_name.as_str());
    }
}

fn result(out: &mut Vec<u8>, finished: &Finished) {
    plain(out, "ringway.outcome", finished.outcome.as_str());
    if let Some(error) = finished.outcome.error_type() {
        plain(out, "error.type", error);
    }
    if let Some(code) = finished.rpc_code {
        key(out, "rpc.response.status_code");
        out.push(b'"');
        out.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
        out.push(b'"');
    }
    if finished.http_status != 0 {
        number(out, "http.response.status_code", finished.http_status);
    }
    if let Some(reason) = finished.reason {
        plain(out, "ringway.reason", Reason::as_str(reason));
    }
    if let Some(cause) = &finished.cause {
        text(out, "ringway.cause", cause);
    }
}

fn figures(out: &mut Vec<u8>, finished: &Finished) {
    millis(out, "duration_ms", finished.duration);
    millis(out, "upstream_ms", finished.upstream);
    number(out, "bytes_in", finished.bytes_in);
    number(out, "bytes_out", finished.bytes_out);
    number(out, "ringway.attempts", finished.attempts);
}

fn severity(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Denied | Outcome::Limited | Outcome::UpstreamError | Outcome::Timeout => "WARN",
        Outcome::GatewayError => "ERROR",
        _ => "INFO",
    }
}

fn key(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// A value from a closed set, which needs no escaping.
fn plain(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    escaped(out, value);
}

fn number(out: &mut Vec<u8>, name: &str, value: impl itoa::Integer) {
    key(out, name);
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn hex_field(out: &mut Vec<u8>, name: &str, value: u128, digits: usize) {
    key(out, name);
    out.push(b'"');
    let mut field = [0; 32];
    if let Some(field) = field.get_mut(..digits) {
        write_hex(field, value);
        out.extend_from_slice(field);
    }
    out.push(b'"');
}

fn millis(out: &mut Vec<u8>, name: &str, value: Duration) {
    let micros = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
    number(out, name, micros / 1000);
    out.push(b'.');
    digits(out, micros % 1000, 3);
}

fn digits(out: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut field = [b'0'; 9];
    for digit in field.iter_mut().take(width).rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(field.get(..width).unwrap_or_default());
}

fn display(out: &mut Vec<u8>, value: &impl std::fmt::Display) {
    use std::io::Write as _;
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value}");
}

/// A JSON string. Beyond what JSON demands: DEL, C1 controls, line separators and the marks that reorder text, with
/// which a peer could paint over a terminal or make a line read as another.
fn escaped(out: &mut Vec<u8>, value: &str) {
    out.push(b'"');
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\') {
        out.extend_from_slice(value.as_bytes());
    } else {
        for char in value.chars() {
            match char {
                '"' | '\\' => out.extend_from_slice(&[b'\\', char as u8]),
                '\u{0}'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}' => {
                    let mut field = *b"\\u0000";
                    if let Some(digits) = field.get_mut(2..) {
                        write_hex(digits, u32::from(char).into());
                    }
                    out.extend_from_slice(&field);
                }
                _ => out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }
    out.push(b'"');
}

/// RFC 3339 in UTC with milliseconds. The calendar is worked out once a second and thread.
fn time(out: &mut Vec<u8>, now: SystemTime) {
    thread_local! {
        static SECOND: RefCell<(u64, String)> = const { RefCell::new((u64::MAX, String::new())) };
    }
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SECOND.with_borrow_mut(|(second, date)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            let at = i64::try_from(*second).ok().and_then(|second| jiff::Timestamp::from_second(second).ok());
            *date = at.unwrap_or_default().to_string();
            date.pop(); // the `Z`, which stands behind the milliseconds
        }
        out.extend_from_slice(date.as_bytes());
    });
    out.push(b'.');
    digits(out, since.subsec_millis().into(), 3);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn string(value: &str) -> String {
        let mut out = Vec::new();
        escaped(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn control_and_reordering_characters_are_escaped() {
        assert_eq!(string("plain text"), r#""plain text""#);
        assert_eq!(string("a\"b\\c\n\u{1b}[2J"), r#""a\"b\\c\u000a\u001b[2J""#);
        assert_eq!(string("\u{7f}\u{9b}\u{202e}é\u{2028}"), r#""\u007f\u009b\u202eé\u2028""#);
    }

    #[test]
    fn times_are_rfc_3339() {
        let mut out = Vec::new();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_514_400_045);
        time(&mut out, at);
        assert_eq!(String::from_utf8(out).unwrap(), "2026-11-24T10:00:00.045Z");
    }

    proptest! {
        #[test]
        fn any_text_survives_json_on_one_line(value in any::<String>()) {
            let line = string(&value);
            prop_assert_eq!(serde_json::from_str::<String>(&line).unwrap(), value);
            prop_assert!(!line.chars().any(char::is_control));
        }
    }
}
