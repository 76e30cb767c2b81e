//! What a pod finds out about backends without any client, and how gently.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use ringway_config_stream::{BackendFacts, Reach};
use ringway_dataplane::app::LimitSettings;
use ringway_snapshot::{
    Backend, BackendTls, Credentials, Dial, HttpTarget, ObjectName, RouteBackend, Scheme, Secret, Target,
};
use ringway_testkit::client::once;
use ringway_testkit::friendly::{Legacy, Modern};
use ringway_testkit::objects::{self, snapshot};
use ringway_testkit::upstream::Upstream;

use crate::pod::{Authority, Pod, backend, plain_listener, route, secure_listener};
use crate::refusals::explained;
use crate::stage::{modern, modern_call, until};

const QUICK: Duration = Duration::from_millis(50);

fn quick(limits: &mut LimitSettings) {
    limits.probes.interval = QUICK;
    limits.probes.backoff = (QUICK, QUICK);
    limits.probes.rate = 1_000;
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("tests", name)
}

fn found(pod: &Pod, backend: &str) -> BackendFacts {
    pod.gateway.facts().backends.get(&name(backend)).map(|found| (**found).clone()).unwrap_or_default()
}

fn with_target(upstream: &Upstream, name_of: &str, change: impl FnOnce(&mut HttpTarget)) -> Backend {
    let mut target = objects::http_target(upstream.address());
    change(&mut target);
    objects::backend(name(name_of), Target::Http(target))
}

#[test]
fn every_backend_is_met_whether_a_route_uses_it_or_not() {
    let legacy = Legacy::new("up", &["one", "two"]);
    let (old, new) = (legacy.start(|_, _| false), Modern::new(&["three"]).start(|_, _| false));
    let pod = Pod::start_with(
        snapshot(
            vec![plain_listener("p", None)],
            vec![backend("legacy", &old), backend("modern", &new)],
            vec![route("legacy", &["p"])],
        ),
        quick,
    );
    until("both reached", || ["legacy", "modern"].iter().all(|name| found(&pod, name).reach == Reach::Reached));
    let facts = found(&pod, "legacy");
    assert_eq!(facts.protocol_versions, ["2025-11-25"]);
    assert_eq!((facts.server_name.as_str(), facts.server_version.as_str()), ("friendly", "1"));
    assert_eq!((facts.tools, facts.prompts, facts.resources), (Some(2), Some(0), Some(0)));
    let facts = found(&pod, "modern");
    assert_eq!((facts.protocol_versions, facts.tools), (vec!["2026-07-28".to_owned()], Some(1)));
    until("the route is counted", || {
        pod.gateway.facts().routes.get(&name("legacy")).is_some_and(|route| route.tools == Some(2))
    });

    // One session for all visits, and it is ended with the pod.
    until("visited again", || old.with_method("ping").len() > 3);
    assert_eq!(legacy.made(), 1);
    drop(pod);
    until("the session is ended", || legacy.open().is_empty());
}

#[test]
fn a_lost_session_is_opened_anew_and_a_server_that_left_is_told() {
    let legacy = Legacy::new("up", &["one"]);
    let upstream = legacy.start(|_, _| false);
    let section = |one: &str, prefix: &str| objects::section(one, name(one), prefix);
    let of = |backends: Vec<Backend>, sections: Vec<RouteBackend>| {
        let mut route = route("up", &["p"]);
        route.backends = sections;
        snapshot(vec![plain_listener("p", None)], backends, vec![route])
    };
    let pod = Pod::start_with(of(vec![backend("up", &upstream)], vec![section("up", "")]), quick);
    until("reached", || found(&pod, "up").reach == Reach::Reached);
    legacy.forget_sessions();
    until("a new session", || legacy.made() == 2);
    assert_eq!(found(&pod, "up").reach, Reach::Reached);

    let address = upstream.address();
    drop(upstream);
    until("away", || found(&pod, "up").reach == Reach::Failed);
    let facts = found(&pod, "up");
    assert_eq!((facts.reason.as_str(), facts.tools), ("ConnectionRefused", Some(1)), "what was known stays");
    assert!(!facts.message.contains(&address.port().to_string()), "{}", facts.message);
    pod.apply(of(vec![], vec![]));
    until("forgotten", || pod.gateway.facts().backends.is_empty());
    until("the route is counted anew", || {
        pod.gateway.facts().routes.get(&name("up")).is_some_and(|route| route.tools == Some(0))
    });
}

