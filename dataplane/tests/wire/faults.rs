//! Upstreams that break: each way of breaking is a typed error at the right status, and nothing of it leaks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringway_testkit::client::Answer;
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::upstream::{Reply, Request, Upstream};

use crate::refusals::{explained, tight};
use crate::stage::{Part, Session, Setup, Stage, call, modern, modern_call, part};

type Play = fn(&str, &mut Reply<'_>);

/// One way to break, and what the client must be told: status in the modern era, code, `reason`, `executed`. A legacy
/// session is told at 200.
struct Row {
    name: &'static str,
    play: Play,
    status: u16,
    code: i64,
    reason: &'static str,
    executed: &'static str,
}

struct World {
    stage: Stage,
    session: Session,
    play: Arc<Mutex<Play>>,
    _upstreams: [Upstream; 2],
}

const TRACE: &[u8] = b"<html>Traceback (most recent call last): File \"/opt/secret/app.py\", line 3</html>";
const HTML: &str = "text/html";
const JSON: &str = "application/json";

fn friendly(id: &str, reply: &mut Reply<'_>) {
    reply.json(good(id));
}

fn good(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[]}}}}"#)
}

fn bad(name: &'static str, play: Play) -> Row {
    Row { name, play, status: 200, code: -31007, reason: "upstream_bad", executed: "unknown" }
}

// === impl World ===

impl World {
    fn new(adapt: impl Fn(Part) -> Part) -> Self {
        let play = Arc::new(Mutex::new(friendly as Play));
        let own = |play: &Arc<Mutex<Play>>| {
            let play = Arc::clone(play);
            move |request: &Request, reply: &mut Reply<'_>| {
                let mine = request.method() == "tools/call";
                if mine {
                    let play = *play.lock().unwrap();
                    play(&request.id(), reply);
                }
                mine
            }
        };
        let legacy = Legacy::new("up", &["echo"]).start(own(&play));
        let modern = Modern::new(&["echo"]).start(own(&play));
        let stage =
            Setup::new(&[("/l", &[adapt(part("legacy", &legacy, ""))]), ("/m", &[adapt(part("modern", &modern, ""))])])
                .start();
        let session = Session::open(&stage, "/l");
        Self { stage, session, play, _upstreams: [legacy, modern] }
    }

    /// Both eras' answers to a call that the upstreams meet like this.
    fn answers(&self, play: Play) -> [Answer; 2] {
        *self.play.lock().unwrap() = play;
        let ask = modern("/m", "tools/call", Some("echo"), modern_call(5, "echo"));
        [self.session.post(call(5, "echo")), self.stage.ask(&ask)]
    }

    fn check(&self, row: &Row) {
        for (answer, status) in self.answers(row.play).iter().zip([200, row.status]) {
            assert_eq!(answer.status, status, "{}: {}", row.name, answer.text());
            explained(row.name, answer, row.code);
            let value: serde_json::Value = serde_json::from_slice(&answer.message()).unwrap();
            assert_eq!(value["id"], 5, "{}", row.name);
            let said = &value["error"]["data"]["ringway"];
            assert_eq!(said["source"], "upstream", "{}: {value}", row.name);
            assert_eq!(
                (&said["reason"], &said["executed"]),
                (&row.reason.into(), &row.executed.into()),
                "{}",
                row.name
            );
        }
        // The next call finds a connection that works.
        for answer in self.answers(friendly) {
            assert_eq!(answer.text(), good("5"), "after {}", row.name);
        }
    }
}

