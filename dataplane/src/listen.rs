//! Accepts connections and gives each to the least-loaded worker, which serves it.
//!
//! One acceptor, not SO_REUSEPORT: that spreads few long-lived agents unevenly, resets its backlog when a listener
//! closes, and lets a second process start silently on a taken port. Called by `app`; hands requests to `pipeline`.

mod idle;
mod quiet;
mod serve;
mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Type};

use crate::peer::{Message, Socket};
use crate::telemetry::labels::Limit;
use crate::worker::Shared;

pub(crate) use serve::{Accepted, serve_connection};
pub(crate) use tls::acceptor;
pub use tls::{TlsError, TlsFiles};

/// Connections that wait to be accepted. The kernel cuts it to `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// Binds the listener. A taken port is an error, also when its holder is another gateway.
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Restart at once, although old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts on every socket until the gateway stops: while it drains, clients still bring answers that calls in flight
/// wait for. Begins once `configured`: until then clients wait in the backlog, rather than hear that there is no route.
pub(crate) async fn accept(
    listeners: Vec<(Socket, std::net::TcpListener)>,
    shared: Arc<Shared>,
    configured: impl Future<Output = ()>,
) {
    tokio::select! {
        () = configured => {}
        () = shared.stop.begun() => return,
    }
    let all = listeners.into_iter().map(|(socket, listener)| {
        let shared = Arc::clone(&shared);
        async move {
            if let Err(error) = accept_on(socket, listener, &shared).await {
                tracing::error!(%error, "a listener failed");
            }
        }
    });
    futures::future::join_all(all).await;
}

async fn accept_on(socket: Socket, listener: std::net::TcpListener, shared: &Shared) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut stop = pin!(shared.stop.begun());
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => hand_over(stream, remote, socket, shared).await,
            Err(error) => {
                // Out of descriptors, or a connection that died in the backlog: the next try may work, a busy loop never does.
                tracing::warn!(%error, "accept failed");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

async fn hand_over(stream: tokio::net::TcpStream, remote: SocketAddr, socket: Socket, shared: &Shared) {
    // At the limit, further clients wait in the backlog.
    while shared.mailboxes.connections() >= shared.limits.connections {
        shared.limit(Limit::Connections);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let Ok(stream) = stream.into_std() else { return };
    let worker = shared.mailboxes.least_loaded();
    if !shared.mailboxes.send(worker, Message::Connection { stream, remote, socket }).await {
        shared.mailboxes.connection_closed(worker);
    }
}
