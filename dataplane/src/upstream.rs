//! Calls to MCP servers: Streamable HTTP over own connections, and child processes over standard streams.
//!
//! [`send`] takes one message to a [`Server`] and brings its [`Answer`]; [`initialize`] and [`discover`] are the
//! handshakes of the two eras. Nothing here translates, filters or routes messages: sessions, the catalogue and the
//! pipeline do, and they call this module.
//!
//! A modern call is cancelled by dropping its future or its [`MessageStream`]: the connection is closed, never reused.

mod connect;
mod era;
mod error;
mod handshake;
mod http;
mod large;
mod live;
mod pool;
mod refusal;
mod resolve;
mod server;
mod stdio;
mod stream;
mod tls;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue};
use bytes::Bytes;
use ringway_mcp::Revision;
use tokio::time::Instant;

pub use era::{Era, Knowledge};
pub use error::{NoConnection, UpstreamError, Why};
pub use handshake::{
    ANSWER_TIME, Discovered, Established, Hello, START_TIME, discover, discover_within, initialize, initialize_within,
};
pub use large::{JsonBody, LARGE_JSON};
pub use live::LiveRoute;
pub use pool::Pool;
pub(crate) use pool::jittered;
pub use server::{Levels, Server};
pub use stdio::Process;
use stream::Pace;
pub use stream::{Incoming, MessageStream};

use server::Side;

/// A session with one server.
#[derive(Debug, Clone)]
pub struct UpstreamSession {
    /// The server's `Mcp-Session-Id`; `None`: a server without sessions, or stdio.
    pub id: Option<String>,
    /// Where the session was opened, for backends whose endpoints differ.
    pub endpoint: Option<SocketAddr>,
    /// The negotiated revision.
    pub revision: Revision,
    /// The child process of a stdio session; it ends with its last handle.
    pub process: Option<Process>,
}

/// One message to a server.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// One JSON-RPC message.
    pub body: Bytes,
    /// `None`: outside a session (modern, `initialize`).
    pub session: Option<&'a UpstreamSession>,
    /// Value of `MCP-Protocol-Version`; `None`: the header is not sent.
    pub revision: Option<Revision>,
    /// Further headers: modern routing headers, forwarded ones. Credentials, cookies and framing headers among them are
    /// not sent.
    pub headers: &'a [(HeaderName, HeaderValue)],
    /// No byte for this long ends the call. [`Outgoing::NO_IDLE`] marks a standing stream (`subscriptions/listen`): it
    /// has no idle limit and counts neither as a call nor as one of `maxConnections`.
    pub idle: Duration,
    /// The call never lasts longer.
    pub deadline: Instant,
    /// May be sent again when a connection breaks before the answer.
    pub idempotent: bool,
}

/// What a server did with a message.
#[derive(Debug)]
pub enum Answer {
    /// One whole JSON-RPC message.
    Message(Bytes, Head),
    /// Messages one by one, the last of them the response.
    Stream(MessageStream, Head),
    /// Taken, without an answer (202, 204, or 200 without a body).
    Accepted,
    /// Not taken: a status outside 2xx.
    Refused(Refusal),
}

/// The answer to a call, which may be too large to be worth holding.
#[derive(Debug)]
pub enum CallAnswer {
    Whole(Answer),
    /// A JSON answer that announced to be large, to be relayed as it comes.
    Large(JsonBody),
}

/// What came with an answer beside its messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// `Mcp-Session-Id` of a 2xx answer to a request outside a session. Only `initialize` adopts it.
    pub session_id: Option<String>,
    /// Who answered; `None` for a child process.
    pub endpoint: Option<SocketAddr>,
}

/// A refused message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status; 200 where a handshake was answered with a JSON-RPC error.
    pub status: u16,
    /// The raw `{"code","message","data"?}` where the body held a JSON-RPC error. Never HTML or a stack trace.
    pub message: Option<Bytes>,
    /// 404 to a request of a session: the server does not know it any more. Nothing ran.
    pub session_lost: bool,
}

// === impl Outgoing ===

impl Outgoing<'_> {
    /// The idle time of a standing stream.
    pub const NO_IDLE: Duration = Duration::MAX;

    fn is_standing(&self) -> bool {
        self.idle == Self::NO_IDLE
    }

    fn pace(&self) -> Pace {
        Pace { idle: Some(self.idle), deadline: Some(self.deadline) }
    }
}

// === impl Head ===

impl Head {
    /// Longest session id that is adopted: what fits into ours, sealed, with room for others.
    pub const MAX_SESSION_ID: usize = 1024;
}

fn broken(text: &str) -> UpstreamError {
    UpstreamError::Connect(NoConnection::new(Why::Configuration, text))
}

/// Sends one message and brings the answer's beginning.
///
/// The request is sent a second time only if it provably never left, or if it is idempotent and a reused connection
/// broke before the answer.
///
/// # Errors
/// See [`UpstreamError`]; a status outside 2xx is not an error but [`Answer::Refused`].
pub async fn send(pool: &Pool, server: &Arc<Server>, out: Outgoing<'_>) -> Result<Answer, UpstreamError> {
    match &server.live.side {
        Side::Http(side) => http::send(pool, server, side, out).await,
        Side::Stdio(side) => Box::pin(stdio::send(server, side, out)).await,
        Side::Broken(text) => Err(broken(text)),
    }
}

/// [`send`] for a call: an answer that announces more than [`LARGE_JSON`] comes as it is read.
///
/// # Errors
/// As [`send`].
pub async fn send_call(pool: &Pool, server: &Arc<Server>, out: Outgoing<'_>) -> Result<CallAnswer, UpstreamError> {
    match &server.live.side {
        Side::Http(side) => http::send_call(pool, server, side, out).await,
        Side::Stdio(side) => Box::pin(stdio::send(server, side, out)).await.map(CallAnswer::Whole),
        Side::Broken(text) => Err(broken(text)),
    }
}

/// Opens a session's standing stream (legacy GET). The answer's head may not come before the first event, so drop the
/// future rather than wait for it; a server's refusal (405) is remembered.
///
/// # Errors
/// [`UpstreamError::NoStream405`], [`UpstreamError::Conflict409`], [`UpstreamError::SessionLost`], and as [`send`].
pub async fn open_stream(
    server: &Arc<Server>,
    session: &UpstreamSession,
    last_event_id: Option<&[u8]>,
) -> Result<MessageStream, UpstreamError> {
    match &server.live.side {
        Side::Http(side) => http::open_stream(server, side, session, last_event_id).await,
        Side::Stdio(_) => stdio::open_stream(server, session),
        Side::Broken(text) => Err(broken(text)),
    }
}

/// Ends a session: DELETE (at most 5 s; the answer does not matter), or the end of its process.
pub async fn end_session(pool: &Pool, server: &Arc<Server>, session: &UpstreamSession) {
    match &server.live.side {
        Side::Http(side) => http::end_session(pool, server, side, session).await,
        Side::Stdio(_) => {
            if let Some(process) = &session.process {
                process.stop();
            }
        }
        Side::Broken(_) => {}
    }
}
