//! The admin server: `/livez`, `/readyz`, `/metrics` on a port of its own, away from traffic.
//!
//! Runs on one thread with its own runtime, so that it answers when every worker is stuck, and stays up while the
//! process drains. Read-only; changes nothing. Started by `app`.

pub mod health;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};

use crate::telemetry::Telemetry;
use crate::telemetry::labels::TaskName;
use health::{Check, Health, report};

/// A probe, two scrapers and some people; more wait.
const CONNECTIONS: usize = 64;
/// A connection without a request is closed after this, and one request's head may take as long.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes longer over all is cut off: nothing here streams.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// What the server shows.
#[derive(Debug)]
pub struct State {
    pub telemetry: Arc<Telemetry>,
    pub health: Arc<Health>,
}

/// The running server. Dropped: it stops at once.
#[derive(Debug)]
pub struct Handle {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

type Answer = Response<Full<Bytes>>;

/// Binds `addr` and serves until the handle is dropped. Says where it listens, for a port of zero.
///
/// # Errors
/// The address cannot be bound, or no thread or runtime can be made.
pub fn start(addr: SocketAddr, state: Arc<State>) -> io::Result<(SocketAddr, Handle)> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let loopback = bound.ip().is_loopback();
    let thread = thread::Builder::new().name("ringway-admin".to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                // The sender is dropped with the handle; either way it is over.
                _ = stopped => {}
                () = accept(listener, loopback, state) => {}
            }
        });
    })?;
    Ok((bound, Handle { stop: Some(stop), thread: Some(thread) }))
}

// === impl Handle ===

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the hook.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, loopback: bool, state: Arc<State>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let tasks = state.telemetry.tasks.clone();
    // Never closed, so a permit always comes.
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin listener");
                // Most likely out of file descriptors: spinning would not free any.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        tasks.spawn(TaskName::Admin, async move {
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let (parts, _) = request.into_parts();
                let answer = answer(&parts.method, &parts.uri, &parts.headers, loopback, &state);
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service);
            // A client that went away or was too slow: of no interest.
            let _ = tokio::time::timeout(CONNECTION_LIFE, connection).await;
            drop(permit);
        });
    }
}

fn answer(method: &Method, uri: &Uri, headers: &HeaderMap, loopback: bool, state: &Arc<State>) -> Answer {
    // A page in a browser must not reach a server on this machine by a name of its own (DNS rebinding).
    if loopback && !host(uri, headers).is_some_and(is_loopback_name) {
        return text(StatusCode::FORBIDDEN, "host not allowed\n");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let verbose =
        uri.query().is_some_and(|query| query.split('&').any(|part| part.split('=').next() == Some("verbose")));
    match uri.path() {
        "/livez" => checks(&state.health.live(), verbose),
        "/readyz" | "/healthz" => checks(&state.health.ready(), verbose),
        "/metrics" => metrics(headers, state),
        _ => text(StatusCode::NOT_FOUND, "not found; there are /livez, /readyz and /metrics\n"),
    }
}

fn checks(checks: &[Check], verbose: bool) -> Answer {
    let fine = checks.iter().all(|check| check.problem.is_none());
    let status = if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    // Whoever gets a refusal wants to know why; a probe ignores it.
    if verbose || !fine { text(status, report(checks)) } else { text(status, "ok\n") }
}

fn metrics(headers: &HeaderMap, state: &Arc<State>) -> Answer {
    let accepts = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let open = accepts
        .flat_map(|value| value.split(','))
        .any(|range| range.trim().starts_with("application/openmetrics-text"));
    match state.telemetry.metrics.render(open) {
        Ok(body) => {
            let mut answer = text(StatusCode::OK, body);
            let kind = HeaderValue::from_static(if open { OPEN_METRICS } else { PLAIN });
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            answer
        }
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(TEXT));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The host that the client thinks it speaks to, with its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        // An absolute target wins over the header (RFC 9112 section 3.2.2).
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}

/// `localhost`, or an address of the loopback, with any port.
fn is_loopback_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(address, _)| address),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
