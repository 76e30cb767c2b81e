//! One POST, GET or DELETE and what comes back: a JSON answer, a stream of events, or a refusal.
//!
//! Both eras use it; it decides nothing about sessions or versions.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use ringway_mcp::sse::{Decoder, Frame, SseLimits};

use super::error::ClientError;
use super::http::Http;
use super::message::{self, Message, RpcError};

/// An answer larger than this is refused: a tool result is text for a model.
const MAX_JSON: usize = 64 << 20;
/// Enough to find a JSON-RPC error in the body of a refusal.
const MAX_REFUSAL: usize = 256 << 10;
const SSE_LIMITS: SseLimits = SseLimits { event_bytes: MAX_JSON, line_bytes: MAX_JSON };
/// Characters of a refusal's body that a person is shown.
const SHOWN: usize = 160;

/// A response by what it holds.
#[derive(Debug)]
pub(super) enum Reply {
    /// 2xx without a message: a notification or response was taken.
    Accepted,
    /// A JSON body.
    Json(VecDeque<Message>),
    /// `text/event-stream`.
    Events(Box<Events>),
    /// Not 2xx.
    Refused(Refusal),
}

/// A status other than 2xx.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) error: Option<RpcError>,
    pub(super) detail: String,
    pub(super) challenge: Option<String>,
}

/// A response with its head.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
    pub(super) reply: Reply,
}

/// A stream of messages.
#[derive(Debug)]
pub(super) struct Events {
    http: Arc<Http>,
    body: Incoming,
    decoder: Decoder,
    ready: VecDeque<Message>,
    /// The newest event id, for `Last-Event-ID`.
    pub(super) last_id: Option<Bytes>,
    /// How long the server wants clients to wait before they come back.
    pub(super) retry: Option<Duration>,
    // A stream of its own may be silent for ever; the answer to a request may not.
    limit: Option<Duration>,
}

/// POSTs a message.
pub(super) async fn post(http: &Arc<Http>, mut headers: HeaderMap, body: Vec<u8>) -> Result<Answer, ClientError> {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    exchange(http, Method::POST, headers, Bytes::from(body), None).await
}

/// Opens or resumes a legacy stream; `limit` absent: it may stay silent.
pub(super) async fn get(
    http: &Arc<Http>,
    mut headers: HeaderMap,
    last_id: Option<&Bytes>,
    limit: Option<Duration>,
) -> Result<Answer, ClientError> {
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(value) = last_id.and_then(|id| HeaderValue::from_bytes(id).ok()) {
        headers.insert(HeaderName::from_static("last-event-id"), value);
    }
    exchange(http, Method::GET, headers, Bytes::new(), Some(limit.unwrap_or(Duration::MAX))).await
}

/// Ends a legacy session.
pub(super) async fn delete(http: &Arc<Http>, headers: HeaderMap, limit: Duration) -> Result<Answer, ClientError> {
    exchange(http, Method::DELETE, headers, Bytes::new(), Some(limit)).await
}

async fn exchange(
    http: &Arc<Http>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
    limit: Option<Duration>,
) -> Result<Answer, ClientError> {
    let (head, body) = Box::pin(http.send(method, headers, body, limit)).await?.into_parts();
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let reply = if !head.status.is_success() {
        Reply::Refused(Refusal::read(http, head.status, &head.headers, body).await)
    } else if kind == "text/event-stream" {
        let decoder = Decoder::new(SSE_LIMITS);
        let (last_id, retry, ready) = (None, None, VecDeque::new());
        Reply::Events(Box::new(Events { http: Arc::clone(http), body, decoder, ready, last_id, retry, limit }))
    } else {
        let text = read_body(http, body, MAX_JSON).await?;
        // Python's 202 to a notification says application/json over no body.
        match kind.as_str() {
            _ if text.trim_ascii().is_empty() || head.status == StatusCode::ACCEPTED => Reply::Accepted,
            "application/json" => Reply::Json(message::parse(&text)?.into()),
            _ => return Err(ClientError::Protocol(format!("the server answered {kind}, which is no MCP message"))),
        }
    };
    Ok(Answer { headers: head.headers, reply })
}

async fn read_body(http: &Http, mut body: Incoming, limit: usize) -> Result<Bytes, ClientError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = http.within(None, body.frame()).await? {
        let Ok(data) = frame.map_err(|error| http.broken(error))?.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(ClientError::Protocol(format!("the answer is larger than {limit} bytes")));
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

// === impl Refusal ===

impl Refusal {
    async fn read(http: &Http, status: StatusCode, headers: &HeaderMap, body: Incoming) -> Self {
        // The status is the message; a body that cannot be read only means fewer words.
        let text = read_body(http, body, MAX_REFUSAL).await.unwrap_or_default();
        let error = message::parse(&text).ok().and_then(|messages| messages.into_iter().find_map(|one| one.error));
        let challenge = headers.get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self { status, error, detail: first_line(&text), challenge }
    }

    pub(super) fn into_error(self) -> ClientError {
        match self.error {
            Some(error) if !matches!(self.status.as_u16(), 401 | 403) => ClientError::Rpc(error),
            error => ClientError::Status {
                status: self.status.as_u16(),
                detail: error.map_or(self.detail, |error| error.message),
                challenge: self.challenge,
            },
        }
    }
}

/// The first line of a body that is worth showing: markup and stack traces are not.
fn first_line(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.starts_with('<') {
        return String::new();
    }
    line.chars().take(SHOWN).collect()
}

// === impl Events ===

impl Events {
    /// The next message, or `None` at the end of the stream. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            if let Some(frame) = self.decoder.next().map_err(|error| ClientError::Protocol(error.to_string()))? {
                self.take(frame)?;
                continue;
            }
            let Some(frame) = self.http.within(self.limit, self.body.frame()).await? else { return Ok(None) };
            if let Ok(data) = frame.map_err(|error| self.http.broken(error))?.into_data() {
                self.decoder.push(&data);
            }
        }
    }

    fn take(&mut self, frame: Frame) -> Result<(), ClientError> {
        let Frame::Event(event) = frame else { return Ok(()) };
        self.last_id = event.id.or_else(|| self.last_id.take());
        self.retry = event.retry.map(Duration::from_millis).or(self.retry);
        let known = event.kind.as_deref().is_none_or(|kind| kind == b"message");
        // Empty data primes a stream that may be polled (2025-11-25); it is no message.
        if known && !event.data.is_empty() {
            self.ready.extend(message::parse(&event.data)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_of_refusals_are_shortened() {
        assert_eq!(first_line(b"\n  no such thing \n at java.lang.Thread"), "no such thing");
        assert_eq!(first_line(b"<!doctype html><h1>404</h1>"), "");
        assert_eq!(first_line(&[b'x'; 500]).len(), SHOWN);
        assert_eq!(first_line(b""), "");
    }

    #[test]
    fn a_refused_caller_stays_a_status_whatever_the_body_says() {
        let refusal = |status| Refusal {
            status,
            error: Some(RpcError { code: -31002, message: "no credential".to_owned(), data: None }),
            detail: String::new(),
            challenge: None,
        };
        let unauthorized = refusal(StatusCode::UNAUTHORIZED).into_error();
        assert!(
            matches!(unauthorized, ClientError::Status { status: 401, ref detail, .. } if detail == "no credential")
        );
        assert!(
            matches!(refusal(StatusCode::BAD_REQUEST).into_error(), ClientError::Rpc(error) if error.code == -31002)
        );
    }
}
