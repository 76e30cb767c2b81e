//! The handshakes of both eras: `initialize` opens a legacy session, `server/discover` asks a server for its era.
//!
//! Learns the server's eras on the way. Decides no policy: which era to try, and with which capabilities, is the
//! caller's choice. Sources: mcp-spec sections 2, 4 and 7.0b.

mod body;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ringway_mcp::capability::ClientCapabilities;
use ringway_mcp::scan::{Envelope, IdKind, Kind, Limits, Span};
use ringway_mcp::{Revision, error, scan, value};
use tokio::time::Instant;

use super::era::Knowledge;
use super::server::Side;
use super::stdio::{self, Process};
use super::{Answer, Incoming, MessageStream, Outgoing, Pool, Refusal, Server, UpstreamError, UpstreamSession, send};

/// How long a server may take to answer a handshake, beside the time to connect.
pub const ANSWER_TIME: Duration = Duration::from_secs(5);
/// The same for a process that a call waits for: package runners fetch and unpack before the server speaks.
pub const START_TIME: Duration = Duration::from_secs(60);

/// What an upstream may say: the data plane reads its envelope, sizes are limited in bytes elsewhere.
pub(super) const WIDE: Limits = Limits {
    depth: 256,
    nodes: 8_000_000,
    keys_per_object: 1_000_000,
    number_bytes: 4096,
    method: 256,
    name: 64 << 10,
    uri: 64 << 10,
    id: 1024,
    progress_token: 1024,
};
/// Messages that a server may send before it answers `initialize`.
const MAX_EXTRA: usize = 64;

static METHOD: HeaderName = HeaderName::from_static("mcp-method");
const DISCOVER: HeaderValue = HeaderValue::from_static("server/discover");
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// Who says hello.
#[derive(Debug, Clone)]
pub enum Hello<'a> {
    /// A client's own `initialize`; it sends its `notifications/initialized` itself.
    Raw(Bytes),
    /// One made here; `notifications/initialized` follows it.
    Made {
        /// A legacy revision.
        revision: Revision,
        /// What the client can do.
        capabilities: ClientCapabilities,
        /// `clientInfo.name`
        client_name: &'a str,
        /// `clientInfo.version`
        client_version: &'a str,
    },
}

/// An open legacy session.
#[derive(Debug)]
pub struct Established {
    /// The session.
    pub session: UpstreamSession,
    /// The whole response to `initialize`.
    pub message: Bytes,
    /// Notifications that came before it.
    pub extra: Vec<Bytes>,
}

/// What `server/discover` said.
#[derive(Debug)]
pub enum Discovered {
    /// The server serves 2026-07-28.
    Modern {
        /// The whole response.
        message: Bytes,
        /// Legacy revisions that it lists as well.
        legacy_too: Vec<Revision>,
    },
    /// The server knows no modern revision.
    Legacy,
}

/// [`initialize_within`] with [`ANSWER_TIME`], or [`START_TIME`] where a process is started for the session.
///
/// # Errors
/// As [`initialize_within`].
pub async fn initialize(pool: &Pool, server: &Arc<Server>, hello: &Hello<'_>) -> Result<Established, UpstreamError> {
    let answer_time = match &server.live.side {
        Side::Stdio(_) => START_TIME,
        Side::Http(_) | Side::Broken(_) => ANSWER_TIME,
    };
    initialize_within(pool, server, hello, answer_time).await
}

/// Opens a legacy session.
///
/// # Errors
/// [`UpstreamError::Era`] when the server serves modern revisions only, [`UpstreamError::Refused`] when it says no
/// (status 200: by a JSON-RPC error), and as [`send`].
pub async fn initialize_within(
    pool: &Pool,
    server: &Arc<Server>,
    hello: &Hello<'_>,
    answer_time: Duration,
) -> Result<Established, UpstreamError> {
    let body = body::initialize(hello);
    let request = scan(&body, &Limits::default()).map_err(|e| UpstreamError::Protocol(format!("initialize: {e}")))?;
    let id = request.id.map(|id| body.slice(id.span.range())).unwrap_or_default();
    let until = deadline(server, answer_time);
    let process = match &server.live.side {
        Side::Stdio(side) => Some(stdio::process_for_session(server, side)?),
        Side::Http(_) | Side::Broken(_) => None,
    };
    let fresh = provisional(process);
    let out = Outgoing { session: fresh.as_ref(), ..handshake(body, until, answer_time) };
    let mut extra = Vec::new();
    let (message, envelope, head) = match Box::pin(send(pool, server, out)).await? {
        Answer::Message(bytes, head) => {
            let envelope = response(&bytes, &id)?;
            (bytes, envelope, head)
        }
        Answer::Stream(stream, head) => {
            let (bytes, envelope) = response_of(stream, &id, &mut extra).await?;
            (bytes, envelope, head)
        }
        Answer::Accepted => return Err(UpstreamError::Protocol("initialize was not answered".to_owned())),
        Answer::Refused(refusal) => return Err(no_session(server, refusal)),
    };
    if let Some(error) = envelope.error {
        let refusal = Refusal { status: 200, message: Some(message.slice(error.span.range())), session_lost: false };
        return Err(no_session(server, refusal));
    }
    let revision = negotiated(&message, &envelope)?;
    server.learn_era(None, Some(Knowledge::Known));
    let session = UpstreamSession {
        id: head.session_id,
        endpoint: head.endpoint,
        revision,
        process: fresh.and_then(|fresh| fresh.process),
    };
    if let Side::Stdio(side) = &server.live.side {
        stdio::keep_warm(server, side);
    }
    if matches!(hello, Hello::Made { .. }) {
        initialized(pool, server, &session, until).await?;
    }
    Ok(Established { session, message, extra })
}

