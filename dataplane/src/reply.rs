//! The only place that turns an outcome into HTTP: status, headers, and the JSON-RPC error of a fault.
//!
//! Decides nothing about MCP. The tables stand in the design (section 4, error status) and in
//! `docs/errors.md`. Called by `pipeline`.

mod body;
mod error;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::fault::{Fault, Reason};

pub(crate) use body::{Chunks, Cut, ReplyBody};
pub(crate) use error::{error_body, error_code};

pub(crate) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// What is known of the client when a reply is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// The request never became a message of either era.
    Unknown,
    Legacy,
    Modern,
}

/// An answer that is ready to go out.
#[derive(Debug)]
pub(crate) enum Reply {
    /// 202 without a body: a notification or response was taken.
    Accepted,
    /// One JSON-RPC message.
    Json { status: StatusCode, body: Chunks, session: Option<HeaderValue> },
    /// One JSON-RPC message as it comes.
    Pieces(tokio::sync::mpsc::Receiver<Result<Bytes, Cut>>),
    /// One JSON-RPC message as the one event of a stream: as the backend frames it.
    Event(Bytes),
    /// Server-sent events as they come.
    Events(tokio::sync::mpsc::Receiver<Bytes>),
    /// A response without a message: DELETE, preflight.
    Bare(StatusCode),
}

// === impl Reply ===

impl Reply {
    pub(crate) fn json(body: impl Into<Chunks>) -> Self {
        Self::Json { status: StatusCode::OK, body: body.into(), session: None }
    }

    pub(crate) fn into_response(self) -> Response<ReplyBody> {
        match self {
            Self::Accepted => bare(StatusCode::ACCEPTED),
            Self::Bare(status) => bare(status),
            Self::Json { status, body, session } => {
                let mut response = Response::new(ReplyBody::Chunks(body));
                *response.status_mut() = status;
                response.headers_mut().insert(CONTENT_TYPE, JSON);
                if let Some(session) = session {
                    response.headers_mut().insert(SESSION_ID, session);
                }
                response
            }
            Self::Pieces(pieces) => {
                let mut response = Response::new(ReplyBody::Whole(pieces));
                response.headers_mut().insert(CONTENT_TYPE, JSON);
                response
            }
            Self::Event(event) => stream(ReplyBody::Chunks(event.into())),
            Self::Events(events) => stream(ReplyBody::Stream(events)),
        }
    }
}

fn stream(body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, EVENT_STREAM);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response
}

fn bare(status: StatusCode) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Empty);
    *response.status_mut() = status;
    response
}

/// The response for a fault. `id`: the request's raw id, if one was read.
pub(crate) fn fault(fault: &Fault, era: Era, id: Option<&[u8]>, allow: &'static str) -> Response<ReplyBody> {
    let status = status_of(fault.reason, era, id.is_some());
    let mut response = Response::new(ReplyBody::Chunks(error_body(fault, era, id).into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, JSON);
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    if let Some(after) = fault.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
    }
    response
}

/// The HTTP status of a fault.
///
/// On a legacy session an error that answers a request with a readable id goes out at 200: one client loses its
/// connection on any other status, another loses the code. What never became a message keeps its status.
fn status_of(reason: Reason, era: Era, has_id: bool) -> StatusCode {
    let plain = match reason {
        Reason::Parse | Reason::Request | Reason::Header | Reason::Version | Reason::Params | Reason::State => {
            StatusCode::BAD_REQUEST
        }
        Reason::Method | Reason::Session | Reason::NoRoute => StatusCode::NOT_FOUND,
        Reason::Origin => StatusCode::FORBIDDEN,
        Reason::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Reason::Rate => StatusCode::TOO_MANY_REQUESTS,
        Reason::Busy | Reason::UpstreamConnect => StatusCode::SERVICE_UNAVAILABLE,
        Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Reason::UriTooLong => StatusCode::URI_TOO_LONG,
        Reason::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Reason::Accept => StatusCode::NOT_ACCEPTABLE,
        Reason::HttpMethod => StatusCode::METHOD_NOT_ALLOWED,
        Reason::ClientTimeout => StatusCode::REQUEST_TIMEOUT,
        Reason::Unknown
        | Reason::UnknownResource
        | Reason::Lost
        | Reason::UpstreamBad
        | Reason::UpstreamTimeout
        | Reason::UpstreamEra
        | Reason::Cancelled
        | Reason::Internal => StatusCode::OK,
    };
    let keeps_status = matches!(
        reason,
        Reason::Parse
            | Reason::Request
            | Reason::Session
            | Reason::Origin
            | Reason::NoRoute
            | Reason::Misdirected
            | Reason::TooLarge
            | Reason::Version
    );
    if era == Era::Legacy && has_id && !keeps_status { StatusCode::OK } else { plain }
}

#[cfg(test)]
mod tests;
