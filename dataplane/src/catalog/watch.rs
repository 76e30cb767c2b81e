//! Standing streams of catalogue connections: a legacy GET or a modern `subscriptions/listen`, kept open.
//!
//! Turns `list_changed` into bits and answers what a server asks on a catalogue connection. Reads no list; `entry` does
//! when the bell rings. A flood of notices sets the same bit again and costs no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ringway_mcp::scan::{Envelope, Kind, scan};
use ringway_mcp::{Method, error};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::Backoff;
use super::changes::KindSet;
use super::limits::Limits;
use super::link::{Link, is_unreachable};
use super::list::{ListKind, wide};
use crate::upstream::{Answer, Incoming, MessageStream, Outgoing, Pool, Refusal, UpstreamError, open_stream, send};

/// What a watch tells its entry.
#[derive(Debug, Default)]
pub(super) struct Signal {
    changed: AtomicU8,
    /// Changes that the server itself announced, to be passed on whatever the lists then say.
    said: AtomicU8,
    watched: AtomicBool,
    reading: AtomicBool,
    lost: AtomicBool,
    bell: Notify,
}

/// The watch's side.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) link: Link,
    pub(super) pool: Arc<Pool>,
    pub(super) signal: Arc<Signal>,
    pub(super) limits: Arc<Limits>,
    /// Lists of which the server announces changes.
    pub(super) announced: KindSet,
}

/// A standing stream lives as long as both sides want.
const STANDING: Duration = Duration::from_secs(365 * 24 * 3600);

/// How a stream ended.
enum End {
    /// To be opened again.
    Broken,
    /// The server has none.
    Never,
    SessionLost,
}

// === impl Signal ===

impl Signal {
    /// Is a stream open, so that changes will be told?
    pub(super) fn is_watched(&self) -> bool {
        self.watched.load(Ordering::Relaxed)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits for news; also returns without any.
    pub(super) async fn news(&self) {
        self.bell.notified().await;
    }

    pub(super) fn changed(&self) -> KindSet {
        KindSet::from_bits(self.changed.load(Ordering::Relaxed))
    }

    pub(super) fn take_changed(&self) -> KindSet {
        KindSet::from_bits(self.changed.swap(0, Ordering::Relaxed))
    }

    /// From now on a stream that opens may have missed a change.
    pub(super) fn reading_begins(&self) {
        self.reading.store(true, Ordering::Relaxed);
    }

    /// The server announced that lists changed.
    fn say(&self, kinds: KindSet) {
        self.said.fetch_or(kinds.bits(), Ordering::Relaxed);
        self.mark(kinds);
    }

    pub(super) fn take_said(&self) -> KindSet {
        KindSet::from_bits(self.said.swap(0, Ordering::Relaxed))
    }

    pub(super) fn mark(&self, kinds: KindSet) {
        if !kinds.is_empty() {
            self.changed.fetch_or(kinds.bits(), Ordering::Relaxed);
            self.bell.notify_one();
        }
    }

    fn opened(&self, announced: KindSet) {
        self.watched.store(true, Ordering::Relaxed);
        if self.reading.load(Ordering::Relaxed) {
            self.changed.fetch_or(announced.bits(), Ordering::Relaxed);
        }
        self.bell.notify_one();
    }

    fn closed(&self) {
        self.watched.store(false, Ordering::Relaxed);
        // What is missed until the next stream opens is read then.
        self.reading.store(true, Ordering::Relaxed);
        self.bell.notify_one();
    }
}

// === impl Watch ===

impl Watch {
    /// Keeps a stream open until the server has none, the session is lost, or the future is dropped.
    pub(super) async fn run(self) {
        let mut backoff = Backoff::new(self.limits.backoff);
        loop {
            let begun = Instant::now();
            let end = if self.link.revision.is_modern() { self.listen().await } else { self.get().await };
            self.signal.closed();
            match end {
                End::Never => return,
                End::SessionLost => {
                    self.signal.lost.store(true, Ordering::Relaxed);
                    self.signal.bell.notify_one();
                    return;
                }
                End::Broken => {}
            }
            if begun.elapsed() > self.limits.backoff.1 {
                backoff = Backoff::new(self.limits.backoff);
            }
            sleep(backoff.next()).await;
        }
    }

    async fn get(&self) -> End {
        let Some(session) = &self.link.session else { return End::Never };
        match open_stream(&self.link.server, session, None).await {
            Ok(stream) => {
                self.signal.opened(self.announced);
                self.follow(stream).await
            }
            Err(UpstreamError::NoStream405) => End::Never,
            Err(UpstreamError::SessionLost) => End::SessionLost,
            Err(error) => {
                tracing::debug!(backend = %self.link.server.backend.name, %error, "no stream for changes of lists");
                self.doubt(&error)
            }
        }
    }

