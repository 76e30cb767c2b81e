//! Serves one connection: TLS, HTTP/1.1 or HTTP/2, and its orderly end when the gateway drains.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures::TryFutureExt as _;
use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::idle::{self, Phase, TimedStream};
use super::quiet::Uses;
use super::tls;
use crate::limits::Limits;
use crate::peer::Socket;
use crate::pipeline::{self, Conn};
use crate::ports::Port;
use crate::reply::ReplyBody;
use crate::routes::Door;
use crate::telemetry::labels::Limit;
use crate::worker::Worker;

/// A connection that ends gets this long for its first request, if there was none.
const ARRIVAL: Duration = Duration::from_secs(2);

/// An idle connection of HTTP/1 is closed so long after a drain began. A client that asks again meanwhile is told with the
/// answer; closed at once, its request would meet the close halfway and be lost. HTTP/2 says in two steps what it still takes.
const LINGER: Duration = Duration::from_secs(1);

/// A connection as the acceptor hands it over.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: std::net::TcpStream,
    pub(crate) remote: SocketAddr,
    pub(crate) socket: Socket,
}

/// Serves a connection to its end. `own`: what the process's own socket speaks.
pub(crate) async fn serve_connection(worker: Arc<Worker>, accepted: Accepted, own: Option<TlsAcceptor>) {
    let Accepted { stream, remote, socket } = accepted;
    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
    match stream {
        Ok(stream) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%remote, %error, "no TCP_NODELAY");
            }
            match (socket, own) {
                (Socket::Own, None) => serve_plain(&worker, stream, made(&worker, remote, Door::Own)).await,
                (Socket::Own, Some(acceptor)) => {
                    serve_tls(&worker, acceptor.accept(stream).map_ok(|tls| (tls, Door::Own)), remote).await;
                }
                (Socket::Port(socket), _) => serve_port(&worker, stream, remote, socket).await,
            }
        }
        Err(error) => tracing::debug!(%remote, %error, "connection lost before it was served"),
    }
    worker.shared.mailboxes.connection_closed(worker.id);
}

fn made(worker: &Worker, remote: SocketAddr, door: Door) -> Conn {
    Conn::new(remote, door, worker.shared.drain.is_draining())
}

/// As the port's listeners are at this moment.
async fn serve_port(worker: &Arc<Worker>, stream: TcpStream, remote: SocketAddr, socket: u16) {
    let is_tls = worker.shared.routes.load().port(socket).is_some_and(Port::is_tls);
    if is_tls {
        // On the heap: the hello and the handshake are large and short-lived.
        let handshake = Box::pin(tls::by_name(&worker.shared.routes, stream, socket));
        serve_tls(worker, handshake, remote).await;
    } else {
        let door = Door::Port { socket, handshake: None };
        serve_plain(worker, stream, made(worker, remote, door)).await;
    }
}

async fn serve_plain(worker: &Arc<Worker>, stream: TcpStream, conn: Conn) {
    let (limits, remote) = (&worker.shared.limits, conn.remote);
    let first = async {
        let begun = tokio::time::timeout(limits.connection_idle, stream.readable());
        if let Err(error) = begun.await.map_err(|_elapsed| Limit::IdleTime)? {
            return Ok(Err(error));
        }
        let protocol = tokio::time::timeout(limits.headers_time, speaks_http2(&stream));
        protocol.await.map_err(|_elapsed| Limit::HeaderTime)
    };
    match first.await {
        Ok(Ok(http2)) => serve_stream(worker, stream, conn, http2).await,
        Ok(Err(error)) => tracing::debug!(%remote, %error, "connection ended before it said anything"),
        Err(limit) => worker.shared.limit(limit),
    }
}

async fn serve_tls(
    worker: &Arc<Worker>,
    handshake: impl Future<Output = io::Result<(TlsStream<TcpStream>, Door)>>,
    remote: SocketAddr,
) {
    match tokio::time::timeout(worker.shared.limits.tls_handshake, handshake).await {
        Ok(Ok((stream, door))) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve_stream(worker, stream, made(worker, remote, door), http2).await;
        }
        Ok(Err(error)) => tracing::debug!(%remote, %error, "TLS handshake failed"),
        Err(_elapsed) => worker.shared.limit(Limit::TlsHandshake),
    }
}

