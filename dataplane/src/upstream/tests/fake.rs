//! A server of raw bytes: reads requests, answers by a script, remembers what it saw.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) connection: usize,
    pub(super) head: String,
    pub(super) body: String,
}

/// A step of an answer.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Write(Vec<u8>),
    /// Wait until the client closes.
    AwaitClose,
    /// Close at once.
    Close,
}

pub(super) struct Fake {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    /// Connections that the client closed.
    pub(super) closed: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

type Script = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

impl Fake {
    pub(super) async fn start(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::start_tls(None, script).await
    }

    pub(super) async fn start_tls(
        tls: Option<tokio_rustls::TlsAcceptor>,
        script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(AtomicUsize::new(0));
        let script: Arc<Script> = Arc::new(script);
        let (seen2, closed2) = (Arc::clone(&seen), Arc::clone(&closed));
        let task = tokio::spawn(async move {
            for connection in 1.. {
                let (stream, _) = listener.accept().await.unwrap();
                let (seen, closed, script) = (Arc::clone(&seen2), Arc::clone(&closed2), Arc::clone(&script));
                let tls = tls.clone();
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, connection, &seen, &closed, &script).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, connection, &seen, &closed, &script).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, seen, closed, task }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(super) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    seen: &Mutex<Vec<Seen>>,
    closed: &AtomicUsize,
    script: &Arc<Script>,
) {
    let mut buffer = Vec::new();
    loop {
        let Some(request) = read_request(&mut stream, &mut buffer, connection).await else {
            closed.fetch_add(1, Ordering::SeqCst);
            return;
        };
        seen.lock().unwrap().push(request.clone());
        for step in script(&request) {
            match step {
                Step::Write(bytes) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        closed.fetch_add(1, Ordering::SeqCst);
                        return;
                    }
                }
                Step::AwaitClose => {
                    let mut rest = [0; 64];
                    while matches!(stream.read(&mut rest).await, Ok(1..)) {}
                    closed.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Step::Close => return,
            }
        }
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, connection: usize) -> Option<Seen> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap().to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.map_or(0, |text| text.parse().unwrap());
            if buffer.len() >= end + 4 + length {
                let body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
                buffer.drain(..end + 4 + length);
                return Some(Seen { connection, head, body });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}

/// A whole answer with a length.
pub(super) fn answer(status: &str, kind: &str, body: &str) -> Step {
    with_headers(status, kind, "", body)
}

pub(super) fn with_headers(status: &str, kind: &str, headers: &str, body: &str) -> Step {
    let kind = if kind.is_empty() { String::new() } else { format!("content-type: {kind}\r\n") };
    let length = body.len();
    Step::Write(format!("HTTP/1.1 {status}\r\n{kind}{headers}content-length: {length}\r\n\r\n{body}").into_bytes())
}

/// The head of an event stream.
pub(super) fn events() -> Step {
    Step::Write(
        b"HTTP/1.1 200 OK\r\ncontent-type: Text/Event-Stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
            .to_vec(),
    )
}

pub(super) fn chunk(data: &str) -> Step {
    Step::Write(format!("{:x}\r\n{data}\r\n", data.len()).into_bytes())
}

pub(super) fn last_chunk() -> Step {
    Step::Write(b"0\r\n\r\n".to_vec())
}
