//! Out equals in: every byte that the gateway has no reason to change leaves as it came, up and down, in both eras, in
//! JSON and in events, however the stream is cut.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, mpsc};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use ringway_testkit::PATIENCE;
use ringway_testkit::ask::Ask;
use ringway_testkit::client::Client;
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::sse::{Framing, as_data};
use ringway_testkit::upstream::{Reply, Request, Upstream};

use crate::cases::{Before, Case, METHODS, Plan, Way, visible};
use crate::stage::{META, Session, Setup, Stage, modern, part};
use crate::texts::{IDS, Slot, Tape, Text};

/// Each property runs as many cases in the quick tier; `PROPTEST_CASES` asks for more.
const CASES: u32 = 50;

/// The upstream's memory: what to answer next, and what it got.
#[derive(Debug)]
struct Desk {
    plan: Mutex<Option<Plan>>,
    calls: Mutex<mpsc::Sender<Request>>,
    got: Mutex<mpsc::Receiver<Request>>,
    responses: Mutex<mpsc::Sender<Vec<u8>>>,
    responded: Mutex<mpsc::Receiver<Vec<u8>>>,
}

/// Both eras, each once under its own names and once behind the prefix `gh`.
struct World {
    desk: Arc<Desk>,
    stage: Stage,
    _upstreams: [Upstream; 2],
}

fn runner() -> TestRunner {
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { Config::default().cases } else { CASES };
    TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() })
}

fn tapes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..1_500)
}

// === impl Desk ===

impl Desk {
    fn new() -> Arc<Self> {
        let (calls, got) = mpsc::channel();
        let (responses, responded) = mpsc::channel();
        Arc::new(Self {
            plan: Mutex::default(),
            calls: Mutex::new(calls),
            got: Mutex::new(got),
            responses: Mutex::new(responses),
            responded: Mutex::new(responded),
        })
    }

    /// Answers what the test is about.
    fn serve(&self, request: &Request, reply: &mut Reply<'_>) -> bool {
        let method = request.method();
        if METHODS.contains(&method.as_str()) {
            let plan = self.plan.lock().unwrap().take();
            self.calls.lock().unwrap().send(request.clone()).unwrap();
            let Some(plan) = plan else { return false };
            self.play(&plan, reply);
            return true;
        }
        if request.verb == "POST" && method.is_empty() {
            self.responses.lock().unwrap().send(request.body.clone()).unwrap();
        }
        false
    }

    fn play(&self, plan: &Plan, reply: &mut Reply<'_>) {
        reply.cut(&plan.cuts);
        let Some(framing) = &plan.framing else {
            return if plan.chunked { reply.json_chunked(&plan.answer) } else { reply.json(&plan.answer) };
        };
        reply.begin_events();
        reply.chunk(&framing.opening());
        for (number, before) in plan.before.iter().enumerate() {
            match before {
                Before::Notice(message) => reply.chunk(&framing.event(number, message)),
                Before::Ask(message) => {
                    reply.chunk(&framing.event(number, message));
                    // Nobody answers where the case has failed already.
                    let Ok(body) = self.responded.lock().unwrap().recv_timeout(PATIENCE) else {
                        return reply.hang_up();
                    };
                    self.calls.lock().unwrap().send(response(body)).unwrap();
                }
            }
        }
        reply.chunk(&framing.event(plan.before.len(), &plan.answer));
        reply.end();
    }

    /// Lays out the next call.
    fn lay_out(&self, plan: Plan) {
        *self.plan.lock().unwrap() = Some(plan);
    }

    fn got(&self) -> Request {
        self.got.lock().unwrap().recv_timeout(PATIENCE).unwrap()
    }
}

/// A response as a request of its own, for the one queue that the test reads.
fn response(body: Vec<u8>) -> Request {
    let head = ringway_testkit::wire::Head { start: String::new(), fields: Vec::new(), raw: Vec::new() };
    Request { connection: 0, verb: "POST".to_owned(), path: String::new(), head, body }
}

// === impl World ===

