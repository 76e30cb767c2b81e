//! What still works while a gateway stops, and what does not; and a stream that another takes over.

use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use ringway_testkit::PATIENCE;
use ringway_testkit::ask::Ask;
use ringway_testkit::bell::Bell;
use ringway_testkit::client::once;
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::upstream::Upstream;

use crate::refusals::explained;
use crate::sessions::{accept, asked_id, done, until_said};
use crate::stage::{Session, Setup, call, modern, modern_call, part, until};

const QUESTION: &str = r#"{"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":{"message":"?"}}"#;

/// A server that asks on the call's own stream and answers when it was answered.
fn asking() -> (Upstream, mpsc::Receiver<String>) {
    let (told, tells) = mpsc::channel();
    let told = Mutex::new(told);
    let bell = Bell::default();
    let upstream = Legacy::new("up", &["ask"]).start(move |request, reply| {
        match (request.verb.as_str(), request.method().as_str()) {
            ("POST", "") => {
                told.lock().unwrap().send(request.text()).unwrap();
                reply.accepted();
                bell.ring("answered");
            }
            ("POST", "tools/call") => {
                reply.begin_events();
                reply.event(QUESTION);
                bell.wait("answered");
                reply.event(done(&request.id()));
                reply.end();
            }
            _ => return false,
        }
        true
    });
    (upstream, tells)
}

#[test]
fn a_call_that_waits_for_its_client_ends_well_while_the_gateway_stops() {
    let (upstream, tells) = asking();
    let modern_upstream = Modern::new(&["echo"]).start(|_, _| false);
    let routes: &[(&str, &[_])] =
        &[("/l", &[part("one", &upstream, "")]), ("/m", &[part("two", &modern_upstream, "")])];
    let stage = Setup::new(routes).start();
    let (address, admin) = (stage.address, stage.admin);
    let session = Session::open(&stage, "/l");
    let mut listening = session.connect();
    let mut stream = listening.begin(&session.stream());
    assert_eq!(stream.head.status(), 200);
    let mut kept = session.connect();
    assert_eq!(kept.ask(&session.message(r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#)).status, 200);
    let mut calling = session.connect();
    let mut answer = calling.begin(&session.message(call(1, "ask")));
    let id = asked_id(&until_said(&mut answer, "elicitation"));

    let stopping = stage.drain(PATIENCE);
    until("not ready", || once(admin, &Ask::new("GET", "/readyz").with("Connection", "close")).status == 503);
    assert!(std::iter::from_fn(|| stream.event()).count() < 50, "streams end, so that clients go elsewhere");
    kept.closed().unwrap();
    let refused = once(address, &session.message(call(2, "ask")));
    assert_eq!(refused.status, 200, "{}", refused.text());
    explained("a legacy call", &refused, -31004);
    assert_eq!(refused.json()["error"]["data"]["ringway"]["retryable"], true);
    let refused = once(address, &session.stream());
    assert_eq!(refused.status, 503, "{}", refused.text());
    let refused = once(address, &modern("/m", "tools/call", Some("echo"), modern_call(3, "echo")));
    assert_eq!(refused.status, 503, "{}", refused.text());
    explained("a modern call", &refused, -31004);
    assert!(refused.head.field("retry-after").is_some(), "{:?}", refused.head);
    assert!(upstream.with_method("tools/call").len() == 1 && modern_upstream.with_method("tools/call").is_empty());

    // On a connection that is made only now.
    assert_eq!(session.post(accept(&id)).status, 202);
    assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), accept("q-1"));
    assert_eq!(until_said(&mut answer, "result"), done("1").into_bytes());
    assert!(answer.event().is_none());
    calling.closed().unwrap();
    let begun = Instant::now();
    stopping.join().unwrap();
    assert!(begun.elapsed() < PATIENCE / 2, "nobody is left to wait for");
}

/// What its client sends before it can know of the drain is served and answered with the end of the connection.
#[test]
fn a_connection_from_before_gets_one_more_call_and_is_told() {
    let upstream = Modern::new(&["echo"]).start(|_, _| false);
    // The second for it may be over before this thread has its turn.
    let served = (0..10).any(|_| {
        let stage = Setup::new(&[("/m", &[part("up", &upstream, "")])]).start();
        let (address, admin) = (stage.address, stage.admin);
        let ask = modern("/m", "tools/call", Some("echo"), modern_call(1, "echo"));
        let mut kept = stage.connect();
        assert_eq!(kept.ask(&ask).status, 200);
        let stopping = stage.drain(PATIENCE);
        until("not ready", || once(admin, &Ask::new("GET", "/readyz").with("Connection", "close")).status == 503);
        assert_eq!(once(address, &ask).status, 503, "a new connection");
        kept.try_send(&ask.bytes());
        let answer = kept.answer();
        if let Ok(answer) = &answer {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.head.field("connection"), Some("close"));
            kept.closed().unwrap();
        }
        stopping.join().unwrap();
        answer.is_ok()
    });
    assert!(served);
}

