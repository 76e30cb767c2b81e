//! Wrong and hostile requests: each is refused as the table of replies says, and no upstream hears of it.

use std::time::Duration;

use ringway_testkit::ask::Ask;
use ringway_testkit::client::{Answer, Client, once};
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::upstream::Upstream;

use crate::stage::{META, Session, Setup, Stage, initialize, modern, modern_call, part, until};

/// One request and its refusal. A code of 0: HTTP alone refuses, there is no message to answer.
struct Row {
    name: &'static str,
    ask: Ask,
    status: u16,
    code: i64,
}

/// A gateway before two servers of each era. Every body of a refused request says "canary".
struct World {
    stage: Stage,
    upstreams: [Upstream; 2],
}

fn row(name: &'static str, ask: Ask, status: u16, code: i64) -> Row {
    Row { name, ask, status, code }
}

// === impl World ===

impl World {
    fn new() -> Self {
        let legacy = Legacy::new("up", &["echo"]).start(|_, _| false);
        let modern = Modern::new(&["echo"]).start(|_, _| false);
        let mut hiding = part("legacy", &legacy, "gh");
        hiding.tools.exclude = vec!["canary-h*".into()];
        let mut hiding_modern = part("modern", &modern, "gh");
        hiding_modern.tools.exclude = vec!["canary-h*".into()];
        let mut setup = Setup::new(&[
            ("/l", &[part("legacy", &legacy, "")]),
            ("/m", &[part("modern", &modern, "")]),
            ("/lp", &[hiding]),
            ("/mp", &[hiding_modern]),
        ]);
        setup.origins = vec!["https://app.example.test".into()];
        Self { stage: setup.start(), upstreams: [legacy, modern] }
    }

    fn check(&self, row: &Row) {
        let answer = self.stage.ask(&row.ask);
        assert_eq!(answer.status, row.status, "{}: {}", row.name, answer.text());
        if row.code != 0 {
            explained(row.name, &answer, row.code);
        }
        self.unheard(row.name);
    }

    /// No upstream saw anything of it.
    fn unheard(&self, name: &str) {
        for upstream in &self.upstreams {
            for request in upstream.seen() {
                let head = String::from_utf8_lossy(&request.head.raw).into_owned();
                assert!(!request.text().contains("canary") && !head.contains("canary"), "{name}: {}", request.text());
            }
        }
    }
}

/// An error says whose fault it is, and nothing about what stands behind the gateway.
pub(crate) fn explained(name: &str, answer: &Answer, code: i64) {
    let text = answer.text();
    let message = answer.message();
    let value: serde_json::Value =
        serde_json::from_slice(&message).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
    assert_eq!(value["error"]["code"], code, "{name}: {text}");
    let said = &value["error"]["data"]["ringway"];
    for key in ["source", "reason", "executed"] {
        assert!(said[key].as_str().is_some_and(|word| !word.is_empty()), "{name}: no {key}: {text}");
    }
    assert!(said["retryable"].is_boolean(), "{name}: {text}");
    tight(name, answer);
}

/// Nothing of an upstream's insides is in it.
pub(crate) fn tight(name: &str, answer: &Answer) {
    let whole = format!("{}{}", String::from_utf8_lossy(&answer.head.raw), answer.text());
    for leak in ["secret", "127.0.0.1", "Traceback", "/opt/", ".py", "at com."] {
        assert!(!whole.contains(leak), "{name}: {leak} in {whole}");
    }
}

fn canary(members: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"canary"{members}}}}}"#)
}

