//! The ways in which a client may connect: TLS with either protocol, HTTP/2 at once, HTTP/1.1 kept open; and when a
//! connection is cut.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use http::Version;
use ringway_dataplane::app::TlsFiles;
use ringway_testkit::ask::Ask;
use ringway_testkit::bell::Bell;
use ringway_testkit::client::Client;
use ringway_testkit::friendly::{Legacy, Modern, slow};
use ringway_testkit::upstream::Upstream;
use rustls_pki_types::CertificateDer;
use tempfile::TempDir;

use crate::limits::{brief, echo, hits, stage};
use crate::speaker::Speaker;
use crate::stage::{Session, Setup, Stage, call, modern, modern_call, part, until};

/// A gateway with a certificate of its own making for `localhost`.
struct Secured {
    stage: Stage,
    certificate: CertificateDer<'static>,
    _files: TempDir,
}

fn secured(upstream: &Upstream, adapt: impl Fn(&mut Setup)) -> Secured {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, pem: String| {
        let path = files.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(pem.as_bytes()).unwrap();
        path
    };
    let tls = TlsFiles {
        certificate: write("certificate.pem", made.cert.pem()),
        key: write("key.pem", made.signing_key.serialize_pem()),
    };
    let stage = stage(upstream, |setup| {
        setup.tls = Some(tls.clone());
        adapt(setup);
    });
    Secured { stage, certificate: made.cert.der().clone(), _files: files }
}

/// A server whose GET streams say `what` when "go" is rung.
fn telling(bell: &Arc<Bell>, what: &'static str) -> Upstream {
    let bell = Arc::clone(bell);
    Legacy::new("up", &["echo"]).start(move |request, reply| {
        let stream = request.verb == "GET";
        if stream {
            reply.begin_events();
            bell.wait("go");
            reply
                .event(format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{what}"}}}}"#));
            reply.peer_closed();
        }
        stream
    })
}

#[tokio::test]
async fn tls_carries_calls_and_streams_over_either_protocol() {
    const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];
    let offers: [(&[&[u8]], Version); 4] = [
        (BOTH, Version::HTTP_2),
        (&[b"h2"], Version::HTTP_2),
        (&[b"http/1.1"], Version::HTTP_11),
        (&[], Version::HTTP_11),
    ];
    for (offer, version) in offers {
        let bell = Arc::new(Bell::default());
        let upstream = telling(&bell, "over tls");
        let secured = secured(&upstream, |_| {});
        let connect = || Speaker::tls(secured.stage.address, &secured.certificate, offer);
        let mut calling = connect().await;
        let session = calling.session(&secured.stage, "/l").await;
        let answer = calling.begin(&session.message(call(1, "echo"))).await;
        assert_eq!((answer.status.as_u16(), answer.version), (200, version));
        assert!(answer.text().await.contains("done"));
        let mut listening = connect().await;
        let mut stream = listening.begin(&session.stream()).await;
        assert_eq!((stream.status.as_u16(), stream.version), (200, version));
        bell.ring("go");
        stream.said("over tls").await;
        assert!(calling.ask(&session.message(call(2, "echo"))).await.contains("done"), "while the stream is open");
    }
}