    async fn listen(&self) -> End {
        let mut params = b"\"notifications\":{".to_vec();
        let flags = [(ListKind::Tools, "tools"), (ListKind::Prompts, "prompts"), (ListKind::Resources, "resources")];
        let wanted: Vec<String> = flags
            .iter()
            .filter(|(kind, _)| self.announced.contains(*kind))
            .map(|(_, name)| format!("\"{name}ListChanged\":true"))
            .collect();
        if wanted.is_empty() {
            return End::Never;
        }
        params.extend_from_slice(wanted.join(",").as_bytes());
        params.push(b'}');
        let method = Method::SubscriptionsListen;
        let body = self.link.request(&self.link.next_id(), method, &params);
        let headers = self.link.routing(method);
        let out = Outgoing {
            body,
            session: self.link.session.as_ref(),
            revision: Some(self.link.revision),
            headers: &headers,
            idle: Outgoing::NO_IDLE,
            deadline: Instant::now() + STANDING,
            idempotent: true,
        };
        match Box::pin(send(&self.pool, &self.link.server, out)).await {
            // Watched once it is acknowledged.
            Ok(Answer::Stream(stream, _)) => self.follow(stream).await,
            Ok(Answer::Message(..) | Answer::Accepted) => End::Never,
            Ok(Answer::Refused(Refusal { status, .. })) if status >= 500 || status == 429 => End::Broken,
            Ok(Answer::Refused(_)) => End::Never,
            Err(error) => {
                tracing::debug!(backend = %self.link.server.backend.name, %error, "no subscription to changes of lists");
                self.doubt(&error)
            }
        }
    }

    /// A server that takes no connection has its lists read: that tells whether it is down.
    fn doubt(&self, error: &UpstreamError) -> End {
        if is_unreachable(error) {
            self.signal.mark(super::keeper::everything());
        }
        End::Broken
    }

    async fn follow(&self, mut stream: MessageStream) -> End {
        while let Some(incoming) = stream.next().await {
            let data = match incoming {
                Ok(Incoming::Message { data, .. }) => data,
                Ok(Incoming::Prime { .. } | Incoming::Comment) => continue,
                Err(error) => {
                    tracing::debug!(backend = %self.link.server.backend.name, %error, "stream for changes of lists broke");
                    return End::Broken;
                }
            };
            let Ok(envelope) = scan(&data, &wide()) else { continue };
            let method = envelope.method.map(|(method, _)| method);
            match envelope.kind {
                Kind::Notification if method == Some(Method::SubscriptionsAcknowledged) => {
                    self.signal.opened(self.announced)
                }
                Kind::Notification => self.signal.say(KindSet::announced(method)),
                Kind::Request if !self.link.revision.is_modern() => self.answer(&envelope, &data).await,
                Kind::Request => {}
                // The graceful end of a listen stream.
                Kind::Response => {}
            }
        }
        End::Broken
    }

    /// Nobody stands behind a catalogue connection: it has no roots, and every question is declined.
    async fn answer(&self, envelope: &Envelope, data: &Bytes) {
        let (Some(id), Some((method, _))) = (envelope.id, envelope.method) else { return };
        let mut out = b"{\"jsonrpc\":\"2.0\",\"id\":".to_vec();
        out.extend_from_slice(id.raw(data));
        let text = match method {
            Method::Ping => r#","result":{}}"#.to_owned(),
            Method::RootsList => r#","result":{"roots":[]}}"#.to_owned(),
            Method::ElicitationCreate => r#","result":{"action":"cancel"}}"#.to_owned(),
            Method::SamplingCreateMessage => {
                format!(r#","error":{{"code":{},"message":"no user behind this connection"}}}}"#, error::USER_REJECTED)
            }
            _ => format!(r#","error":{{"code":{},"message":"method not found"}}}}"#, error::METHOD_NOT_FOUND),
        };
        out.extend_from_slice(text.as_bytes());
        let deadline = Instant::now() + self.limits.deadline;
        let reply = Outgoing {
            body: Bytes::from(out),
            session: self.link.session.as_ref(),
            revision: Some(self.link.revision),
            headers: &[],
            idle: self.limits.deadline,
            deadline,
            idempotent: false,
        };
        let sent = timeout(self.limits.deadline, Box::pin(send(&self.pool, &self.link.server, reply))).await;
        if !matches!(sent, Ok(Ok(Answer::Accepted | Answer::Message(..) | Answer::Stream(..)))) {
            tracing::debug!(backend = %self.link.server.backend.name, "an answer on the catalogue connection was not taken");
        }
    }
}
