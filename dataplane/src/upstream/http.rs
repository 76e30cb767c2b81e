//! One exchange over HTTP/1.1: the request's headers, the retry rule, and what a status and content type mean.
//!
//! No task is made for a request and its body is one buffer. Event streams go on in `stream`, error bodies in `refusal`.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming as HyperBody;
use tokio::time::{Instant, timeout_at};

use super::connect::{self, candidates};
use super::large::{JsonBody, LARGE_JSON};
use super::pool::Connection;
use super::server::{Counted, HttpSide, Level, Server};
use super::stream::{MessageStream, Pace};
use super::{Answer, CallAnswer, Head, Outgoing, Pool, Refusal, UpstreamError, UpstreamSession, refusal};
use crate::fault::Executed;

static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
static PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Both, always: servers refuse with 406 otherwise, and some compare literally.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");

/// DELETE is a courtesy.
const END_TIME: Duration = Duration::from_secs(5);
/// An error's body is read this far and this long.
const REFUSAL_BYTES: usize = 64 << 10;
const REFUSAL_TIME: Duration = Duration::from_secs(5);

/// A request as it can be built a second time.
struct Ask<'a> {
    method: Method,
    accept: HeaderValue,
    out: &'a Outgoing<'a>,
    last_event_id: Option<HeaderValue>,
}

struct Reply {
    response: Response<HyperBody>,
    connection: Connection,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Json,
    Events,
    /// Nothing said, or plain text: decided by the first byte.
    Unsaid,
    Other,
}

pub(super) async fn send(
    pool: &Pool,
    server: &Arc<Server>,
    http: &HttpSide,
    out: Outgoing<'_>,
) -> Result<Answer, UpstreamError> {
    match begin(pool, server, http, &out).await? {
        Err(refusal) => Ok(Answer::Refused(refusal)),
        Ok((reply, pace, count)) => accept(server, reply, &out, (pace, count)).await,
    }
}

pub(super) async fn send_call(
    pool: &Pool,
    server: &Arc<Server>,
    http: &HttpSide,
    out: Outgoing<'_>,
) -> Result<CallAnswer, UpstreamError> {
    match begin(pool, server, http, &out).await? {
        Err(refusal) => Ok(CallAnswer::Whole(Answer::Refused(refusal))),
        Ok((reply, pace, count)) => {
            let announced = reply.response.body().size_hint().exact().and_then(|n| usize::try_from(n).ok());
            let large = announced.is_some_and(|n| n > LARGE_JSON && n <= server.backend.limits.max_response_bytes);
            if large && reply.response.status() == StatusCode::OK && media(reply.response.headers()) == Media::Json {
                let Reply { response, connection } = reply;
                return Ok(CallAnswer::Large(JsonBody::new(response.into_body(), connection, pace, count)));
            }
            accept(server, reply, &out, (pace, count)).await.map(CallAnswer::Whole)
        }
    }
}

/// An answer whose head is there, or what the server said instead.
type Begun = Result<(Reply, Pace, Counted), Refusal>;

async fn begin(pool: &Pool, server: &Arc<Server>, http: &HttpSide, out: &Outgoing<'_>) -> Result<Begun, UpstreamError> {
    let count = server.admit(out)?;
    let ask = Ask { method: Method::POST, accept: BOTH, out, last_event_id: None };
    let reply = exchange(pool, server, http, &ask).await?;
    let pace = out.pace();
    if !reply.response.status().is_success() {
        let in_session = out.session.is_some_and(|s| s.id.is_some());
        return Ok(Err(read_refusal(server, reply, in_session).await));
    }
    server.note_answer();
    Ok(Ok((reply, pace, count)))
}

