//! The bundled servers on the wire, as a strict client tests them.

use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use ringway_cli::demo::Server;
use serde_json::{Value, json};

const BOTH: &str = "application/json, text/event-stream";

/// An open response: head now, body on demand.
struct Reply {
    status: u16,
    headers: http::HeaderMap,
    body: Incoming,
}

async fn send(url: &str, method: Method, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Reply {
    let address = url.strip_prefix("http://").unwrap().split('/').next().unwrap().to_owned();
    let stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let path = url.split_once(&address).unwrap().1;
    let mut request = Request::builder().method(method).uri(path).header("host", &address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    Reply { status: head.status.as_u16(), headers: head.headers, body }
}

async fn post(url: &str, extra: &[(&str, &str)], body: &str) -> Reply {
    let mut headers = vec![("accept", BOTH), ("content-type", "application/json")];
    headers.extend_from_slice(extra);
    send(url, Method::POST, &headers, body.to_owned()).await
}

impl Reply {
    async fn json(self) -> (u16, Value) {
        let bytes = self.body.collect().await.unwrap().to_bytes();
        (self.status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// The next event with data.
    async fn event(&mut self) -> Value {
        let mut text = String::new();
        loop {
            let frame = self.body.frame().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
            if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data: "))
                && text.ends_with("\n\n")
            {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

async fn open_session(url: &str, version: &str) -> (String, Value) {
    let params =
        json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = post(url, &[], &body.to_string()).await;
    assert_eq!(reply.status, 200);
    let id = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
    (id, reply.json().await.1)
}

fn request(id: u64, method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string()
}

#[tokio::test]
async fn legacy_versions_are_negotiated() {
    let server = Server::legacy().await.unwrap();
    for (asked, given) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2030-01-01", "2025-11-25"),
    ] {
        let (id, answer) = open_session(&server.url(), asked).await;
        assert_eq!(answer["result"]["protocolVersion"], given);
        assert!(id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    }
}

#[tokio::test]
async fn legacy_statuses() {
    let server = Server::legacy().await.unwrap();
    let url = server.url();
    let (id, _) = open_session(&url, "2025-11-25").await;
    let session = ("mcp-session-id", id.as_str());
    let ping = request(2, "ping", &json!({}));
    let discover = request(2, "server/discover", &json!({}));
    for (what, extra, body, status, code) in [
        ("ping", vec![session], ping.as_str(), 200, None),
        ("no session", vec![], &ping, 400, Some(-32600)),
        ("unknown session", vec![("mcp-session-id", "nope")], &ping, 404, Some(-32001)),
        ("two sessions", vec![session, session], &ping, 404, Some(-32001)),
        ("unknown version", vec![session, ("mcp-protocol-version", "1999-01-01")], &ping, 400, Some(-32600)),
        ("known version", vec![session, ("mcp-protocol-version", "2025-11-25")], &ping, 200, None),
        ("probe", vec![], &discover, 400, Some(-32600)),
        ("no JSON", vec![session], "{", 400, Some(-32700)),
        ("batch", vec![session], "[]", 400, Some(-32600)),
        ("origin", vec![session, ("origin", "https://evil.example")], &ping, 403, Some(-32600)),
        ("method", vec![session], &request(2, "nope/nope", &json!({})), 200, Some(-32601)),
        ("tool", vec![session], &request(2, "tools/call", &json!({ "name": "rm" })), 200, Some(-32602)),
        ("cursor", vec![session], &request(2, "tools/list", &json!({ "cursor": "" })), 200, Some(-32602)),
    ] {
        let (got, answer) = post(&url, &extra, body).await.json().await;
        assert_eq!((got, answer["error"]["code"].as_i64()), (status, code), "{what}: {answer}");
    }
    let note = post(&url, &[session], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(note.status, 202);
    assert_eq!(send(&url, Method::PUT, &[session], "").await.headers["allow"], "GET, POST, DELETE");
    let kinds = [("accept", "application/json"), ("content-type", "application/json"), session];
    assert_eq!(send(&url, Method::POST, &kinds, ping.clone()).await.status, 406);
    let kinds = [("accept", BOTH), ("content-type", "text/plain"), session];
    assert_eq!(send(&url, Method::POST, &kinds, ping.clone()).await.status, 415);
    let big = vec![b' '; (1 << 20) + 1];
    assert_eq!(send(&url, Method::POST, &[("accept", BOTH), session], big).await.status, 413);
}

#[tokio::test]
async fn legacy_streams_and_the_end_of_a_session() {
    let server = Server::legacy().await.unwrap();
    let url = server.url();
    let (id, _) = open_session(&url, "2025-11-25").await;
    let session = ("mcp-session-id", id.as_str());
    let stream = ("accept", "text/event-stream");
    let mut open = send(&url, Method::GET, &[stream, session], "").await;
    assert_eq!((open.status, &open.headers["content-type"]), (200, &"text/event-stream".parse().unwrap()));
    assert_eq!(send(&url, Method::GET, &[stream, session], "").await.status, 409);
    assert_eq!(send(&url, Method::GET, &[("accept", "application/json"), session], "").await.status, 406);
    assert_eq!(send(&url, Method::GET, &[stream], "").await.status, 400);
    assert_eq!(send(&url, Method::DELETE, &[session], "").await.status, 200);
    // The stream of an ended session ends.
    while let Some(frame) = open.body.frame().await {
        frame.unwrap();
    }
    assert_eq!(send(&url, Method::DELETE, &[session], "").await.status, 404);
    assert_eq!(post(&url, &[session], &request(3, "ping", &json!({}))).await.status, 404);
}

#[tokio::test]
async fn a_cancelled_call_ends_without_an_answer() {
    let server = Server::legacy().await.unwrap();
    let url = server.url();
    let (id, _) = open_session(&url, "2025-11-25").await;
    let session = ("mcp-session-id", id.as_str());
    let call = json!({ "name": "countdown", "arguments": { "from": 600, "delay_ms": 10000 } });
    let mut open = post(&url, &[session], &request(7, "tools/call", &call)).await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 7 } });
    assert_eq!(post(&url, &[session], &cancel.to_string()).await.status, 202);
    while let Some(frame) = open.body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        assert!(!data.starts_with(b"data"), "an answer to a cancelled call: {data:?}");
    }
}

fn modern(method: &str, mut params: Value) -> String {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} },
        "progressToken": 9,
    });
    request(1, method, &params)
}

#[tokio::test]
async fn modern_statuses() {
    let server = Server::modern().await.unwrap();
    let url = server.url();
    let version = ("mcp-protocol-version", "2026-07-28");
    let call = modern("tools/call", json!({ "name": "add", "arguments": { "a": 1, "b": 2 } }));
    let headers = |name| vec![version, ("mcp-method", "tools/call"), ("mcp-name", name)];
    let listing = vec![version, ("mcp-method", "tools/list")];
    let old = modern("tools/list", json!({})).replace("2026-07-28", "2025-11-25");
    let init = request(1, "initialize", &json!({ "protocolVersion": "2025-11-25" }));
    let no_caps = modern("tools/list", json!({})).replace("clientCapabilities", "other");
    for (what, extra, body, status, code) in [
        ("call", headers("add"), call.as_str(), 200, None),
        ("encoded name", headers("=?base64?YWRk?="), &call, 200, None),
        ("other name", headers("time"), &call, 400, Some(-32020)),
        ("bad base64", headers("=?base64?*?="), &call, 400, Some(-32020)),
        ("no name", vec![version, ("mcp-method", "tools/call")], &call, 400, Some(-32020)),
        ("name twice", [headers("add"), headers("add")].concat(), &call, 400, Some(-32020)),
        ("no method", vec![version], &modern("tools/list", json!({})), 400, Some(-32020)),
        (
            "other version",
            vec![("mcp-protocol-version", "2025-11-25"), listing[1]],
            &modern("tools/list", json!({})),
            400,
            Some(-32020),
        ),
        ("old version", vec![("mcp-protocol-version", "2025-11-25"), listing[1]], &old, 400, Some(-32022)),
        ("no meta", listing.clone(), &request(1, "tools/list", &json!({})), 400, Some(-32602)),
        ("no capabilities", listing.clone(), &no_caps, 400, Some(-32602)),
        ("initialize", vec![], &init, 400, Some(-32022)),
        ("method", vec![version, ("mcp-method", "ping")], &modern("ping", json!({})), 404, Some(-32601)),
        ("tool", headers("rm"), &modern("tools/call", json!({ "name": "rm" })), 400, Some(-32602)),
        (
            "origin",
            [listing.clone(), vec![("origin", "https://evil.example")]].concat(),
            &modern("tools/list", json!({})),
            403,
            Some(-32600),
        ),
        ("response", vec![], r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 400, Some(-32600)),
        (
            "session ignored",
            [listing.clone(), vec![("mcp-session-id", "x")]].concat(),
            &modern("tools/list", json!({})),
            200,
            None,
        ),
    ] {
        let (got, answer) = post(&url, &extra, body).await.json().await;
        assert_eq!((got, answer["error"]["code"].as_i64()), (status, code), "{what}: {answer}");
    }
    for method in [Method::GET, Method::DELETE] {
        let reply = send(&url, method, &[("accept", "text/event-stream")], "").await;
        assert_eq!((reply.status, &reply.headers["allow"]), (405, &"POST".parse().unwrap()));
    }
    let (_, answer) = post(&url, &[], &init).await.json().await;
    assert_eq!(answer["error"]["data"], json!({ "supported": ["2026-07-28"], "requested": "2025-11-25" }));
}

#[tokio::test]
async fn modern_results_say_what_they_are() {
    let server = Server::modern().await.unwrap();
    let url = server.url();
    let version = ("mcp-protocol-version", "2026-07-28");
    for method in ["server/discover", "tools/list"] {
        let (_, answer) = post(&url, &[version, ("mcp-method", method)], &modern(method, json!({}))).await.json().await;
        let result = &answer["result"];
        assert_eq!((&result["resultType"], &result["cacheScope"]), (&json!("complete"), &json!("public")), "{method}");
        assert!(result["ttlMs"].is_u64() && result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string());
    }
    let call = [version, ("mcp-method", "tools/call"), ("mcp-name", "ask_name")];
    let forged =
        modern("tools/call", json!({ "name": "ask_name", "requestState": "AAAA", "inputResponses": { "name": {} } }));
    assert_eq!(post(&url, &call, &forged).await.json().await.1["error"]["code"], -32602);
    let mute = modern("tools/call", json!({ "name": "ask_name" })).replace(r#""elicitation":{}"#, "");
    let (status, answer) = post(&url, &call, &mute).await.json().await;
    assert_eq!((status, answer["error"]["code"].as_i64()), (400, Some(-32021)));
    assert!(answer["error"]["data"]["requiredCapabilities"]["elicitation"].is_object());
    // A retry without the answer is asked again, not refused.
    let (_, asked) = post(&url, &call, &modern("tools/call", json!({ "name": "ask_name" }))).await.json().await;
    let state = &asked["result"]["requestState"];
    let again = modern("tools/call", json!({ "name": "ask_name", "requestState": state, "inputResponses": {} }));
    assert_eq!(post(&url, &call, &again).await.json().await.1["result"]["resultType"], "input_required");
}

#[tokio::test]
async fn modern_streams() {
    let server = Server::modern().await.unwrap();
    let url = server.url();
    let version = ("mcp-protocol-version", "2026-07-28");
    let wanted = json!({ "notifications": { "toolsListChanged": true, "promptsListChanged": true } });
    let listen = [version, ("mcp-method", "subscriptions/listen")];
    let mut open = post(&url, &listen, &modern("subscriptions/listen", wanted)).await;
    let first = open.event().await;
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], json!({ "toolsListChanged": true }));
    assert_eq!(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
    let count = modern("tools/call", json!({ "name": "countdown", "arguments": { "from": 1, "delay_ms": 0 } }));
    let mut counting = post(&url, &[version, ("mcp-method", "tools/call"), ("mcp-name", "countdown")], &count).await;
    assert_eq!(counting.headers["x-accel-buffering"], "no");
    let progress = counting.event().await;
    assert_eq!((&progress["params"]["progressToken"], &progress["params"]["progress"]), (&json!(9), &json!(1)));
}
