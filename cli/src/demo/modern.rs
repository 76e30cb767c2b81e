//! The modern demo server: 2026-07-28, stateless.
//!
//! Checks stand in the order of the specification's transport page. Speaks no older revision: `initialize` gets the list
//! of what is spoken.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use ringway_mcp::{Revision, error, headers};
use serde_json::{Map, Value, json};

use super::legacy::progress;
use super::rpc::{self, Message, Request};
use super::state::{Sealer, THINKING_TIME};
use super::tools::{self, Call, Countdown};
use super::web::{self, Events, Handler, Refusal, Reply};

const VERSION: &str = Revision::V2026_07_28.as_str();
const META: &str = "io.modelcontextprotocol/";
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// The lists of this server never change while it runs.
const TTL_MS: u64 = 3_600_000;

/// The server: the key of its request states.
#[derive(Debug)]
pub(super) struct Modern {
    sealer: Sealer,
}

// === impl Modern ===

impl Handler for Modern {
    async fn handle(self: Arc<Self>, head: Parts, body: Bytes) -> Reply {
        if head.method != Method::POST {
            return *web::wrong_method("POST", &head.method);
        }
        self.post(&head.headers, &body).unwrap_or_else(|refusal| *refusal)
    }
}

impl Modern {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { sealer: Sealer::new()? })
    }

    fn post(&self, headers: &HeaderMap, body: &[u8]) -> Result<Reply, Refusal> {
        web::check_post(headers)?;
        match rpc::read(body)? {
            Message::Request(request) => {
                check_request(headers, &request)?;
                Ok(self.serve(&request))
            }
            Message::Notification { .. } => Ok(web::empty(StatusCode::ACCEPTED)),
            Message::Response { .. } => {
                Err(rpc::refuse(StatusCode::BAD_REQUEST, "clients send no responses in this revision"))
            }
        }
    }

    fn serve(&self, request: &Request) -> Reply {
        match request.method.as_str() {
            "server/discover" => complete(request, discovery()),
            "tools/list" if request.params.get("cursor").is_some() => {
                invalid_params(request, "this list has one page: no such cursor")
            }
            "tools/list" => complete(request, cacheable(json!({ "tools": tools::definitions() }))),
            "tools/call" => self.call(request),
            "subscriptions/listen" => listen(request),
            other => {
                let text = format!("Method not found: {other}");
                rpc::failed(StatusCode::NOT_FOUND, Some(&request.id), error::METHOD_NOT_FOUND, &text)
            }
        }
    }

    fn call(&self, request: &Request) -> Reply {
        let name = request.params.get("name").and_then(Value::as_str).unwrap_or_default();
        let none = Map::new();
        let arguments = request.params.get("arguments").and_then(Value::as_object).unwrap_or(&none);
        match tools::call(name, arguments, Timestamp::now()) {
            None => invalid_params(request, &format!("Unknown tool: {name}")),
            Some(Call::Done(result)) => complete(request, result),
            Some(Call::AskName) => self.ask_name(request, Timestamp::now()),
            Some(Call::Countdown(countdown)) => {
                let (events, reply) = web::events();
                let (id, token) = (request.id.clone(), rpc::progress_token(&request.params));
                tokio::spawn(async move {
                    // A closed stream is the cancel of this era.
                    tokio::select! {
                        () = events.closed() => {}
                        () = count(countdown, id, token, &events) => {}
                    }
                });
                reply
            }
        }
    }

    fn ask_name(&self, request: &Request, now: Timestamp) -> Reply {
        if !can_ask(request) {
            let data = json!({ "requiredCapabilities": { "elicitation": { "form": {} } } });
            let text = "Missing required client capability: elicitation";
            let body = rpc::error(Some(&request.id), error::MISSING_CLIENT_CAPABILITY, text, Some(data));
            return web::json(StatusCode::BAD_REQUEST, &body);
        }
        let now = u64::try_from(now.as_second()).unwrap_or_default();
        if let Some(state) = request.params.get("requestState") {
            if !state.as_str().is_some_and(|state| self.sealer.verify("ask_name", state, now)) {
                return invalid_params(request, "requestState is not ours, or too old");
            }
            // A client that leaves an answer out is asked again.
            if let Some(answer) = request.params.get("inputResponses").and_then(|answers| answers.get("name")) {
                return complete(request, tools::greet(answer));
            }
        }
        let result = json!({
            "resultType": "input_required",
            "requestState": self.sealer.seal("ask_name", now + THINKING_TIME.as_secs()),
            "inputRequests": { "name": { "method": "elicitation/create", "params": tools::name_question() } },
            "_meta": { "io.modelcontextprotocol/serverInfo": server_info() },
        });
        web::json(StatusCode::OK, &rpc::result(&request.id, &result))
    }
}

