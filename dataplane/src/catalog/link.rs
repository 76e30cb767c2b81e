//! A connection that lists are read over: the catalogue's own, or a session's.
//!
//! Asks one question at a time and reads whole lists, page by page. Decides nothing about when to read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ringway_mcp::capability::ClientCapabilities;
use ringway_mcp::scan::{Kind, scan};
use ringway_mcp::splice::write_json_string;
use ringway_mcp::{Method, Revision};
use tokio::time::Instant;

use super::changes::KindSet;
use super::limits::Limits;
use super::list::{BackendList, BadPage, ListKind, Next, Pages, wide};
use crate::upstream::{
    Answer, Incoming, MessageStream, Outgoing, Pool, Refusal, Server, UpstreamError, UpstreamSession, send,
};

/// What is needed to ask one server.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) server: Arc<Server>,
    /// `None`: modern.
    pub(super) session: Option<UpstreamSession>,
    pub(super) revision: Revision,
    pub(super) capabilities: ClientCapabilities,
    ids: Arc<Ids>,
}

/// Ids of requests on one connection: a number after the handshake's 1, or a string that no client of ours uses.
#[derive(Debug)]
struct Ids {
    last: AtomicU64,
    text: bool,
}

/// Why a list was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Page(#[from] BadPage),
}

static MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");

// === impl ReadError ===

impl ReadError {
    /// The server forgot the session: the whole connection is to be made anew.
    #[must_use]
    pub fn is_session_lost(&self) -> bool {
        matches!(self, Self::Upstream(UpstreamError::SessionLost))
    }
}

// === impl Link ===

impl Link {
    /// The catalogue's own connection.
    pub(super) fn own(
        server: Arc<Server>,
        session: Option<UpstreamSession>,
        revision: Revision,
        capabilities: ClientCapabilities,
    ) -> Self {
        let ids = Arc::new(Ids { last: AtomicU64::new(1), text: false });
        Self { server, session, revision, capabilities, ids }
    }

    /// A client session's connection, over which the client's own requests run as well.
    pub(super) fn borrowed(server: Arc<Server>, session: &UpstreamSession, capabilities: ClientCapabilities) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let ids = Arc::new(Ids { last: AtomicU64::new(LAST.fetch_add(1 << 16, Ordering::Relaxed)), text: true });
        let kept = (!session.revision.is_modern() || session.process.is_some()).then(|| session.clone());
        Self { server, session: kept, revision: session.revision, capabilities, ids }
    }

    /// The same connection after the backend's configuration changed in ways that keep it.
    pub(super) fn over(&self, server: Arc<Server>) -> Self {
        Self { server, ..self.clone() }
    }

    /// Asks for one page; brings the whole answer. `noticed` collects announcements that came with it.
    pub(super) async fn page(
        &self,
        pool: &Pool,
        kind: ListKind,
        cursor: Option<&str>,
        deadline: Instant,
        noticed: &mut KindSet,
    ) -> Result<Bytes, UpstreamError> {
        let id = self.ids.next();
        let mut params = Vec::new();
        if let Some(cursor) = cursor {
            params.extend_from_slice(b"\"cursor\":");
            write_json_string(&mut params, cursor);
        }
        let body = self.request(&id, kind.method(), &params);
        let headers = self.routing(kind.method());
        let idle = deadline.saturating_duration_since(Instant::now());
        let out = Outgoing {
            body,
            session: self.session.as_ref(),
            revision: Some(self.revision),
            headers: &headers,
            idle,
            deadline,
            idempotent: true,
        };
        match Box::pin(send(pool, &self.server, out)).await? {
            Answer::Message(message, _) => {
                self.server.note_list_framing(false);
                Ok(message)
            }
            Answer::Stream(stream, _) => {
                self.server.note_list_framing(true);
                response_of(stream, id.as_bytes(), noticed).await
            }
            Answer::Accepted => Err(UpstreamError::Protocol("a list was not answered".to_owned())),
            Answer::Refused(Refusal { session_lost: true, .. }) => Err(UpstreamError::SessionLost),
            Answer::Refused(refusal) => Err(UpstreamError::Refused(refusal)),
        }
    }

    /// All pages of a list.
    pub(super) async fn list(
        &self,
        pool: &Pool,
        kind: ListKind,
        limits: &Limits,
        deadline: Instant,
        noticed: &mut KindSet,
    ) -> Result<BackendList, ReadError> {
        let mut pages = Pages::new(kind, limits);
        let mut cursor: Option<String> = None;
        loop {
            let message = self.page(pool, kind, cursor.as_deref(), deadline, noticed).await?;
            match pages.take(&message)? {
                Next::Done => return Ok(pages.finish()),
                Next::Page(next) => cursor = Some(next),
            }
        }
    }

    /// A request with `params` (members without braces); modern ones get their `_meta`.
    pub(super) fn request(&self, id: &str, method: Method, params: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(512 + params.len());
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(b",\"method\":\"");
        out.extend_from_slice(method.as_str().as_bytes());
        out.extend_from_slice(b"\",\"params\":{");
        out.extend_from_slice(params);
        if self.revision.is_modern() {
            if !params.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(
                concat!(
                    r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":"#,
                    r#"{"name":"ringway","version":""#,
                    env!("CARGO_PKG_VERSION"),
                    r#""},"io.modelcontextprotocol/clientCapabilities":"#
                )
                .as_bytes(),
            );
            self.capabilities.write_json(&mut out, self.revision);
            out.push(b'}');
        }
        out.extend_from_slice(b"}}");
        Bytes::from(out)
    }

    /// The modern routing header; none on a legacy connection.
    pub(super) fn routing(&self, method: Method) -> Vec<(HeaderName, HeaderValue)> {
        if self.revision.is_modern() {
            vec![(MCP_METHOD.clone(), HeaderValue::from_static(method.as_str()))]
        } else {
            Vec::new()
        }
    }

    pub(super) fn next_id(&self) -> String {
        self.ids.next()
    }
}

/// The server itself is out of reach, not only one list.
pub(super) fn is_unreachable(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Connect(_) | UpstreamError::Closed { .. } | UpstreamError::Busy(_))
}

async fn response_of(mut stream: MessageStream, id: &[u8], noticed: &mut KindSet) -> Result<Bytes, UpstreamError> {
    while let Some(incoming) = stream.next().await {
        let Incoming::Message { data, .. } = incoming? else { continue };
        let envelope = scan(&data, &wide()).map_err(|error| UpstreamError::Protocol(error.to_string()))?;
        if envelope.kind != Kind::Response {
            *noticed = noticed.union(KindSet::announced(envelope.method.map(|(method, _)| method)));
            continue;
        }
        // An error may come without a readable id (null, Python's "server-error"): it belongs to the one request here.
        if envelope.error.is_some() || envelope.id.is_some_and(|found| found.raw(&data) == id) {
            stream.finish();
            return Ok(data);
        }
    }
    Err(UpstreamError::Closed {
        executed: crate::fault::Executed::Unknown,
        cause: "the stream ended before the list".to_owned(),
    })
}

// === impl Ids ===

impl Ids {
    fn next(&self) -> String {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        if self.text { format!("\"ringway-{number}\"") } else { number.to_string() }
    }
}
