use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::server::CONNECTIONS;
use super::*;
use crate::drain::Drain;
use crate::telemetry::labels::TaskName;

const LOCAL: &str = "127.0.0.1:0";

struct Server {
    at: SocketAddr,
    state: Arc<State>,
    drain: Drain,
    handle: Handle,
}

fn server() -> Server {
    let telemetry = Telemetry::silent();
    let drain = Drain::new(telemetry.metrics.inflight.clone());
    let health = Health::new(drain.clone());
    let state = Arc::new(State { telemetry, health });
    let (at, handle) = start(LOCAL.parse().unwrap(), Arc::clone(&state)).unwrap();
    Server { at, state, drain, handle }
}

impl Server {
    /// Status, and head with body.
    fn ask(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        (text.split(' ').nth(1).unwrap().parse().unwrap(), text)
    }

    fn get(&self, target: &str, headers: &str) -> (u16, String) {
        self.ask(&format!("GET {target} HTTP/1.1\r\nconnection: close\r\n{headers}\r\n"))
    }
}

const GOOD: &str = "host: localhost:9\r\n";

#[test]
fn readiness_follows_config_listeners_and_drain() {
    let server = server();
    let (status, text) = server.get("/readyz", GOOD);
    assert_eq!(status, 503);
    assert!(
        text.contains("[-] config failed: not read yet\n[-] listeners failed: not bound\n[+] drain ok\n"),
        "{text}"
    );
    server.state.health.config_applied();
    server.state.health.listening();
    let (status, text) = server.get("/readyz", GOOD);
    assert!(status == 200 && text.ends_with("\r\n\r\nok\n"), "{text}");
    let (status, text) = server.get("/readyz?verbose", GOOD);
    assert!(status == 200 && text.contains("[+] config ok\n"), "{text}");
    server.drain.begin();
    assert_eq!(server.get("/healthz", GOOD).0, 503);
    assert_eq!(server.get("/livez", GOOD).0, 200, "draining is no reason to be killed");
}

#[test]
fn metrics_come_in_the_format_asked_for() {
    let server = server();
    server.state.telemetry.metrics.config_generation.set(3);
    let (status, text) = server.get("/metrics", GOOD);
    assert!(status == 200 && text.contains(PLAIN) && !text.contains("# EOF"), "{text}");
    let accept = "accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3\r\n";
    let (status, text) = server.get("/metrics", &format!("{GOOD}{accept}"));
    assert!(status == 200 && text.contains(OPEN_METRICS) && text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("ringway_config_generation 3\n"), "{text}");
    assert!(text.contains("ringway_tasks{name=\"admin\"} 1\n"), "{text}");
}

#[test]
fn only_names_of_this_machine_are_served_on_loopback() {
    let server = server();
    for (target, host, status) in [
        ("/livez", "host: localhost\r\n", 200),
        ("/livez", "host: 127.1.2.3:80\r\n", 200),
        ("/livez", "host: [::1]:9901\r\n", 200),
        ("/livez", "host: evil.example\r\n", 403),
        ("/livez", "host: localhost.evil.example\r\n", 403),
        ("/livez", "host: 10.0.0.1\r\n", 403),
        ("/livez", "", 403),
        ("http://evil.example/livez", "host: localhost\r\n", 403),
        ("/nothing", "host: localhost\r\n", 404),
    ] {
        assert_eq!(server.get(target, host).0, status, "{target} {host}");
    }
    let post = format!("POST /metrics HTTP/1.1\r\nconnection: close\r\n{GOOD}content-length: 0\r\n\r\n");
    let (status, text) = server.ask(&post);
    assert!(status == 405 && text.contains("allow: GET, HEAD"), "{text}");
}

#[test]
fn idle_connections_hold_up_no_probe_and_the_end_is_prompt() {
    let server = server();
    let mut idle: Vec<_> = (0..CONNECTIONS).map(|_| TcpStream::connect(server.at).unwrap()).collect();
    let deadline = Instant::now() + Duration::from_secs(20);
    let tasks = &server.state.telemetry.tasks;
    while tasks.live(TaskName::Admin) < i64::try_from(CONNECTIONS).unwrap() {
        assert!(Instant::now() < deadline, "{} connections", tasks.live(TaskName::Admin));
        std::thread::yield_now();
    }
    for _ in 0..3 {
        assert_eq!(server.get("/livez", GOOD).0, 200);
    }
    idle[0].set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    assert_eq!(idle[0].read(&mut [0]).unwrap(), 0, "the oldest made room");
    assert!(tasks.live(TaskName::Admin) <= i64::try_from(CONNECTIONS).unwrap());
    let Server { state, handle, .. } = server;
    drop((idle, handle));
    assert_eq!(state.telemetry.tasks.live(TaskName::Admin), 0, "nothing outlives the server");
}

#[test]
fn a_taken_address_is_an_error() {
    let server = server();
    assert_eq!(start(server.at, Arc::clone(&server.state)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}
