//! Sessions and calls across restarts, processes, connections and workers.

use std::collections::BTreeSet;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use ringway_testkit::PATIENCE;
use ringway_testkit::ask::Ask;
use ringway_testkit::bell::Bell;
use ringway_testkit::client::Reading;
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::sse::Event;
use ringway_testkit::upstream::{Reply, Upstream};

use crate::refusals::explained;
use crate::stage::{Session, Setup, call, initialize, modern, modern_call, part};

/// The session of each call with this id, at an upstream.
fn sessions_of_calls(upstream: &Upstream, id: u32) -> Vec<String> {
    let calls = upstream.with_method("tools/call").into_iter().filter(|request| request.id() == id.to_string());
    calls.filter_map(|request| request.session().map(str::to_owned)).collect()
}

/// Handshakes in the client's name; the catalogue makes its own under another.
fn handshakes(upstream: &Upstream) -> usize {
    upstream.with_method("initialize").iter().filter(|request| request.text().contains(r#""tests""#)).count()
}

/// A channel from the scripts of all connections to the test.
fn told<T>() -> (Mutex<mpsc::Sender<T>>, mpsc::Receiver<T>) {
    let (sender, receiver) = mpsc::channel();
    (Mutex::new(sender), receiver)
}

pub(crate) fn done(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[]}}}}"#)
}

#[test]
fn a_restart_goes_on_with_the_upstream_session_of_the_only_backend() {
    let upstream = Legacy::new("up", &["echo"]).start(|_, _| false);
    let setup = Setup::new(&[("/l", &[part("one", &upstream, "")])]);
    let stage = setup.start();
    let session = Session::open(&stage, "/l");
    assert_eq!(session.call(1, "echo").status, 200);
    stage.kill();
    let stage = setup.start();
    let after = session.at(&stage).call(2, "echo");
    assert_eq!(after.status, 200, "{}", after.text());
    assert_eq!(sessions_of_calls(&upstream, 2), sessions_of_calls(&upstream, 1));
    assert_eq!(handshakes(&upstream), 1);
    // Without the keys it is nobody's session.
    let mut other = Setup::new(&[("/l", &[part("one", &upstream, "")])]);
    other.key = 9;
    explained("other keys", &session.at(&other.start()).call(3, "echo"), -32600);
}

#[test]
fn a_restart_binds_several_backends_anew() {
    let first = Legacy::new("first", &["echo"]).start(|_, _| false);
    let second = Legacy::new("second", &["echo"]).start(|_, _| false);
    let setup = Setup::new(&[("/l", &[part("one", &first, "a"), part("two", &second, "b")])]);
    let stage = setup.start();
    let session = Session::open(&stage, "/l");
    assert_eq!((handshakes(&first), handshakes(&second)), (0, 0), "the handshake waits for nobody");
    for id in [1, 2] {
        assert_eq!(session.call(id, "a_echo").status, 200);
    }
    assert_eq!((handshakes(&first), handshakes(&second)), (1, 0), "bound at the first call, and once");
    assert_eq!(sessions_of_calls(&first, 1), sessions_of_calls(&first, 2));
    stage.kill();
    let stage = setup.start();
    let session = session.at(&stage);
    for (id, name) in [(3, "a_echo"), (4, "b_echo")] {
        let answer = session.call(id, name);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!((handshakes(&first), handshakes(&second)), (2, 1));
    assert_ne!(sessions_of_calls(&first, 3), sessions_of_calls(&first, 1));
}

#[test]
fn a_deleted_session_stays_deleted_across_a_restart() {
    let upstream = Legacy::new("up", &["echo"]).start(|_, _| false);
    let directory = tempfile::tempdir().unwrap();
    let mut setup = Setup::new(&[("/l", &[part("one", &upstream, "")])]);
    setup.tombstones = Some(directory.path().join("revoked"));
    let stage = setup.start();
    let (session, kept) = (Session::open(&stage, "/l"), Session::open(&stage, "/l"));
    assert_eq!(session.call(1, "echo").status, 200);
    let bound = sessions_of_calls(&upstream, 1);
    assert_eq!(session.delete().status, 200);
    upstream.wait_for("the end of the upstream session", |request| {
        request.verb == "DELETE" && request.session() == bound.first().map(String::as_str)
    });
    explained("deleted", &session.call(2, "echo"), -32600);
    stage.kill();
    let stage = setup.start();
    let refused = session.at(&stage).call(3, "echo");
    assert_eq!(refused.status, 404, "{}", refused.text());
    assert_eq!(session.at(&stage).delete().status, 404);
    assert_eq!(kept.at(&stage).call(4, "echo").status, 200);
    assert!(sessions_of_calls(&upstream, 3).is_empty());
}

#[test]
fn two_processes_with_the_same_keys_serve_each_others_sessions() {
    let upstream = Legacy::new("up", &["echo"]).start(|_, _| false);
    let setup = Setup::new(&[("/l", &[part("one", &upstream, "")])]);
    let (one, two) = (setup.start(), setup.start());
    let session = Session::open(&one, "/l");
    for (id, stage) in [(1, &two), (2, &one), (3, &two)] {
        assert_eq!(session.at(stage).call(id, "echo").status, 200);
    }
    let used: BTreeSet<_> = (1..=3).flat_map(|id| sessions_of_calls(&upstream, id)).collect();
    assert_eq!((used.len(), handshakes(&upstream)), (1, 1), "{used:?}");
    let back = Session::open(&two, "/l");
    assert_eq!(back.at(&one).call(4, "echo").status, 200);
}

#[test]
fn a_forgotten_upstream_session_is_made_once_for_all_who_wait() {
    const CALLS: u32 = 8;
    let server = Legacy::new("up", &["echo"]);
    let knows = Arc::clone(&server);
    // Those with the dead session are refused together, so that none is late.
    let together = Barrier::new(CALLS as usize);
    let upstream = server.start(move |request, _| {
        if request.method() == "tools/call" && !knows.knows(request) {
            together.wait();
        }
        false
    });
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    assert_eq!(session.call(1, "echo").status, 200);
    server.forget_sessions();
    let before = handshakes(&upstream);
    let callers: Vec<_> = (100..100 + CALLS)
        .map(|id| {
            let session = session.clone();
            thread::spawn(move || session.call(id, "echo"))
        })
        .collect();
    for caller in callers {
        let answer = caller.join().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.text().contains("done"), "{}", answer.text());
    }
    assert_eq!(handshakes(&upstream) - before, 1);
    for id in 100..100 + CALLS {
        let used = sessions_of_calls(&upstream, id);
        assert!(used.len() == 2 && used[0] != used[1], "call {id}: {used:?}");
    }
}