/// A 2xx answer.
async fn accept(
    server: &Server,
    reply: Reply,
    out: &Outgoing<'_>,
    (pace, count): (Pace, Counted),
) -> Result<Answer, UpstreamError> {
    let Reply { response, connection } = reply;
    let limit = server.backend.limits.max_response_bytes;
    let status = response.status();
    let (parts, body) = response.into_parts();
    let session_id = if out.session.is_none() { session_id(&parts.headers) } else { None };
    let head = Head { session_id, endpoint: Some(connection.address()) };
    let media = media(&parts.headers);
    if media == Media::Events && status == StatusCode::OK {
        return Ok(Answer::Stream(MessageStream::http(body, connection, pace, limit, count), head));
    }
    let bytes = collect(body, limit, pace).await?;
    connection.park();
    if bytes.is_empty() || status == StatusCode::ACCEPTED || status == StatusCode::NO_CONTENT {
        return Ok(Answer::Accepted);
    }
    let fits = match media {
        Media::Json => true,
        Media::Unsaid => bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{'),
        Media::Events | Media::Other => false,
    };
    if fits { Ok(Answer::Message(bytes, head)) } else { Err(UpstreamError::Protocol(strange(&parts.headers))) }
}

pub(super) async fn open_stream(
    server: &Arc<Server>,
    http: &HttpSide,
    session: &UpstreamSession,
    last_event_id: Option<&[u8]>,
) -> Result<MessageStream, UpstreamError> {
    // A server may replay the rest of a call and still offer no standing stream.
    let resumes = last_event_id.is_some();
    if !resumes && server.refuses_streams() {
        return Err(UpstreamError::NoStream405);
    }
    let last_event_id = last_event_id
        .map(HeaderValue::from_bytes)
        .transpose()
        .map_err(|_| UpstreamError::Protocol("event id is no header value".to_owned()))?;
    let out = Outgoing {
        body: Bytes::new(),
        session: Some(session),
        revision: Some(session.revision),
        headers: &[],
        idle: Outgoing::NO_IDLE,
        deadline: Instant::now(),
        idempotent: false,
    };
    let ask = Ask { method: Method::GET, accept: EVENTS, out: &out, last_event_id };
    let count = server.live.count(Level::Streams, usize::MAX).ok_or(UpstreamError::Busy("streams"))?;
    let to = candidates(server, http, Some(session))?;
    let mut connection = connect::open_standing(server, http, &to).await?;
    let response = connection
        .sender
        .send_request(ask.request(http)?)
        .await
        .map_err(|e| UpstreamError::closed(Executed::No, describe(&e)))?;
    let status = response.status();
    if status == StatusCode::OK && media(response.headers()) == Media::Events {
        let limit = server.backend.limits.max_response_bytes;
        return Ok(MessageStream::http(response.into_body(), connection, Pace::STANDING, limit, count));
    }
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            if !resumes {
                server.learn_no_stream();
            }
            Err(UpstreamError::NoStream405)
        }
        StatusCode::CONFLICT => Err(UpstreamError::Conflict409),
        StatusCode::NOT_FOUND if session.id.is_some() => Err(UpstreamError::SessionLost),
        status if status.is_success() => Err(UpstreamError::Protocol(strange(response.headers()))),
        _ => Err(UpstreamError::Refused(read_refusal(server, Reply { response, connection }, false).await)),
    }
}

pub(super) async fn end_session(pool: &Pool, server: &Arc<Server>, http: &HttpSide, session: &UpstreamSession) {
    if session.id.is_none() {
        return;
    }
    let deadline = Instant::now() + END_TIME;
    let out = Outgoing {
        body: Bytes::new(),
        session: Some(session),
        revision: Some(session.revision),
        headers: &[],
        idle: END_TIME,
        deadline,
        idempotent: true,
    };
    let ask = Ask { method: Method::DELETE, accept: BOTH, out: &out, last_event_id: None };
    let ended = async {
        let Reply { response, connection } = exchange(pool, server, http, &ask).await?;
        let pace = Pace { idle: None, deadline: Some(deadline) };
        collect(response.into_body(), REFUSAL_BYTES, pace).await?;
        connection.park();
        Ok::<_, UpstreamError>(())
    };
    if let Ok(Err(error)) = timeout_at(deadline, ended).await {
        tracing::debug!(target: "upstream", backend = %server.backend.name, %error, "session not ended");
    }
}

/// Sends `ask` and waits for the answer's head; tries once more where that is safe.
async fn exchange(pool: &Pool, server: &Arc<Server>, http: &HttpSide, ask: &Ask<'_>) -> Result<Reply, UpstreamError> {
    let to = candidates(server, http, ask.out.session)?;
    let standing = ask.out.is_standing();
    let (mut connection, mut reused) = if standing {
        (connect::open_standing(server, http, &to).await?, false)
    } else {
        connect::take(pool, server, http, &to).await?
    };
    let mut again = true;
    loop {
        let sent = ask.out.pace().limit(connection.sender.try_send_request(ask.request(http)?)).await;
        let Some(sent) = sent else {
            return Err(UpstreamError::Timeout { executed: Executed::Unknown });
        };
        let error = match sent {
            Ok(response) => {
                let headers = response.headers();
                if headers.contains_key(header::TRANSFER_ENCODING) && headers.contains_key(header::CONTENT_LENGTH) {
                    // Two ends of one body (RFC 9112, 6.3): the next answer must not begin in this one.
                    connection.distrust();
                }
                return Ok(Reply { response, connection });
            }
            Err(error) => error,
        };
        let unsent = error.message().is_some();
        // A standing stream had a connection of its own: what failed there fails again.
        if !again || standing || !(unsent || (ask.out.idempotent && reused)) {
            let executed = if unsent { Executed::No } else { Executed::Unknown };
            return Err(UpstreamError::closed(executed, describe(error.error())));
        }
        again = false;
        (connection, reused) = connect::open(pool, server, http, &to).await?;
    }
}

// === impl Ask ===

