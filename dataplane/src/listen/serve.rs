//! Serves one connection: TLS, HTTP/1.1 or HTTP/2, and its orderly end when the gateway drains.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::idle::HeadDeadline;
use super::quiet::{UsedBody, Uses};
use crate::pipeline::{self, Conn};
use crate::telemetry::labels::Limit;
use crate::worker::Worker;

/// What an idle connection may still take to end in an orderly way.
const LEAVE: Duration = Duration::from_secs(5);

/// While the gateway drains, a connection gets this long for its first request.
const ARRIVAL: Duration = Duration::from_secs(2);

/// Serves a connection to its end.
pub(crate) async fn serve_connection(
    worker: Arc<Worker>,
    stream: std::net::TcpStream,
    remote: SocketAddr,
    tls: Option<TlsAcceptor>,
) {
    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
    match stream {
        Ok(stream) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%remote, %error, "no TCP_NODELAY");
            }
            match tls {
                None => serve_stream(&worker, stream, Conn { remote }).await,
                Some(acceptor) => serve_tls(&worker, stream, remote, &acceptor).await,
            }
        }
        Err(error) => tracing::debug!(%remote, %error, "connection lost before it was served"),
    }
    worker.shared.mailboxes.connection_closed(worker.id);
}

async fn serve_tls(worker: &Arc<Worker>, stream: TcpStream, remote: SocketAddr, acceptor: &TlsAcceptor) {
    match tokio::time::timeout(worker.shared.limits.tls_handshake, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => serve_stream(worker, stream, Conn { remote }).await,
        Ok(Err(error)) => tracing::debug!(%remote, %error, "TLS handshake failed"),
        Err(_elapsed) => worker.shared.limit(Limit::TlsHandshake),
    }
}

async fn serve_stream<S>(worker: &Arc<Worker>, stream: S, conn: Conn)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &worker.shared.limits;
    let conn = Arc::new(conn);
    let deadline = HeadDeadline::new(stream, limits.headers_time);
    let phase = deadline.phase();
    let uses = Uses::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (worker, conn, phase) = (Arc::clone(worker), Arc::clone(&conn), phase.clone());
        let begun = uses.begin();
        phase.request_began();
        async move {
            let response = pipeline::handle(&worker, &conn, request).await;
            phase.request_answered();
            Ok::<Response<UsedBody>, Infallible>(response.map(|body| begun.until_sent(body)))
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // Runs from the end of one request to the end of the next head, so it is also the idle time of a connection.
        .header_read_timeout(limits.connection_idle)
        // Beyond it hyper answers without a message, so a lower limit is left to `admit`; up to 100 cost no allocation.
        .max_headers(limits.headers_count.max(100))
        .max_buf_size(limits.headers_bytes.max(16 << 10) * 2);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams)
        .max_header_list_size(u32::try_from(limits.headers_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    // A connection that is made while the gateway drains brings an answer that a call waits for: it is not closed before.
    let draining = async {
        worker.shared.drain.begun().await;
        uses.first(ARRIVAL).await;
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(deadline), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = uses.idle(limits.connection_idle) => {
            connection.as_mut().graceful_shutdown();
            // A client that takes no leave is left.
            tokio::time::timeout(LEAVE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(remote = %conn.remote, error, "connection ended");
    }
}
