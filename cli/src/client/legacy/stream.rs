//! A session's GET stream, read in the background: servers ask there too.
//!
//! Never waited for: some servers send no head before their first event, and many have no such stream (405).

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::http::Http;
use crate::client::message::Message;
use crate::client::reply::{self, Reply};

/// A stream that breaks this often in a row is left alone.
const MAX_FAILURES: u32 = 3;
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Messages that wait while a person types; then the server's own flow control holds it back.
const QUEUE: usize = 32;

/// Messages of the stream, in order.
#[derive(Debug)]
pub(super) struct SideStream {
    messages: mpsc::Receiver<Message>,
    reader: JoinHandle<()>,
}

// === impl SideStream ===

impl SideStream {
    pub(super) fn open(http: &Arc<Http>, headers: &HeaderMap) -> Self {
        let (sender, messages) = mpsc::channel(QUEUE);
        let reader = tokio::spawn(read(Arc::clone(http), headers.clone(), sender));
        Self { messages, reader }
    }

    /// The next message; never ends, since a session goes on without its stream. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Message {
        match self.messages.recv().await {
            Some(message) => message,
            None => pending().await,
        }
    }
}

impl Drop for SideStream {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(http: Arc<Http>, headers: HeaderMap, messages: mpsc::Sender<Message>) {
    let mut last_id = None;
    let mut failures = 0;
    while failures < MAX_FAILURES {
        let mut wait = AGAIN_AFTER;
        match reply::get(&http, headers.clone(), last_id.as_ref(), None).await.map(|answer| answer.reply) {
            Ok(Reply::Events(mut events)) => {
                while let Ok(Some(message)) = events.next().await {
                    failures = 0;
                    if messages.send(message).await.is_err() {
                        return;
                    }
                }
                last_id = events.last_id.or(last_id);
                wait = events.retry.unwrap_or(wait);
            }
            Ok(_) => {
                tracing::debug!("the server has no stream of its own for this session");
                return;
            }
            Err(error) => tracing::debug!(%error, "the session's stream could not be opened"),
        }
        failures += 1;
        tokio::time::sleep(wait).await;
    }
}
