//! An MCP server of raw bytes: answers by a script, cuts what it sends where it is told, remembers what it saw.
//!
//! One thread a connection, so a script may block: on a channel of the test, or until the peer hangs up.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::PATIENCE;
use crate::raw::{member, text};
use crate::sse::Framing;
use crate::wire::{Head, Wire};

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Which connection, from 0.
    pub connection: usize,
    pub verb: String,
    pub path: String,
    pub head: Head,
    pub body: Vec<u8>,
}

/// The answering end of one request.
#[derive(Debug)]
pub struct Reply<'a> {
    wire: &'a mut Wire,
    /// Sizes of the pieces in which bytes go out, again and again; empty: as they come.
    cuts: Vec<usize>,
    at: usize,
    keep: bool,
    broken: bool,
}

/// A running server; it ends with its handle.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stopped: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    seen: Vec<Request>,
    /// For closing them at the end.
    connections: Vec<TcpStream>,
    /// Connections that the peer closed.
    closed: usize,
}

type Script = dyn Fn(&Request, &mut Reply<'_>) + Send + Sync;

// === impl Upstream ===

impl Upstream {
    /// Listens on a port of its own and answers every request by `script`.
    ///
    /// # Panics
    /// No port.
    #[must_use]
    pub fn start(script: impl Fn(&Request, &mut Reply<'_>) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::<Shared>::default();
        let script: Arc<Script> = Arc::new(script);
        let accepting = Arc::clone(&shared);
        let acceptor = std::thread::spawn(move || accept(&listener, &accepting, &script));
        Self { address, shared, acceptor: Some(acceptor) }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything seen so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Request> {
        self.shared.lock().seen.clone()
    }

    /// How many requests were seen so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.lock().seen.len()
    }

    /// Forgets what was seen.
    pub fn forget(&self) {
        self.shared.lock().seen.clear();
    }

    /// The requests with this JSON-RPC method.
    #[must_use]
    pub fn with_method(&self, method: &str) -> Vec<Request> {
        self.seen().into_iter().filter(|request| request.method() == method).collect()
    }

    /// Waits for a request that `wanted` accepts, also one that came before.
    ///
    /// # Panics
    /// None comes.
    pub fn wait_for(&self, what: &str, wanted: impl Fn(&Request) -> bool) -> Request {
        self.wait(what, |state| state.seen.iter().find(|request| wanted(request)).cloned())
    }

    /// Connections that the peer has closed.
    #[must_use]
    pub fn closed(&self) -> usize {
        self.shared.lock().closed
    }

    /// Closes every connection, as a server does that restarts.
    pub fn drop_connections(&self) {
        for stream in self.shared.lock().connections.drain(..) {
            let _gone = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    fn wait<T>(&self, what: &str, found: impl Fn(&State) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = found(&state) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} never came; seen: {:#?}", brief(&state.seen));
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.drop_connections();
        // Wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            let _panicked = acceptor.join();
        }
    }
}

fn brief(seen: &[Request]) -> Vec<String> {
    seen.iter().map(|r| format!("{} {}", r.head.start, String::from_utf8_lossy(&r.body))).collect()
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, script: &Arc<Script>) {
    for (connection, stream) in listener.incoming().enumerate() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { return };
        if let Ok(copy) = stream.try_clone() {
            shared.lock().connections.push(copy);
        }
        let (shared, script) = (Arc::clone(shared), Arc::clone(script));
        std::thread::spawn(move || {
            let mut wire = Wire::new(stream);
            serve(&mut wire, connection, &shared, &*script);
            wire.close();
            shared.lock().closed += 1;
            shared.changed.notify_all();
        });
    }
}

fn serve(wire: &mut Wire, connection: usize, shared: &Shared, script: &Script) {
    // An idle connection of a pool is not an error: it ends when the peer or the test does.
    wire.stream().set_read_timeout(None).expect("a socket takes a timeout");
    while let Ok(Some(head)) = wire.head() {
        let Ok(body) = wire.body(head.request_body()) else { return };
        let mut words = head.start.split(' ').map(str::to_owned);
        let (verb, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let request = Request { connection, verb, path, head, body };
        shared.lock().seen.push(request.clone());
        shared.changed.notify_all();
        let mut reply = Reply { wire, cuts: Vec::new(), at: 0, keep: true, broken: false };
        script(&request, &mut reply);
        if !reply.keep || reply.broken {
            return;
        }
    }
}

// === impl Shared ===

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Request ===

impl Request {
    /// The JSON-RPC method; empty for responses and for requests without a body.
    #[must_use]
    pub fn method(&self) -> String {
        member(&self.body, "method").map(text).unwrap_or_default()
    }

    /// The raw id; `null` without one.
    #[must_use]
    pub fn id(&self) -> String {
        let id = member(&self.body, "id").unwrap_or(b"null");
        String::from_utf8_lossy(id).into_owned()
    }

    /// The session that the request names.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.head.field("mcp-session-id")
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

// === impl Reply ===

impl Reply<'_> {
    /// From now on bytes go out in pieces of these sizes, each in a write of its own.
    pub fn cut(&mut self, sizes: &[usize]) {
        self.cuts = sizes.iter().map(|size| (*size).max(1)).collect();
        self.at = 0;
    }

    /// Sends bytes as they are. The peer may be gone: then nothing more is sent.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.pieces(bytes, |piece| piece.to_vec());
    }

    fn pieces(&mut self, mut bytes: &[u8], frame: impl Fn(&[u8]) -> Vec<u8>) {
        while !bytes.is_empty() && !self.broken {
            let size = match self.cuts.len() {
                0 => bytes.len(),
                count => self.cuts[self.at % count].min(bytes.len()),
            };
            self.at += 1;
            let (piece, rest) = bytes.split_at(size);
            self.broken = self.wire.write(&frame(piece)).is_err();
            bytes = rest;
        }
    }

    /// A whole answer with a length. `fields`: more lines, each with its CR LF.
    pub fn answer(&mut self, status: &str, fields: &str, kind: &str, body: &[u8]) {
        let head =
            format!("HTTP/1.1 {status}\r\n{fields}Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
        self.bytes(&[head.as_bytes(), body].concat());
    }

    /// 200 and JSON with a length.
    pub fn json(&mut self, body: impl AsRef<[u8]>) {
        self.answer("200 OK", "", "application/json", body.as_ref());
    }

    /// 200 and JSON in chunks: one for each piece.
    pub fn json_chunked(&mut self, body: &[u8]) {
        self.bytes(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        self.chunk(body);
        self.end();
    }

    /// 202.
    pub fn accepted(&mut self) {
        self.bytes(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    }

    /// A status and no body.
    pub fn bare(&mut self, status: &str) {
        self.bytes(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    }

    /// The head of an event stream in chunks.
    pub fn begin_events(&mut self) {
        self.bytes(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
    }

    /// One message on a stream that has begun.
    pub fn event(&mut self, message: impl AsRef<[u8]>) {
        self.chunk(&Framing::plain().event(0, message.as_ref()));
    }

    /// Bytes of a body in chunks: one for each piece.
    pub fn chunk(&mut self, bytes: &[u8]) {
        self.pieces(bytes, |piece| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }

    /// Ends a body in chunks.
    pub fn end(&mut self) {
        self.cuts.clear();
        self.bytes(b"0\r\n\r\n");
    }

    /// A whole event stream of these messages.
    pub fn events(&mut self, framing: &Framing, messages: &[Vec<u8>]) {
        self.begin_events();
        self.chunk(&framing.opening());
        for (number, message) in messages.iter().enumerate() {
            self.chunk(&framing.event(number, message));
        }
        self.end();
    }

    /// Closes the connection after this request.
    pub fn hang_up(&mut self) {
        self.keep = false;
    }

    /// Waits until the peer closes; true when it did.
    pub fn peer_closed(&mut self) -> bool {
        self.wire.stream().set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        self.keep = false;
        self.wire.closed().is_ok()
    }

    /// Is the peer still connected, as far as this side knows?
    #[must_use]
    pub fn peer_is_there(&self) -> bool {
        self.wire.is_open()
    }

    /// Was something not taken by the peer?
    #[must_use]
    pub fn failed(&self) -> bool {
        self.broken
    }
}
