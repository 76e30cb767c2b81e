//! The client against servers that are odd in the ways that real ones are.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ringway_cli::client::{
    Answer, Client, ClientError, Dialog, Elicitation, Endpoint, List, Options, Progress, Unattended,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// A request as the server saw it.
#[derive(Clone, Debug)]
struct Seen {
    http: Method,
    headers: HashMap<String, String>,
    body: Value,
}

struct Canned {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

type Script = dyn Fn(&Seen) -> Canned + Send + Sync;

/// A server that answers by script and writes down what it was asked.
struct Scripted {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    async fn start(script: impl Fn(&Seen) -> Canned + Send + Sync + 'static) -> Self {
        Self::start_gated(script, None).await
    }

    /// `gate`: answers to tools/call wait until it is opened.
    async fn start_gated(script: impl Fn(&Seen) -> Canned + Send + Sync + 'static, gate: Option<Arc<Notify>>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Script> = Arc::new(script);
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (script, log, gate) = (Arc::clone(&script), Arc::clone(&log), gate.clone());
                let service = service_fn(move |request| {
                    let (script, log, gate) = (Arc::clone(&script), Arc::clone(&log), gate.clone());
                    async move { Ok::<_, Infallible>(answer(&script, &log, gate, request).await) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { url, seen }
    }

    async fn connect(&self) -> Result<Client, ClientError> {
        let options = Options { silence: Duration::from_secs(20), ..Options::default() };
        Client::connect(Endpoint::parse(&self.url).unwrap(), options).await
    }

    fn bodies(&self, method: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|one| one.body["method"] == method).cloned().collect()
    }
}

async fn answer(
    script: &Arc<Script>,
    log: &Mutex<Vec<Seen>>,
    gate: Option<Arc<Notify>>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    let headers = headers.collect();
    let body = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or(Value::Null);
    let seen = Seen { http: head.method, headers, body };
    log.lock().unwrap().push(seen.clone());
    if seen.body["result"].is_object() || seen.body["error"].is_object() {
        gate.as_ref().inspect(|gate| gate.notify_one());
    }
    let canned = script(&seen);
    if seen.body["method"] == "tools/call"
        && let Some(gate) = &gate
    {
        gate.notified().await;
    }
    let mut response = Response::builder().status(canned.status);
    for (name, value) in canned.headers {
        response = response.header(name, value);
    }
    response.body(Full::new(Bytes::from(canned.body))).unwrap()
}

fn reply(status: u16, kind: &str, body: impl Into<String>) -> Canned {
    Canned { status, headers: vec![("content-type", kind.to_owned())], body: body.into() }
}

fn result(seen: &Seen, result: &Value) -> Canned {
    reply(200, "application/json", json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result }).to_string())
}

fn events(messages: &[Value]) -> Canned {
    let text: String = messages.iter().map(|message| format!("event: message\r\ndata: {message}\r\n\r\n")).collect();
    reply(200, "text/event-stream", text)
}

/// The usual legacy answers; what is not covered is 405.
fn legacy(seen: &Seen) -> Canned {
    match seen.body["method"].as_str() {
        Some("server/discover") => reply(400, "text/html", "<h1>Bad Request</h1>"),
        Some("initialize") => {
            let mut canned = result(
                seen,
                &json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": { "name": "s", "version": "1" } }),
            );
            canned.headers.push(("mcp-session-id", "s1".to_owned()));
            canned
        }
        // As Python's SDK (a type over nothing) and TypeScript's (words) answer.
        Some(method) if method.starts_with("notifications/") => reply(202, "application/json", ""),
        None if seen.http == Method::POST => reply(202, "text/plain", "Accepted"),
        _ if seen.http == Method::DELETE => reply(204, "text/plain", ""),
        _ => reply(405, "text/plain", ""),
    }
}

fn nothing() -> Box<RawValue> {
    RawValue::from_string("{}".to_owned()).unwrap()
}

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

#[tokio::test]
async fn every_request_of_a_session_names_it_and_its_revision_and_the_end_is_told() {
    let server = Scripted::start(|seen| match seen.body["method"].as_str() {
        Some("tools/call") => result(seen, &text("done")),
        _ => legacy(seen),
    })
    .await;
    let mut client = server.connect().await.unwrap();
    client.call("t", &nothing(), &mut Unattended).await.unwrap();
    client.close().await.unwrap();
    let seen = server.seen.lock().unwrap().clone();
    let first = seen.iter().find(|one| one.body["method"] == "initialize").unwrap();
    assert!(!first.headers.contains_key("mcp-session-id") && !first.headers.contains_key("mcp-protocol-version"));
    for one in seen.iter().filter(|one| !matches!(one.body["method"].as_str(), Some("server/discover" | "initialize")))
    {
        assert_eq!(one.headers["mcp-session-id"], "s1", "{one:?}");
        assert_eq!(one.headers["mcp-protocol-version"], "2025-06-18", "{one:?}");
        assert!(!one.headers.contains_key("mcp-method"), "no modern header on a legacy request: {one:?}");
    }
    assert_eq!(seen.last().unwrap().http, Method::DELETE);
}

#[tokio::test]
async fn a_given_up_call_is_cancelled_by_its_id() {
    let gate = Arc::new(Notify::new());
    let server = Scripted::start_gated(legacy, Some(gate)).await;
    let mut client = server.connect().await.unwrap();
    let (arguments, mut dialog) = (nothing(), Unattended);
    // Given up once it is there, however long that takes.
    let there = async {
        while server.bodies("tools/call").is_empty() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        answer = client.call("t", &arguments, &mut dialog) => panic!("nobody answered: {answer:?}"),
        there = tokio::time::timeout(Duration::from_secs(20), there) => there.unwrap(),
    }
    client.close().await.unwrap();
    let call = server.bodies("tools/call").remove(0);
    let cancel = server.bodies("notifications/cancelled").remove(0);
    assert_eq!(cancel.body["params"]["requestId"], call.body["id"]);
}

/// Says Ada to every form.
struct Ada;

impl Dialog for Ada {
    fn progress(&mut self, _: &Progress) {}
    fn log(&mut self, _: &str, _: &str) {}
    async fn elicit(&mut self, _: &Elicitation) -> Answer {
        Answer::Accept(json!({ "name": "Ada" }).as_object().unwrap().clone())
    }
}

#[tokio::test]
async fn a_question_on_the_get_stream_is_answered_before_the_call_has_a_head() {
    let gate = Arc::new(Notify::new());
    let question = json!({
        "jsonrpc": "2.0", "id": 0, "method": "elicitation/create",
        "params": { "message": "Who?", "requestedSchema": { "type": "object", "properties": {} } },
    });
    let script = move |seen: &Seen| match (seen.http.clone(), seen.body["method"].as_str()) {
        (Method::GET, _) => events(std::slice::from_ref(&question)),
        (_, Some("tools/call")) => result(seen, &text("Hello")),
        _ => legacy(seen),
    };
    let server = Scripted::start_gated(script, Some(gate)).await;
    let mut client = server.connect().await.unwrap();
    let answer = client.call("t", &nothing(), &mut Ada).await.unwrap();
    assert_eq!(answer.content[0]["text"], "Hello");
    let seen = server.seen.lock().unwrap().clone();
    let sent = seen.iter().find(|one| one.body["result"].is_object()).unwrap();
    assert_eq!(
        sent.body,
        json!({ "jsonrpc": "2.0", "id": 0, "result": { "action": "accept", "content": { "name": "Ada" } } })
    );
}

#[tokio::test]
async fn what_this_client_cannot_do_is_refused_and_roots_are_empty() {
    let ask = |id: &str, method: &str| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": {} });
    let server = Scripted::start(move |seen| match seen.body["method"].as_str() {
        Some("tools/call") => events(&[
            ask("a", "sampling/createMessage"),
            ask("b", "roots/list"),
            ask("c", "ping"),
            ask("d", "nope"),
            json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": text("done") }),
        ]),
        _ => legacy(seen),
    })
    .await;
    let mut client = server.connect().await.unwrap();
    client.call("t", &nothing(), &mut Unattended).await.unwrap();
    let seen = server.seen.lock().unwrap().clone();
    let sent = |id: &str| seen.iter().find(|one| one.body["id"] == id).unwrap().body.clone();
    assert_eq!(sent("a")["error"]["code"], -1);
    assert_eq!(sent("b")["result"], json!({ "roots": [] }));
    assert_eq!(sent("c")["result"], json!({}));
    assert_eq!(sent("d")["error"]["code"], -32601);
}

#[tokio::test]
async fn a_stream_that_is_let_go_is_resumed_after_its_last_event() {
    let server = Scripted::start(|seen| match (seen.http.clone(), seen.body["method"].as_str()) {
        (_, Some("tools/call")) => reply(200, "text/event-stream", "id: p1\nretry: 10\ndata:\n\n"),
        (Method::GET, _) if seen.headers.get("last-event-id").map(String::as_str) == Some("p1") => {
            reply(200, "text/event-stream", "id: p2\ndata:\n\n")
        }
        (Method::GET, _) if seen.headers.get("last-event-id").map(String::as_str) == Some("p2") => {
            events(&[json!({ "jsonrpc": "2.0", "id": 2, "result": text("late") })])
        }
        _ => legacy(seen),
    })
    .await;
    let mut client = server.connect().await.unwrap();
    let answer = client.call("t", &nothing(), &mut Unattended).await.unwrap();
    assert_eq!(answer.content[0]["text"], "late");
}

#[tokio::test]
async fn a_dead_session_and_a_broken_answer_are_named() {
    let script = |status: u16, kind: &'static str, body: &'static str| {
        move |seen: &Seen| match seen.body["method"].as_str() {
            Some("tools/call") => reply(status, kind, body),
            _ => legacy(seen),
        }
    };
    for (status, kind, body, expected) in [
        (
            404,
            "application/json",
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"x"}}"#,
            "ended the session",
        ),
        (401, "text/plain", "who are you", "HTTP 401"),
        (500, "text/html", "<h1>oops</h1>", "HTTP 500"),
        (200, "text/html", "<h1>hi</h1>", "no MCP message"),
        (200, "application/json", "{", "no JSON-RPC message"),
        (200, "text/event-stream", ": hi\n\n", "without a result"),
        (202, "text/plain", "", "without a result"),
        (
            400,
            "application/json",
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"odd"}}"#,
            "odd",
        ),
        (
            200,
            "application/json",
            r#"[{"jsonrpc":"2.0","id":2,"error":{"code":5,"message":"in a batch"}}]"#,
            "in a batch",
        ),
    ] {
        let server = Scripted::start(script(status, kind, body)).await;
        let mut client = server.connect().await.unwrap();
        let error = client.call("t", &nothing(), &mut Unattended).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{status} {body}: {error}");
    }
}

