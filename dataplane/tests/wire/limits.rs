//! Every limit at its value and one past it. Limits are set low where the default would make a test slow.

use std::sync::Arc;
use std::time::Duration;

use ringway_testkit::ask::Ask;
use ringway_testkit::bell::Bell;
use ringway_testkit::client::{Answer, Client};
use ringway_testkit::friendly::{Legacy, Modern, slow};
use ringway_testkit::upstream::Upstream;

use crate::refusals::explained;
use crate::stage::{Session, Setup, Stage, call, modern, modern_call, part, until};

pub(crate) fn echo() -> Upstream {
    Legacy::new("up", &["echo"]).start(|_, _| false)
}

/// A gateway before a friendly server, with other limits.
pub(crate) fn stage(upstream: &Upstream, adapt: impl Fn(&mut Setup)) -> Stage {
    let mut setup = Setup::new(&[("/l", &[part("one", upstream, "")])]);
    adapt(&mut setup);
    setup.start()
}

/// The hits of a limit so far.
pub(crate) fn hits(stage: &Stage, limit: &str) -> f64 {
    stage.metric(&format!("ringway_limit_total{{limit=\"{limit}\"}}"))
}

pub(crate) fn brief(answer: &Answer) -> String {
    format!("{} {}", answer.status, answer.text().chars().take(300).collect::<String>())
}

/// Two calls of `slow` that have begun; they end after "go".
pub(crate) fn hold(stage: &Stage, bell: &Bell, ask: impl Fn(u32) -> Ask) -> [Client; 2] {
    [1, 2].map(|id: u32| {
        let mut client = stage.connect();
        client.send(&ask(id).bytes());
        bell.wait(&id.to_string());
        client
    })
}

/// Names and values, as the limit counts them.
fn field_bytes(ask: &Ask) -> usize {
    let bytes = ask.bytes();
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let head = head.split("\r\n\r\n").next().unwrap().to_owned();
    head.lines().skip(1).map(|line| line.len() - ": ".len()).sum()
}

#[test]
fn header_bytes() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.headers_bytes = 2_000);
    let session = Session::open(&stage, "/l");
    let good = session.message(call(1, "echo"));
    let room = 2_000 - field_bytes(&good) - "x-pad".len();
    let at = |size: usize| stage.ask(&good.clone().with("x-pad", "p".repeat(size)));
    let (fits, over) = (at(room), at(room + 1));
    assert_eq!(fits.status, 200, "{}", brief(&fits));
    assert_eq!(over.status, 431, "{}", brief(&over));
    explained("header bytes", &over, -32600);
    assert!(hits(&stage, "headers.bytes") >= 1.0);
}

#[test]
fn header_count() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.headers_count = 20);
    let session = Session::open(&stage, "/l");
    let with = |count: usize| {
        let good = session.message(call(1, "echo"));
        let lines = String::from_utf8_lossy(&good.bytes()).split("\r\n\r\n").next().unwrap().lines().count() - 1;
        let asked = (lines..count).fold(good, |ask, number| ask.with(&format!("x-{number}"), "1"));
        stage.ask(&asked)
    };
    let (fits, over) = (with(20), with(21));
    assert_eq!(fits.status, 200, "{}", brief(&fits));
    assert_eq!(over.status, 431, "{}", brief(&over));
    explained("header count", &over, -32600);
    // The default is where HTTP itself stops to read: without a message.
    let stage = Setup::new(&[("/l", &[part("one", &upstream, "")])]).start();
    let with = |count: usize| {
        stage.ask(&(1..count).fold(Ask::new("GET", "/l"), |ask, number| ask.with(&format!("x-{number}"), "1")))
    };
    assert_eq!((with(100).status, with(101).status), (405, 431));
}

#[test]
fn uri_bytes() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.uri_bytes = 100);
    let session = Session::open(&stage, "/l");
    let with = |length: usize| {
        let path = format!("/l?{}", "q".repeat(length - "/l?".len()));
        stage.ask(&session.own(Ask::post(&path, call(1, "echo"))))
    };
    let (fits, over) = (with(100), with(101));
    assert_eq!(fits.status, 200, "{}", brief(&fits));
    assert_eq!(over.status, 414, "{}", brief(&over));
    explained("uri", &over, -32600);
    assert!(hits(&stage, "uri.bytes") >= 1.0);
}

