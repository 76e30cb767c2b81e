//! A client connection with two clocks: how long a request's head may take from its first byte to its last, and how
//! long a connection may be idle.
//!
//! hyper has one timer for both and sets it anew for each request; here a request on a warm connection sets none.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use crate::telemetry::labels::Limit;

/// Wraps a connection. The service says when a head is complete and when its answer is on its way.
#[derive(Debug)]
pub(super) struct TimedStream<S> {
    stream: S,
    head: Duration,
    idle: Duration,
    phase: Phase,
    /// When the head that is being read must be complete.
    head_due: Option<Instant>,
    /// The last byte in either direction.
    active: Instant,
    timer: Option<Pin<Box<Sleep>>>,
    /// HTTP/2: frames of many requests, so neither heads nor idleness are seen here; `quiet` counts its requests.
    multiplexed: bool,
}

/// Why a connection was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Ended {
    #[error("request head took too long")]
    SlowHead,
    #[error("idle")]
    Idle,
}

/// The limit behind the end of a connection, if it was one of these two.
pub(super) fn limit_of(error: &(dyn std::error::Error + 'static)) -> Option<Limit> {
    let mut cause = Some(error);
    while let Some(now) = cause {
        let io = now.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        match io.and_then(|inner| inner.downcast_ref::<Ended>()) {
            Some(Ended::SlowHead) => return Some(Limit::HeaderTime),
            Some(Ended::Idle) => return Some(Limit::IdleTime),
            None => cause = now.source(),
        }
    }
    None
}

/// Whether the connection is inside a request, as the service sees it.
#[derive(Debug, Clone, Default)]
pub(super) struct Phase(Arc<AtomicU8>);

const IN_REQUEST: u8 = 1;
const ANSWERED: u8 = 2;

// === impl Phase ===

impl Phase {
    pub(super) fn request_began(&self) {
        self.0.store(IN_REQUEST, Ordering::Relaxed);
    }

    pub(super) fn request_answered(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }

    fn in_request(&self) -> bool {
        self.0.load(Ordering::Relaxed) == IN_REQUEST
    }

    /// There was a request.
    pub(super) fn was_used(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

// === impl TimedStream ===

impl<S> TimedStream<S> {
    pub(super) fn new(stream: S, head: Duration, idle: Duration, multiplexed: bool) -> Self {
        let (phase, active) = (Phase::default(), Instant::now());
        Self { stream, head, idle, phase, head_due: None, active, timer: None, multiplexed }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.clone()
    }

    fn bytes_came(&mut self) {
        self.active = Instant::now();
        if !self.phase.in_request() && self.head_due.is_none() {
            self.head_due = Some(self.active + self.head);
        }
    }

    /// The end of a connection that is too slow or idle for too long.
    fn poll_due(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let in_request = self.phase.in_request();
        if in_request {
            self.head_due = None;
        }
        let due = self.head_due.unwrap_or(self.active + self.idle);
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        // A timer that is set too early is set right when it fires, so activity costs nothing; one too late is set now.
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        while timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if !in_request && due <= now {
                let ended = if self.head_due.is_some() { Ended::SlowHead } else { Ended::Idle };
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, ended));
            }
            timer.as_mut().reset(if due <= now { now + self.idle } else { due });
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for TimedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if buf.filled().len() > before {
                    this.bytes_came();
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if this.multiplexed => Poll::Pending,
            Poll::Pending => this.poll_due(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for TimedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.active = Instant::now();
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
        self.active = Instant::now();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::{Instant, timeout};

    use super::TimedStream;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(620);

    #[tokio::test(start_paused = true)]
    async fn a_head_that_drips_ends_at_its_deadline_and_an_idle_connection_at_its_own() {
        let (mut client, server) = duplex(64);
        let mut timed = TimedStream::new(server, HEAD, IDLE, false);
        let start = Instant::now();
        client.write_all(b"POST").await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(timed.read(&mut buf).await.unwrap(), 4);
        assert_eq!(timed.read(&mut buf).await.unwrap_err().to_string(), "request head took too long");
        assert_eq!(start.elapsed(), HEAD);

        let (_client, server) = duplex(64);
        let start = Instant::now();
        let error = TimedStream::new(server, HEAD, IDLE, false).read(&mut buf).await.unwrap_err();
        assert_eq!((error.to_string().as_str(), start.elapsed()), ("idle", IDLE));
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_call_and_a_stream_that_is_written_to_are_not_idle() {
        let (mut client, server) = duplex(64);
        let mut timed = TimedStream::new(server, HEAD, IDLE, false);
        let phase = timed.phase();
        let mut buf = [0; 64];
        client.write_all(b"head").await.unwrap();
        assert_eq!(timed.read(&mut buf).await.unwrap(), 4);
        phase.request_began();
        assert!(timeout(IDLE * 3, timed.read(&mut buf)).await.is_err(), "a call in flight");
        phase.request_answered();
        for _ in 0..5 {
            timed.write_all(b":").await.unwrap();
            assert!(timeout(IDLE / 2, timed.read(&mut buf)).await.is_err(), "a stream with comments");
        }
    }
}
