//! The admin server: `/livez`, `/readyz`, `/metrics` on a port of its own, away from traffic; and the debug server.
//!
//! Each runs on one thread with its own runtime, so that it answers when every worker is stuck, and stays up while the
//! process drains. Read-only; changes nothing. Started by `app`.

pub mod debug;
pub mod health;
pub(crate) mod loopback;
mod server;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use http_body_util::Full;

use crate::telemetry::Telemetry;
use health::{Check, Health, report};
pub use server::Handle;

const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// What the server shows.
#[derive(Debug)]
pub struct State {
    pub telemetry: Arc<Telemetry>,
    pub health: Arc<Health>,
}

type Answer = Response<Full<Bytes>>;

/// Binds `addr` and serves until the handle is dropped. Says where it listens, for a port of zero.
///
/// # Errors
/// The address cannot be bound, or no thread or runtime can be made.
pub fn start(addr: SocketAddr, state: Arc<State>) -> io::Result<(SocketAddr, Handle)> {
    let tasks = state.telemetry.tasks.clone();
    server::start(addr, "ringway-admin", tasks, Arc::new(move |uri, headers| page(uri, headers, &state)))
}

fn page(uri: &Uri, headers: &HeaderMap, state: &State) -> Answer {
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

fn metrics(headers: &HeaderMap, state: &State) -> Answer {
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

#[cfg(test)]
mod tests;
