//! The admin server: `/livez`, `/readyz`, `/metrics`.
//!
//! Read-only. Liveness asks whether rounds end; readiness whether a state is published, can still be
//! what holds, and the config stream is served.
//! Neither asks for the Lease or for pods. Started by `app`.

mod room;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::metrics::Metrics;
use room::Room;

/// A round that takes longer is stuck: 10,000 objects take seconds.
const STUCK_AFTER: Duration = Duration::from_secs(120);
/// Probes, scrapers and some people; more wait. Of one address: [`room::CONNECTIONS_PER_ADDRESS`].
const CONNECTIONS: usize = 256;
/// A connection without a whole request is closed after this; each serves one, so that none is held for a next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that takes longer over all is cut off: nothing here streams.
const CONNECTION_LIFE: Duration = Duration::from_secs(30);

/// Facts for the probes; written by `app` and `reconcile`.
#[derive(Debug)]
pub struct Health {
    started: Instant,
    /// Milliseconds after `started` at which the present round began; 0: none is under way.
    round: AtomicU64,
    is_published: AtomicBool,
    is_serving: AtomicBool,
    stale: Mutex<Option<&'static str>>,
    waiting_for: Mutex<Vec<String>>,
}

type Answer = Response<Full<Bytes>>;

// === impl Health ===

impl Health {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            round: AtomicU64::new(0),
            is_published: AtomicBool::new(false),
            is_serving: AtomicBool::new(false),
            stale: Mutex::default(),
            waiting_for: Mutex::default(),
        })
    }

    pub fn round_begins(&self) {
        self.round.store(self.now().max(1), Relaxed);
    }

    pub fn round_ends(&self) {
        self.round.store(0, Relaxed);
    }

    /// The first state is out. Stays so whatever comes after it.
    pub fn published(&self) {
        self.is_published.store(true, Relaxed);
    }

    /// Pods can connect.
    pub fn serving(&self) {
        self.is_serving.store(true, Relaxed);
    }

    /// What holds up the first state.
    pub fn waiting_for(&self, missing: Vec<String>) {
        *self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner) = missing;
    }

    /// Why what is published may be behind; `None`: it is not.
    pub fn stale(&self, problem: Option<&'static str>) {
        *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    /// `None`: fine.
    #[must_use]
    pub fn live(&self) -> Option<String> {
        let began = self.round.load(Relaxed);
        let stuck = Duration::from_millis(self.now().saturating_sub(began));
        (began != 0 && stuck >= STUCK_AFTER).then(|| format!("a round has not ended for {} s", stuck.as_secs()))
    }

    /// `None`: fine.
    #[must_use]
    pub fn ready(&self) -> Option<String> {
        if !self.is_published.load(Relaxed) {
            let missing = self.waiting_for.lock().unwrap_or_else(PoisonError::into_inner);
            return Some(format!("no state published yet\n{}", missing.join("\n")));
        }
        if !self.is_serving.load(Relaxed) {
            return Some("the config stream is not served yet: waiting for the install's certificates".to_owned());
        }
        self.stale.lock().unwrap_or_else(PoisonError::into_inner).map(str::to_owned)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, health: Arc<Health>, metrics: Arc<Metrics>) {
    let (all, room) = (Arc::new(Semaphore::new(CONNECTIONS)), Room::default());
    // Never closed, so a permit always comes.
    while let Ok(permit) = Arc::clone(&all).acquire_owned().await {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "admin listener");
                // Most likely out of file descriptors: spinning would not free any.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Closed rather than left to wait: who waits would hold up those behind it.
        let Some(seat) = room.seat(remote.ip()) else { continue };
        let (health, metrics) = (Arc::clone(&health), Arc::clone(&metrics));
        tokio::spawn(async move {
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let answer = answer(request.method(), request.uri().path(), &health, &metrics);
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .keep_alive(false)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service);
            // A client that went away or was too slow: of no interest.
            let _ = tokio::time::timeout(CONNECTION_LIFE, connection).await;
            drop((seat, permit));
        });
    }
}

fn answer(method: &Method, path: &str, health: &Health, metrics: &Metrics) -> Answer {
    if method != Method::GET && method != Method::HEAD {
        return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned());
    }
    match path {
        "/livez" => check(health.live()),
        "/readyz" => check(health.ready()),
        "/metrics" => {
            let mut body = String::new();
            if prometheus_client::encoding::text::encode(&mut body, &metrics.registry).is_err() {
                return text(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written\n".to_owned());
            }
            let mut answer = text(StatusCode::OK, body);
            let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            answer
        }
        _ => text(StatusCode::NOT_FOUND, "not found; there are /livez, /readyz and /metrics\n".to_owned()),
    }
}

fn check(problem: Option<String>) -> Answer {
    match problem {
        None => text(StatusCode::OK, "ok\n".to_owned()),
        Some(problem) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{problem}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests;
