//! A whole request body within its limits of size and time.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::fault::{Fault, Reason};
use crate::telemetry::labels::Limit;
use crate::worker::Shared;

/// Collects a body. One that arrived with its head costs neither a copy nor a timer.
///
/// # Errors
/// Too large (413), too slow (408), or cut off.
pub(super) async fn collect(shared: &Shared, headers: &HeaderMap, mut body: Incoming) -> Result<Bytes, Fault> {
    let limit = shared.limits.body_bytes;
    if announced(headers).is_some_and(|length| length > limit) {
        return Err(too_large(shared));
    }
    let deadline = Instant::now() + shared.limits.body_total;
    let mut first = Bytes::new();
    let mut rest: Option<BytesMut> = None;
    while let Some(data) = next(shared, &mut body, deadline).await? {
        let so_far = rest.as_ref().map_or(first.len(), BytesMut::len);
        if so_far + data.len() > limit {
            return Err(too_large(shared));
        }
        match &mut rest {
            Some(rest) => rest.extend_from_slice(&data),
            None if first.is_empty() => first = data,
            None => {
                let mut joined =
                    BytesMut::with_capacity(announced(headers).unwrap_or(first.len() + data.len()).min(limit));
                joined.extend_from_slice(&first);
                joined.extend_from_slice(&data);
                rest = Some(joined);
            }
        }
        if body.is_end_stream() {
            break;
        }
    }
    Ok(rest.map_or(first, BytesMut::freeze))
}

async fn next(shared: &Shared, body: &mut Incoming, deadline: Instant) -> Result<Option<Bytes>, Fault> {
    loop {
        let mut frame = pin!(body.frame());
        // Usually the bytes are there already: then no timer is made.
        let ready = frame.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let frame = match ready {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let due = deadline.min(Instant::now() + shared.limits.body_idle);
                tokio::time::timeout_at(due, frame).await.map_err(|_elapsed| {
                    shared.limit(Limit::BodyTime);
                    Fault::client(Reason::ClientTimeout, "The request body took too long")
                })?
            }
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                return Err(Fault::client(Reason::Request, "The request body was cut off").caused_by(error));
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large(shared: &Shared) -> Fault {
    shared.limit(Limit::BodyBytes);
    Fault::client(Reason::TooLarge, "The request body is too large")
}