#[test]
fn what_is_wrong_with_a_server_is_told_by_its_reason() {
    let status = |line: &'static str| Upstream::start(move |_, reply| reply.answer(line, "", "text/html", b"<p>no"));
    let (unauthorized, broken) = (status("401 Unauthorized"), status("500 Internal Server Error"));
    let html = Upstream::start(|_, reply| reply.answer("200 OK", "", "text/html", b"<p>token=hunter2"));
    let silent = Upstream::start(|_, reply| {
        reply.peer_closed();
    });
    let cut = Upstream::start(|_, reply| reply.hang_up());
    let plain = Modern::new(&[]).start(|_, _| false);
    let of_nobody = secure_listener("self", None, &[&Authority::new().issue(&["localhost"])]);
    let secure = Pod::start(snapshot(vec![of_nobody], vec![], vec![]));
    let secret = Credentials::Bearer(Secret::new("hunter2"));
    let mut quick_connect = backend("silent", &silent);
    quick_connect.timeouts.connect = Duration::from_millis(200);
    let pod = Pod::start_with(
        snapshot(
            vec![],
            vec![
                Backend { credentials: secret, ..backend("unauthorized", &unauthorized) },
                backend("broken", &broken),
                backend("html", &html),
                quick_connect,
                backend("cut", &cut),
                with_target(&plain, "tls", |target| {
                    (target.scheme, target.port) = (Scheme::Https, secure.secure().port());
                    target.tls = Some(BackendTls::default());
                }),
                with_target(&plain, "dns", |target| target.hostname = "no-such-host.invalid".to_owned()),
                with_target(&plain, "private", |target| target.dial = Dial::Public { allowed: vec![] }),
                with_target(&plain, "empty", |target| target.endpoints = Some(vec![])),
                with_target(&plain, "nonsense", |target| target.host_header = "a\nb".to_owned()),
            ],
            vec![],
        ),
        quick,
    );
    for (backend, reason) in [
        ("unauthorized", "Unauthorized"),
        ("broken", "ServerError"),
        ("html", "ProtocolError"),
        ("silent", "Timeout"),
        ("cut", "ConnectionClosed"),
        ("tls", "TLS"),
        ("dns", "DNS"),
        ("private", "AddressNotAllowed"),
        ("empty", "NoEndpoints"),
        ("nonsense", "InvalidConfiguration"),
    ] {
        until(backend, || found(&pod, backend).reach == Reach::Failed);
        let facts = found(&pod, backend);
        assert_eq!(facts.reason, reason, "{backend}: {}", facts.message);
        assert!(facts.message.ends_with('.') && !facts.message.contains("hunter2"), "{}", facts.message);
    }
}

#[test]
fn clashes_are_named_and_a_changed_server_is_counted_anew() {
    let tools = Arc::new(AtomicUsize::new(1));
    let grown = Arc::clone(&tools);
    let growing = Legacy::new("up", &["a_one"]).start(move |request, reply| {
        if request.method() != "tools/list" {
            return false;
        }
        let names: Vec<_> =
            (0..grown.load(SeqCst)).map(|n| format!(r#"{{"name":"t{n}","inputSchema":{{}}}}"#)).collect();
        reply.json(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"tools":[{}]}}}}"#, request.id(), names.join(",")));
        true
    });
    let fixed = Modern::new(&["a_t0", "own"]).start(|_, _| false);
    let mut both = route("growing", &["p"]);
    both.backends = vec![objects::section("a", name("growing"), "a"), objects::section("b", name("fixed"), "")];
    let pod = Pod::start_with(
        snapshot(
            vec![plain_listener("p", None)],
            vec![backend("growing", &growing), backend("fixed", &fixed)],
            vec![both],
        ),
        |limits| {
            quick(limits);
            limits.probes.lists = QUICK;
        },
    );
    let of_route =
        || pod.gateway.facts().routes.get(&name("growing")).map(|found| (**found).clone()).unwrap_or_default();
    until("counted", || of_route().tools.is_some());
    assert_eq!((of_route().tools, of_route().clashes), (Some(1), vec!["a_t0".to_owned()]));
    tools.store(5, SeqCst);
    until("counted anew", || of_route().tools == Some(5));
    assert_eq!(found(&pod, "growing").tools, Some(5));
}

