//! `ringway demo --servers-only`: both servers at one address under paths of their own, without a gateway.
//!
//! What a pod behind a Service runs to be a backend. Called by the command and by tests.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode};
use tokio::net::TcpListener;

use super::PATH;
use super::legacy::Legacy;
use super::modern::Modern;
use super::web::{self, Handler, Reply};
use crate::args::Demo;
use crate::exit::{CommandError, Exit};
use crate::output::{DIM, GOOD, note};
use crate::signals::Signals;

/// The legacy server; it answers at [`PATH`] as well, where any client of today can use it.
pub const LEGACY_PATH: &str = "/legacy/mcp";
/// The modern server.
pub const MODERN_PATH: &str = "/modern/mcp";
/// For probes.
pub const HEALTH_PATH: &str = "/healthz";

/// Both servers.
struct Site {
    legacy: Arc<Legacy>,
    modern: Arc<Modern>,
}

/// One server, at [`PATH`] and nowhere else.
pub(super) struct Alone<H>(pub(super) Arc<H>);

/// Serves until a signal. A taken port is an error: a Service expects this one.
///
/// # Errors
/// When the address or randomness cannot be had.
pub(super) async fn command(options: &Demo) -> Result<Exit, CommandError> {
    let mut signals = Signals::new()?;
    let address = options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|error| CommandError::Failed(format!("cannot listen on {address}: {error}")))?;
    let url = format!("http://{}", listener.local_addr()?);
    note(&format!("{GOOD}The bundled servers listen on{GOOD:#} {url}"));
    note(&format!("{DIM}  legacy server (2025-11-25, sessions)  {LEGACY_PATH} and {PATH}{DIM:#}"));
    note(&format!("{DIM}  modern server (2026-07-28, stateless) {MODERN_PATH}{DIM:#}"));
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut serving = tokio::spawn(serve(listener, async move {
        // An error is the same wish: whoever could send it has gone.
        drop(stopped.await);
    })?);
    signals.stop().await;
    drop(stopping);
    tokio::select! {
        _ = &mut serving => Ok(Exit::Done),
        () = signals.stop() => Ok(Exit::Interrupted),
    }
}

/// Both servers on `listener` until `stop`, and until calls in flight have ended.
///
/// # Errors
/// When the system gives no random bytes.
pub fn serve(
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<impl Future<Output = ()> + Send> {
    let site = Site { legacy: Arc::default(), modern: Arc::new(Modern::new()?) };
    Ok(web::accept(listener, Arc::new(site), stop))
}

impl Handler for Site {
    async fn handle(self: Arc<Self>, head: Parts, body: Bytes) -> Reply {
        match head.uri.path() {
            PATH | LEGACY_PATH => Arc::clone(&self.legacy).handle(head, body).await,
            MODERN_PATH => Arc::clone(&self.modern).handle(head, body).await,
            HEALTH_PATH if matches!(head.method, Method::GET | Method::HEAD) => web::empty(StatusCode::OK),
            HEALTH_PATH => *web::wrong_method("GET, HEAD", &head.method),
            _ => web::empty(StatusCode::NOT_FOUND),
        }
    }
}

impl<H: Handler> Handler for Alone<H> {
    async fn handle(self: Arc<Self>, head: Parts, body: Bytes) -> Reply {
        if head.uri.path() == PATH {
            Arc::clone(&self.0).handle(head, body).await
        } else {
            web::empty(StatusCode::NOT_FOUND)
        }
    }
}
