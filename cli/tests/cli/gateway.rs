//! `ringway run` as an operator sees it: keys, ports, reloads, signals. What passes through it is tested elsewhere.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::command::{GOOD, directory, ringway, text_of};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running process and what it writes to standard error.
struct Running {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let mut child = ringway(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, seen: Vec::new() }
    }

    /// Starts `run` on free ports and waits until it listens.
    fn run(path: &Path, extra: &[&str]) -> (Self, SocketAddr) {
        let mut arguments = vec!["run", "-f", text_of(path), "--listen", "127.0.0.1:0", "--admin", "off"];
        arguments.extend_from_slice(extra);
        let mut running = Self::start(&arguments);
        let line = running.line_with("listening");
        let address = line.split("address=").nth(1).unwrap().trim().parse().unwrap();
        (running, address)
    }

    fn line_with(&mut self, needle: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(needle) => return line,
                Ok(line) => self.seen.push(line),
                Err(error @ (RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected)) => {
                    panic!("no {needle:?} ({error}) after {:#?}", self.seen)
                }
            }
        }
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it does not end: {:#?}", self.seen)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The status of a POST that is no message: 400 where a route is, 404 where none is.
fn status_of(address: SocketAddr, path: &str) -> String {
    let headers =
        "content-type: application/json\r\naccept: application/json, text/event-stream\r\ncontent-length: 1\r\n";
    exchange(address, &format!("POST {path}"), headers, "{")
}

fn get(address: SocketAddr, path: &str) -> String {
    exchange(address, &format!("GET {path}"), "", "")
}

/// The status of the answer.
fn exchange(address: SocketAddr, request: &str, headers: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_whitespace().nth(1).unwrap().to_owned()
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn at_path(path: &str) -> String {
    GOOD.replace("spec:\n  backends", &format!("spec:\n  path: {path}\n  backends"))
}

#[test]
fn it_makes_a_private_key_serves_and_ends_cleanly_on_sigterm() {
    let config = directory(&[("all.yaml", GOOD)]);
    let (running, address) = Running::run(config.path(), &[]);
    let keys = config.path().join(".ringway/keys");
    assert_eq!(mode(&keys), 0o600);
    assert_eq!((status_of(address, "/mcp").as_str(), status_of(address, "/other").as_str()), ("400", "404"));
    running.signal("-TERM");
    assert_eq!(running.wait().code(), Some(0));
    let first = std::fs::read_to_string(&keys).unwrap();
    let (running, _) = Running::run(config.path(), &[]);
    running.signal("-INT");
    assert_eq!(running.wait().code(), Some(0));
    assert_eq!(std::fs::read_to_string(&keys).unwrap(), first, "a second start keeps the key");
}

#[test]
fn files_are_followed_and_a_broken_one_changes_nothing() {
    let config = directory(&[("all.yaml", GOOD)]);
    let file = config.path().join("all.yaml");
    let (mut running, address) = Running::run(config.path(), &[]);
    std::fs::write(&file, at_path("/two")).unwrap();
    running.line_with("generation=2");
    assert_eq!((status_of(address, "/two").as_str(), status_of(address, "/mcp").as_str()), ("400", "404"));

    std::fs::write(&file, at_path("/three").replace("authorization", "authorisation")).unwrap();
    let problem = running.line_with("UnknownField");
    assert!(
        problem.contains(&format!("{}:13:3", file.display())) && problem.contains("spec.authorisation"),
        "{problem}"
    );
    running.line_with("the last good one is served on");
    assert_eq!((status_of(address, "/two").as_str(), status_of(address, "/three").as_str()), ("400", "404"));

    std::fs::remove_file(&file).unwrap();
    running.line_with("cannot be read");
    assert_eq!(status_of(address, "/two"), "400");

    std::fs::write(&file, at_path("/four")).unwrap();
    running.line_with("generation=3");
    assert_eq!(status_of(address, "/four"), "400");
    // One more key, which does not seal yet: the files are read, and the keys before them.
    let keys = config.path().join(".ringway/keys");
    let first = std::fs::read_to_string(&keys).unwrap();
    std::fs::write(&keys, format!("{first}MTIzNDU2Nzg5MGFiY2RlZmdoaWprbG1ub3BxcnN0dXY=\n")).unwrap();
    running.signal("-HUP");
    let read = running.line_with("keys read");
    assert_eq!(read.split("Keyring [").nth(1).unwrap().split(',').count(), 2, "{read}");
    running.line_with("generation=4");
    running.signal("-TERM");
    assert_eq!(running.wait().code(), Some(0));
}

#[test]
fn what_is_wrong_at_the_start_ends_it() {
    let config = directory(&[("all.yaml", GOOD)]);
    let path = text_of(config.path());
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let holder = TcpListener::bind(taken).unwrap();
    let address = taken.to_string();
    let (run, off) = (["run", "-f", path, "--listen"], ["--admin", "off"]);
    let starts = |listen: &str, rest: &[&str]| {
        let output = ringway(&[&run[..], &[listen], &off[..], rest].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = starts(&address, &[]);
    assert!(code == Some(1) && text.contains(&address) && text.contains("in use"), "{text}");
    drop(holder);

    let open = config.path().join("open");
    std::fs::write(&open, "x").unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, text) = starts("127.0.0.1:0", &["--keys", text_of(&open)]);
    assert!(code == Some(1) && text.contains("chmod 600"), "{text}");
    let (code, text) = starts("127.0.0.1:0", &["--keys", "/nonexistent"]);
    assert!(code == Some(1) && text.contains("/nonexistent"), "a named key file is never made: {text}");

    std::fs::write(config.path().join("bad.yaml"), "kind: MCPRoute\n").unwrap();
    let (code, text) = starts("127.0.0.1:0", &[]);
    assert!(code == Some(1) && text.contains("bad.yaml:1:") && text.contains("the configuration has"), "{text}");
}

#[test]
fn certificates_are_checked_at_the_start() {
    let config = directory(&[("all.yaml", GOOD), ("no.pem", "nothing")]);
    let pem = config.path().join("no.pem");
    let arguments = ["run", "-f", text_of(config.path()), "--listen", "127.0.0.1:0", "--admin", "off"];
    let files = ["--tls-cert", text_of(&pem), "--tls-key", text_of(&pem)];
    let output = ringway(&[&arguments[..], &files[..]].concat()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("TLS"), "{text}");
}

#[test]
fn the_demo_calls_through_itself_in_both_eras_and_takes_the_next_free_port() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let wanted = holder.local_addr().unwrap();
    let output = ringway(&["demo", "--once", "--listen", &wanted.to_string()]).output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!((output.status.code(), out.as_str()), (Some(0), "Counted down from 10\n42\n"), "{err}");
    assert!(err.contains(&format!("Port {} is taken", wanted.port())), "{err}");
    assert!(err.contains("progress 10/10") && err.contains("2026-07-28") && err.contains("2025-11-25"), "{err}");
    assert!(!err.contains("WARN") && !err.contains("ERROR"), "{err}");
}

#[test]
fn the_demo_stays_until_ctrl_c_and_both_eras_see_their_server() {
    let mut demo = Running::start(&["demo", "--listen", "127.0.0.1:0"]);
    let url = demo.line_with("Ringway listens on").split_whitespace().last().unwrap().to_owned();
    demo.line_with("Ctrl-C ends it");
    for (era, tool) in [("modern", "modern_add"), ("legacy", "legacy_add")] {
        let output = ringway(&["call", &url, tool, r#"{"a":1,"b":2}"#, "--era", era]).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"3\n".as_slice()), "{text}");
    }
    demo.signal("-INT");
    assert_eq!(demo.wait().code(), Some(0));
}

#[test]
fn variables_for_traces_are_read_and_one_that_cannot_be_followed_is_named() {
    let config = directory(&[("all.yaml", GOOD)]);
    let arguments = ["run", "-f", text_of(config.path()), "--listen", "127.0.0.1:0", "--admin", "off"];
    let output = ringway(&arguments)
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("OTEL_EXPORTER_OTLP_PROTOCOL: \"grpc\" is not served"), "{text}");
}

#[test]
fn the_bundled_servers_run_alone_at_one_address() {
    let mut servers = Running::start(&["demo", "--servers-only", "--listen", "127.0.0.1:0"]);
    let line = servers.line_with("The bundled servers listen on");
    let url = line.split_whitespace().last().unwrap();
    for (path, era, revision) in [
        ("/legacy/mcp", "legacy", "2025-11-25"),
        ("/mcp", "legacy", "2025-11-25"),
        ("/modern/mcp", "modern", "2026-07-28"),
    ] {
        let at = format!("{url}{path}");
        let output = ringway(&["tools", &at]).output().unwrap();
        let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(out.contains("countdown") && err.contains(revision), "{out}{err}");
        let output = ringway(&["call", &at, "add", r#"{"a":1,"b":2}"#, "--era", era]).output().unwrap();
        assert_eq!(output.stdout, b"3\n", "{path}");
    }
    let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
    assert_eq!(get(address, "/healthz"), "200");
    assert_eq!((get(address, "/"), status_of(address, "/healthz")), ("404".to_owned(), "405".to_owned()));
    let output = ringway(&["demo", "--servers-only", "--listen", &address.to_string()]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(1) && text.contains(&address.to_string()),
        "a Service expects its port: {text}"
    );
}

#[test]
fn the_bundled_servers_end_calls_before_themselves() {
    let mut servers = Running::start(&["demo", "--servers-only", "--listen", "127.0.0.1:0"]);
    let line = servers.line_with("The bundled servers listen on");
    let url = format!("{}/modern/mcp", line.split_whitespace().last().unwrap());
    let mut call = Running::start(&["call", &url, "countdown", r#"{"from":5,"delay_ms":100}"#]);
    call.line_with("progress 1/5");
    servers.signal("-TERM");
    call.line_with("progress 5/5");
    assert_eq!((call.wait().code(), servers.wait().code()), (Some(0), Some(0)));
}
