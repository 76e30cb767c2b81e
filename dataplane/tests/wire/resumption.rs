//! Call streams that end before their answer: where the rest comes from, and who fetches it.

use std::sync::Arc;

use ringway_testkit::bell::Bell;
use ringway_testkit::client::Reading;
use ringway_testkit::friendly::Legacy;
use ringway_testkit::sse::Event;
use ringway_testkit::upstream::{Reply, Request, Upstream};

use crate::stage::{Session, Setup, Stage, call, part};

const NOTICE: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"step"}}"#;

fn answer(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"made":"later"}}}}"#)
}

/// The id from which a stream is asked to go on.
fn resumes_from(request: &Request) -> Option<&str> {
    request.head.field("last-event-id").filter(|_| request.verb == "GET")
}

/// A server that hangs up on `poll` after a priming event and brings the answer to who comes back with its id.
fn polled(prefix: &str) -> Upstream {
    Legacy::new(prefix, &["poll"]).start(move |request, reply| {
        if request.text().contains("poll") && request.method() == "tools/call" {
            reply.begin_events();
            reply.chunk(format!("id: {}\nretry: 10\ndata: \n\n", prime(&request.id())).as_bytes());
            reply.end();
            return true;
        }
        match resumes_from(request).and_then(|id| id.strip_prefix("s7_prime.")) {
            Some(id) => replay(id, reply),
            None => return false,
        }
        true
    })
}

fn prime(id: &str) -> String {
    format!("s7_prime.{id}")
}

fn replay(id: &str, reply: &mut Reply<'_>) {
    reply.begin_events();
    reply.chunk(format!("id: s7_after.{id}\ndata: {NOTICE}\n\n").as_bytes());
    reply.chunk(format!("id: s7_last.{id}\ndata: {}\n\n", answer(id)).as_bytes());
    reply.end();
}

/// Two backends, so that an id must say whose it is.
fn two(first: &Upstream, second: &Upstream) -> Stage {
    Setup::new(&[("/l", &[part("one", first, "a"), part("two", second, "b")])]).start()
}

/// All events to the end of the stream, also those without a message.
fn all(mut stream: Reading<'_>) -> Vec<Event> {
    assert_eq!(stream.head.status(), 200);
    std::iter::from_fn(|| stream.event()).collect()
}

#[test]
fn a_new_client_comes_back_for_the_rest_to_the_backend_it_came_from() {
    let (first, second) = (polled("first"), polled("second"));
    let stage = two(&first, &second);
    let session = Session::open(&stage, "/l");
    let mut marks = Vec::new();
    for (id, name, backend) in [(1, "a_poll", &first), (2, "b_poll", &second)] {
        let mut calling = session.connect();
        let events = all(calling.begin(&session.message(call(id, name))));
        // The stream ends, and the client has an id to come back with.
        assert!(events.len() == 1 && events[0].data.is_empty(), "{events:?}");
        let marked = events[0].id.clone().unwrap();
        let own = prime(&id.to_string());
        assert!(marked != own && marked.ends_with(&own), "{marked}");
        assert!(backend.seen().iter().all(|request| resumes_from(request).is_none()), "the client does it");
        marks.push((id, marked, backend));
    }
    // In another order, each on a connection of its own.
    for (id, marked, backend) in marks.into_iter().rev() {
        let mut resuming = session.connect();
        let mut stream = resuming.begin(&session.stream().with("Last-Event-ID", &marked));
        let notice = stream.message().unwrap();
        assert_eq!(notice.data, NOTICE.as_bytes());
        assert!(
            notice.id.as_ref().is_some_and(|id| marked.get(..17).is_some_and(|mark| id.starts_with(mark))),
            "{notice:?}"
        );
        assert_eq!(stream.message().unwrap().data, answer(&id.to_string()).into_bytes());
        let resumed = backend.wait_for("the resume", |request| resumes_from(request).is_some());
        assert_eq!(resumes_from(&resumed), Some(prime(&id.to_string()).as_str()), "its own id");
        let asked = backend.wait_for("the call", |request| request.method() == "tools/call");
        assert_eq!(resumed.session(), asked.session());
    }
    assert_eq!(first.seen().iter().filter(|request| resumes_from(request).is_some()).count(), 1);
}

#[test]
fn an_old_client_never_sees_a_priming_event_and_gets_its_answer_where_it_asked() {
    let (first, second) = (polled("first"), polled("second"));
    let stage = two(&first, &second);
    for revision in ["2025-06-18", "2025-03-26"] {
        let session = Session::open_of(&stage, "/l", revision);
        let mut calling = session.connect();
        let events = all(calling.begin(&session.message(call(3, "b_poll"))));
        assert!(events.iter().all(|event| !event.data.is_empty()), "{revision}: {events:?}");
        let data: Vec<_> = events.into_iter().map(|event| String::from_utf8(event.data).unwrap()).collect();
        assert_eq!(data, [NOTICE.to_owned(), answer("3")], "{revision}");
    }
    assert!(first.seen().iter().all(|request| resumes_from(request).is_none()));
}

/// Every event with an id has its mark, and the backend's own id behind it.
#[test]
fn events_of_a_call_carry_marked_ids_and_a_cut_stream_goes_on_after_the_last() {
    let bell = Arc::new(Bell::default());
    let rung = Arc::clone(&bell);
    let upstream = Legacy::new("up", &["steps"]).start(move |request, reply| {
        if request.method() == "tools/call" {
            reply.begin_events();
            for step in 1..=3 {
                reply.chunk(format!("event: message\nid: e{step}/\u{fc}\ndata: {NOTICE}\n\n").as_bytes());
            }
            rung.wait("go");
            reply.end();
            return true;
        }
        if resumes_from(request).is_some() {
            replay("1", reply);
            return true;
        }
        false
    });
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    let mut calling = session.connect();
    let mut stream = calling.begin(&session.message(call(1, "steps")));
    let mut last = String::new();
    for step in 1..=3 {
        let event = stream.message().unwrap();
        last = event.id.unwrap_or_default();
        let own = format!("e{step}/\u{fc}");
        assert!(last.ends_with(&own) && last.len() == 17 + own.len(), "{last}");
    }
    bell.ring("go");
    assert!(stream.event().is_none(), "ended, to be resumed");
    let mut resuming = session.connect();
    let mut stream = resuming.begin(&session.stream().with("Last-Event-ID", &last));
    assert!(stream.message().is_some());
    assert_eq!(stream.message().unwrap().data, answer("1").into_bytes());
    let resumed = upstream.wait_for("the resume", |request| request.head.field("last-event-id").is_some());
    assert_eq!(resumes_from(&resumed), Some("e3/\u{fc}"));
}

/// Ids that no call stream gave out here begin an ordinary stream: they reach no backend.
#[test]
fn a_foreign_event_id_reaches_no_backend() {
    let upstream = polled("up");
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let session = Session::open(&stage, "/l");
    assert_eq!(session.call(1, "echo").status, 200);
    for id in ["7", "s7_prime.1", "00000000000000ff.s7_prime.1", "zzzzzzzzzzzzzzzz.s7_prime.1"] {
        let mut client = session.connect();
        let stream = client.begin(&session.stream().with("Last-Event-ID", id));
        assert_eq!(stream.head.status(), 200, "{id}");
    }
    assert_eq!(session.call(2, "echo").status, 200);
    assert!(upstream.seen().iter().all(|request| request.head.field("last-event-id").is_none()));
}
