//! The messages of one answer or standing stream, one by one, over HTTP (SSE) or from a child process.
//!
//! Knows no JSON: which message is the response is the caller's knowledge, who says [`MessageStream::finish`] then.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;
use hyper::body::Incoming as HyperBody;
use ringway_mcp::sse::{Decoder, Event, Frame, SseLimits};
use tokio::time::{Instant, timeout_at};

use super::UpstreamError;
use super::http::describe;
use super::pool::Connection;
use super::server::Counted;
use super::stdio::ChildStream;
use crate::fault::Executed;

/// After its response a server should close the stream; it gets this long before we close the connection.
const LINGER: Duration = Duration::from_millis(250);

/// What comes on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// One JSON-RPC message, not scanned yet.
    Message {
        /// The message.
        data: Bytes,
        /// The server's event id.
        event_id: Option<Bytes>,
    },
    /// An event without data: from here the stream may be resumed, or wait this long before that.
    Prime {
        /// The server's event id.
        event_id: Option<Bytes>,
        /// Milliseconds.
        retry: Option<u64>,
    },
    /// A sign of life.
    Comment,
}

/// Messages until the end. Dropping it cancels a modern call: the connection is closed, the process is told.
#[derive(Debug)]
pub struct MessageStream {
    inner: Inner,
}

#[derive(Debug)]
enum Inner {
    Http(Box<HttpStream>),
    Child(ChildStream),
}

#[derive(Debug)]
struct HttpStream {
    body: HyperBody,
    decoder: Decoder,
    pace: Pace,
    limit: usize,
    /// `None` once the stream has ended.
    connection: Option<Connection>,
    _count: Counted,
}

/// How long to wait for the next byte and for the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) idle: Option<Duration>,
    pub(super) deadline: Option<Instant>,
}

// === impl MessageStream ===

impl MessageStream {
    pub(super) fn http(body: HyperBody, connection: Connection, pace: Pace, limit: usize, count: Counted) -> Self {
        let decoder = Decoder::new(SseLimits { event_bytes: limit, line_bytes: limit });
        let stream = HttpStream { body, decoder, pace, limit, connection: Some(connection), _count: count };
        Self { inner: Inner::Http(Box::new(stream)) }
    }

    pub(super) fn child(stream: ChildStream) -> Self {
        Self { inner: Inner::Child(stream) }
    }

    /// What comes next; `None`: the server ended the stream. After an error the stream is over.
    pub async fn next(&mut self) -> Option<Result<Incoming, UpstreamError>> {
        match &mut self.inner {
            Inner::Http(stream) => stream.next().await,
            Inner::Child(stream) => stream.next().await,
        }
    }

    /// The response has come: nothing more is expected. The connection is kept for others if the server ends the stream
    /// now or within a moment.
    pub fn finish(self) {
        match self.inner {
            Inner::Http(stream) => stream.finish(),
            Inner::Child(stream) => stream.finish(),
        }
    }
}

// === impl HttpStream ===

impl HttpStream {
    async fn next(&mut self) -> Option<Result<Incoming, UpstreamError>> {
        loop {
            match self.decoder.next() {
                Ok(Some(frame)) => return Some(Ok(incoming(frame))),
                Ok(None) => {}
                Err(_) => return self.fail(UpstreamError::TooLarge { limit: self.limit }),
            }
            // Over already: an event without its blank line is not delivered (WHATWG HTML, 9.2.6).
            self.connection.as_ref()?;
            let Some(frame) = self.pace.limit(self.body.frame()).await else {
                return self.fail(UpstreamError::Timeout { executed: Executed::Unknown });
            };
            match frame {
                None => self.end(),
                Some(Err(error)) => {
                    return self.fail(UpstreamError::closed(Executed::Unknown, describe(&error)));
                }
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.decoder.push(data);
                    }
                }
            }
        }
    }

    fn end(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.park();
        }
    }

    fn fail(&mut self, error: UpstreamError) -> Option<Result<Incoming, UpstreamError>> {
        let first = self.connection.take().is_some();
        first.then_some(Err(error))
    }

    fn finish(mut self: Box<Self>) {
        match self.drain(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(()) => {}
            Poll::Pending => {
                tokio::spawn(async move {
                    let drained = std::future::poll_fn(|cx| self.drain(cx));
                    // Not ended in time: dropping the connection closes it.
                    let _ = tokio::time::timeout(LINGER, drained).await;
                });
            }
        }
    }

    /// Throws away what is left; parks the connection at the end.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.connection.is_some() {
            match std::task::ready!(std::pin::Pin::new(&mut self.body).poll_frame(cx)) {
                None => self.end(),
                Some(Ok(_)) => {}
                Some(Err(_)) => self.connection = None,
            }
        }
        Poll::Ready(())
    }
}

fn incoming(frame: Frame) -> Incoming {
    match frame {
        Frame::Comment => Incoming::Comment,
        Frame::Event(Event { id, kind, data, retry, .. }) => {
            let named = kind.is_some_and(|kind| !kind.is_empty() && &kind[..] != b"message");
            if data.trim_ascii().is_empty() {
                Incoming::Prime { event_id: id, retry }
            } else if named {
                // Not an event of MCP (some servers send `ping`): clients ignore it.
                Incoming::Comment
            } else {
                Incoming::Message { data, event_id: id }
            }
        }
    }
}

// === impl Pace ===

impl Pace {
    pub(super) const STANDING: Self = Self { idle: None, deadline: None };

    /// The future's output, or `None` when it took too long. A ready future costs no timer.
    pub(super) async fn limit<F: Future>(&self, future: F) -> Option<F::Output> {
        let idle = self.idle.and_then(|idle| Instant::now().checked_add(idle));
        let until = match (idle, self.deadline) {
            (Some(a), Some(b)) => a.min(b),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => return Some(future.await),
        };
        timeout_at(until, future).await.ok()
    }
}
