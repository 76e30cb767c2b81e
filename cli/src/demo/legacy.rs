//! The legacy demo server: Streamable HTTP of 2025-03-26 to 2025-11-25 with sessions.
//!
//! Asks on the stream of the call it belongs to. Its GET stream is there and stays silent: nothing here changes by itself.

mod session;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use ringway_mcp::{Revision, error};
use serde_json::{Map, Value, json};

use super::rpc::{self, Message, Request};
use super::state;
use super::tools::{self, Call, Countdown};
use super::web::{self, Events, Handler, Refusal, Reply};
use session::Session;

const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";
/// Many for one person; the oldest makes room, so that a careless client cannot fill the memory.
const MAX_SESSIONS: usize = 1_024;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const SUPPORTED: [Revision; 3] = [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];
/// What SDK servers answer to an unknown session.
const SESSION_NOT_FOUND: i64 = -32_001;

/// The server: its sessions.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: HashMap<String, Arc<Session>>,
    opened: u64,
}

// === impl Legacy ===

impl Handler for Legacy {
    async fn handle(self: Arc<Self>, head: Parts, body: Bytes) -> Reply {
        let answer = match head.method {
            Method::POST => self.post(&head.headers, &body),
            Method::GET => self.get(&head.headers),
            Method::DELETE => self.delete(&head.headers),
            method => Err(web::wrong_method("GET, POST, DELETE", &method)),
        };
        answer.unwrap_or_else(|refusal| *refusal)
    }
}