#[test]
fn calls_that_outlast_the_grace_are_ended() {
    let (upstream, _tells) = asking();
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    let mut calling = session.connect();
    let mut answer = calling.begin(&session.message(call(1, "ask")));
    until_said(&mut answer, "elicitation");
    let begun = Instant::now();
    stage.drain(Duration::from_millis(300)).join().unwrap();
    assert!((Duration::from_millis(300)..PATIENCE / 2).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    calling.closed().unwrap();
}

/// A server that hands each GET stream of a session that called to the test, to put questions on it.
fn asking_on_its_stream() -> (Upstream, mpsc::Receiver<mpsc::Sender<String>>) {
    let (opened, streams) = mpsc::channel();
    let opened = Mutex::new(opened);
    let called = Bell::default();
    let upstream = Legacy::new("up", &["echo"]).start(move |request, reply| {
        let session = request.session().unwrap_or_default();
        if request.method() == "tools/call" {
            called.ring(session);
        }
        let stream = request.verb == "GET";
        if stream {
            reply.begin_events();
            let (ask, questions) = mpsc::channel::<String>();
            // The catalogue listens as well, and cannot be asked.
            if called.heard(session, Duration::ZERO) {
                opened.lock().unwrap().send(ask).unwrap();
            }
            while reply.peer_is_there() {
                match questions.recv_timeout(Duration::from_millis(20)) {
                    Ok(id) => reply.event(QUESTION.replace("q-1", &id)),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    // No more questions: the stream ends with its peer.
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        reply.peer_closed();
                        return true;
                    }
                }
            }
            reply.hang_up();
        }
        stream
    });
    (upstream, streams)
}

#[test]
fn a_second_stream_ends_the_first_and_is_asked_from_then_on() {
    let (upstream, streams) = asking_on_its_stream();
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    assert_eq!(session.call(1, "echo").status, 200);
    let mut clients: Vec<_> = (0..6).map(|_| session.connect()).collect();
    let mut held = None;
    for (number, client) in clients.iter_mut().enumerate() {
        let mut stream = client.begin(&session.stream());
        assert_eq!(stream.head.status(), 200);
        let ask = streams.recv_timeout(PATIENCE).unwrap();
        if let Some(before) = held.take() {
            ended(before);
        }
        for turn in ["first", "second"] {
            let id = format!("question-{number}-{turn}");
            ask.send(id.clone()).unwrap();
            let shown = asked_id(&until_said(&mut stream, "elicitation"));
            assert_eq!(session.post(accept(&shown)).status, 202);
            let answered = upstream.wait_for("the answer", |request| request.text().contains(&id));
            assert_eq!(answered.text(), accept(&id));
        }
        held = Some(stream);
    }
}

fn ended(mut stream: ringway_testkit::client::Reading<'_>) {
    while let Some(event) = stream.message() {
        let said = String::from_utf8_lossy(&event.data).into_owned();
        assert!(!said.contains("elicitation"), "asked on a stream that was taken over: {said}");
    }
}