/// [`discover_within`] with [`ANSWER_TIME`].
///
/// # Errors
/// As [`discover_within`].
pub async fn discover(
    pool: &Pool,
    server: &Arc<Server>,
    capabilities: ClientCapabilities,
) -> Result<Discovered, UpstreamError> {
    discover_within(pool, server, capabilities, ANSWER_TIME).await
}

/// Asks a server which era it serves, and what it offers in the modern one.
///
/// # Errors
/// 401, 403, 408, 429, 3xx, 5xx, silence and broken connections are no evidence and come back as errors (over stdio
/// silence means legacy).
pub async fn discover_within(
    pool: &Pool,
    server: &Arc<Server>,
    capabilities: ClientCapabilities,
    answer_time: Duration,
) -> Result<Discovered, UpstreamError> {
    let until = deadline(server, answer_time);
    let probe = match &server.live.side {
        Side::Stdio(side) => Some((side, stdio::process_for_probe(server, side)?)),
        Side::Http(_) | Side::Broken(_) => None,
    };
    let session = provisional(probe.as_ref().map(|(_, process)| process.clone()));
    let headers = [(METHOD.clone(), DISCOVER)];
    let out = Outgoing {
        session: session.as_ref(),
        revision: Some(Revision::V2026_07_28),
        headers: &headers,
        idempotent: true,
        ..handshake(body::discover(capabilities), until, answer_time)
    };
    let answer = Box::pin(send(pool, server, out)).await;
    let found = match answer {
        Err(UpstreamError::Timeout { .. }) if probe.is_some() => Ok(Discovered::Legacy),
        other => verdict(server, other?).await,
    };
    if let Some((side, process)) = probe {
        stdio::keep_probed(side, process, matches!(found, Ok(Discovered::Modern { .. })));
    }
    match &found {
        Ok(Discovered::Modern { legacy_too, .. }) => {
            let legacy = (!legacy_too.is_empty()).then_some(Knowledge::Known);
            server.learn_era(Some(Knowledge::Known), legacy);
        }
        Ok(Discovered::Legacy) => server.learn_era(Some(Knowledge::No), None),
        Err(_) => {}
    }
    found
}

async fn verdict(server: &Server, answer: Answer) -> Result<Discovered, UpstreamError> {
    let message = match answer {
        Answer::Message(bytes, _) => bytes,
        Answer::Stream(stream, _) => response_of(stream, b"1", &mut Vec::new()).await?.0,
        Answer::Accepted => return Err(UpstreamError::Protocol("server/discover was not answered".to_owned())),
        Answer::Refused(refusal) => return of_refusal(server, refusal),
    };
    let envelope = response(&message, b"1")?;
    if let Some(error) = envelope.error {
        let error = message.slice(error.span.range());
        return of_refusal(server, Refusal { status: 200, message: Some(error), session_lost: false });
    }
    let listed = envelope.result.as_ref().and_then(|result| result.supported_versions);
    let listed: Vec<Revision> = listed.map(|span| revisions(&message, span)).unwrap_or_default();
    if !listed.iter().any(|revision| revision.is_modern()) {
        return Ok(Discovered::Legacy);
    }
    let legacy_too = listed.into_iter().filter(|revision| !revision.is_modern()).collect();
    Ok(Discovered::Modern { message, legacy_too })
}

/// A refused probe: most refusals are how legacy servers look.
fn of_refusal(server: &Server, refusal: Refusal) -> Result<Discovered, UpstreamError> {
    let no_evidence = !(200..500).contains(&refusal.status)
        || (300..400).contains(&refusal.status)
        || matches!(refusal.status, 401 | 403 | 407 | 408 | 425 | 429);
    if no_evidence {
        return Err(UpstreamError::Refused(refusal));
    }
    if names_modern(&refusal) {
        // It serves our revision and refuses the probe all the same.
        server.learn_era(Some(Knowledge::Known), None);
        return Err(UpstreamError::Refused(refusal));
    }
    Ok(Discovered::Legacy)
}

/// A refused `initialize`: is the server modern only?
fn no_session(server: &Server, refusal: Refusal) -> UpstreamError {
    let modern_refusal = refusal.message.as_ref().is_some_and(has_modern_code);
    // Other codes (-32601, -32602) are as good as the knowledge that the server is modern.
    let known_modern = server.era().modern == Knowledge::Known
        && (refusal.status == 200 || matches!(refusal.status, 400 | 404 | 405 | 406 | 422));
    if modern_refusal || known_modern {
        server.learn_era(None, Some(Knowledge::No));
        return UpstreamError::Era;
    }
    UpstreamError::Refused(refusal)
}