#[test]
fn a_server_that_forgets_every_session_is_tried_once_more_only() {
    let upstream = Legacy::new("up", &["echo"]).start(|request, reply| {
        let call = request.method() == "tools/call";
        if call {
            reply.bare("404 Not Found");
        }
        call
    });
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    let answer = session.call(1, "echo");
    assert_eq!(answer.status, 404, "{}", answer.text());
    explained("forgotten", &answer, -32600);
    assert_eq!((upstream.with_method("tools/call").len(), handshakes(&upstream)), (2, 2));
}

#[test]
fn a_cancellation_reaches_the_call_from_any_connection() {
    const CALLS: u32 = 8;
    let bell = Arc::new(Bell::default());
    let heard = Arc::clone(&bell);
    let upstream = Legacy::new("up", &["slow"]).start(move |request, reply| {
        let method = request.method();
        if method == "notifications/cancelled" {
            heard.ring(&request.text());
        }
        if method == "tools/call" {
            heard.ring(&request.id());
            heard.wait(&cancellation(&request.id()));
            reply.json(done(&request.id()));
        }
        method == "tools/call"
    });
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    let callers: Vec<_> = (0..CALLS)
        .map(|id| {
            let session = session.clone();
            thread::spawn(move || session.call(id, "slow"))
        })
        .collect();
    for id in 0..CALLS {
        bell.wait(&id.to_string());
    }
    for id in 0..CALLS {
        assert_eq!(session.post(cancellation(&id.to_string())).status, 202);
    }
    for caller in callers {
        let answer = caller.join().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(upstream.with_method("notifications/cancelled").len(), CALLS as usize);
}

/// Oddly written, to see it arrive as it is.
fn cancellation(id: &str) -> String {
    format!(
        r#" {{"params" : {{"reason":"\u006fdd odd","requestId": {id}}},"method":"notifications/cancelled","jsonrpc":"2.0"}}"#
    )
}

#[test]
fn a_lost_connection_of_a_legacy_client_is_no_cancellation() {
    let bell = Arc::new(Bell::default());
    let heard = Arc::clone(&bell);
    let (told, tells) = told::<bool>();
    let upstream = Legacy::new("up", &["slow"]).start(move |request, reply| {
        if !request.text().contains("slow") {
            return false;
        }
        heard.ring("started");
        heard.wait("go");
        told.lock().unwrap().send(reply.peer_is_there()).unwrap();
        reply.json(done(&request.id()));
        true
    });
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    let mut client = session.connect();
    client.send(&session.message(call(1, "slow")).bytes());
    bell.wait("started");
    drop(client);
    // Time enough for every worker to see what there is to see.
    for id in 2..60 {
        assert_eq!(session.call(id, "echo").status, 200);
    }
    bell.ring("go");
    assert!(tells.recv_timeout(PATIENCE).unwrap(), "the call was given up with its client's connection");
    assert!(upstream.with_method("notifications/cancelled").is_empty());
}

#[test]
fn a_lost_connection_of_a_modern_client_ends_the_call() {
    let bell = Arc::new(Bell::default());
    let heard = Arc::clone(&bell);
    let (told, tells) = told::<bool>();
    let upstream = Modern::new(&["slow"]).start(move |request, reply| {
        if request.method() != "tools/call" {
            return false;
        }
        if request.id() == "2" {
            reply.begin_events();
            reply.event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"x"}}"#);
        }
        heard.ring(&request.id());
        told.lock().unwrap().send(reply.peer_closed()).unwrap();
        true
    });
    let stage = Setup::new(&[("/m", &[part("one", &upstream, "")])]).start();
    for id in [1, 2] {
        let mut client = stage.connect();
        let ask = modern("/m", "tools/call", Some("slow"), modern_call(id, "slow"));
        client.send(&ask.bytes());
        bell.wait(&id.to_string());
        if id == 2 {
            assert!(client.reading().unwrap().message().is_some());
        }
        drop(client);
        assert!(tells.recv_timeout(PATIENCE).unwrap(), "call {id} went on without its client");
    }
}