fn modern(seen: &Seen) -> Canned {
    match seen.body["method"].as_str() {
        Some("server/discover") => {
            result(seen, &json!({ "resultType": "complete", "supportedVersions": ["2026-07-28"] }))
        }
        Some("tools/list") => result(seen, &json!({ "resultType": "complete", "tools": [] })),
        _ => reply(405, "text/plain", ""),
    }
}

#[tokio::test]
async fn a_server_that_always_asks_is_given_up() {
    let server = Scripted::start(|seen| match seen.body["method"].as_str() {
        Some("tools/call") => {
            let ask = json!({ "dirs": { "method": "roots/list" } });
            result(seen, &json!({ "resultType": "input_required", "requestState": "s", "inputRequests": ask }))
        }
        _ => modern(seen),
    })
    .await;
    let mut client = server.connect().await.unwrap();
    let error = client.call("t", &nothing(), &mut Unattended).await.unwrap_err();
    assert!(matches!(error, ClientError::TooManyRounds(10)), "{error}");
    let ids: std::collections::HashSet<_> =
        server.bodies("tools/call").iter().map(|call| call.body["id"].to_string()).collect();
    assert_eq!(ids.len(), 11, "the call and ten answers, each with an id of its own");
}

#[tokio::test]
async fn a_round_is_answered_under_its_key_with_a_new_id() {
    let server = Scripted::start(|seen| match seen.body["method"].as_str() {
        Some("tools/call") if seen.body["params"]["inputResponses"]["login"]["action"] == "accept" => {
            result(seen, &text("welcome"))
        }
        Some("tools/call") => {
            let form = json!({ "mode": "form", "message": "?", "requestedSchema": { "type": "object", "properties": {} } });
            let ask = json!({ "login": { "method": "elicitation/create", "params": form }, "dirs": { "method": "roots/list" } });
            result(seen, &json!({ "resultType": "input_required", "requestState": "ü/1", "inputRequests": ask }))
        }
        _ => modern(seen),
    })
    .await;
    let mut client = server.connect().await.unwrap();
    let answer = client.call("t", &nothing(), &mut Ada).await.unwrap();
    assert_eq!(answer.content[0]["text"], "welcome");
    let calls = server.bodies("tools/call");
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].body["id"], calls[1].body["id"]);
    assert_eq!(calls[0].body["params"].get("requestState"), None);
    assert_eq!(calls[1].body["params"]["requestState"], "ü/1");
    assert_eq!(calls[1].body["params"]["inputResponses"]["dirs"], json!({ "roots": [] }));
    for call in calls {
        assert_eq!((call.headers["mcp-method"].as_str(), call.headers["mcp-name"].as_str()), ("tools/call", "t"));
        assert_eq!(call.body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert!(call.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]["elicitation"].is_object());
    }
}