impl Legacy {
    fn post(&self, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Refusal> {
        web::check_post(headers)?;
        let message = rpc::read(body)?;
        if let Message::Request(request) = &message
            && request.method == "initialize"
        {
            return self.initialize(request);
        }
        let session = self.session(headers)?;
        match message {
            Message::Request(request) => Ok(serve(&session, &request)),
            Message::Notification { method, params } => {
                if method == "notifications/cancelled"
                    && let Some(id) = params.get("requestId")
                {
                    session.cancel(id);
                }
                Ok(web::empty(StatusCode::ACCEPTED))
            }
            Message::Response { id, outcome } => {
                session.answer(&id, outcome);
                Ok(web::empty(StatusCode::ACCEPTED))
            }
        }
    }

    fn initialize(&self, request: &Request) -> Result<Reply, Refusal> {
        let asked = request.params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
        let revision = Revision::parse(asked.as_bytes()).filter(|one| SUPPORTED.contains(one));
        let revision = revision.unwrap_or(Revision::V2025_11_25);
        let can_ask = request.params.get("capabilities").is_some_and(|all| all.get("elicitation").is_some());
        let failed =
            |_| rpc::failed(StatusCode::OK, Some(&request.id), error::INTERNAL, "the system gives no random bytes");
        let id = u128::from_be_bytes(state::random().map_err(failed)?);
        let id = format!("{id:032x}");
        let result = json!({
            "protocolVersion": revision.as_str(),
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "ringway-demo-legacy", "version": env!("CARGO_PKG_VERSION") },
            "instructions": "Small tools to try an MCP client with.",
        });
        let mut reply = web::json(StatusCode::OK, &rpc::result(&request.id, &result));
        let value = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static(""));
        reply.headers_mut().insert(SESSION, value);
        self.sessions().insert(id, can_ask);
        Ok(reply)
    }

    fn get(&self, headers: &HeaderMap) -> Result<Reply, Refusal> {
        web::check_origin(headers)?;
        if !web::accepts(headers, "text/event-stream") {
            return Err(rpc::refuse(StatusCode::NOT_ACCEPTABLE, "Accept must list text/event-stream"));
        }
        let session = self.session(headers)?;
        let (events, reply) = web::events();
        if !session.attach(&events) {
            return Err(rpc::refuse(StatusCode::CONFLICT, "this session has a stream already"));
        }
        session.spawn_stream(async move {
            while events.keep_alive().await {
                tokio::select! {
                    () = tokio::time::sleep(KEEP_ALIVE) => {}
                    () = events.closed() => return,
                }
            }
        });
        Ok(reply)
    }

    fn delete(&self, headers: &HeaderMap) -> Result<Reply, Refusal> {
        web::check_origin(headers)?;
        let session = self.session(headers)?;
        self.sessions().by_id.remove(&session.id);
        session.end();
        Ok(web::empty(StatusCode::OK))
    }

    /// The session that a request names; checks the revision too.
    fn session(&self, headers: &HeaderMap) -> Result<Arc<Session>, Refusal> {
        if !headers.contains_key(SESSION) {
            return Err(rpc::refuse(StatusCode::BAD_REQUEST, "no session: send initialize first, then Mcp-Session-Id"));
        }
        let id = web::text_of(headers, SESSION).unwrap_or_default();
        let session = self
            .sessions()
            .by_id
            .get(id)
            .cloned()
            .ok_or_else(|| rpc::failed(StatusCode::NOT_FOUND, None, SESSION_NOT_FOUND, "Session not found"))?;
        let known = |text: &str| Revision::parse(text.as_bytes()).is_some_and(|one| SUPPORTED.contains(&one));
        if headers.contains_key(VERSION) && !web::text_of(headers, VERSION).is_some_and(known) {
            return Err(rpc::refuse(StatusCode::BAD_REQUEST, "MCP-Protocol-Version is not served here"));
        }
        Ok(session)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Sessions ===

impl Sessions {
    fn insert(&mut self, id: String, can_ask: bool) {
        if self.by_id.len() >= MAX_SESSIONS
            && let Some(oldest) = self.by_id.values().min_by_key(|session| session.number).cloned()
        {
            self.by_id.remove(&oldest.id);
            oldest.end();
        }
        self.opened += 1;
        self.by_id.insert(id.clone(), Arc::new(Session::new(id, self.opened, can_ask)));
    }
}

fn serve(session: &Arc<Session>, request: &Request) -> Reply {
    let ok = |result: &Value| web::json(StatusCode::OK, &rpc::result(&request.id, result));
    match request.method.as_str() {
        "ping" => ok(&json!({})),
        "tools/list" if request.params.get("cursor").is_some() => rpc::failed(
            StatusCode::OK,
            Some(&request.id),
            error::INVALID_PARAMS,
            "this list has one page: no such cursor",
        ),
        "tools/list" => ok(&json!({ "tools": tools::definitions() })),
        "tools/call" => call(session, request),
        // Errors of a session stay at 200: stock clients lose a session on any other status.
        other => {
            let text = format!("Method not found: {other}");
            rpc::failed(StatusCode::OK, Some(&request.id), error::METHOD_NOT_FOUND, &text)
        }
    }
}

fn call(session: &Arc<Session>, request: &Request) -> Reply {
    let name = request.params.get("name").and_then(Value::as_str).unwrap_or_default();
    let none = Map::new();
    let arguments = request.params.get("arguments").and_then(Value::as_object).unwrap_or(&none);
    let Some(call) = tools::call(name, arguments, Timestamp::now()) else {
        let text = format!("Unknown tool: {name}");
        return rpc::failed(StatusCode::OK, Some(&request.id), error::INVALID_PARAMS, &text);
    };
    let failed = |text: &str| web::json(StatusCode::OK, &rpc::result(&request.id, &tools::failure(text)));
    match call {
        Call::Done(result) => web::json(StatusCode::OK, &rpc::result(&request.id, &result)),
        Call::AskName if !session.can_ask => failed("this client declared no elicitation: nobody can be asked"),
        Call::Countdown(_) | Call::AskName => {
            let (events, reply) = web::events();
            let (id, token) = (request.id.clone(), rpc::progress_token(&request.params));
            let holder = Arc::clone(session);
            let started = session.spawn_call(&request.id, async move {
                let result = match call {
                    Call::Countdown(countdown) => count(countdown, token, &events).await,
                    _ => ask(&holder, &events).await,
                };
                events.send(&rpc::result(&id, &result)).await;
            });
            if started { reply } else { failed("too many calls at once in this session") }
        }
    }
}

/// Counts on when nobody listens: a lost connection is no cancel in this era.
async fn count(countdown: Countdown, token: Option<Value>, events: &Events) -> Value {
    for step in 1..=countdown.from {
        tokio::time::sleep(countdown.delay).await;
        if let Some(token) = &token {
            events.send(&progress(token, step, countdown.from)).await;
        }
    }
    tools::text(&format!("Counted down from {}", countdown.from))
}

pub(super) fn progress(token: &Value, step: u64, total: u64) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": {
            "progressToken": token, "progress": step, "total": total, "message": format!("{} to go", total - step),
        },
    })
}

async fn ask(session: &Session, events: &Events) -> Value {
    let Some(question) = session.ask() else {
        return tools::failure("too many open questions in this session");
    };
    let request = json!({
        "jsonrpc": "2.0", "id": question.id(), "method": "elicitation/create", "params": tools::name_question(),
    });
    events.send(&request).await;
    match tokio::time::timeout(state::THINKING_TIME, question.answered()).await {
        Ok(Some(Ok(answer))) => tools::greet(&answer),
        Ok(Some(Err(error))) => tools::failure(&format!("the client answered the question with an error: {error}")),
        Ok(None) | Err(_) => tools::failure("nobody answered"),
    }
}