/// A server that asks on its GET stream when a call begins, and answers the call when it was answered.
fn asking() -> (Upstream, mpsc::Receiver<String>) {
    let bell = Bell::default();
    let (told, tells) = told::<String>();
    let upstream = Legacy::new("up", &["ask"]).start(move |request, reply| {
        let (method, session) = (request.method(), request.session().unwrap_or_default());
        match (request.verb.as_str(), method.as_str()) {
            ("GET", _) => ask_when_called(&bell, session, reply),
            ("POST", "") => {
                told.lock().unwrap().send(request.text()).unwrap();
                bell.ring("answered");
                return false;
            }
            ("POST", "tools/call") => {
                bell.ring(session);
                bell.wait("answered");
                reply.json(done(&request.id()));
            }
            _ => return false,
        }
        true
    });
    (upstream, tells)
}

/// The catalogue listens as well: only the session that called is asked.
fn ask_when_called(bell: &Bell, session: &str, reply: &mut Reply<'_>) {
    reply.begin_events();
    while reply.peer_is_there() {
        if bell.heard(session, Duration::from_millis(20)) {
            reply.event(r#"{"method":"elicitation/create","id":"q-1","jsonrpc":"2.0","params":{"message":"?"}}"#);
            reply.peer_closed();
            return;
        }
    }
    reply.hang_up();
}

/// The next event that says `what`. The gateway may announce changed lists at any time.
pub(crate) fn until_said(stream: &mut Reading<'_>, what: &str) -> Vec<u8> {
    let said = |event: &Event| String::from_utf8_lossy(&event.data).contains(what);
    let event = std::iter::from_fn(|| stream.message()).find(said);
    event.unwrap_or_else(|| panic!("the stream ended without {what}")).data
}

/// The id that the gateway gave to a question.
pub(crate) fn asked_id(event: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(event).unwrap();
    assert_eq!(value["method"], "elicitation/create", "{value}");
    let id = value["id"].as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    assert!(id.starts_with("rw-"), "{id}");
    id
}

pub(crate) fn accept(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"action":"accept","content":{{"n":1e400}}}}}}"#)
}

#[test]
fn a_question_on_the_stream_is_answered_on_another_connection_and_by_its_session_only() {
    let (upstream, tells) = asking();
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let (session, stranger) = (Session::open(&stage, "/l"), Session::open(&stage, "/l"));
    let mut listening = session.connect();
    let mut stream = listening.begin(&session.stream());
    assert_eq!(stream.head.status(), 200);
    let caller = {
        let session = session.clone();
        thread::spawn(move || session.call(1, "ask"))
    };
    let id = asked_id(&until_said(&mut stream, "elicitation"));
    assert_eq!(stranger.post(accept(&id)).status, 202);
    assert_eq!(session.post(accept(&id)).status, 202);
    let answer = tells.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answer, accept("q-1"));
    assert_eq!(caller.join().unwrap().status, 200);
    assert!(tells.try_recv().is_err(), "answered twice");
    // It was answered: a second answer goes nowhere.
    assert_eq!(session.post(accept(&id)).status, 202);
    assert_eq!(session.post(r#"{"jsonrpc":"2.0","id":8,"method":"ping"}"#).status, 200);
    assert!(tells.try_recv().is_err(), "answered twice");
}

#[test]
fn a_client_without_a_stream_is_asked_on_its_call() {
    let (upstream, tells) = asking();
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    let mut client = session.connect();
    let mut stream = client.begin(&session.message(call(1, "ask")));
    let id = asked_id(&until_said(&mut stream, "elicitation"));
    assert_eq!(session.post(accept(&id)).status, 202);
    assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), accept("q-1"));
    assert_eq!(stream.message().unwrap().data, done("1").into_bytes());
}