#[tokio::test]
async fn sampling_ends_a_modern_call() {
    let server = Scripted::start(|seen| match seen.body["method"].as_str() {
        Some("tools/call") => {
            let ask = json!({ "llm": { "method": "sampling/createMessage", "params": {} } });
            result(seen, &json!({ "resultType": "input_required", "inputRequests": ask }))
        }
        _ => modern(seen),
    })
    .await;
    let mut client = server.connect().await.unwrap();
    let error = client.call("t", &nothing(), &mut Unattended).await.unwrap_err();
    assert!(matches!(error, ClientError::Declined(ref what) if what == "sampling/createMessage"), "{error}");
    assert_eq!(server.bodies("tools/call").len(), 1, "the request is not sent again");
}

#[tokio::test]
async fn all_pages_are_read_and_an_endless_list_is_not() {
    let paged = |last: &'static str| {
        move |seen: &Seen| match (seen.body["method"].as_str(), seen.body["params"]["cursor"].as_str()) {
            (Some("tools/list"), None) => result(seen, &json!({ "tools": [{ "name": "a" }], "nextCursor": "" })),
            (Some("tools/list"), Some("")) => result(seen, &json!({ "tools": [{ "name": "b" }], "nextCursor": "2" })),
            (Some("tools/list"), Some("2")) if last.is_empty() => result(seen, &json!({ "tools": [{ "name": "c" }] })),
            (Some("tools/list"), Some(_)) => result(seen, &json!({ "tools": [], "nextCursor": last })),
            _ => modern(seen),
        }
    };
    let server = Scripted::start(paged("")).await;
    let tools = server.connect().await.unwrap().list(List::Tools).await.unwrap();
    assert_eq!(tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    let server = Scripted::start(paged("2")).await;
    let error = server.connect().await.unwrap().list(List::Tools).await.unwrap_err().to_string();
    assert!(error.contains("repeats a cursor"), "{error}");
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_replaced() {
    let server = Scripted::start(|seen| {
        let mut canned = match seen.body["method"].as_str() {
            Some("tools/call") => result(seen, &text("done")),
            _ => modern(seen),
        };
        canned.headers.push(("connection", "close".to_owned()));
        canned
    })
    .await;
    let mut client = server.connect().await.unwrap();
    for _ in 0..3 {
        client.call("t", &nothing(), &mut Unattended).await.unwrap();
    }
}