fn nested(depth: usize) -> String {
    // Body, params and arguments are the first three levels.
    let inner = depth - 3;
    canary(&format!(r#","arguments":{{"a":{}{}}}"#, "[".repeat(inner), "]".repeat(inner)))
}

#[test]
fn bodies_that_are_no_message_are_refused_alike_in_both_eras() {
    let world = World::new();
    let session = Session::open(&world.stage, "/l");
    let call = canary("");
    let bodies: &[(&'static str, Vec<u8>, i64)] = &[
        ("empty", b"".to_vec(), -32700),
        ("no JSON", b"{canary".to_vec(), -32700),
        ("cut", call.as_bytes()[..call.len() - 1].to_vec(), -32700),
        (
            "bad UTF-8",
            canary(",\"x\":\"\u{0}").replace('\0', "").into_bytes().iter().copied().chain(*b"\xff\"}}").collect(),
            -32700,
        ),
        ("byte order mark", [b"\xef\xbb\xbf", call.as_bytes()].concat(), -32700),
        ("trailing data", format!("{call} x").into_bytes(), -32700),
        ("two messages", format!("{call}{call}").into_bytes(), -32700),
        ("a comment", format!("{call}// canary").into_bytes(), -32700),
        ("control character", canary(",\"x\":\"\u{1}\"").into_bytes(), -32700),
        ("NaN", canary(r#","x":NaN"#).into_bytes(), -32700),
        ("too deep", nested(129).into_bytes(), -32700),
        ("method twice", call.replacen('{', r#"{"method":"ping","#, 1).into_bytes(), -32700),
        ("method twice, escaped", call.replacen('{', r#"{"m\u0065thod":"ping","#, 1).into_bytes(), -32700),
        ("id twice", call.replacen('{', r#"{"id":2,"#, 1).into_bytes(), -32700),
        ("params twice", call.replacen('{', r#"{"params":{},"#, 1).into_bytes(), -32700),
        ("name twice", canary(r#","name":"other""#).into_bytes(), -32700),
        ("name twice, escaped", canary(r#","n\u0061me":"other""#).into_bytes(), -32700),
        ("unknown key twice", call.replacen('{', r#"{"x":1,"x":1,"#, 1).into_bytes(), -32700),
        ("a key in capitals", call.replacen('{', r#"{"Method":"ping","#, 1).into_bytes(), -32600),
        ("a key with a long s", call.replacen('{', r#"{"paramſ":{},"#, 1).into_bytes(), -32600),
        ("a key with a NUL", call.replacen('{', r#"{"id\u0000":2,"#, 1).into_bytes(), -32600),
        ("batch", format!("[{call}]").into_bytes(), -32600),
        ("empty batch", b"[ ]".to_vec(), -32600),
        ("scalar", b"\"canary\"".to_vec(), -32600),
        ("no version", call.replace(r#""jsonrpc":"2.0","#, "").into_bytes(), -32600),
        ("another version", call.replace(r#""2.0""#, r#""1.0""#).into_bytes(), -32600),
        ("null id", call.replace(r#""id":1"#, r#""id":null"#).into_bytes(), -32600),
        ("fractional id", call.replace(r#""id":1"#, r#""id":1.5"#).into_bytes(), -32600),
        ("object id", call.replace(r#""id":1"#, r#""id":{}"#).into_bytes(), -32600),
        ("method and result", call.replacen('{', r#"{"result":{},"#, 1).into_bytes(), -32600),
        ("method no string", call.replace(r#""tools/call""#, "7").into_bytes(), -32600),
        ("no method", call.replace(r#""method":"tools/call","#, "").into_bytes(), -32600),
    ];
    for (name, body, code) in bodies {
        world.check(&row(name, session.message(body), 400, *code));
        world.check(&row(name, modern("/m", "tools/call", Some("canary"), body), 400, *code));
    }
    // The limit itself is no fault.
    let deep = session.post(nested(128));
    assert_eq!(deep.status, 200, "{}", deep.text());
}

#[test]
fn heads_that_are_wrong_are_refused_before_the_body_is_read() {
    let world = World::new();
    let session = Session::open(&world.stage, "/l");
    let good = || session.message(canary(""));
    let rows = [
        row("no content type", good().without("Content-Type"), 415, -32600),
        row("a form", good().set("Content-Type", "text/plain"), 415, -32600),
        row("almost JSON", good().set("Content-Type", "application/jsonx"), 415, -32600),
        row("compressed", good().with("Content-Encoding", "gzip"), 415, -32600),
        row("accepts pages", good().set("Accept", "text/html, image/*"), 406, -32600),
        row("foreign origin", good().with("Origin", "https://evil.test"), 403, -32600),
        row("opaque origin", good().with("Origin", "null"), 403, -32600),
        row("origin by suffix", good().with("Origin", "https://app.example.test.evil.test"), 403, -32600),
        row("foreign host", good().set("Host", "evil.test"), 403, -32600),
        row("host with a loopback label", good().set("Host", "127.0.0.1.evil.test"), 403, -32600),
        row("no host", good().without("Host"), 400, -32600),
        row("two hosts", good().with("Host", "localhost"), 400, -32600),
        row("two origins", good().with("Origin", "https://app.example.test").with("Origin", "x"), 400, -32600),
        row("two content types", good().with("Content-Type", "application/json"), 400, -32600),
        row("two versions", good().with("MCP-Protocol-Version", "2025-06-18"), 400, -32600),
        row("two sessions", good().with("Mcp-Session-Id", &session.id), 400, -32600),
        row("two methods", good().with("Mcp-Method", "ping").with("mcp-method", "ping"), 400, -32600),
        row("two names", good().with("Mcp-Name", "a").with("Mcp-Name", "a"), 400, -32600),
        row("unknown path", Ask::post("/canary", canary("")), 404, -32600),
        row("path below", Ask::post("/l/", canary("")), 404, -32600),
        row("well-known", Ask::new("GET", "/.well-known/oauth-protected-resource"), 404, -32600),
        row("preflight of a stranger", preflight("https://evil.test"), 403, -32600),
        row("options alone", Ask::new("OPTIONS", "/l"), 405, -32600),
        row("put", Ask::new("PUT", "/l").body("canary"), 405, -32600),
        row("get without a session", Ask::get("/l"), 405, -32600),
        row("get in the modern era", Ask::get("/m").with("MCP-Protocol-Version", "2026-07-28"), 405, -32600),
        row("delete without a session", Ask::new("DELETE", "/l"), 405, -32600),
        row("get without events", session.own(Ask::new("GET", "/l").with("Accept", "application/json")), 406, -32600),
    ];
    for row in &rows {
        world.check(row);
    }
    let refused = world.stage.ask(&Ask::get("/l"));
    assert!(refused.head.field("allow").is_some_and(|allow| allow.contains("POST")), "{:?}", refused.head);
    let charset = good().set("Content-Type", "Application/JSON; charset=utf-8").set("Host", "LOCALHOST:1");
    assert_eq!(world.stage.ask(&charset).status, 200);
}

fn preflight(origin: &str) -> Ask {
    Ask::new("OPTIONS", "/l")
        .with("Origin", origin)
        .with("Access-Control-Request-Method", "POST")
        .with("Access-Control-Request-Headers", "content-type, mcp-session-id")
}

#[test]
fn a_page_of_an_allowed_origin_may_call_and_read_the_reply() {
    let world = World::new();
    let origin = "https://app.example.test";
    let allowed = world.stage.ask(&preflight(origin));
    assert_eq!(allowed.status, 204, "{}", allowed.text());
    assert_eq!(allowed.head.field("access-control-allow-origin"), Some(origin));
    assert!(allowed.head.field("access-control-allow-methods").is_some_and(|methods| methods.contains("DELETE")));
    assert!(allowed.head.field("access-control-allow-headers").is_some());
    let opened = world.stage.ask(&Ask::post("/l", initialize("{}")).with("Origin", origin));
    assert_eq!((opened.status, opened.head.field("access-control-allow-origin")), (200, Some(origin)));
    assert!(opened.head.field("access-control-expose-headers").is_some_and(|names| names.contains("Mcp-Session-Id")));
    assert_eq!(opened.head.field("vary"), Some("Origin"));
}

#[test]
fn sessions_that_are_not_good_here_are_refused_with_the_same_bytes() {
    let world = World::new();
    let session = Session::open(&world.stage, "/l");
    let foreign = Session::open(&world.stage, "/lp");
    let other_keys = {
        let other = Legacy::new("other", &[]).start(|_, _| false);
        let mut setup = Setup::new(&[("/l", &[part("legacy", &other, "")])]);
        setup.key = 8;
        Session::open(&setup.start(), "/l").id
    };
    let mut flipped = session.id.clone().into_bytes();
    let last = flipped.last_mut().unwrap();
    *last = if *last == b'A' { b'B' } else { b'A' };
    let ended = Session::open(&world.stage, "/l");
    assert_eq!(ended.delete().status, 200);
    let ids: [(&'static str, Vec<u8>); 8] = [
        ("nonsense", b"canary".to_vec()),
        ("of another route", foreign.id.into_bytes()),
        ("of other keys", other_keys.into_bytes()),
        ("flipped", flipped),
        ("cut", session.id.as_bytes()[..session.id.len() / 2].to_vec()),
        ("longer", format!("{0}{0}", session.id).into_bytes()),
        ("not ASCII", b"caf\xe9".to_vec()),
        ("ended", ended.id.into_bytes()),
    ];
    let mut bodies = Vec::new();
    for (name, id) in ids {
        let ask = |ask: Ask| ask.with("Mcp-Session-Id", &id).with("MCP-Protocol-Version", "2025-11-25");
        let refused = row(name, ask(Ask::post("/l", canary(""))), 404, -32600);
        world.check(&refused);
        bodies.push(world.stage.ask(&refused.ask).text());
        world.check(&row(name, ask(Ask::get("/l")), 404, -32600));
        world.check(&row(name, ask(Ask::new("DELETE", "/l")), 404, -32600));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
    world.check(&row("none", Ask::post("/l", canary("")), 400, -32600));
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"canary"}}"#;
    world.check(&row("a notification without one", Ask::post("/l", notice), 400, -32600));
    let response = r#"{"jsonrpc":"2.0","id":"canary","result":{}}"#;
    world.check(&row("a response without one", Ask::post("/l", response), 400, -32600));
    let again = session.message(initialize("{}").replace("tests", "canary"));
    world.check(&row("initialize in a session", again, 400, -32600));
    assert_eq!(session.call(3, "echo").status, 200, "the good one is still good");
}

#[test]
fn a_session_ends_with_its_life() {
    let upstream = Legacy::new("up", &["echo"]).start(|_, _| false);
    let mut setup = Setup::new(&[("/l", &[part("legacy", &upstream, "")])]);
    setup.sessions.max_lifetime = Duration::from_secs(2);
    let stage = setup.start();
    let session = Session::open(&stage, "/l");
    assert_eq!(session.call(1, "echo").status, 200);
    until("the end of the session's life", || session.call(2, "echo").status == 404);
    explained("expired", &session.call(3, "echo"), -32600);
}

#[test]
fn legacy_requests_that_cannot_be_served_are_answered_at_200() {
    let world = World::new();
    let session = Session::open(&world.stage, "/lp");
    let ask = |method: &str, params: &str| {
        session.message(format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}","params":{params}}}"#))
    };
    let rows = [
        row("unknown method", ask("canary/method", "{}"), 200, -32601),
        row("tasks", ask("tasks/get", r#"{"taskId":"canary"}"#), 200, -32601),
        row("a modern method", ask("subscriptions/listen", r#"{"notifications":{},"x":"canary"}"#), 200, -32601),
        row("unknown tool", ask("tools/call", r#"{"name":"canary"}"#), 200, -32602),
        row("hidden tool", ask("tools/call", r#"{"name":"gh_canary-h1"}"#), 200, -32602),
        row("prefix alone", ask("tools/call", r#"{"name":"gh_","x":"canary"}"#), 200, -32602),
        row("lone surrogate", ask("tools/call", r#"{"name":"canary\ud800"}"#), 200, -32602),
        row("no name", ask("tools/call", r#"{"arguments":{"x":"canary"}}"#), 200, -32602),
        row("name no string", ask("tools/call", r#"{"name":7,"x":"canary"}"#), 200, -32602),
        row("unknown prompt", ask("prompts/get", r#"{"name":"canary"}"#), 200, -32602),
        row("unknown resource", ask("resources/read", r#"{"uri":"canary://x"}"#), 200, -32002),
        row("no uri", ask("resources/read", r#"{"x":"canary"}"#), 200, -32602),
        row("no reference", ask("completion/complete", r#"{"x":"canary"}"#), 200, -32602),
        row("bad cursor", ask("tools/list", r#"{"cursor":"canary"}"#), 200, -32602),
        row("bad level", ask("logging/setLevel", r#"{"level":"canary"}"#), 200, -32602),
    ];
    for row in &rows {
        world.check(row);
    }
    let bytes = |name: &str| {
        let answer =
            session.post(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}"}}}}"#));
        answer.text().replace(name, "*")
    };
    assert_eq!(bytes("gh_canary-h1"), bytes("xx_canary-h1"), "hidden and unknown are told apart");
}

#[test]
fn modern_headers_must_say_what_the_body_says() {
    let world = World::new();
    let call = canary(&format!(",{META}"));
    let good = || modern("/m", "tools/call", Some("canary"), &call);
    let base64 = |text: &str| good().set("Mcp-Name", format!("=?base64?{text}?="));
    let rows = [
        row("no method", good().without("Mcp-Method"), 400, -32020),
        row("another method", good().set("Mcp-Method", "tools/list"), 400, -32020),
        row("method in capitals", good().set("Mcp-Method", "Tools/Call"), 400, -32020),
        row("method in Base64", good().set("Mcp-Method", "=?base64?dG9vbHMvY2FsbA==?="), 400, -32020),
        row("no name", good().without("Mcp-Name"), 400, -32020),
        row("another name", good().set("Mcp-Name", "echo"), 400, -32020),
        row("name in capitals", good().set("Mcp-Name", "Canary"), 400, -32020),
        row("name in Base64 of another", base64("ZWNobw=="), 400, -32020),
        row("bad Base64", base64("Y2FuYXJ5!"), 400, -32020),
        row("Base64 without padding", base64("ZWNobw"), 400, -32020),
        row("Base64 of no UTF-8", base64("//8="), 400, -32020),
        row("name in UTF-8", good().set("Mcp-Name", "canaré"), 400, -32020),
        row("no version", good().without("MCP-Protocol-Version"), 400, -32020),
        row("a legacy version", good().set("MCP-Protocol-Version", "2025-11-25"), 400, -32020),
        row("another version", good().set("MCP-Protocol-Version", "2030-01-01"), 400, -32020),
    ];
    for row in &rows {
        world.check(row);
    }
    // The same value in Base64, or with white space around it, is the same value.
    for same in [base64("Y2FuYXJ5"), good().set("Mcp-Name", " canary \t")] {
        let answer = world.stage.ask(&same);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let forwarded = world.upstreams[1].wait_for("the call", |request| request.method() == "tools/call");
    assert_eq!(forwarded.head.field("mcp-name"), Some("canary"));
    assert_eq!((forwarded.head.count("mcp-name"), forwarded.head.count("mcp-method")), (1, 1));
}

#[test]
fn modern_requests_that_cannot_be_served_have_their_status() {
    let world = World::new();
    let ask = |method: &str, name: Option<&str>, params: &str| {
        let comma = if params.is_empty() { "" } else { "," };
        let body = format!(r#"{{"jsonrpc":"2.0","id":"a","method":"{method}","params":{{{params}{comma}{META}}}}}"#);
        modern("/mp", method, name, body)
    };
    let meta = |meta: &str| modern("/mp", "tools/call", Some("canary"), canary(&format!(r#","_meta":{meta}"#)));
    let capabilities = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
    let version = |v: &str| format!(r#""io.modelcontextprotocol/protocolVersion":"{v}""#);
    let old = meta(&format!("{{{},{capabilities}}}", version("1900-01-01")));
    let rows = [
        row("unknown method", ask("canary/method", None, ""), 404, -32601),
        row("a removed method", ask("ping", None, r#""x":"canary""#), 404, -32601),
        row("initialize", ask("initialize", None, r#""x":"canary""#), 404, -32601),
        row("unknown tool", ask("tools/call", Some("canary"), r#""name":"canary""#), 200, -32602),
        row("hidden tool", ask("tools/call", Some("gh_canary-h1"), r#""name":"gh_canary-h1""#), 200, -32602),
        row("unknown resource", ask("resources/read", Some("canary://x"), r#""uri":"canary://x""#), 200, -32602),
        row("no name", ask("tools/call", None, r#""x":"canary""#), 400, -32602),
        row("bad cursor", ask("tools/list", None, r#""cursor":"canary""#), 400, -32602),
        row("no meta", modern("/mp", "tools/call", Some("canary"), canary("")), 400, -32602),
        row("meta no object", meta("7"), 400, -32602),
        row("no version in meta", meta(&format!("{{{capabilities}}}")), 400, -32602),
        row("no capabilities in meta", meta(&format!("{{{}}}", version("2026-07-28"))), 400, -32602),
        row("unknown version", old.set("MCP-Protocol-Version", "1900-01-01"), 400, -32022),
        row("a response", modern("/mp", "", None, r#"{"jsonrpc":"2.0","id":"canary","result":{}}"#), 400, -32600),
        row("delete", Ask::new("DELETE", "/mp").with("MCP-Protocol-Version", "2026-07-28"), 405, -32600),
    ];
    for row in &rows {
        world.check(row);
    }
    let refused = world.stage.ask(&rows[12].ask).json();
    assert_eq!(refused["error"]["data"]["requested"], "1900-01-01");
    assert!(refused["error"]["data"]["supported"].as_array().is_some_and(|all| all.contains(&"2026-07-28".into())));
    let bytes = |name: &str| {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}",{META}}}}}"#);
        world.stage.ask(&modern("/mp", "tools/call", Some(name), body)).text().replace(name, "*")
    };
    assert_eq!(bytes("gh_canary-h1"), bytes("xx_canary-h1"), "hidden and unknown are told apart");
    // A session id means nothing here, and neither does an event id.
    let stray = modern("/m", "tools/call", Some("echo"), modern_call(1, "echo"));
    let stray = world.stage.ask(&stray.with("Mcp-Session-Id", "canary").with("Last-Event-ID", "canary"));
    assert_eq!((stray.status, stray.head.count("mcp-session-id")), (200, 0), "{}", stray.text());
    world.unheard("stray session id");
}

#[test]
fn bytes_that_are_no_request_end_the_connection_and_nothing_else() {
    let world = World::new();
    let session = Session::open(&world.stage, "/l");
    let call = canary("");
    let raw: [(&str, String); 8] = [
        ("no HTTP", "canary\r\n\r\n".into()),
        ("space before the colon", "POST /l HTTP/1.1\r\nHost : localhost\r\nContent-Length: 0\r\n\r\n".into()),
        ("two lengths", format!("POST /l HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: {}\r\n\r\n{call}", call.len())),
        ("length and chunks", format!("POST /l HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{call}\r\n0\r\n\r\n", call.len())),
        ("unknown coding", "POST /l HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: canary\r\n\r\n".into()),
        ("bad chunk", "POST /l HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".into()),
        ("folded field", "POST /l HTTP/1.1\r\nHost: localhost\r\nMcp-Name: a\r\n canary\r\nContent-Length: 0\r\n\r\n".into()),
        ("bad version", "POST /l HTTP/9.9\r\nHost: localhost\r\n\r\n".into()),
    ];
    for (name, bytes) in raw {
        let mut client = Client::connect(world.stage.address);
        client.try_send(bytes.as_bytes());
        // An answer may come or not; never a success.
        if let Ok(answer) = client.answer() {
            assert!((400..500).contains(&answer.status), "{name}: {} {}", answer.status, answer.text());
            tight(name, &answer);
        }
        world.unheard(name);
    }
    assert_eq!(once(world.stage.address, &session.message(crate::stage::call(1, "echo"))).status, 200);
}