#[test]
fn keys_are_rotated_without_losing_a_session_until_the_old_one_is_dropped() {
    let upstream = Legacy::new("up", &["echo"]).start(|_, _| false);
    let mut setup = Setup::new(&[("/l", &[part("a", &upstream, "")])]);
    setup.key = 1;
    let stage = setup.start();
    let old = Session::open(&stage, "/l");
    // A connection remembers the session it used last, but not beyond the keys it was opened with.
    let mut kept = stage.connect();
    assert_eq!(kept.ask(&old.message(call(1, "echo"))).status, 200);
    stage.rekey(2, &[1]);
    let new = Session::open(&stage, "/l");
    assert_eq!((old.call(2, "echo").status, new.call(3, "echo").status), (200, 200));
    assert_eq!(kept.ask(&old.message(call(4, "echo"))).status, 200);
    stage.rekey(2, &[]);
    assert_eq!((old.call(5, "echo").status, new.call(6, "echo").status), (404, 200));
    assert_eq!(kept.ask(&old.message(call(7, "echo"))).status, 404);
}

#[test]
fn a_stream_and_a_call_may_come_before_initialized() {
    let upstream = Legacy::new("up", &["echo"]).start(|_, _| false);
    let stage = Setup::new(&[("/l", &[part("a", &upstream, "")])]).start();
    let answer = stage.ask(&Ask::post("/l", initialize("{}")));
    let session = Session::known(&stage, "/l", answer.head.field("mcp-session-id").unwrap());
    let mut client = session.connect();
    // The head is there at once, with a comment: one SDK waits for it before it goes on.
    client.begin(&session.stream()).comment();
    assert_eq!(session.call(5, "echo").status, 200);
    assert_eq!(session.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).status, 202);
    assert_eq!(session.call(6, "echo").status, 200);
    assert_eq!(handshakes(&upstream), 1);
}

#[test]
fn a_call_in_flight_ends_under_the_configuration_it_began_with() {
    let bell = Arc::new(Bell::default());
    let heard = Arc::clone(&bell);
    let upstream = Legacy::new("up", &["slow"]).start(move |request, reply| {
        if !request.text().contains("slow") {
            return false;
        }
        heard.ring("started");
        heard.wait("go");
        reply.json(done(&request.id()).replace("[]", r#"[{"type":"resource_link","uri":"memo:x"}]"#));
        true
    });
    let mut setup = Setup::new(&[("/l", &[part("one", &upstream, "old")])]);
    let stage = setup.start();
    let session = Session::open(&stage, "/l");
    let caller = {
        let session = session.clone();
        thread::spawn(move || session.call(1, "old_slow"))
    };
    bell.wait("started");
    setup.routes = vec![("/l".to_owned(), vec![part("one", &upstream, "new")])];
    stage.apply(setup.snapshot(2));
    assert_eq!(session.call(2, "new_echo").status, 200);
    explained("the old name", &session.call(3, "old_echo"), -32602);
    bell.ring("go");
    let answer = caller.join().unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("old+memo:x"), "{}", answer.text());
    // The same session, the same upstream session, across the reload.
    assert_eq!(sessions_of_calls(&upstream, 2), sessions_of_calls(&upstream, 1));
}

#[test]
fn many_reloads_lose_no_call_and_no_stream() {
    let bell = Arc::new(Bell::default());
    let heard = Arc::clone(&bell);
    let upstream = Legacy::new("up", &["echo"]).start(move |request, reply| {
        let stream = request.verb == "GET";
        if stream {
            reply.begin_events();
            heard.wait("go");
            reply.event(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"still here"}}"#);
            reply.peer_closed();
        }
        stream
    });
    let other = Legacy::new("other", &["echo"]).start(|_, _| false);
    let mut setup = Setup::new(&[("/l", &[part("one", &upstream, "")])]);
    let stage = setup.start();
    let session = Session::open(&stage, "/l");
    let mut listening = session.connect();
    let mut stream = listening.begin(&session.stream());
    assert_eq!(stream.head.status(), 200);
    for generation in 2..60 {
        let prefix = if generation % 2 == 0 { "x" } else { "y" };
        setup.routes.truncate(1);
        setup.routes.push(("/other".to_owned(), vec![part("two", &other, prefix)]));
        stage.apply(setup.snapshot(generation));
        let answer = session.call(u32::try_from(generation).unwrap(), "echo");
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(handshakes(&upstream), 1);
    bell.ring("go");
    until_said(&mut stream, "still here");
}
