//! Whether an HTTP/2 connection is in use: what closes one that nobody asks anything on.
//!
//! Its bytes do not say: pings go to and fro for ever. A request is open until the last byte of its answer, so a
//! standing stream keeps its connection. Called by `serve`; HTTP/1.1 has `idle`.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::reply::{Cut, ReplyBody};

/// How many requests of a connection are open, and how many there were.
#[derive(Debug, Clone, Default)]
pub(super) struct Uses(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    open: AtomicUsize,
    begun: AtomicU64,
}

/// An open request.
#[derive(Debug)]
pub(super) struct Use(Arc<Counts>);

/// The body of an answer. With its end, or its client's, the request is no longer open.
#[derive(Debug)]
pub(super) struct UsedBody {
    body: ReplyBody,
    _use: Use,
}

/// Of a connection's idle time: it is closed after at most one more than these. No clock is read for a request.
const STEPS: u32 = 8;

// === impl Uses ===

impl Uses {
    pub(super) fn begin(&self) -> Use {
        self.0.open.fetch_add(1, Ordering::Relaxed);
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Use(Arc::clone(&self.0))
    }

    /// Done when no request was open for `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut seen = 0;
        let mut quiet = 0;
        while quiet < STEPS {
            tokio::time::sleep(limit / STEPS).await;
            let begun = self.0.begun.load(Ordering::Relaxed);
            let unused = self.0.open.load(Ordering::Relaxed) == 0 && begun == seen;
            quiet = if unused { quiet + 1 } else { 0 };
            seen = begun;
        }
    }
}

// === impl Use ===

impl Use {
    pub(super) fn until_sent(self, body: ReplyBody) -> UsedBody {
        UsedBody { body, _use: self }
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl UsedBody ===

impl Body for UsedBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