impl World {
    fn new() -> Self {
        let desk = Desk::new();
        let (first, second) = (Arc::clone(&desk), Arc::clone(&desk));
        let legacy = Legacy::new("up", &["echo"]).start(move |request, reply| first.serve(request, reply));
        let modern = Modern::new(&["echo"]).start(move |request, reply| second.serve(request, reply));
        let stage = Setup::new(&[
            ("/l", &[part("legacy", &legacy, "")]),
            ("/lp", &[part("legacy", &legacy, "gh")]),
            ("/m", &[part("modern", &modern, "")]),
            ("/mp", &[part("modern", &modern, "gh")]),
        ])
        .start();
        Self { desk, stage, _upstreams: [legacy, modern] }
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn same(what: &str, got: &[u8], wanted: &[u8]) -> Result<(), TestCaseError> {
    if got == wanted {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{what}\n   got {:?}\nwanted {:?}", shown(got), shown(wanted))))
}

fn check(world: &World, way: Way, session: Option<&Session>, tape: &[u8]) -> Result<(), TestCaseError> {
    let case = Case::new(way, &mut Tape::new(tape));
    world.desk.lay_out(case.plan());
    let body = case.upward(&case.visible, "");
    let ask = match session {
        Some(session) => session.message(body),
        None => modern(way.path(), case.method, Some(&case.visible), body),
    };
    let ask = match case.request_chunks {
        Some(size) => ask.chunked(size),
        None => ask,
    };
    let mut client = world.stage.connect();
    client.send(&ask.bytes());
    // Up: as it came, but for the name and what legacy servers insist on.
    let mut reading = client.reading().map_err(|error| TestCaseError::fail(format!("no answer: {error}")))?;
    let status = reading.head.status();
    let kind = reading.head.field("content-type").unwrap_or_default().to_owned();
    if case.framing.is_none() || kind != "text/event-stream" {
        let got = reading.body();
        prop_assert_eq!(status, 200, "{}", shown(&got));
        prop_assert!(case.framing.is_none(), "events were answered as {}: {}", kind, shown(&got));
        prop_assert_eq!(kind, "application/json");
        same("up", &world.desk.got().body, &case.upward(&case.own, r#","arguments":{}"#))?;
        return same("down", &got, &case.answer.fill(visible(way, case.id)));
    }
    same("up", &world.desk.got().body, &case.upward(&case.own, r#","arguments":{}"#))?;
    for (asks, text) in &case.before {
        let event = reading.message().ok_or_else(|| TestCaseError::fail("the stream ended early"))?;
        prop_assert_eq!(&event.name, "message");
        if *asks {
            answer_ask(world, &case, text, session.unwrap(), &event.data)?;
        } else {
            same("notice", &event.data, &as_data(&text.fill(visible(way, "null"))))?;
        }
    }
    let event = reading.message().ok_or_else(|| TestCaseError::fail("the stream ended without an answer"))?;
    same("answer", &event.data, &as_data(&case.answer.fill(visible(way, case.id))))?;
    prop_assert!(reading.message().is_none());
    Ok(())
}

/// The server's question arrives with another id and else unchanged; the answer goes back the same way.
fn answer_ask(world: &World, case: &Case, ask: &Text, session: &Session, data: &[u8]) -> Result<(), TestCaseError> {
    let (before, after) = ask.around(Slot::Id, |_| String::new());
    let (before, after) = (as_data(&before), as_data(&after));
    let middle = data.strip_prefix(&before[..]).and_then(|rest| rest.strip_suffix(&after[..]));
    let Some(id) = middle else {
        return Err(TestCaseError::fail(format!("ask: {:?} around {:?}", shown(data), shown(&before))));
    };
    let id = shown(id);
    prop_assert!(id.starts_with("\"rw-") && id.ends_with('"'), "{}", id);
    let taken = session.post(case.response.fill(|_| id.clone()));
    prop_assert_eq!(taken.status, 202, "{}", taken.text());
    same("response", &world.desk.got().body, &case.response.fill(|_| case.ask_id.to_owned()))
}

fn property(way: Way) {
    // A failed case leaves a call in flight: shrinking goes on in a new world.
    let kept = RefCell::new(None);
    let outcome = runner().run(&tapes(), |tape| {
        let (world, session) = kept.take().unwrap_or_else(|| {
            let world = World::new();
            let session = (!way.modern).then(|| Session::open(&world.stage, way.path()));
            (world, session)
        });
        check(&world, way, session.as_ref(), &tape)?;
        kept.replace(Some((world, session)));
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

#[test]
fn legacy_calls_pass_byte_for_byte() {
    property(Way { modern: false, prefixed: false });
}

#[test]
fn legacy_calls_behind_a_prefix_change_in_names_and_uris_only() {
    property(Way { modern: false, prefixed: true });
}

#[test]
fn modern_calls_pass_byte_for_byte() {
    property(Way { modern: true, prefixed: false });
}

#[test]
fn modern_calls_behind_a_prefix_change_in_names_and_uris_only() {
    property(Way { modern: true, prefixed: true });
}

/// The handshake and notifications of a client on a route of one backend are that backend's own.
#[test]
fn handshake_and_notifications_pass_byte_for_byte() {
    let answer = Arc::new(Mutex::new(Vec::new()));
    let served = Arc::clone(&answer);
    let (requests, got) = mpsc::channel();
    let requests = Mutex::new(requests);
    let upstream = Legacy::new("up", &[]).start(move |request, reply| {
        let text = request.text();
        if !text.contains("canary") {
            return false;
        }
        requests.lock().unwrap().send(request.clone()).unwrap();
        if request.method() == "initialize" {
            let body = served.lock().unwrap().clone();
            reply.answer("200 OK", "Mcp-Session-Id: canary-session\r\n", "application/json", &body);
        } else {
            reply.accepted();
        }
        true
    });
    let stage = Setup::new(&[("/l", &[part("legacy", &upstream, "")])]).start();
    let outcome = runner().run(&tapes(), |tape| {
        let tape = &mut Tape::new(&tape);
        let id = tape.one_of(&IDS);
        let (up, down) = (hello(tape, id), welcome(tape, id));
        answer.lock().unwrap().clone_from(&down);
        let answered = stage.ask(&Ask::post("/l", &up));
        prop_assert_eq!(answered.status, 200, "{}", answered.text());
        same("initialize", &got.recv_timeout(PATIENCE).unwrap().body, &up)?;
        same("its answer", &answered.body, &down)?;
        let session = answered.head.field("mcp-session-id").unwrap_or_default().to_owned();
        let method =
            tape.one_of(&["notifications/initialized", "notifications/roots/list_changed", "notifications/progress"]);
        let method = Text::raw(tape.spelled(method));
        let canary = Text::raw("\"canary\"");
        let params = tape.object(vec![("progressToken", canary)], None);
        let notice = tape.message(vec![("method", method), ("params", params)]).fill(|_| String::new());
        let ask = Ask::post("/l", &notice).with("Mcp-Session-Id", &session);
        let taken = stage.ask(&ask);
        prop_assert_eq!(taken.status, 202, "{}", taken.text());
        let seen = got.recv_timeout(PATIENCE).unwrap();
        prop_assert_eq!(seen.session(), Some("canary-session"));
        same("notification", &seen.body, &notice)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

fn hello(tape: &mut Tape<'_>, id: &str) -> Vec<u8> {
    let info = tape.object(vec![("name", Text::raw("\"canary\"")), ("version", Text::raw("\"1\""))], None);
    let capabilities = tape.object(vec![("roots", Text::raw("{ }"))], None);
    let version = Text::raw(tape.spelled("2025-06-18"));
    let params =
        tape.object(vec![("protocolVersion", version), ("capabilities", capabilities), ("clientInfo", info)], None);
    let method = Text::raw(tape.spelled("initialize"));
    tape.message(vec![("id", Text::raw(id)), ("method", method), ("params", params)]).fill(|_| String::new())
}

fn welcome(tape: &mut Tape<'_>, id: &str) -> Vec<u8> {
    let info = tape.object(vec![("name", Text::raw("\"s\"")), ("version", Text::raw("\"1\""))], None);
    let capabilities = tape.object(vec![("tools", Text::raw("{ }"))], None);
    let version = Text::raw(tape.spelled("2025-06-18"));
    let result =
        tape.object(vec![("protocolVersion", version), ("capabilities", capabilities), ("serverInfo", info)], None);
    tape.message(vec![("id", Text::raw(id)), ("result", result)]).fill(|_| String::new())
}

/// A client that takes JSON only is answered in JSON, also by a server that answers in events.
#[test]
fn a_client_without_events_gets_the_answer_of_an_event_stream() {
    let desk = Desk::new();
    let served = Arc::clone(&desk);
    let upstream = Modern::new(&["echo"]).start(move |request, reply| served.serve(request, reply));
    let stage = Setup::new(&[("/m", &[part("modern", &upstream, "")])]).start();
    let answer = br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"complete","content":[],"n":1e400}}"#.to_vec();
    desk.lay_out(Plan {
        framing: Some(Framing::plain()),
        chunked: false,
        cuts: vec![1],
        before: vec![Before::Notice(br#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#.to_vec())],
        answer: answer.clone(),
    });
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo",{META}}}}}"#);
    let ask = modern("/m", "tools/call", Some("echo"), body).set("Accept", "application/json");
    let got = Client::connect(stage.address).ask(&ask);
    assert_eq!((got.status, got.head.field("content-type")), (200, Some("application/json")), "{}", got.text());
    assert_eq!(shown(&got.body), shown(&answer));
}