#[test]
fn body_bytes() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.body_bytes = 5_000);
    let session = Session::open(&stage, "/l");
    let padded = |size: usize| {
        let body = call(1, "echo");
        format!("{body}{}", " ".repeat(size - body.len()))
    };
    for chunk in [None, Some(1_000), Some(1)] {
        let ask = |size| match chunk {
            None => session.message(padded(size)),
            Some(chunk) => session.message(padded(size)).chunked(chunk),
        };
        let (fits, over) = (stage.ask(&ask(5_000)), stage.ask(&ask(5_001)));
        assert_eq!(fits.status, 200, "{chunk:?}: {}", brief(&fits));
        assert_eq!(over.status, 413, "{chunk:?}: {}", brief(&over));
        explained("body", &over, -32600);
    }
    // An announced size is believed before the first byte of it.
    let announced = session.message("").set("Content-Length", "99999999999");
    assert_eq!(stage.ask(&announced).status, 413);
    assert!(hits(&stage, "body.bytes") >= 4.0);
    assert_eq!(upstream.with_method("tools/call").len(), 3);
}

#[test]
fn body_time() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| {
        setup.limits.process.body_idle = Duration::from_millis(300);
        setup.limits.process.body_total = Duration::from_millis(900);
    });
    let session = Session::open(&stage, "/l");
    let bytes = session.message(call(1, "echo")).bytes();
    // Silent in the middle.
    let mut silent = Client::connect(stage.address);
    silent.send(&bytes[..bytes.len() - 5]);
    let answer = silent.answer().unwrap();
    assert_eq!(answer.status, 408, "{}", brief(&answer));
    explained("silent body", &answer, -32600);
    // Never silent for long, and never done: white space for ever.
    let endless = session.message("").set("Transfer-Encoding", "chunked").set("Content-Length", "0");
    let head = String::from_utf8(endless.bytes()).unwrap().replace("Content-Length: 0\r\n", "");
    let mut slow = Client::connect(stage.address);
    slow.send(head.as_bytes());
    let bell = Bell::default();
    let mut sent = 0;
    while stage.metric("ringway_limit_total{limit=\"t.body\"}") < 2.0 {
        slow.try_send(b"1\r\n \r\n");
        sent += 1;
        assert!(sent < 1_000, "a body without an end was read on and on");
        // A pause that nothing ends early.
        assert!(!bell.heard("never", Duration::from_millis(20)));
    }
    assert_eq!(slow.answer().map(|answer| answer.status).unwrap_or(408), 408);
    assert!(sent > 5, "given up before it was slow");
    assert!(upstream.with_method("tools/call").is_empty());
}

#[test]
fn head_time_and_idle_time() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| {
        setup.limits.process.headers_time = Duration::from_millis(300);
        setup.limits.process.connection_idle = Duration::from_millis(1_500);
    });
    let session = Session::open(&stage, "/l");
    let bytes = session.message(call(1, "echo")).bytes();
    let mut slow = Client::connect(stage.address);
    slow.send(&bytes[..20]);
    slow.closed().unwrap();
    // Quiet between two requests for longer than a head may take, and then closed as idle.
    let mut idle = Client::connect(stage.address);
    assert_eq!(idle.ask(&session.message(call(1, "echo"))).status, 200);
    assert!(!Bell::default().heard("never", Duration::from_millis(600)));
    assert_eq!(idle.ask(&session.message(call(2, "echo"))).status, 200);
    idle.closed().unwrap();
}

#[test]
fn connections() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.connections = 2);
    let session = Session::open(&stage, "/l");
    let ask = session.message(call(1, "echo"));
    let mut first = Client::connect(stage.address);
    let mut second = Client::connect(stage.address);
    assert_eq!((first.ask(&ask).status, second.ask(&ask).status), (200, 200));
    let mut third = Client::connect(stage.address);
    third.send(&ask.bytes());
    until("the limit", || hits(&stage, "conn.total") >= 1.0);
    drop(first);
    assert_eq!(third.answer().unwrap().status, 200);
    assert_eq!(second.ask(&ask).status, 200);
}

