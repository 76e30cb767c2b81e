//! Pods of a Service that go: sessions that were bound to one of them, and calls that were bound to none.

use ringway_snapshot::{Affinity, Backend, EndpointLoss, HttpTarget, ObjectName, Snapshot, Target};
use ringway_testkit::ask::Ask;
use ringway_testkit::client::{Answer, once};
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::objects::{self, snapshot};
use ringway_testkit::upstream::Upstream;

use crate::pod::{Pod, plain_listener, route};
use crate::refusals::explained;
use crate::stage::{call, initialize, modern, modern_call, until};

fn service(pods: &[&Upstream], on_loss: EndpointLoss) -> Snapshot {
    let endpoints = Some(pods.iter().map(|pod| pod.address()).collect());
    let target = HttpTarget { hostname: "up.tests".to_owned(), endpoints, ..objects::http_target(pods[0].address()) };
    let backend = objects::backend(ObjectName::new("tests", "up"), Target::Http(target));
    let backend = Backend { affinity: Affinity::Session { on_loss }, ..backend };
    snapshot(vec![plain_listener("p", None)], vec![backend], vec![route("up", &["p"])])
}

/// Two pods of a legacy server, and a session at the first of what is returned.
struct Bound {
    pod: Pod,
    session: String,
    /// `None`: it listens no more.
    holder: Option<Upstream>,
    other: Upstream,
}

// === impl Bound ===

impl Bound {
    fn new(on_loss: EndpointLoss) -> Self {
        let start = |name: &str| Legacy::new(name, &["echo"]).start(|_, _| false);
        let (one, two) = (start("one"), start("two"));
        let pod = Pod::start(service(&[&one, &two], on_loss));
        let opened = once(pod.plain(), &Ask::post("/up", initialize("{}")));
        let session = opened.head.field("mcp-session-id").unwrap().to_owned();
        let is_one = handshakes(&one) == 1;
        assert_ne!(is_one, handshakes(&two) == 1);
        let (holder, other) = if is_one { (one, two) } else { (two, one) };
        let bound = Self { pod, session, holder: Some(holder), other };
        for id in 1..4 {
            assert_eq!(bound.call(id).status, 200);
        }
        assert_eq!((bound.holder.as_ref().map(calls), calls(&bound.other)), (Some(3), 0));
        bound
    }

    fn call(&self, id: u32) -> Answer {
        let ask = Ask::post("/up", call(id, "echo")).with("Mcp-Session-Id", &self.session);
        once(self.pod.plain(), &ask.with("MCP-Protocol-Version", "2025-11-25"))
    }
}

/// In the client's name; probes and lists have sessions of their own.
fn handshakes(upstream: &Upstream) -> usize {
    upstream.with_method("initialize").iter().filter(|request| request.text().contains(r#""tests""#)).count()
}

fn calls(upstream: &Upstream) -> usize {
    upstream.with_method("tools/call").len()
}

fn said(answer: &Answer, key: &str) -> serde_json::Value {
    answer.json()["error"]["data"]["ringway"][key].clone()
}

#[test]
fn a_session_whose_pod_listens_no_more_goes_on_at_another() {
    let mut bound = Bound::new(EndpointLoss::Reinitialize);
    bound.holder = None;
    for id in 4..8 {
        let answer = bound.call(id);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    // Opened once, and each call ran once.
    assert_eq!((handshakes(&bound.other), calls(&bound.other)), (1, 4));
}

#[test]
fn a_session_whose_pod_left_the_endpoints_goes_on_at_another() {
    let bound = Bound::new(EndpointLoss::Reinitialize);
    bound.pod.apply(service(&[&bound.other], EndpointLoss::Reinitialize));
    for id in 4..8 {
        let answer = bound.call(id);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!((bound.holder.as_ref().map(calls), handshakes(&bound.other), calls(&bound.other)), (Some(3), 1, 4));
}

#[test]
fn where_a_session_may_not_move_the_loss_of_its_pod_is_told() {
    let mut bound = Bound::new(EndpointLoss::Fail);
    bound.holder = None;
    let answer = bound.call(4);
    explained("the pod does not listen", &answer, -31006);
    assert_eq!((said(&answer, "reason"), said(&answer, "executed")), ("upstream_connect".into(), "no".into()));
    bound.pod.apply(service(&[&bound.other], EndpointLoss::Fail));
    let answer = bound.call(5);
    assert_eq!((said(&answer, "reason"), said(&answer, "executed")), ("lost".into(), "no".into()), "{}", answer.text());
    assert_eq!((handshakes(&bound.other), calls(&bound.other)), (0, 0));
}

#[test]
fn what_is_bound_to_no_pod_passes_over_one_that_listens_no_more() {
    let start = || Modern::new(&["echo"]).start(|_, _| false);
    let (going, staying) = (start(), start());
    let pod = Pod::start(service(&[&going, &staying], EndpointLoss::Reinitialize));
    let ask = |id| once(pod.plain(), &modern("/up", "tools/call", Some("echo"), modern_call(id, "echo")));
    // Probes and lists take turns, too, until they have what they want.
    until("four calls are shared alike", || {
        let before = (calls(&going), calls(&staying));
        for id in 0..4 {
            assert_eq!(ask(id).status, 200);
        }
        (calls(&going) - before.0, calls(&staying) - before.1) == (2, 2)
    });
    let before = calls(&staying);
    drop(going);
    for id in 4..12 {
        let answer = ask(id);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(calls(&staying), before + 8);
}