impl Ask<'_> {
    fn request(&self, http: &HttpSide) -> Result<Request<Full<Bytes>>, UpstreamError> {
        let out = self.out;
        let mut request = Request::new(Full::new(out.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = http.uri.clone();
        let headers = request.headers_mut();
        headers.reserve(6 + out.headers.len());
        headers.insert(header::HOST, http.host.clone());
        headers.insert(header::ACCEPT, self.accept.clone());
        if self.method == Method::POST {
            headers.insert(header::CONTENT_TYPE, JSON);
        }
        if let Some(revision) = out.revision {
            headers.insert(PROTOCOL_VERSION.clone(), HeaderValue::from_static(revision.as_str()));
        }
        if let Some(id) = out.session.and_then(|session| session.id.as_ref()) {
            let value = HeaderValue::from_str(id)
                .map_err(|_| UpstreamError::Protocol("session id is no header value".to_owned()))?;
            headers.insert(SESSION_ID.clone(), value);
        }
        if let Some(id) = &self.last_event_id {
            headers.insert(LAST_EVENT_ID.clone(), id.clone());
        }
        for (name, value) in out.headers {
            if may_pass(name) {
                headers.append(name.clone(), value.clone());
            }
        }
        if let Some((name, value)) = &http.credential {
            headers.insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

/// Whatever configuration forwards: never who the client is, never what frames the message, never what is set above.
fn may_pass(name: &HeaderName) -> bool {
    ![
        header::AUTHORIZATION,
        header::COOKIE,
        header::PROXY_AUTHORIZATION,
        header::HOST,
        header::ACCEPT,
        header::CONTENT_TYPE,
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
        header::UPGRADE,
        header::EXPECT,
        header::TE,
        header::TRAILER,
        header::ACCEPT_ENCODING,
    ]
    .contains(name)
        && *name != SESSION_ID
        && *name != PROTOCOL_VERSION
        && *name != LAST_EVENT_ID
        && name.as_str() != "keep-alive"
}

/// The whole body, unless it is longer than `limit`, whatever its length field said.
async fn collect(mut body: HyperBody, limit: usize, pace: Pace) -> Result<Bytes, UpstreamError> {
    let too_large = || UpstreamError::TooLarge { limit };
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while !body.is_end_stream() {
        let frame = pace.limit(body.frame()).await;
        let frame = frame.ok_or(UpstreamError::Timeout { executed: Executed::Unknown })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|e| UpstreamError::closed(Executed::Unknown, describe(&e)))?;
        // Trailers mean nothing here.
        let Ok(data) = frame.into_data() else { continue };
        if first.len().max(rest.len()) + data.len() > limit {
            return Err(too_large());
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
            continue;
        }
        if rest.is_empty() {
            // At least what is announced, but no more than was allowed above.
            let announced = usize::try_from(body.size_hint().lower()).unwrap_or(limit).min(limit);
            rest.reserve(first.len() + data.len() + announced);
            rest.extend_from_slice(&std::mem::take(&mut first));
        }
        rest.extend_from_slice(&data);
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

async fn read_refusal(server: &Server, reply: Reply, in_session: bool) -> Refusal {
    let Reply { response, connection } = reply;
    let status = response.status();
    let session_lost = in_session && status == StatusCode::NOT_FOUND;
    let mut message = None;
    // A redirect is not followed, whatever it says.
    if !status.is_redirection() && media(response.headers()) != Media::Events {
        let pace = Pace { idle: None, deadline: Some(Instant::now() + REFUSAL_TIME) };
        if let Ok(body) = collect(response.into_body(), REFUSAL_BYTES, pace).await {
            connection.park();
            message = refusal::json_rpc_error(&body);
        }
    }
    let plain = status != StatusCode::UNAUTHORIZED && status != StatusCode::FORBIDDEN;
    if session_lost || (plain && message.is_none()) {
        server.doubt();
    }
    Refusal { status: status.as_u16(), message, session_lost }
}

fn session_id(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(&SESSION_ID)?.as_bytes();
    let legal = (1..=Head::MAX_SESSION_ID).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    if legal { String::from_utf8(value.to_vec()).ok() } else { None }
}

fn media(headers: &HeaderMap) -> Media {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return Media::Unsaid };
    let value = value.as_bytes();
    let kind = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    let ends_in_json = kind.len() >= 5 && kind.get(kind.len() - 5..).is_some_and(|t| t.eq_ignore_ascii_case(b"+json"));
    if kind.eq_ignore_ascii_case(b"application/json") || ends_in_json {
        Media::Json
    } else if kind.eq_ignore_ascii_case(b"text/event-stream") {
        Media::Events
    } else if kind.is_empty() || kind.eq_ignore_ascii_case(b"text/plain") {
        Media::Unsaid
    } else {
        Media::Other
    }
}

fn strange(headers: &HeaderMap) -> String {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("none");
    let shown: String = kind.chars().take(64).collect();
    format!("answer of content type {shown:?}")
}

/// hyper's errors keep the interesting part in their source.
pub(super) fn describe(error: &hyper::Error) -> String {
    use std::error::Error as _;
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
