//! Listeners of a snapshot at real sockets: which certificate is shown, which clients are let in, what changes when.

use ringway_snapshot::{Certificate, Listener, Route, Secret};
use ringway_testkit::ask::Ask;
use ringway_testkit::client::{Client, once};
use ringway_testkit::friendly::Modern;
use ringway_testkit::objects::snapshot;
use ringway_testkit::upstream::Upstream;

use crate::pod::{Authority, Pod, asking_for_clients, backend, plain_listener, route, secure_listener};
use crate::refusals::explained;
use crate::secure::{Caller, Secure};
use crate::speaker::Speaker;
use crate::stage::{modern, modern_call};

fn echo() -> Upstream {
    Modern::new(&["echo"]).start(|_, _| false)
}

/// A call of `echo` at a host and path.
fn call(host: &str, path: &str) -> Ask {
    modern(path, "tools/call", Some("echo"), modern_call(1, "echo")).set("Host", host)
}

fn at(path: &str, listeners: &[&str]) -> Route {
    Route { path: path.to_owned(), ..route("up", listeners) }
}

#[test]
fn plain_and_tls_ports_stand_side_by_side_and_a_port_without_a_listener_knows_no_route() {
    let (upstream, authority) = (echo(), Authority::new());
    let tls = authority.issue(&["tools.example.com"]);
    let with = |listeners: Vec<Listener>, names: &[&str]| {
        snapshot(listeners, vec![backend("up", &upstream)], vec![at("/mcp", names)])
    };
    let plain = || plain_listener("plain", None);
    let secure = || secure_listener("secure", None, &[&tls]);
    let pod = Pod::start(with(vec![plain(), secure()], &["plain", "secure"]));
    assert_eq!(once(pod.plain(), &call("tools.example.com:80", "/mcp")).status, 200);
    let mut kept = Secure::connect(pod.secure(), Some("tools.example.com")).unwrap();
    assert_eq!(kept.ask(&call("tools.example.com", "/mcp")).unwrap().0, 200);
    let mut old =
        Secure::connect_as(pod.secure(), Some("tools.example.com"), Caller { only_tls12: true, ..Caller::default() })
            .unwrap();
    assert_eq!(old.ask(&call("tools.example.com", "/mcp")).unwrap().0, 200, "TLS 1.2");
    let mut nameless = Secure::connect(pod.secure(), None).unwrap();
    assert_eq!(nameless.ask(&call("10.0.0.1", "/mcp")).unwrap().0, 200, "the listener has no host name");

    // Its listener goes: the socket stays, says that there is nothing, and so do connections from before.
    pod.apply(with(vec![secure()], &["plain", "secure"]));
    let nothing = once(pod.plain(), &call("tools.example.com", "/mcp"));
    assert_eq!(nothing.status, 404, "{}", nothing.text());
    explained("no listener", &nothing, -32600);
    pod.apply(with(vec![plain()], &["plain", "secure"]));
    assert_eq!(kept.ask(&call("tools.example.com", "/mcp")).unwrap().0, 404);
    Secure::connect(pod.secure(), Some("tools.example.com")).err().expect("nobody speaks TLS there now");
    assert_eq!(once(pod.secure(), &call("tools.example.com", "/mcp")).status, 404);
    assert_eq!(once(pod.plain(), &call("tools.example.com", "/mcp")).status, 200);
}

