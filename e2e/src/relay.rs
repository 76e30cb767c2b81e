//! A relay that gives every HTTP message a connection of its own, on both sides, and remembers what it passed.
//!
//! In front of the gateway it makes each message of any client arrive on another worker. In front of a server it is the witness of what the gateway
//! sent. Bodies pass byte for byte; of the heads only `Connection` changes,
//! and the relay's own port to the upstream's. A client that leaves ends the upstream connection and the
//! other way round, so cancellation by disconnect works through it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};

/// One message that passed.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The HTTP method.
    pub http: String,
    /// The JSON-RPC method of the body, empty for an answer or a body without one.
    pub method: String,
    /// The head as it came.
    pub head: String,
    pub body: Vec<u8>,
}

/// A running relay; it stops accepting on drop.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

// === impl Seen ===

impl Seen {
    /// The JSON-RPC id of the body, null where there is none.
    pub fn id(&self) -> serde_json::Value {
        let message: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        message.get("id").cloned().unwrap_or_default()
    }
}

// === impl Relay ===

impl Relay {
    /// A relay in front of `upstream`.
    pub fn to(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for a relay")?;
        let address = listener.local_addr().context("address of a relay")?;
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, witness) = (Arc::clone(&stop), Arc::clone(&seen));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let witness = Arc::clone(&witness);
                // A broken connection concerns its two ends, which see it closed.
                thread::spawn(move || drop(pass(&client, upstream, &witness)));
            }
        });
        Ok(Self { address, stop, seen })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What passed so far, in the order of arrival.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
    }
}

/// Reads one request with its body.
pub(crate) fn receive(reader: &mut impl BufRead) -> Result<Seen> {
    let head = read_head(reader)?;
    let body = read_body(reader, &head)?;
    let http = head.split(' ').next().unwrap_or_default().to_owned();
    let method = method_of(&body);
    Ok(Seen { http, method, head, body })
}

/// Passes one message and its answer, then closes both sides.
fn pass(client: &TcpStream, upstream: SocketAddr, witness: &Mutex<Vec<Seen>>) -> Result<()> {
    client.set_nodelay(true)?;
    let ports = (client.local_addr()?.port(), upstream.port());
    let mut reader = BufReader::new(client.try_clone()?);
    let seen = receive(&mut reader)?;
    let mut message = rewritten(&seen.head, Some(ports), seen.body.len()).into_bytes();
    message.extend_from_slice(&seen.body);
    witness.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    let server = TcpStream::connect(upstream).context("the relay's upstream");
    let Ok(server) = server else {
        // The other side is down: the client sees what it would see without a relay, a closed connection.
        return client.shutdown(Shutdown::Both).context("close");
    };
    server.set_nodelay(true)?;
    (&server).write_all(&message)?;

    let (watched, other) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        // Nothing more is expected from this client: the read ends when it leaves, and then the server must see that.
        let mut rest = [0; 1024];
        while matches!((&watched).read(&mut rest), Ok(count) if count > 0) {}
        drop(other.shutdown(Shutdown::Both));
    });
    let answered = answer(&server, client);
    drop(client.shutdown(Shutdown::Both));
    answered
}

/// Copies the answer as it comes.
fn answer(server: &TcpStream, mut client: &TcpStream) -> Result<()> {
    let mut reader = BufReader::new(server.try_clone()?);
    let head = read_head(&mut reader)?;
    client.write_all(rewritten(&head, None, 0).as_bytes())?;
    let mut left = header(&head, "content-length").and_then(|length| length.parse::<usize>().ok());
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() || left == Some(0) {
            return Ok(());
        }
        let count = bytes.len();
        client.write_all(bytes)?;
        left = left.map(|left| left.saturating_sub(count));
        reader.consume(count);
    }
}

fn read_head(reader: &mut impl BufRead) -> Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head)? == 0 || head.len() > 1 << 20 {
            bail!("no head");
        }
    }
    String::from_utf8(head).context("head")
}

fn read_body(reader: &mut impl BufRead, head: &str) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    if header(head, "transfer-encoding").is_some() {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = usize::from_str_radix(line.trim(), 16).context("chunk size")?;
            let from = body.len();
            body.resize(from + size, 0);
            reader.read_exact(body.get_mut(from..).unwrap_or_default())?;
            reader.read_line(&mut line)?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
    if let Some(length) = header(head, "content-length") {
        body.resize(length.parse().context("Content-Length")?, 0);
        reader.read_exact(&mut body)?;
    }
    Ok(body)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// The head with `Connection: close`; for a request also with the length of the body that was read whole, and where `Host` and `Origin` name the
/// relay's port (the first of `ports`), with the upstream's.
fn rewritten(head: &str, ports: Option<(u16, u16)>, length: usize) -> String {
    let mut lines = head.lines();
    let mut out = format!("{}\r\n", lines.next().unwrap_or_default());
    for line in lines.take_while(|line| !line.is_empty()) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let framing = matches!(name.as_str(), "content-length" | "transfer-encoding" | "expect");
        if matches!(name.as_str(), "connection" | "keep-alive") || (ports.is_some() && framing) {
            continue;
        }
        match ports {
            Some((relay, upstream)) if matches!(name.as_str(), "host" | "origin") => {
                out.push_str(&line.replace(&format!(":{relay}"), &format!(":{upstream}")));
            }
            _ => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    if ports.is_some() && (length > 0 || head.starts_with("POST")) {
        out.push_str(&format!("Content-Length: {length}\r\n"));
    }
    out.push_str("Connection: close\r\n\r\n");
    out
}

fn method_of(body: &[u8]) -> String {
    let message: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    message.get("method").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}
