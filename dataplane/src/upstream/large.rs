//! A large JSON answer, piece by piece: what is relayed need not be held.

use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming as HyperBody;

use super::UpstreamError;
use super::http::describe;
use super::pool::Connection;
use super::server::Counted;
use super::stream::Pace;
use crate::fault::Executed;

/// An answer that announces more than this is read as it comes; a smaller one is cheaper whole.
pub const LARGE_JSON: usize = 256 << 10;

/// The body of an answer. Dropped before its end, it closes its connection.
#[derive(Debug)]
pub struct JsonBody {
    body: HyperBody,
    /// Given back to the pool after the last byte.
    connection: Option<Connection>,
    pace: Pace,
    _count: Counted,
}

// === impl JsonBody ===

impl JsonBody {
    pub(super) fn new(body: HyperBody, connection: Connection, pace: Pace, count: Counted) -> Self {
        Self { body, connection: Some(connection), pace, _count: count }
    }

    /// The next piece; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        loop {
            if self.body.is_end_stream() {
                return self.end();
            }
            let frame = match self.pace.limit(self.body.frame()).await {
                None => return Some(Err(UpstreamError::Timeout { executed: Executed::Unknown })),
                Some(None) => return self.end(),
                Some(Some(Err(error))) => return Some(Err(UpstreamError::closed(Executed::Unknown, describe(&error)))),
                Some(Some(Ok(frame))) => frame,
            };
            // Trailers mean nothing here.
            if let Ok(data) = frame.into_data() {
                return Some(Ok(data));
            }
        }
    }

    fn end(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        if let Some(connection) = self.connection.take() {
            connection.park();
        }
        None
    }
}
