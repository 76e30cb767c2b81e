//! The upstream's GET stream for the time of a call.
//!
//! Servers of the legacy era may ask (elicitation, sampling, roots) on their GET stream while a call runs. A client
//! that opens none itself would never be asked, so the call's worker listens there for it, while the call lasts.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::telemetry::labels::TaskName;
use crate::upstream::{self, Incoming, Server, UpstreamError, UpstreamSession};
use crate::worker::{Task, Worker};

/// How long a call waits for the stream to stand before it goes out: a server that asks at once must find it, and one
/// that flushes no head before its first event must not be waited for.
const HEAD_START: Duration = Duration::from_millis(100);
/// Pause after "another stream is open" (409).
const TAKEN: Duration = Duration::from_millis(200);

/// What comes in on the side. Dropping it closes the stream.
#[derive(Debug)]
pub(crate) struct Side {
    messages: mpsc::Receiver<Incoming>,
    _task: Task,
}

// === impl Side ===

impl Side {
    /// Opens the stream and gives it its head start.
    pub(crate) async fn open(worker: &Arc<Worker>, server: &Arc<Server>, session: &UpstreamSession) -> Self {
        let (sender, messages) = mpsc::channel(16);
        let (standing, stands) = tokio::sync::oneshot::channel();
        let listening = listen(Arc::clone(server), session.clone(), sender, standing);
        let task = worker.spawn_owned(TaskName::UpstreamStream, listening);
        // Refused or slow: the call goes out all the same.
        let _late = tokio::time::timeout(HEAD_START, stands).await;
        Self { messages, _task: task }
    }

    /// The next message; never resolves once the stream has ended.
    pub(crate) async fn next(&mut self) -> Incoming {
        match self.messages.recv().await {
            Some(incoming) => incoming,
            None => std::future::pending().await,
        }
    }
}

async fn listen(
    server: Arc<Server>,
    session: UpstreamSession,
    sender: mpsc::Sender<Incoming>,
    standing: tokio::sync::oneshot::Sender<()>,
) {
    let mut standing = Some(standing);
    loop {
        match upstream::open_stream(&server, &session, None).await {
            Ok(mut stream) => {
                if let Some(standing) = standing.take() {
                    let _late = standing.send(());
                }
                while let Some(Ok(incoming)) = stream.next().await {
                    if sender.send(incoming).await.is_err() {
                        return;
                    }
                }
                return;
            }
            Err(UpstreamError::Conflict409) => tokio::time::sleep(TAKEN).await,
            Err(_) => return,
        }
    }
}
