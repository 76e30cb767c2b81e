//! The client's side of a call in flight: first it waits for a reply's head, then perhaps it reads events, and one day
//! it is gone. Different states are different variants.

use std::time::Duration;

use bytes::Bytes;
use ringway_mcp::sse;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{mpsc, oneshot};

use crate::fault::Fault;
use crate::reply::{Cut, Reply};
use crate::telemetry::labels::Limit;
use crate::worker::Shared;

/// Where the answer goes.
#[derive(Debug)]
pub(crate) enum Client {
    Waiting {
        head: oneshot::Sender<Result<Reply, Fault>>,
        accepts_events: bool,
    },
    Reading(mpsc::Sender<Bytes>),
    Gone,
    /// Gone, too: it read nothing for the length of its patience.
    Stalled,
}

/// How much may wait for a slow reader, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) events: usize,
    pub(crate) stall: Duration,
}

// === impl Client ===

impl Client {
    /// Nobody is there any more.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone | Self::Stalled)
    }

    /// Counts the limit that ended it, if one did.
    pub(crate) fn count_limit(&self, shared: &Shared) {
        if matches!(self, Self::Stalled) {
            shared.limit(Limit::WriteStall);
        }
    }

    /// The client can be sent events, now or from now on.
    pub(crate) fn takes_events(&self) -> bool {
        match self {
            Self::Waiting { accepts_events, .. } => *accepts_events,
            Self::Reading(_) => true,
            Self::Gone | Self::Stalled => false,
        }
    }

    /// Begins the stream of events, if there is none yet.
    pub(crate) fn begin_stream(&mut self, patience: Patience) {
        if !matches!(self, Self::Waiting { accepts_events: true, .. }) {
            return;
        }
        let (sender, receiver) = mpsc::channel(patience.events.max(1));
        if let Self::Waiting { head, .. } = std::mem::replace(self, Self::Gone)
            && head.send(Ok(Reply::Events(receiver))).is_ok()
        {
            *self = Self::Reading(sender);
        }
    }

    /// Sends one message as an event. A client that reads nothing for the length of its patience is given up.
    pub(crate) async fn event(&mut self, data: &[u8], patience: Patience) {
        self.event_with(data, None, patience).await;
    }

    /// The same with an id to resume from.
    pub(crate) async fn event_with(&mut self, data: &[u8], id: Option<&[u8]>, patience: Patience) {
        self.begin_stream(patience);
        let mut out = Vec::with_capacity(data.len() + 64);
        sse::encode_event(&mut out, Some("message"), id, None, data);
        self.raw(out.into(), patience).await;
    }

    /// An event without a message: from here on the stream can be resumed, after `retry` milliseconds.
    pub(crate) async fn prime(&mut self, id: Option<&[u8]>, retry: Option<u64>, patience: Patience) {
        self.begin_stream(patience);
        let mut out = Vec::with_capacity(64);
        sse::encode_event(&mut out, None, id, retry, b"");
        self.raw(out.into(), patience).await;
    }

    /// A comment that keeps intermediaries from closing a silent stream.
    pub(crate) async fn comment(&mut self, patience: Patience) {
        self.raw(Bytes::from_static(b":\n\n"), patience).await;
    }

    async fn raw(&mut self, bytes: Bytes, patience: Patience) {
        let Self::Reading(sender) = self else { return };
        match sender.send_timeout(bytes, patience.stall).await {
            Ok(()) => {}
            Err(SendTimeoutError::Closed(_)) => *self = Self::Gone,
            Err(SendTimeoutError::Timeout(_)) => *self = Self::Stalled,
        }
    }

    /// Begins a JSON answer that comes in pieces; `None` when the client reads events, or is gone.
    pub(crate) fn begin_pieces(&mut self, patience: Patience) -> Option<mpsc::Sender<Result<Bytes, Cut>>> {
        if !matches!(self, Self::Waiting { .. }) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(patience.events.clamp(1, 16));
        if let Self::Waiting { head, .. } = std::mem::replace(self, Self::Gone)
            && head.send(Ok(Reply::Pieces(receiver))).is_ok()
        {
            return Some(sender);
        }
        None
    }

    /// The last message: as the JSON answer while nothing was sent yet, else as the last event.
    pub(crate) async fn finish(mut self, data: Bytes, status: http::StatusCode, id: Option<&[u8]>, patience: Patience) {
        match self {
            Self::Waiting { head, .. } => {
                let reply = Reply::Json { status, body: data.into(), session: None };
                // Nobody waits any more.
                let _gone = head.send(Ok(reply));
            }
            Self::Reading(_) => self.event_with(&data, id, patience).await,
            Self::Gone | Self::Stalled => {}
        }
    }

    /// Ends in a fault: as the reply while nothing was sent yet, else as the last event.
    pub(crate) async fn fail(mut self, fault: Fault, era: crate::reply::Era, id: &[u8], patience: Patience) {
        match self {
            Self::Waiting { head, .. } => {
                let _gone = head.send(Err(fault));
            }
            Self::Reading(_) => {
                let body = crate::reply::error_body(&fault, era, Some(id));
                self.event(&body, patience).await;
            }
            Self::Gone | Self::Stalled => {}
        }
    }

    /// Resolves when the client has hung up.
    pub(crate) async fn closed(&mut self) {
        match self {
            Self::Waiting { head, .. } => head.closed().await,
            Self::Reading(sender) => sender.closed().await,
            Self::Gone | Self::Stalled => {}
        }
    }
}
