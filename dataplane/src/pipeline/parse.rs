//! The fourth stage: the body as one message of one era, checked once and strictly.
//!
//! Content headers, the whole body within its limits, one scan, the era, and the agreement of headers and body. What
//! was checked here is exactly what is forwarded.

mod body;
pub(super) mod era;
pub(super) mod trace;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use hyper::body::Incoming;
use ringway_mcp::scan::{self, Class, Envelope, Kind, ScanError};
use ringway_mcp::{Method, Revision};

use super::admit::Inbound;
use super::exchange::Exchange;
use crate::fault::{Fault, Reason};
use crate::reply::Era;
use crate::telemetry::labels::Limit;
use crate::telemetry::metrics::Operation;
use crate::worker::Shared;

/// A scanned message of a known era.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) body: Bytes,
    /// Boxed: it is large and passes through every stage.
    pub(crate) envelope: Box<Envelope>,
    pub(crate) method: Method,
    pub(crate) kind: Kind,
    pub(crate) claim: Claim,
    /// May the reply be a stream of events? One client accepts JSON only.
    pub(crate) accepts_events: bool,
    /// What vendors added to the trace that the message is part of.
    pub(crate) tracestate: Option<HeaderValue>,
}

/// What the message says of its era.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Claim {
    Modern(Revision),
    /// `initialize`.
    Handshake,
    /// Needs a session id.
    Legacy,
}

// === impl Message ===

impl Message {
    /// The raw id of a request or response.
    pub(crate) fn id(&self) -> Option<Bytes> {
        self.envelope.id.map(|id| self.body.slice(id.span.range()))
    }
}

/// Reads and checks the message of a POST.
///
/// # Errors
/// In the order of the conformance suite: content headers, parse, shape, era, `_meta`, headers against body, version.
pub(crate) async fn message(
    shared: &Shared,
    inbound: &Inbound<'_>,
    body: Incoming,
    exchange: &mut Exchange,
) -> Result<Message, Fault> {
    let accepts_events = content_headers(inbound.headers)?;
    let body = body::collect(shared, inbound.headers, body).await?;
    let envelope = scan::scan(&body, &shared.limits.message)
        .map_err(|error| {
            exchange.era = era::presumed(inbound.headers);
            refused(shared, &error, &body, exchange)
        })
        .map(Box::new)?;
    exchange.id = envelope.id.filter(|_| envelope.kind == Kind::Request).map(|id| body.slice(id.span.range()));
    let method = envelope.known_method().unwrap_or(Method::Other);
    exchange.note(|record| {
        record.set_operation(Operation::Rpc(method));
        record.add_bytes_in(body.len());
    });
    let record = exchange.record.as_mut();
    let tracestate = record.and_then(|record| trace::of_message(record, &envelope, &body, inbound.headers));
    let claim = era::claim(&envelope, &body, inbound.headers);
    exchange.era = match claim {
        Ok(Claim::Legacy | Claim::Handshake) => Era::Legacy,
        Ok(Claim::Modern(_)) | Err(_) => Era::Modern,
    };
    if let (Some(id), Some(record)) = (&exchange.id, &mut exchange.record) {
        record.set_request_id(id);
    }
    let message = Message { kind: envelope.kind, method, claim: claim?, envelope, body, accepts_events, tracestate };
    if let Claim::Modern(_) = message.claim {
        era::modern_headers(&message, inbound.headers)?;
    }
    Ok(message)
}

/// `Content-Type` must be JSON, also against cross-site form posts; `Accept` must allow one of the two answers.
fn content_headers(headers: &HeaderMap) -> Result<bool, Fault> {
    let json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| media_type(value.as_bytes()).eq_ignore_ascii_case(b"application/json"));
    if !json {
        return Err(Fault::client(Reason::ContentType, "Content-Type must be application/json"));
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Fault::client(Reason::ContentType, "Content-Encoding is not supported"));
    }
    let accepts = Accepts::of(headers);
    if !accepts.json && !accepts.events {
        return Err(Fault::client(Reason::Accept, "Accept must allow application/json and text/event-stream"));
    }
    Ok(accepts.events)
}

fn media_type(value: &[u8]) -> &[u8] {
    value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii()
}

/// Which of the two media types an `Accept` header allows; in any order, by wildcards, and everything when absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Accepts {
    pub(crate) json: bool,
    pub(crate) events: bool,
}

// === impl Accepts ===

impl Accepts {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accepts = Self { json: false, events: false };
        let mut present = false;
        for value in headers.get_all(header::ACCEPT) {
            present = true;
            for range in value.as_bytes().split(|b| *b == b',') {
                let range = media_type(range);
                accepts.json |= is_any(range, &[b"application/json", b"application/*", b"*/*"]);
                accepts.events |= is_any(range, &[b"text/event-stream", b"text/*", b"*/*"]);
            }
        }
        if present { accepts } else { Self { json: true, events: true } }
    }
}

fn is_any(range: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|name| range.eq_ignore_ascii_case(name))
}

fn refused(shared: &Shared, error: &ScanError, body: &Bytes, exchange: &mut Exchange) -> Fault {
    exchange.id = error.id.map(|id| body.slice(id.span.range()));
    let reason = match error.class() {
        Class::Parse => Reason::Parse,
        Class::Request => Reason::Request,
        Class::Params => Reason::Params,
        Class::TooBig => Reason::TooLarge,
    };
    if let Some(limit) = limit_of(error.reason) {
        shared.limit(limit);
    }
    Fault::client(reason, format!("{error}"))
}

fn limit_of(reason: scan::Reason) -> Option<Limit> {
    match reason {
        scan::Reason::Depth => Some(Limit::JsonDepth),
        scan::Reason::NumberTooLong => Some(Limit::JsonNumber),
        scan::Reason::TooManyNodes | scan::Reason::TooManyKeys | scan::Reason::BodyTooBig => Some(Limit::JsonNodes),
        scan::Reason::MethodTooLong
        | scan::Reason::IdTooLong
        | scan::Reason::NameTooLong
        | scan::Reason::UriTooLong => Some(Limit::NameBytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Accepts;
    use http::header::{ACCEPT, HeaderMap, HeaderValue};

    #[test]
    fn accept_is_read_liberally_and_still_read() {
        for (value, json, events) in [
            (Some("application/json, text/event-stream"), true, true),
            (Some("text/event-stream,application/json;q=0.9"), true, true),
            (Some("*/*"), true, true),
            (Some("application/*"), true, false),
            (Some("application/json"), true, false),
            (Some("text/html"), false, false),
            (None, true, true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(Accepts::of(&headers), Accepts { json, events }, "{value:?}");
        }
    }
}
