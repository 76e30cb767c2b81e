//! A stream that bounds how long a client may take from the first byte of a request's head to its last.
//!
//! hyper's own head timeout runs while a connection is idle, too, so it cannot tell a slow sender from an idle client
//! that a keep-alive connection exists for.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Wraps a connection. The service says when a head is complete and when its answer is on its way.
#[derive(Debug)]
pub(super) struct HeadDeadline<S> {
    stream: S,
    limit: Duration,
    phase: Phase,
    /// When the head that is being read must be complete.
    due: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    protocol: Protocol,
}

/// What the first bytes say.
#[derive(Debug)]
enum Protocol {
    /// So many bytes of [`PREFACE`] came, and nothing else.
    Unknown(usize),
    /// HTTP/1.1: one head after the other.
    Heads,
    /// HTTP/2: frames of many requests, bounded by its own keep-alive.
    Frames,
}

/// How an HTTP/2 client begins (RFC 9113, section 3.4). It may come in pieces.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether the connection is inside a request, as the service sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Phase(Arc<AtomicBool>);

// === impl Phase ===

impl Phase {
    pub(super) fn request_began(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn request_answered(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    fn in_request(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

// === impl HeadDeadline ===

impl<S> HeadDeadline<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        Self { stream, limit, phase: Phase::default(), due: None, timer: None, protocol: Protocol::Unknown(0) }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.clone()
    }

    fn saw(&mut self, bytes: &[u8]) {
        if let Protocol::Unknown(so_far) = self.protocol {
            let expected = PREFACE.get(so_far..).unwrap_or_default();
            self.protocol = if bytes.starts_with(expected) {
                Protocol::Frames
            } else if expected.starts_with(bytes) {
                Protocol::Unknown(so_far + bytes.len())
            } else {
                Protocol::Heads
            };
        }
        match self.protocol {
            Protocol::Frames => self.due = None,
            _ if bytes.is_empty() || self.phase.in_request() || self.due.is_some() => {}
            _ => self.due = Some(Instant::now() + self.limit),
        }
    }

    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.phase.in_request() {
            self.due = None;
        }
        let Some(due) = self.due else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(cx).map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "request head took too long")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadDeadline<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                this.saw(buf.filled().get(before..).unwrap_or_default());
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_due(cx),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadDeadline<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