/// Nothing that is no TLS gets through, and nobody waits for a client that never finishes.
#[tokio::test]
async fn a_tls_handshake_without_an_end_is_cut() {
    let upstream = echo();
    let secured = secured(&upstream, |setup| setup.limits.process.tls_handshake = Duration::from_millis(300));
    let mut done = Speaker::tls(secured.stage.address, &secured.certificate, &[b"h2"]).await;
    let session = done.session(&secured.stage, "/l").await;
    let mut silent = Client::connect(secured.stage.address);
    silent.closed().unwrap();
    // The head of a record that announces more than will come.
    let mut half = Client::connect(secured.stage.address);
    half.send(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    half.closed().unwrap();
    // Closed first, counted then.
    until("both counted", || hits(&secured.stage, "tls.handshake") == 2.0);
    let mut plain = Client::connect(secured.stage.address);
    plain.send(&session.message(call(1, "echo")).bytes());
    plain.closed().unwrap();
    assert!(upstream.with_method("tools/call").is_empty());
    assert_eq!(hits(&secured.stage, "tls.handshake"), 2.0, "refused, not waited for");
    assert!(done.ask(&session.message(call(2, "echo"))).await.contains("done"), "a finished handshake has no time");
}

#[tokio::test]
async fn http_2_without_tls_carries_calls_streams_and_split_bodies() {
    let bell = Arc::new(Bell::default());
    let rung = Arc::clone(&bell);
    let upstream = Modern::new(&["pair"]).start(move |request, reply| {
        let (text, id) = (request.text(), request.id());
        if text.contains("pair") {
            // Answered only when both are here.
            rung.ring(&id);
            rung.wait(if id == "1" { "2" } else { "1" });
        }
        if text.contains("events") {
            reply.begin_events();
            for step in ["one", "two"] {
                reply.event(format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"data":"{step}"}}}}"#
                ));
            }
            reply.event(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","content":[]}}}}"#));
            reply.end();
            return true;
        }
        false
    });
    let stage = Setup::new(&[("/m", &[part("one", &upstream, "")])]).start();
    let ask = |id, name| modern("/m", "tools/call", Some(name), modern_call(id, name));
    let mut speaker = Speaker::prior_knowledge(stage.address).await;
    let answer = speaker.begin(&ask(9, "echo")).await;
    assert_eq!((answer.status.as_u16(), answer.version), (200, Version::HTTP_2));
    assert!(answer.text().await.contains("done"));
    let (mut first, mut second) = (speaker.also(), speaker.also());
    let (asks, both) =
        ([ask(1, "pair"), ask(2, "pair")], async |speaker: &mut Speaker, ask: &Ask| speaker.ask(ask).await);
    let (one, two) = tokio::join!(both(&mut first, &asks[0]), both(&mut second, &asks[1]));
    assert!(one.contains(r#""id":1"#) && two.contains(r#""id":2"#), "{one} {two}");
    let mut events = speaker.begin(&ask(3, "events")).await;
    for what in [r#""one""#, r#""two""#, r#""id":3"#] {
        events.said(what).await;
    }
    for size in [1, 7, 100] {
        let split = ask(4, "split");
        assert!(speaker.in_frames(&split, Some(size)).await.text().await.contains("done"));
        let got = upstream.wait_for("the split call", |request| request.text().contains("split"));
        assert_eq!(got.body, split.content(), "frames of {size}");
        upstream.forget();
    }
}

#[test]
fn one_connection_serves_many_requests_also_those_sent_ahead() {
    let upstream = Legacy::new("up", &["echo"]).start(|request, reply| {
        let call = request.method() == "tools/call";
        if call {
            let id = request.id();
            reply.json(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[],"n":{id}}}}}"#));
        }
        call
    });
    let stage = stage(&upstream, |_| {});
    let session = Session::open(&stage, "/l");
    let mut client = stage.connect();
    for id in 1..20 {
        let answer = client.ask(&session.message(call(id, "echo")));
        assert!(answer.status == 200 && answer.json()["result"]["n"] == id, "{}", brief(&answer));
    }
    // Faults, answers without a body and streams keep the connection, too.
    assert_eq!(client.ask(&Ask::post("/nowhere", "{}")).status, 404);
    assert_eq!(client.ask(&session.message(r#"{"jsonrpc":"2.0","method":"notifications/x"}"#)).status, 202);
    assert_eq!(client.ask(&Ask::post("/l", "{")).status, 400);
    let ahead: Vec<u8> = (20..40).flat_map(|id| session.message(call(id, "echo")).bytes()).collect();
    client.send(&ahead);
    for id in 20..40 {
        let answer = client.answer().unwrap();
        assert_eq!(answer.json()["result"]["n"], id, "in the order in which they were asked");
    }
}

#[test]
fn a_head_that_drips_is_cut_and_nobody_else() {
    let bell = Arc::new(Bell::default());
    let upstream = Legacy::new("up", &["slow"]).start(slow(&bell));
    let stage = stage(&upstream, |setup| setup.limits.process.headers_time = Duration::from_millis(300));
    let session = Session::open(&stage, "/l");
    let mut idle = stage.connect();
    assert_eq!(idle.ask(&session.message(call(1, "echo"))).status, 200);
    let mut calling = stage.connect();
    calling.send(&session.message(call(2, "slow")).bytes());
    bell.wait("2");
    let mut upload = stage.connect();
    let message = session.message(call(3, "echo")).bytes();
    for half in ["P", "PR"] {
        let mut undecided = stage.connect();
        undecided.send(half.as_bytes());
        undecided.closed().unwrap();
    }
    upload.send(&message[..message.len() - 9]);
    for first in [true, false] {
        let mut dripping = stage.connect();
        if !first {
            // The second request of a connection has no more time than its first.
            assert_eq!(dripping.ask(&session.message(call(4, "echo"))).status, 200);
        }
        let mut sent = 0;
        let begun = std::time::Instant::now();
        while dripping.is_open() {
            dripping.try_send(&message[sent..=sent]);
            sent += 1;
            assert!(sent < 200 && sent < message.len(), "a head was read on and on");
            // A pause that nothing ends early.
            assert!(!bell.heard("never", Duration::from_millis(20)));
        }
        assert!(sent > 3, "cut before it was slow");
        assert!(begun.elapsed() >= Duration::from_millis(290), "cut too early");
    }
    until("two undecided, two dripping", || hits(&stage, "t.headers") == 4.0);
    upload.send(&message[message.len() - 9..]);
    assert_eq!(upload.answer().unwrap().status, 200, "a body has a time of its own");
    assert_eq!(idle.ask(&session.message(call(5, "echo"))).status, 200);
    bell.ring("go");
    assert!(calling.answer().unwrap().text().contains("done"));
}

/// HTTP/2 has no head to wait for, however its first bytes are cut, and whatever frames come without a request.
#[tokio::test]
async fn an_http_2_connection_outlives_the_time_of_a_head() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.headers_time = Duration::from_millis(200));
    for sizes in [&[] as &[usize], &[1, 1, 1, 5]] {
        let mut speaker = Speaker::chatty(stage.address, sizes).await;
        let session = speaker.session(&stage, "/l").await;
        for id in 1..4 {
            tokio::task::spawn_blocking(|| Bell::default().heard("never", Duration::from_millis(300))).await.unwrap();
            assert!(speaker.ask(&session.message(call(id, "echo"))).await.contains("done"), "{sizes:?}");
        }
    }
}