/// `_meta`, then headers against the body, then the version.
fn check_request(headers: &HeaderMap, request: &Request) -> Result<(), Refusal> {
    let refused = |code, text: &str| Box::new(rpc::failed(StatusCode::BAD_REQUEST, Some(&request.id), code, text));
    let Some(claimed) = meta(request, "protocolVersion").and_then(Value::as_str) else {
        if request.method == "initialize" {
            let asked = request.params.get("protocolVersion").and_then(Value::as_str).unwrap_or_default();
            return Err(Box::new(unsupported(request, asked)));
        }
        return Err(refused(error::INVALID_PARAMS, &format!("_meta.{META}protocolVersion is missing")));
    };
    if !meta(request, "clientCapabilities").is_some_and(Value::is_object) {
        return Err(refused(error::INVALID_PARAMS, &format!("_meta.{META}clientCapabilities is missing")));
    }
    check_headers(headers, request, claimed).map_err(|text| refused(error::HEADER_MISMATCH, &text))?;
    if claimed != VERSION {
        return Err(Box::new(unsupported(request, claimed)));
    }
    Ok(())
}

fn check_headers(headers: &HeaderMap, request: &Request, claimed: &str) -> Result<(), String> {
    same(headers, "MCP-Protocol-Version", claimed)?;
    same(headers, "Mcp-Method", &request.method)?;
    let name = match request.method.as_str() {
        "tools/call" => request.params.get("name"),
        _ => return Ok(()),
    };
    let Some(name) = name.and_then(Value::as_str) else { return Ok(()) };
    let sent = web::text_of(headers, "mcp-name").ok_or("Header mismatch: Mcp-Name is missing or there twice")?;
    let decoded = headers::decode_value(sent.trim().as_bytes()).map_err(|fault| format!("Header mismatch: {fault}"))?;
    if decoded == name {
        return Ok(());
    }
    Err(format!("Header mismatch: Mcp-Name header value '{decoded}' does not match body value '{name}'"))
}

fn same(headers: &HeaderMap, name: &'static str, expected: &str) -> Result<(), String> {
    match web::text_of(headers, name).map(str::trim) {
        Some(value) if value == expected => Ok(()),
        Some(value) => {
            Err(format!("Header mismatch: {name} header value '{value}' does not match body value '{expected}'"))
        }
        None => Err(format!("Header mismatch: {name} is missing or there twice")),
    }
}

fn unsupported(request: &Request, asked: &str) -> Reply {
    let data = json!({ "supported": [VERSION], "requested": asked });
    let code = error::UNSUPPORTED_PROTOCOL_VERSION;
    let body = rpc::error(Some(&request.id), code, "Unsupported protocol version", Some(data));
    web::json(StatusCode::BAD_REQUEST, &body)
}

fn invalid_params(request: &Request, text: &str) -> Reply {
    rpc::failed(StatusCode::BAD_REQUEST, Some(&request.id), error::INVALID_PARAMS, text)
}

fn meta<'a>(request: &'a Request, key: &str) -> Option<&'a Value> {
    request.params.get("_meta")?.get(format!("{META}{key}"))
}

fn can_ask(request: &Request) -> bool {
    let declared = meta(request, "clientCapabilities").and_then(|all| all.get("elicitation"));
    // An empty object means forms.
    declared.and_then(Value::as_object).is_some_and(|modes| modes.is_empty() || modes.contains_key("form"))
}

fn server_info() -> Value {
    json!({ "name": "ringway-demo-modern", "version": env!("CARGO_PKG_VERSION") })
}

fn discovery() -> Value {
    cacheable(json!({
        "supportedVersions": [VERSION],
        "capabilities": { "tools": { "listChanged": true } },
        "instructions": "Small tools to try an MCP client with.",
    }))
}

fn cacheable(mut result: Value) -> Value {
    result["ttlMs"] = json!(TTL_MS);
    result["cacheScope"] = json!("public");
    result
}

fn finished(id: &Value, mut result: Value) -> Value {
    result["resultType"] = json!("complete");
    result["_meta"][format!("{META}serverInfo")] = server_info();
    rpc::result(id, &result)
}

fn complete(request: &Request, result: Value) -> Reply {
    web::json(StatusCode::OK, &finished(&request.id, result))
}

async fn count(countdown: Countdown, id: Value, token: Option<Value>, events: &Events) {
    for step in 1..=countdown.from {
        tokio::time::sleep(countdown.delay).await;
        if let Some(token) = &token {
            events.send(&progress(token, step, countdown.from)).await;
        }
    }
    let result = tools::text(&format!("Counted down from {}", countdown.from));
    events.send(&finished(&id, result)).await;
}

/// Acknowledges what this server can announce, and keeps the stream.
fn listen(request: &Request) -> Reply {
    let Some(asked) = request.params.get("notifications").and_then(Value::as_object) else {
        return invalid_params(request, "notifications is missing");
    };
    let mut honoured = Map::new();
    if asked.get("toolsListChanged") == Some(&Value::Bool(true)) {
        honoured.insert("toolsListChanged".to_owned(), Value::Bool(true));
    }
    let mut params = json!({ "notifications": honoured });
    params["_meta"][format!("{META}subscriptionId")] = request.id.clone();
    let acknowledged =
        json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params });
    let (events, reply) = web::events();
    tokio::spawn(async move {
        let mut open = events.send(&acknowledged).await;
        while open {
            tokio::select! {
                () = tokio::time::sleep(KEEP_ALIVE) => open = events.keep_alive().await,
                () = events.closed() => open = false,
            }
        }
    });
    reply
}
