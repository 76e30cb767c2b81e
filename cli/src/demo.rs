//! The bundled MCP servers of `ringway demo`: one of each era, with the same few tools.
//!
//! Real servers, small on purpose: they hold what the two eras need to be tried (sessions, a GET stream, progress,
//! questions, `input_required`, `listen`) and nothing else. They listen on loopback, or all at one address as `site` is
//! told, and trust whoever reaches them, browsers excepted. Started by `ringway demo` and by the client's tests.

pub mod command;
mod legacy;
mod modern;
mod rpc;
pub mod site;
mod state;
mod tools;
mod web;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// Where both servers answer.
pub const PATH: &str = "/mcp";

/// A running server; dropped, it takes no new connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    acceptor: AbortHandle,
}

// === impl Server ===

impl Server {
    /// Starts the legacy server (sessions, up to 2025-11-25) on a free loopback port of the current runtime.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn legacy() -> io::Result<Self> {
        Self::start(Arc::new(legacy::Legacy::default())).await
    }

    /// Starts the modern server (2026-07-28) on a free loopback port of the current runtime.
    ///
    /// # Errors
    /// When no port or no randomness can be had.
    pub async fn modern() -> io::Result<Self> {
        Self::start(Arc::new(modern::Modern::new()?)).await
    }

    async fn start<H: web::Handler>(handler: Arc<H>) -> io::Result<Self> {
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let handler = Arc::new(site::Alone(handler));
        let acceptor = tokio::spawn(web::accept(listener, handler, std::future::pending())).abort_handle();
        Ok(Self { address, acceptor })
    }

    /// The URL that a client is given.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}