/// The others of a connection say nothing about a call that takes its time.
#[tokio::test]
async fn a_long_call_keeps_its_http_2_connection() {
    let bell = Arc::new(Bell::default());
    let upstream = Legacy::new("up", &["slow"]).start(slow(&bell));
    let stage = stage(&upstream, |setup| setup.limits.process.connection_idle = Duration::from_millis(300));
    let mut speaker = Speaker::prior_knowledge(stage.address).await;
    let session = speaker.session(&stage, "/l").await;
    let (mut long, ask) = (speaker.also(), session.message(call(1, "slow")));
    let calling = tokio::spawn(async move { long.ask(&ask).await });
    assert!(speaker.ask(&session.message(call(2, "echo"))).await.contains("done"));
    let waiting = Arc::clone(&bell);
    let quiet = tokio::task::spawn_blocking(move || {
        waiting.wait("1");
        waiting.heard("never", Duration::from_millis(1_200))
    });
    assert!(!quiet.await.unwrap());
    bell.ring("go");
    assert!(calling.await.unwrap().contains("done"));
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_an_open_stream_is_not() {
    let bell = Arc::new(Bell::default());
    let upstream = telling(&bell, "still here");
    let stage = stage(&upstream, |setup| {
        setup.limits.process.connection_idle = Duration::from_millis(400);
        setup.limits.process.stream_keepalive = Duration::from_millis(100);
    });
    let session = Session::open(&stage, "/l");
    assert_eq!(session.call(1, "echo").status, 200);
    let mut two = Speaker::prior_knowledge(stage.address).await;
    let mut stream = two.begin(&session.stream()).await;
    stream.comments(12).await;
    assert!(two.is_open());
    drop((stream, two));
    let mut one = stage.connect();
    let mut stream = one.begin(&session.stream());
    for _ in 0..12 {
        stream.comment();
    }
    bell.ring("go");
    crate::sessions::until_said(&mut stream, "still here");
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed_whatever_it_speaks() {
    let upstream = echo();
    let stage = stage(&upstream, |setup| setup.limits.process.connection_idle = Duration::from_millis(300));
    let mut asked = stage.connect();
    assert_eq!(asked.ask(&Ask::post("/l", "{")).status, 400);
    asked.closed().unwrap();
    let mut silent = stage.connect();
    silent.closed().unwrap();
    let mut half = stage.connect();
    half.send(b"PRI * HTTP/2.0\r\n\r\nSM");
    half.closed().unwrap();
    let mut two = Speaker::chatty(stage.address, &[]).await;
    let session = two.session(&stage, "/l").await;
    assert!(two.ask(&session.message(call(1, "echo"))).await.contains("done"));
    two.closed().await;
}

#[tokio::test]
async fn streams_of_an_http_2_connection() {
    let bell = Arc::new(Bell::default());
    let upstream = Legacy::new("up", &["slow"]).start(slow(&bell));
    let stage = stage(&upstream, |setup| setup.limits.process.http2_streams = 2);
    let mut speaker = Speaker::prior_knowledge(stage.address).await;
    // The first answer comes after the server's settings.
    let session = speaker.session(&stage, "/l").await;
    let asked: Vec<_> = [1, 2, 3]
        .map(|id| {
            let (mut speaker, ask) = (speaker.also(), session.message(call(id, "slow")));
            tokio::spawn(async move { speaker.ask(&ask).await })
        })
        .into();
    let waits = |names: &'static [&'static str], within: Duration| {
        let bell = Arc::clone(&bell);
        tokio::task::spawn_blocking(move || names.iter().filter(|name| bell.heard(name, within)).count())
    };
    assert_eq!(waits(&["1", "2"], ringway_testkit::PATIENCE).await.unwrap(), 2, "two at a time");
    assert_eq!(waits(&["3"], Duration::from_millis(300)).await.unwrap(), 0, "the third waits in the client");
    bell.ring("go");
    for (id, asked) in (1..).zip(asked) {
        assert!(asked.await.unwrap().contains(&format!(r#""id":{id}"#)));
    }
}