fn error_code(error: &Bytes) -> Option<i64> {
    let whole = value::whole(error, all(error))?;
    value::find(error, whole, "code").and_then(|code| value::as_i64(error, code))
}

/// -32020, -32021 or -32022: only a modern server says so.
fn has_modern_code(error: &Bytes) -> bool {
    matches!(
        error_code(error),
        Some(error::UNSUPPORTED_PROTOCOL_VERSION | error::HEADER_MISMATCH | error::MISSING_CLIENT_CAPABILITY)
    )
}

/// A modern server's code with a modern revision under `data.supported`.
fn names_modern(refusal: &Refusal) -> bool {
    let Some(error) = &refusal.message else { return false };
    let supported = value::pointer(error, all(error), &["data", "supported"]);
    has_modern_code(error) && supported.is_some_and(|span| revisions(error, span).iter().any(|r| r.is_modern()))
}

fn revisions(body: &Bytes, array: Span) -> Vec<Revision> {
    value::elements(body, array)
        .filter_map(|span| value::string(body, span))
        .filter_map(|text| Revision::parse(text.text(body).as_bytes()))
        .collect()
}

fn all(body: &Bytes) -> Span {
    Span { start: 0, end: u32::try_from(body.len()).unwrap_or(u32::MAX) }
}

/// `notifications/initialized`. A server that refuses it but keeps the session is taken as it is.
async fn initialized(
    pool: &Pool,
    server: &Arc<Server>,
    session: &UpstreamSession,
    until: Instant,
) -> Result<(), UpstreamError> {
    let out = Outgoing {
        session: Some(session),
        revision: Some(session.revision),
        ..handshake(Bytes::from_static(INITIALIZED), until, ANSWER_TIME)
    };
    match Box::pin(send(pool, server, out)).await? {
        Answer::Refused(Refusal { session_lost: true, .. }) => Err(UpstreamError::SessionLost),
        Answer::Refused(refusal) => {
            let status = refusal.status;
            tracing::debug!(target: "upstream", backend = %server.backend.name, status, "initialized refused");
            Ok(())
        }
        Answer::Stream(stream, _) => {
            stream.finish();
            Ok(())
        }
        Answer::Accepted | Answer::Message(..) => Ok(()),
    }
}

fn handshake(body: Bytes, deadline: Instant, idle: Duration) -> Outgoing<'static> {
    Outgoing { body, session: None, revision: None, headers: &[], idle, deadline, idempotent: false }
}

fn deadline(server: &Server, answer_time: Duration) -> Instant {
    Instant::now() + server.backend.timeouts.connect + answer_time
}

fn provisional(process: Option<Process>) -> Option<UpstreamSession> {
    let process = Some(process?);
    Some(UpstreamSession { id: None, endpoint: None, revision: Revision::V2025_11_25, process })
}

/// A response to the request `id`, or an error that could not name it (null, absent, Python's "server-error").
fn response(bytes: &Bytes, id: &[u8]) -> Result<Envelope, UpstreamError> {
    let envelope = scan(bytes, &WIDE).map_err(|e| UpstreamError::Protocol(e.to_string()))?;
    if answers(bytes, &envelope, id) {
        return Ok(envelope);
    }
    Err(UpstreamError::Protocol("answer to another request".to_owned()))
}

fn answers(bytes: &Bytes, envelope: &Envelope, id: &[u8]) -> bool {
    if envelope.kind != Kind::Response {
        return false;
    }
    match envelope.id {
        Some(given) if given.raw(bytes) == id => true,
        Some(given) => {
            envelope.error.is_some() && (given.kind == IdKind::Null || given.raw(bytes) == br#""server-error""#)
        }
        None => envelope.error.is_some(),
    }
}

async fn response_of(
    mut stream: MessageStream,
    id: &[u8],
    extra: &mut Vec<Bytes>,
) -> Result<(Bytes, Envelope), UpstreamError> {
    while let Some(next) = stream.next().await {
        let Incoming::Message { data, .. } = next? else { continue };
        let envelope = scan(&data, &WIDE).map_err(|e| UpstreamError::Protocol(e.to_string()))?;
        if answers(&data, &envelope, id) {
            stream.finish();
            return Ok((data, envelope));
        }
        if envelope.kind != Kind::Notification {
            return Err(UpstreamError::Protocol("a request before the answer to the handshake".to_owned()));
        }
        if extra.len() < MAX_EXTRA {
            extra.push(data);
        }
    }
    Err(UpstreamError::closed(crate::fault::Executed::Unknown, "the stream ended before the handshake's answer"))
}

fn negotiated(message: &Bytes, envelope: &Envelope) -> Result<Revision, UpstreamError> {
    let named = envelope.result.as_ref().and_then(|result| result.protocol_version);
    let named = named.map(|text| text.text(message)).unwrap_or_default();
    Revision::parse(named.as_bytes()).filter(|revision| !revision.is_modern()).ok_or_else(|| {
        UpstreamError::Protocol(format!("unknown protocol version {:?}", named.chars().take(32).collect::<String>()))
    })
}
