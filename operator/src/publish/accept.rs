//! Connections: TLS with the configuration of the moment, so that a rotated certificate needs no restart.
//!
//! Handshakes run beside each other, bounded in number and time; a peer without a certificate of ours ends here. What
//! the peer may ask for is decided by the service, with the [`Peer`] that each request carries.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::counters::Counters;
use super::peer::Peer;

/// Connections at a time: 1,000 pods and their successors while a Deployment rolls.
const CONNECTIONS: usize = 2_048;
/// A handshake takes this long at most.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// After an error of the listener itself, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection whose peer is known.
#[derive(Debug)]
pub(super) struct Accepted {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
}

/// Accepts for as long as the stream is read. Once the task has ended, the port is free.
pub(super) fn accepted(
    listener: TcpListener,
    tls: Arc<ArcSwap<ServerConfig>>,
    counters: Counters,
) -> (ReceiverStream<io::Result<Accepted>>, JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(1);
    let accepting = tokio::spawn(async move {
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let next = tokio::select! {
                next = listener.accept() => next,
                () = sender.closed() => return,
            };
            let stream = match next {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection for the config stream");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                counters.refused.inc();
                continue;
            };
            let (tls, sender, counters) = (tls.load_full(), sender.clone(), counters.clone());
            tokio::spawn(async move {
                match timeout(HANDSHAKE, Accepted::new(stream, tls, permit)).await {
                    // Nobody reads any more: the server ends.
                    Ok(Ok(accepted)) => drop(sender.send(Ok(accepted)).await),
                    Ok(Err(error)) => {
                        counters.refused.inc();
                        tracing::info!(%error, "a connection to the config stream was refused");
                    }
                    Err(_) => {
                        counters.refused.inc();
                    }
                }
            });
        }
    });
    (ReceiverStream::new(receiver), accepting)
}

// === impl Accepted ===

impl Accepted {
    async fn new(stream: TcpStream, tls: Arc<ServerConfig>, permit: OwnedSemaphorePermit) -> io::Result<Self> {
        // Acks and pings are small and wanted at once.
        stream.set_nodelay(true)?;
        let stream = TlsAcceptor::from(tls).accept(stream).await?;
        let (_, connection) = stream.get_ref();
        let peer = Peer::of(connection.peer_certificates()).map_err(io::Error::other)?;
        Ok(Self { stream, peer, _permit: permit })
    }
}

impl Connected for Accepted {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer
    }
}

impl AsyncRead for Accepted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
