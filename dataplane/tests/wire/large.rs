//! JSON answers that are too large to be worth holding: they pass piece by piece, the same bytes, and half of one never
//! looks like a whole.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ringway_testkit::client::Client;
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::upstream::{Reply, Request};

use crate::stage::{Session, Setup, call, modern, modern_call, part};

type Play = fn(&str, &mut Reply<'_>);

/// More than the data plane holds of an answer that it can pass on.
const SIZE: usize = 700 << 10;

fn large(id: &str, member: &str) -> Vec<u8> {
    let rows = r#"{"n" : 1e400 ,"k":"\u00e9\ud800","k":2},"#.repeat(SIZE / 40);
    format!(
        "{{ \"jsonrpc\":\"2.0\",\r\n\"id\" : {id}, \"result\":{{\"resultType\":\"complete\",\"rows\":[{rows}0],\"content\":[{member}]}}\n}}"
    )
    .into_bytes()
}

fn link(uri: &str) -> String {
    format!(r#"{{"type":"resource_link","name":"x","uri":"{uri}"}}"#)
}

fn own<'a>(
    play: &'a Arc<Mutex<Play>>,
    calls: &Arc<AtomicUsize>,
) -> impl Fn(&Request, &mut Reply<'_>) -> bool + Send + Sync + use<> {
    let (play, calls) = (Arc::clone(play), Arc::clone(calls));
    move |request, reply| {
        let mine = request.method() == "tools/call";
        if mine {
            calls.fetch_add(1, Ordering::Relaxed);
            let play = *play.lock().unwrap();
            play(&request.id(), reply);
        }
        mine
    }
}

#[test]
fn a_large_answer_passes_as_the_bytes_that_came_with_its_links_mapped() {
    let cut: Play = |id, reply| {
        reply.cut(&[1, 3, 4096, 7, 65_536]);
        reply.json(large(id, &link("file:///a")));
    };
    let (play, calls) = (Arc::new(Mutex::new(cut)), Arc::new(AtomicUsize::new(0)));
    let legacy = Legacy::new("up", &["echo"]).start(own(&play, &calls));
    let upstream = Modern::new(&["echo"]).start(own(&play, &calls));
    let stage = Setup::new(&[
        ("/plain", &[part("legacy", &legacy, "")]),
        ("/named", &[part("legacy", &legacy, "gh"), part("modern", &upstream, "m")]),
        ("/m", &[part("modern", &upstream, "")]),
    ])
    .start();

    let plain = Session::open(&stage, "/plain").post(call(5, "echo"));
    assert_eq!(plain.status, 200);
    assert!(plain.body == large("5", &link("file:///a")), "{} bytes", plain.body.len());
    let named = Session::open(&stage, "/named").post(call(6, "gh_echo"));
    assert!(named.body == large("6", &link("gh+file:///a")), "{} bytes", named.body.len());
    let stateless = stage.ask(&modern("/m", "tools/call", Some("echo"), modern_call(7, "echo")));
    assert!(stateless.body == large("7", &link("file:///a")), "{} bytes", stateless.body.len());
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[test]
fn an_answer_that_is_none_is_an_error_and_half_of_one_is_a_cut_connection() {
    let wrong: Play = |_, reply| reply.json(large("99", "0"));
    let half: Play = |id, reply| {
        let whole = large(id, "0");
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", whole.len());
        reply.bytes(head.as_bytes());
        reply.bytes(&whole[..SIZE / 2]);
        reply.hang_up();
    };
    let broken: Play = |id, reply| {
        let mut whole = large(id, "0");
        let at = whole.len() - 4;
        whole[at] = b'}';
        reply.json(whole);
    };
    let (play, calls) = (Arc::new(Mutex::new(wrong)), Arc::new(AtomicUsize::new(0)));
    let legacy = Legacy::new("up", &["echo"]).start(own(&play, &calls));
    let stage = Setup::new(&[("/l", &[part("legacy", &legacy, "")])]).start();
    let session = Session::open(&stage, "/l");

    let refused = session.post(call(5, "echo"));
    assert_eq!(refused.json()["error"]["code"], -31007, "{}", refused.text());
    for play_now in [half, broken] {
        *play.lock().unwrap() = play_now;
        let mut client = Client::connect(stage.address);
        client.send(&session.message(call(6, "echo")).bytes());
        assert!(client.answer().is_err(), "half an answer looked whole");
    }
    let fine: Play = |id, reply| reply.json(large(id, "0"));
    *play.lock().unwrap() = fine;
    assert!(session.post(call(7, "echo")).body == large("7", "0"));
    assert_eq!(calls.load(Ordering::Relaxed), 4, "nothing is asked twice");
}
