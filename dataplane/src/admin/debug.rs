//! The debug server: what a pod obeys and what it found out, as JSON. On a loopback address alone, for `kubectl
//! port-forward` and the command line.
//!
//! Knows no more of what it shows than [`Inspect`]. Secrets are stars by then.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use super::{Answer, Handle, server, text};
use crate::telemetry::tasks::Tasks;

/// What can be looked at; each as JSON.
pub trait Inspect: fmt::Debug + Send + Sync + 'static {
    /// The snapshot that was applied.
    fn config(&self) -> serde_json::Result<Vec<u8>>;
    /// What is known of backends and routes.
    fn facts(&self) -> serde_json::Result<Vec<u8>>;
    /// Sockets with what they serve, and what was refused.
    fn listeners(&self) -> serde_json::Result<Vec<u8>>;
}

/// Binds `addr` and serves until the handle is dropped.
///
/// # Errors
/// The address is no loopback one or cannot be bound, or no thread or runtime can be made.
pub fn start(addr: SocketAddr, tasks: Tasks, inspect: Arc<dyn Inspect>) -> io::Result<(SocketAddr, Handle)> {
    if !addr.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the debug server listens on loopback addresses only"));
    }
    server::start(addr, "ringway-debug", tasks, Arc::new(move |uri, _| page(uri.path(), &*inspect)))
}

fn page(path: &str, inspect: &dyn Inspect) -> Answer {
    let json = match path {
        "/config" => inspect.config(),
        "/facts" => inspect.facts(),
        "/listeners" => inspect.listeners(),
        _ => return text(StatusCode::NOT_FOUND, "not found; there are /config, /facts and /listeners\n"),
    };
    match json {
        Ok(json) => {
            let mut answer = text(StatusCode::OK, json);
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            answer
        }
        Err(error) => {
            tracing::error!(%path, %error, "cannot be shown");
            text(StatusCode::INTERNAL_SERVER_ERROR, "cannot be shown\n")
        }
    }
}