#[test]
fn the_name_chooses_listener_and_certificate_exact_before_wildcard() {
    let (upstream, authority) = (echo(), Authority::new());
    let exact = authority.issue(&["a.example.com"]);
    let wide = authority.issue(&["*.example.com"]);
    let special = authority.issue(&["b.example.com", "c.example.com"]);
    let any = authority.issue(&["elsewhere.test"]);
    let pod = Pod::start(snapshot(
        vec![
            secure_listener("exact", Some("a.example.com"), &[&exact]),
            secure_listener("wide", Some("*.example.com"), &[&wide, &special]),
            secure_listener("any", None, &[&any]),
        ],
        vec![backend("up", &upstream)],
        vec![at("/up", &["exact", "wide", "any"])],
    ));
    for (name, shown) in [
        (Some("a.example.com"), &exact),
        (Some("A.Example.COM"), &exact),
        (Some("b.example.com"), &special),
        (Some("x.example.com"), &wide),
        // No certificate is good for two labels: the listener's first.
        (Some("y.x.example.com"), &wide),
        (Some("elsewhere.test"), &any),
        (Some("unknown.test"), &any),
        (None, &any),
    ] {
        let mut client = Secure::connect(pod.secure(), name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
        assert_eq!(client.leaf(), shown.der, "{name:?}");
        assert_eq!(client.ask(&call(name.unwrap_or("10.0.0.1"), "/up")).unwrap().0, 200, "{name:?}");
    }
}

#[test]
fn a_name_that_no_listener_has_is_refused_in_the_handshake() {
    let (upstream, authority) = (echo(), Authority::new());
    let tls = authority.issue(&["a.example.com"]);
    let pod = Pod::start(snapshot(
        vec![secure_listener("one", Some("a.example.com"), &[&tls])],
        vec![backend("up", &upstream)],
        vec![at("/mcp", &["one"])],
    ));
    for name in [Some("b.example.com"), Some("example.com"), None] {
        let error = Secure::connect(pod.secure(), name).err().unwrap_or_else(|| panic!("{name:?} was let in"));
        assert!(error.to_string().contains("alert"), "an alert, not a cut: {error}");
    }
    Secure::connect(pod.secure(), Some("a.example.com")).unwrap();
}

/// A host of another listener would be served under a certificate, and with a check of clients, that are not its own.
#[test]
fn a_host_of_another_listener_is_misdirected() {
    let (upstream, authority) = (echo(), Authority::new());
    let (open, closed) = (authority.issue(&["open.test"]), authority.issue(&["closed.test"]));
    let pod = Pod::start(snapshot(
        vec![
            secure_listener("open", Some("open.test"), &[&open]),
            asking_for_clients(secure_listener("closed", Some("closed.test"), &[&closed]), &authority, true),
            secure_listener("any", None, &[&open]),
        ],
        vec![backend("up", &upstream)],
        vec![at("/mcp", &["open", "closed", "any"])],
    ));
    for name in [Some("open.test"), Some("other.test"), None] {
        let mut client = Secure::connect(pod.secure(), name).unwrap();
        let (status, body) = client.ask(&call("closed.test", "/mcp")).unwrap();
        assert_eq!(status, 421, "{name:?}: {body}");
        assert!(body.contains(r#""reason":"misdirected""#) && body.contains(r#""retryable":true"#), "{body}");
        // The connection is as good as before for its own host.
        assert_eq!(client.ask(&call(name.unwrap_or("10.0.0.1"), "/mcp")).unwrap().0, 200, "{name:?}");
    }
    assert_eq!(upstream.with_method("tools/call").len(), 3);
}

#[test]
fn clients_show_certificates_where_they_are_asked_to() {
    let (upstream, ours, others) = (echo(), Authority::new(), Authority::new());
    let tls = ours.issue(&["must.test", "may.test"]);
    let (friend, stranger) = (ours.issue(&["friend"]), others.issue(&["stranger"]));
    let pod = Pod::start(snapshot(
        vec![
            asking_for_clients(secure_listener("must", Some("must.test"), &[&tls]), &ours, true),
            asking_for_clients(secure_listener("may", Some("may.test"), &[&tls]), &ours, false),
        ],
        vec![backend("up", &upstream)],
        vec![at("/mcp", &["must", "may"])],
    ));
    for (name, shows, is_let_in) in [
        ("must.test", Some(&friend), true),
        ("must.test", None, false),
        ("must.test", Some(&stranger), false),
        ("may.test", Some(&friend), true),
        ("may.test", None, true),
        ("may.test", Some(&stranger), false),
    ] {
        for only_tls12 in [false, true] {
            let caller = Caller { shows, only_tls12 };
            // In TLS 1.3 a client hears of it only when it reads.
            let asked = Secure::connect_as(pod.secure(), Some(name), caller)
                .and_then(|mut client| client.ask(&call(name, "/mcp")));
            match (asked, is_let_in) {
                (Ok((200, _)), true) | (Err(_), false) => {}
                (asked, _) => panic!("{name}, a certificate: {}, {asked:?}", shows.is_some()),
            }
        }
    }
}

#[test]
fn a_rotated_certificate_is_for_new_connections_and_cuts_none() {
    let (upstream, authority) = (echo(), Authority::new());
    let (old, new) = (authority.issue(&["a.test"]), authority.issue(&["a.test"]));
    let with =
        |listener: Listener| snapshot(vec![listener], vec![backend("up", &upstream)], vec![at("/mcp", &["one"])]);
    let pod = Pod::start(with(secure_listener("one", Some("a.test"), &[&old])));
    let mut kept = Secure::connect(pod.secure(), Some("a.test")).unwrap();
    assert_eq!((kept.leaf(), kept.ask(&call("a.test", "/mcp")).unwrap().0), (old.der.clone(), 200));
    pod.apply(with(secure_listener("one", Some("a.test"), &[&new])));
    assert_eq!(Secure::connect(pod.secure(), Some("a.test")).unwrap().leaf(), new.der);
    assert_eq!(kept.ask(&call("a.test", "/mcp")).unwrap().0, 200);

    // One that cannot be used is refused in words, and the last good one is shown on.
    let key_of_another = Certificate { key_pem: old.certificate.key_pem, ..new.certificate.clone() };
    let key = String::from_utf8(new.certificate.key_pem.expose().to_vec()).unwrap();
    let one_line = Certificate { key_pem: Secret::new(key.replace('\n', "")), ..new.certificate.clone() };
    let no_chain = Certificate { chain_pem: "nonsense".to_owned(), ..new.certificate.clone() };
    let secret = key.lines().nth(1).unwrap().get(..20).unwrap();
    for (certificate, why) in [
        (key_of_another, "the private key does not fit the certificate"),
        (one_line, "the private key is not PEM"),
        (no_chain, "there is no PEM certificate"),
    ] {
        let mut listener = secure_listener("one", Some("a.test"), &[&new]);
        listener.tls.as_mut().unwrap().certificates = vec![certificate];
        let told = pod.refused(with(listener));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("listener infra/agents/one: Certificate 1: ") && told[0].contains(why), "{told:?}");
        assert!(!told[0].contains(secret), "key material in {told:?}");
        assert_eq!(Secure::connect(pod.secure(), Some("a.test")).unwrap().leaf(), new.der, "{why}");
    }
    let broken_authority =
        Authority { pem: "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----".into(), ..Authority::new() };
    let listener = asking_for_clients(secure_listener("one", Some("a.test"), &[&new]), &broken_authority, true);
    let told = pod.refused(with(listener));
    assert!(told.len() == 1 && told[0].contains("CA certificate 1 for clients"), "{told:?}");
    assert_eq!(kept.ask(&call("a.test", "/mcp")).unwrap().0, 200);
}

#[test]
fn a_port_that_is_given_a_certificate_is_plain_no_more() {
    let (upstream, authority) = (echo(), Authority::new());
    let tls = authority.issue(&["a.test"]);
    let with =
        |listener: Listener| snapshot(vec![listener], vec![backend("up", &upstream)], vec![at("/mcp", &["one"])]);
    let pod = Pod::start(with(Listener { port: 443, ..plain_listener("one", None) }));
    let mut kept = Client::connect(pod.secure());
    assert_eq!(kept.ask(&call("a.test", "/mcp")).status, 200);
    pod.apply(with(secure_listener("one", None, &[&tls])));
    let refused = kept.ask(&call("a.test", "/mcp"));
    assert_eq!(refused.status, 421, "{}", refused.text());
    let mut client = Secure::connect(pod.secure(), Some("a.test")).unwrap();
    assert_eq!(client.ask(&call("a.test", "/mcp")).unwrap().0, 200);
}

/// Whoever was let in by another rule has to ask again, and is not left with a connection that is good for nothing.
#[test]
fn connections_from_before_clients_were_asked_otherwise_are_misdirected_and_end() {
    let (upstream, ours, others) = (echo(), Authority::new(), Authority::new());
    let (tls, renewed) = (ours.issue(&["a.test"]), ours.issue(&["a.test"]));
    let (friend, stranger) = (ours.issue(&["friend"]), others.issue(&["stranger"]));
    let open = |shown| secure_listener("one", Some("a.test"), &[shown]);
    let with = |listener: Listener| {
        // Another listener, which no change is about.
        let other = secure_listener("other", Some("b.test"), &[&tls]);
        snapshot(vec![listener, other], vec![backend("up", &upstream)], vec![at("/mcp", &["one", "other"])])
    };
    let pod = Pod::start(with(open(&tls)));
    let connect = |name, shows| Secure::connect_as(pod.secure(), Some(name), Caller { shows, only_tls12: false });
    let ask = |client: &mut Secure| client.ask(&call("a.test", "/mcp"));
    let mut bystander = connect("b.test", None).unwrap();
    let mut kept = connect("a.test", None).unwrap();
    for (listener, shows) in [
        (asking_for_clients(open(&tls), &ours, false), Some(&friend)),
        (asking_for_clients(open(&tls), &ours, true), Some(&friend)),
        (asking_for_clients(open(&renewed), &others, true), Some(&stranger)),
        (open(&tls), None),
    ] {
        assert_eq!(ask(&mut kept).unwrap().0, 200);
        pod.apply(with(listener.clone()));
        let (status, body) = ask(&mut kept).unwrap();
        assert_eq!(status, 421, "{body}");
        ask(&mut kept).expect_err("the connection has ended");
        kept = connect("a.test", shows).unwrap();
        assert_eq!(ask(&mut kept).unwrap().0, 200);
        // What the listener shows may change.
        let mut shown = listener;
        shown.tls.as_mut().unwrap().certificates = vec![renewed.certificate.clone()];
        pod.apply(with(shown));
        assert_eq!(ask(&mut kept).unwrap().0, 200);
    }
    assert_eq!(bystander.ask(&call("b.test", "/mcp")).unwrap().0, 200);
}

#[tokio::test]
async fn an_http2_connection_that_is_good_for_nothing_ends() {
    let (upstream, authority) = (echo(), Authority::new());
    let tls = authority.issue(&["localhost"]);
    let with =
        |listener: Listener| snapshot(vec![listener], vec![backend("up", &upstream)], vec![at("/mcp", &["one"])]);
    let pod = Pod::start(with(Listener { port: 443, ..plain_listener("one", None) }));
    let mut kept = Speaker::prior_knowledge(pod.secure()).await;
    assert_eq!(kept.begin(&call("localhost", "/mcp")).await.status, 200);
    pod.apply(with(secure_listener("one", None, &[&tls])));
    let refused = kept.begin(&call("localhost", "/mcp")).await;
    assert_eq!(refused.status, 421);
    refused.text().await;
    kept.closed().await;
}

#[test]
fn one_broken_object_stops_no_other() {
    let (upstream, authority) = (echo(), Authority::new());
    let tls = authority.issue(&["a.test"]);
    let no_certificate = secure_listener("broken", Some("b.test"), &[]);
    let clash = secure_listener("second", Some("a.test"), &[&tls]);
    let nowhere = Listener { port: 9999, ..plain_listener("nowhere", None) };
    let mut bad = backend("bad", &upstream);
    if let ringway_snapshot::Target::Http(target) = &mut bad.target {
        target.host_header = "a\nb".to_owned();
    }
    let pod = Pod::start(None);
    let told = pod.refused(snapshot(
        vec![
            secure_listener("first", Some("a.test"), &[&tls]),
            clash,
            no_certificate,
            nowhere,
            plain_listener("p", None),
        ],
        vec![backend("up", &upstream), bad],
        vec![at("/mcp", &["first", "second", "broken", "p"]), route("bad", &["p"])],
    ));
    assert_eq!(told.len(), 4, "{told:#?}");
    for (at, (name, why)) in [
        ("listener infra/agents/broken: ", "There is no certificate"),
        ("listener infra/agents/nowhere: ", "Port 9999 is not open"),
        ("listener infra/agents/second: ", "Listener infra/agents/first has the same port and host name"),
        ("backend tests/bad: ", "host header"),
    ]
    .into_iter()
    .enumerate()
    {
        assert!(told[at].starts_with(name) && told[at].contains(why), "{told:#?}");
    }
    let mut client = Secure::connect(pod.secure(), Some("a.test")).unwrap();
    assert_eq!(client.ask(&call("a.test", "/mcp")).unwrap().0, 200);
    assert_eq!(once(pod.plain(), &call("x", "/mcp")).status, 200);
    let unusable = once(pod.plain(), &call("x", "/bad"));
    assert_eq!(unusable.status, 503, "{}", unusable.text());
    explained("a backend that cannot be used", &unusable, -31006);
}

/// Before the first configuration there is no route, and a 404 would tell a client that its session is dead.
#[test]
fn clients_wait_until_the_first_configuration() {
    let upstream = echo();
    let pod = Pod::start(None);
    pod.gateway.config_missing("nothing came yet");
    let ready = pod.admin("/readyz");
    assert!(ready.status == 503 && ready.text().contains("config failed: nothing came yet"), "{}", ready.text());
    assert_eq!(pod.admin("/livez").status, 200);
    let mut early = Client::connect(pod.plain());
    early.send(&call("x", "/mcp").bytes());
    assert!(early.is_open());
    pod.apply(snapshot(vec![plain_listener("p", None)], vec![backend("up", &upstream)], vec![at("/mcp", &["p"])]));
    assert_eq!(early.answer().unwrap().status, 200);
    assert_eq!(pod.admin("/readyz").status, 200);
}

#[test]
fn what_is_applied_can_be_looked_at_and_secrets_are_stars() {
    let (upstream, authority) = (echo(), Authority::new());
    let tls = authority.issue(&["a.test"]);
    let credentials = ringway_snapshot::Credentials::Bearer(Secret::new("hunter2"));
    let with_secret = ringway_snapshot::Backend { credentials, ..backend("up", &upstream) };
    let pod = Pod::start(None);
    pod.refused(snapshot(
        vec![secure_listener("one", Some("a.test"), &[&tls]), secure_listener("two", Some("a.test"), &[&tls])],
        vec![with_secret],
        vec![at("/mcp", &["one"])],
    ));
    let config = pod.debug("/config");
    assert_eq!(config["routes"]["tests/up"]["path"], "/mcp");
    assert_eq!(config["backends"]["tests/up"]["credentials"]["Bearer"], "***");
    assert_eq!(config["listeners"]["infra/agents/one"]["tls"]["certificates"][0]["key_pem"], "***");
    let shown = pod.debug("/listeners");
    assert_eq!(shown["sockets"][1]["port"], 443);
    assert_eq!(shown["sockets"][1]["listeners"][0]["name"], "infra/agents/one");
    assert_eq!(shown["rejections"][0]["name"], "infra/agents/two");
    assert!(pod.debug("/facts")["backends"].is_object());
    let everywhere = once(
        pod.gateway.debug_addr().unwrap(),
        &Ask::new("GET", "/config").set("Host", "evil.example").with("Connection", "close"),
    );
    assert_eq!(everywhere.status, 403, "a page in a browser");
}

/// Clients are still sent to a pod that leaves: it serves them, and only its readiness says so.
#[test]
fn a_pod_that_leaves_is_not_ready_and_serves() {
    let upstream = echo();
    let pod =
        Pod::start(snapshot(vec![plain_listener("p", None)], vec![backend("up", &upstream)], vec![at("/mcp", &["p"])]));
    assert_eq!(pod.admin("/readyz").status, 200);
    let mut kept = Client::connect(pod.plain());
    assert_eq!(kept.ask(&call("x", "/mcp")).status, 200);
    pod.gateway.leave();
    let ready = pod.admin("/readyz");
    assert!(ready.status == 503 && ready.text().contains("[-] drain failed: leaving"), "{}", ready.text());
    assert_eq!(pod.admin("/livez").status, 200);
    assert_eq!(kept.ask(&call("x", "/mcp")).status, 200);
    assert_eq!(once(pod.plain(), &call("x", "/mcp")).status, 200, "on a new connection, too");
}