#[test]
fn requests_of_one_session_in_flight() {
    let bell = Arc::new(Bell::default());
    let upstream = Legacy::new("up", &["slow"]).start(slow(&bell));
    let stage = stage(&upstream, |setup| setup.limits.process.session_inflight = 2);
    let (session, other) = (Session::open(&stage, "/l"), Session::open(&stage, "/l"));
    let mut held = hold(&stage, &bell, |id| session.message(call(id, "slow")));
    let over = session.call(3, "echo");
    assert_eq!(over.status, 200, "{}", brief(&over));
    explained("in flight", &over, -31003);
    let said = &over.json()["error"]["data"]["ringway"];
    assert!(said["retryable"] == true && said["retryAfterMs"].as_u64() > Some(0), "{said}");
    assert_eq!(hits(&stage, "inflight.session"), 1.0);
    assert!(other.call(4, "echo").text().contains("done"));
    bell.ring("go");
    for client in &mut held {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    until("places given back", || session.call(5, "echo").text().contains("done"));
}

#[test]
fn concurrent_requests_of_a_backend() {
    let bell = Arc::new(Bell::default());
    let upstream = Modern::new(&["slow"]).start(slow(&bell));
    let mut limited = part("one", &upstream, "");
    limited.limits.max_concurrent_requests = 2;
    let stage = Setup::new(&[("/m", &[limited])]).start();
    let ask = |id, name| modern("/m", "tools/call", Some(name), modern_call(id, name));
    assert_eq!(stage.ask(&ask(9, "echo")).status, 200);
    let mut held = hold(&stage, &bell, |id| ask(id, "slow"));
    let over = stage.ask(&ask(3, "echo"));
    assert_eq!(over.status, 503, "{}", brief(&over));
    explained("backend at its limit", &over, -31004);
    assert!(over.head.field("retry-after").is_some(), "{:?}", over.head);
    bell.ring("go");
    for client in &mut held {
        assert_eq!(client.answer().unwrap().status, 200);
    }
    until("places given back", || stage.ask(&ask(5, "echo")).status == 200);
}

#[test]
fn streams_of_the_process() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.streams = 2);
    let sessions: Vec<_> = (0..3).map(|_| Session::open(&stage, "/l")).collect();
    let mut clients: Vec<_> = sessions.iter().map(Session::connect).collect();
    let mut opened = Vec::new();
    for (client, session) in clients.iter_mut().zip(&sessions) {
        opened.push(client.begin(&session.stream()).head.status());
    }
    assert_eq!(opened, [200, 200, 429]);
    assert_eq!(hits(&stage, "streams"), 1.0);
    clients.remove(0);
    until("a place given back", || sessions[2].connect().begin(&sessions[2].stream()).head.status() == 200);
}

#[test]
fn silent_streams_get_comments_and_end_at_their_age() {
    let bell = Arc::new(Bell::default());
    let rung = Arc::clone(&bell);
    let upstream = Legacy::new("up", &["slow"]).start(move |request, reply| {
        let mine = request.text().contains("slow");
        if mine {
            reply.begin_events();
            rung.wait("go");
            reply.event(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[]}}}}"#, request.id()));
            reply.end();
        }
        mine
    });
    let stage = stage(&upstream, |setup| {
        setup.limits.process.stream_keepalive = Duration::from_millis(50);
        setup.limits.process.stream_age = Duration::from_millis(700);
    });
    let session = Session::open(&stage, "/l");
    let mut client = session.connect();
    let mut stream = client.begin(&session.stream());
    for _ in 0..3 {
        stream.comment();
    }
    assert!(stream.event().is_none(), "ends cleanly at its age");
    // The stream of a call gets them too, and has no age.
    let mut calling = session.connect();
    let mut answer = calling.begin(&session.message(call(1, "slow")));
    for _ in 0..20 {
        answer.comment();
    }
    bell.ring("go");
    assert!(answer.message().is_some());
}

#[test]
fn a_client_that_reads_nothing_is_given_up() {
    let bell = Arc::new(Bell::default());
    let rung = Arc::clone(&bell);
    let upstream = Modern::new(&["flood"]).start(move |request, reply| {
        let mine = request.text().contains("flood");
        if mine {
            reply.begin_events();
            let data = "x".repeat(64 << 10);
            let event = format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{data}"}}}}"#);
            // Far more than any buffer on the way holds: without a bound it would all be taken.
            let taken = (0..4_000).take_while(|_| {
                reply.event(&event);
                !reply.failed()
            });
            rung.ring(if taken.count() < 4_000 { "given up" } else { "took everything" });
            reply.hang_up();
        }
        mine
    });
    let mut setup = Setup::new(&[("/m", &[part("one", &upstream, "")])]);
    setup.limits.process.write_stall = Duration::from_millis(300);
    setup.limits.process.stream_events = 4;
    let stage = setup.start();
    let mut client = stage.connect();
    client.send(&modern("/m", "tools/call", Some("flood"), modern_call(1, "flood")).bytes());
    bell.wait("given up");
    until("counted", || stage.metric("ringway_limit_total{limit=\"t.writeStall\"}") == 1.0);
}
