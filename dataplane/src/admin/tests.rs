use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use super::server::{CONNECTIONS, CONNECTIONS_PER_ADDRESS};
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

    /// A connection of another client of this machine, without a request.
    fn idle_from(&self, client: usize) -> TcpStream {
        let from = SocketAddr::from(([127, 0, 0, u8::try_from(client).unwrap()], 0));
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&self.at.into()).unwrap();
        socket.into()
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
    let mut idle: Vec<_> = (0..CONNECTIONS).map(|n| server.idle_from(2 + n / CONNECTIONS_PER_ADDRESS)).collect();
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

/// Many of one client, after one of another; and whether that one is still answered. `None`: it took so long that its time
/// was over anyway.
fn is_answered_beside_many(server: &Server) -> Option<bool> {
    let begun = Instant::now();
    let mut other = server.idle_from(2);
    let hoard: Vec<_> = (0..CONNECTIONS + 10).map(|_| server.idle_from(3)).collect();
    // They were accepted in order: what had to make room did so before this is answered.
    let (status, text) = server.ask(&format!("GET /livez HTTP/1.1\r\n{GOOD}\r\n"));
    assert!(status == 200 && text.contains("connection: close"), "one request each: {text}");
    let is_open = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0]).is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    };
    let open = hoard.iter().filter(|stream| is_open(stream)).count();
    assert!(open <= CONNECTIONS_PER_ADDRESS, "{open} are open");
    let _it_may_be_closed = other.write_all(format!("GET /livez HTTP/1.1\r\n{GOOD}\r\n").as_bytes());
    let mut text = String::new();
    let _it_may_be_reset = other.read_to_string(&mut text);
    (begun.elapsed() < Duration::from_secs(1)).then(|| text.starts_with("HTTP/1.1 200 "))
}

#[test]
fn one_client_closes_only_its_own_connections() {
    let server = server();
    let answered = (0..20).find_map(|_| is_answered_beside_many(&server));
    assert_eq!(answered, Some(true));
}

#[test]
fn a_connection_without_a_request_is_closed_soon() {
    let server = server();
    for begins in ["", "GET /livez HTTP/1.1\r\nhost: localhost"] {
        let (mut silent, begun) = (server.idle_from(2), Instant::now());
        silent.write_all(begins.as_bytes()).unwrap();
        silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        assert_eq!(silent.read(&mut [0]).unwrap(), 0, "closed without a word");
        assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    }
}

#[test]
fn a_taken_address_is_an_error() {
    let server = server();
    assert_eq!(start(server.at, Arc::clone(&server.state)).unwrap_err().kind(), io::ErrorKind::AddrInUse);
}