/// Does a client without TLS open with the preface of HTTP/2 (RFC 9113 section 3.4)? Consumes nothing.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    const PREFACE: &[u8] = b"PRI";
    let mut seen = [0; PREFACE.len()];
    let mut pause = Duration::from_millis(1);
    loop {
        let length = stream.peek(&mut seen).await?;
        let begin = seen.get(..length).unwrap_or_default();
        if length == PREFACE.len() || !PREFACE.starts_with(begin) || begin.is_empty() {
            return Ok(begin == PREFACE);
        }
        // One or two bytes of what may become the preface: rare, and peeking does not wait for more.
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

async fn serve_stream<S>(worker: &Arc<Worker>, stream: S, conn: Conn, http2: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &worker.shared.limits;
    let conn = Arc::new(conn);
    let timed = TimedStream::new(stream, limits.headers_time, limits.connection_idle, http2);
    let phase = timed.phase();
    let told = phase.clone();
    let service = service_fn(|request: Request<Incoming>| {
        let (worker, conn, phase) = (Arc::clone(worker), Arc::clone(&conn), phase.clone());
        phase.request_began();
        async move {
            let mut response = pipeline::handle(&worker, &conn, request).await;
            phase.request_answered();
            let is_misdirected = response.status() == StatusCode::MISDIRECTED_REQUEST;
            let is_useless = is_misdirected && worker.shared.routes.load().is_outdated(conn.door);
            if http2 && is_useless {
                conn.useless.notify_one();
            }
            if !http2 && (is_useless || worker.shared.drain.is_draining()) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<Response<ReplyBody>, Infallible>(response)
        }
    });
    let io = TokioIo::new(timed);
    let drain = &worker.shared.drain;
    let ended = if http2 {
        let uses = Uses::default();
        let counted = service_fn(|request: Request<Incoming>| {
            let (begun, answer) = (uses.begin(), service.call(request));
            async move { answer.await.map(|response| response.map(|body| begun.until_sent(body))) }
        });
        let connection = pin!(second(limits).serve_connection(io, counted));
        let leave = async {
            tokio::select! {
                () = drain.begun() => {}
                () = uses.idle(limits.connection_idle) => {}
                () = conn.useless.notified() => {}
            }
        };
        until(leave, || true, (&told, Duration::ZERO), connection, http2::Connection::graceful_shutdown).await
    } else {
        let connection = pin!(first(limits).serve_connection(io, service));
        let draining = || drain.is_draining();
        until(drain.begun(), draining, (&told, LINGER), connection, http1::Connection::graceful_shutdown).await
    };
    if let Some(Err(error)) = ended {
        if let Some(limit) = idle::limit_of(&error) {
            worker.shared.limit(limit);
        }
        tracing::debug!(remote = %conn.remote, %error, "connection ended");
    }
}

fn first(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Small answers are copied behind their heads: one buffer is cheaper to send than two.
        .writev(false)
        // Beyond it hyper answers without a message, so a lower limit is left to `admit`; up to 100 cost no allocation.
        .max_headers(limits.headers_count.max(100))
        .max_buf_size(limits.headers_bytes.max(16 << 10) * 2);
    builder
}

fn second(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.headers_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// Runs a connection to its end; when `leave` is done and it was used, it is told after `linger` to end after what it is
/// doing. `look` says whether `leave` may be done. `None`: it had not asked anything in its time.
async fn until<C, T>(
    leave: impl Future<Output = ()>,
    look: impl Fn() -> bool,
    (phase, linger): (&Phase, Duration),
    mut connection: Pin<&mut C>,
    shut_down: fn(Pin<&mut C>),
) -> Option<T>
where
    C: Future<Output = T>,
{
    let mut leave = pin!(leave);
    let mut waiting = false;
    let ended = poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        // From the first look on this task is known and woken; later looks cost a flag.
        if (!waiting || look()) && leave.as_mut().poll(cx).is_ready() {
            return Poll::Ready(None);
        }
        waiting = true;
        Poll::Pending
    })
    .await;
    if ended.is_some() {
        return ended;
    }
    // A connection that is made while the gateway drains brings an answer that a call waits for.
    let arrival = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Some(ended)),
        Poll::Pending if phase.was_used() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    });
    // Without a request there is nothing to end in order.
    if let Some(ended) = tokio::time::timeout(ARRIVAL, arrival).await.ok()? {
        return Some(ended);
    }
    if let Ok(ended) = tokio::time::timeout(linger, connection.as_mut()).await {
        return Some(ended);
    }
    shut_down(connection.as_mut());
    Some(connection.await)
}