#[test]
fn a_server_that_clients_use_is_left_alone_and_one_failure_is_no_news() {
    let fails = Arc::new(AtomicBool::new(false));
    let failing = Arc::clone(&fails);
    let upstream = Modern::new(&["echo"]).start(move |request, reply| {
        let fails = request.method() == "server/discover" && failing.swap(false, SeqCst);
        if fails {
            reply.bare("503 Service Unavailable");
        }
        fails
    });
    let pod = Pod::start_with(
        snapshot(vec![plain_listener("p", None)], vec![backend("up", &upstream)], vec![route("up", &["p"])]),
        quick,
    );
    until("reached", || found(&pod, "up").reach == Reach::Reached);
    fails.store(true, SeqCst);
    until("it failed once", || !fails.load(SeqCst));
    let after = upstream.with_method("server/discover").len();
    until("and was visited again", || upstream.with_method("server/discover").len() > after);
    assert_eq!(found(&pod, "up").reach, Reach::Reached);

    let call = modern("/up", "tools/call", Some("echo"), modern_call(1, "echo"));
    let (before, mut calls) = (upstream.with_method("server/discover").len(), 0);
    while calls < 200 {
        assert_eq!(once(pod.plain(), &call).status, 200);
        calls += 1;
    }
    let visits = upstream.with_method("server/discover").len() - before;
    assert!(visits < 5, "{visits} visits beside {calls} calls");
}

/// The address that was looked at is the one that is dialled: a name that stands for this machine leads nowhere.
#[test]
fn private_addresses_are_not_dialled_whatever_names_them() {
    let upstream = Modern::new(&["echo"]).start(|_, _| false);
    let port = upstream.address().port();
    let public = |allowed: &[&str]| Dial::Public { allowed: allowed.iter().map(|cidr| (*cidr).to_owned()).collect() };
    let cases = [
        ("name", "localhost", public(&[]), false),
        ("literal", "127.0.0.1", public(&[]), false),
        ("mapped", "::ffff:127.0.0.1", public(&[]), false),
        ("odd", "0x7f.1", public(&[]), false),
        ("elsewhere", "localhost", public(&["10.0.0.0/8"]), false),
        ("allowed", "localhost", public(&["127.0.0.0/8"]), true),
        ("any", "localhost", Dial::Any, true),
    ];
    let backends = cases.iter().map(|(of, host, dial, _)| {
        with_target(&upstream, of, |target| {
            (target.hostname, target.dial, target.port) = ((*host).to_owned(), dial.clone(), port);
        })
    });
    let routes = cases.iter().map(|(of, ..)| route(of, &["p"])).collect();
    let pod = Pod::start_with(snapshot(vec![plain_listener("p", None)], backends.collect(), routes), quick);
    for (of, host, _, is_dialled) in &cases {
        let ask = modern(&format!("/{of}"), "tools/call", Some("echo"), modern_call(1, "echo"));
        let answer = once(pod.plain(), &ask);
        assert_eq!(answer.status, if *is_dialled { 200 } else { 503 }, "{of} {host}: {}", answer.text());
        if !is_dialled {
            explained(of, &answer, -31006);
            until(of, || found(&pod, of).reach == Reach::Failed);
            let reason = found(&pod, of).reason;
            assert!(["AddressNotAllowed", "DNS"].contains(&reason.as_str()), "{of}: {reason}");
        }
    }
    assert_eq!(upstream.with_method("tools/call").len(), 2);
}