#[test]
fn answers_that_break_the_protocol_are_typed_errors() {
    let world = World::new(|part| part);
    let rows = [
        bad("a page with a stack trace", |_, r| r.answer("500 Internal Server Error", "", HTML, TRACE)),
        bad("nothing but 500", |_, r| r.bare("500 Internal Server Error")),
        bad("a page at 200", |_, r| r.answer("200 OK", "", HTML, TRACE)),
        bad("a page at 404 without a session", |_, r| r.answer("410 Gone", "", HTML, TRACE)),
        bad("elsewhere", |_, r| r.answer("302 Found", "Location: http://secret-host.test/x\r\n", HTML, TRACE)),
        bad("too many requests", |_, r| r.answer("429 Too Many Requests", "Retry-After: 9\r\n", HTML, TRACE)),
        bad("unavailable", |_, r| r.answer("503 Service Unavailable", "X-Secret: secret\r\n", HTML, TRACE)),
        bad("no JSON", |_, r| r.json("{secret")),
        bad("no UTF-8", |_, r| r.json(b"{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{\"a\":\"\xff\"}}")),
        bad("another request's answer", |_, r| r.json(good("6"))),
        bad("the id as a string", |id, r| r.json(good(&format!("\"{id}\"")))),
        bad("a notification", |_, r| r.json(r#"{"jsonrpc":"2.0","method":"secret"}"#)),
        bad("a request", |_, r| r.json(r#"{"jsonrpc":"2.0","id":5,"method":"secret"}"#)),
        bad("a batch", |id, r| r.json(format!("[{}]", good(id)))),
        bad("two answers in one", |id, r| r.json(format!("{0}{0}", good(id)))),
        bad("result and error", |id, r| {
            r.json(good(id).replacen('{', r#"{"error":{"code":1,"message":"secret"},"#, 1));
        }),
        bad("the id twice", |id, r| r.json(good(id).replacen('{', r#"{"id":7,"#, 1))),
        bad("accepted", |_, r| r.accepted()),
        bad("no content", |_, r| r.bytes(b"HTTP/1.1 204 No Content\r\n\r\n")),
    ];
    for row in &rows {
        world.check(row);
    }
    for (name, status) in [("unauthorized", "401 Unauthorized"), ("forbidden", "403 Forbidden")] {
        let play: Play = if status.starts_with("401") {
            |_, r| r.answer("401 Unauthorized", "WWW-Authenticate: Bearer realm=\"secret\"\r\n", HTML, TRACE)
        } else {
            |_, r| r.answer("403 Forbidden", "", JSON, br#"{"error":"secret"}"#)
        };
        world.check(&Row { name, play, status: 200, code: -31007, reason: "upstream_bad", executed: "no" });
    }
}

#[test]
fn streams_and_connections_that_break_are_typed_errors() {
    let world = World::new(|part| part);
    let rows = [
        bad("an empty stream", |_, r| {
            r.begin_events();
            r.end();
        }),
        bad("a stream without the answer", |_, r| {
            r.begin_events();
            r.event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}"#);
            r.end();
        }),
        bad("a stream of noise", |_, r| {
            r.begin_events();
            r.chunk(b": x\n\nevent: message\ndata: {secret\n\nretry: soon\n\n");
            r.end();
        }),
        bad("a stream with another's answer", |_, r| {
            r.begin_events();
            r.event(good("6"));
            r.end();
        }),
        bad("a stream cut in an event", |id, r| {
            r.begin_events();
            r.chunk(format!("data: {}", good(id)).as_bytes());
            r.hang_up();
        }),
        bad("a body cut", |_, r| {
            r.bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{\"jsonrpc\":");
            r.hang_up();
        }),
        bad("a head cut", |_, r| {
            r.bytes(b"HTTP/1.1 200 OK\r\nContent-Ty");
            r.hang_up();
        }),
        bad("no HTTP", |_, r| {
            r.bytes(b"SSH-2.0-secret\r\n\r\n");
            r.hang_up();
        }),
        bad("nothing", |_, r| r.hang_up()),
    ];
    for row in &rows {
        world.check(row);
    }
}

/// What a backend says in JSON-RPC is its answer, whatever it wraps it in.
#[test]
fn an_error_of_the_backend_is_told_without_its_wrapping() {
    let world = World::new(|part| part);
    let error = r#"{"code":-32050,"message":"no such row","data":{"n":1e400}}"#;
    let plays: [(&str, Play); 5] = [
        ("at 200", |id, r| r.json(format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{ERROR}}}"#))),
        ("at 500", |id, r| {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{ERROR}}}"#);
            r.answer("500 Internal Server Error", "", JSON, body.as_bytes());
        }),
        ("with an id of its own", |_, r| {
            let body = format!(r#"{{"jsonrpc":"2.0","id":"server-error","error":{ERROR}}}"#);
            r.answer("500 Internal Server Error", "", JSON, body.as_bytes());
        }),
        ("with the id null", |_, r| r.json(format!(r#"{{"jsonrpc":"2.0","id":null,"error":{ERROR}}}"#))),
        ("inside an exception", |_, r| {
            let body = format!(r#"{{"stackTrace":["at com.secret.Main"],"message":"secret","jsonRpcError":{ERROR}}}"#);
            r.answer("500 Internal Server Error", "", JSON, body.as_bytes());
        }),
    ];
    for (name, play) in plays {
        for answer in world.answers(play) {
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            let text = answer.text();
            assert!(text.contains(error) && text.contains(r#""id":5"#), "{name}: {text}");
            tight(name, &answer);
        }
    }
}

const ERROR: &str = r#"{"code":-32050,"message":"no such row","data":{"n":1e400}}"#;

#[test]
fn after_the_answer_nothing_more_is_told() {
    let world = World::new(|part| part);
    let play: Play = |id, r| {
        r.begin_events();
        r.event(good(id));
        r.event(good(id).replace("content", "second"));
        r.event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"late"}}"#);
        r.end();
    };
    for answer in world.answers(play) {
        let events = answer.events();
        assert_eq!(events.len(), 1, "{}", answer.text());
        assert_eq!(events[0].data, good("5").into_bytes());
    }
}

#[test]
fn a_backend_that_is_silent_is_given_up_in_time() {
    let world = World::new(|mut part| {
        part.timeouts.request = Duration::from_millis(300);
        part
    });
    let silent: Play = |_, r| assert!(r.peer_closed());
    let begun: Play = |_, r| {
        r.begin_events();
        r.event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}"#);
        assert!(r.peer_closed());
    };
    for play in [silent, begun] {
        let row =
            Row { name: "silent", play, status: 200, code: -31008, reason: "upstream_timeout", executed: "unknown" };
        world.check(&row);
    }
}

#[test]
fn a_backend_that_is_down_is_unavailable_and_nothing_ran() {
    let legacy = Legacy::new("up", &["echo"]).start(|_, _| false);
    let modern_server = Modern::new(&["echo"]).start(|_, _| false);
    let stage =
        Setup::new(&[("/l", &[part("legacy", &legacy, "")]), ("/m", &[part("modern", &modern_server, "")])]).start();
    let session = Session::open(&stage, "/l");
    let ask = modern("/m", "tools/call", Some("echo"), modern_call(5, "echo"));
    assert_eq!(stage.ask(&ask).status, 200);
    drop((legacy, modern_server));
    let (old, new) = (session.call(5, "echo"), stage.ask(&ask));
    assert_eq!((old.status, new.status), (200, 503), "{} {}", old.text(), new.text());
    for answer in [old, new] {
        explained("down", &answer, -31006);
        let said = &answer.json()["error"]["data"]["ringway"];
        assert_eq!((&said["executed"], &said["retryable"]), (&"no".into(), &true.into()), "{said}");
    }
}
