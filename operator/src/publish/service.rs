//! The gRPC service: who may call what, how many at a time, and the end of all streams when the process ends.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use ringway_config_stream::{link, wire};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::peer::{Peer, Role};
use super::{Publisher, accept, relayed, watch};

/// Pods with a stream to one replica.
const WATCHES: usize = 1_000;
/// Replicas that relay; there are two or three.
const RELAYS: usize = 16;
/// Streams end at once when the process does; connections have this long.
const GRACE: Duration = Duration::from_secs(3);

/// Why the stream is served no longer.
#[derive(Debug, thiserror::Error)]
#[error("the config stream's server failed: {0}")]
pub struct ServeError(#[from] tonic::transport::Error);

struct Service {
    publisher: Arc<Publisher>,
    watches: Arc<Semaphore>,
    relays: Arc<Semaphore>,
    relay_number: AtomicU64,
    stop: CancellationToken,
}

/// Serves pods and relays on `listener` until `shutdown`, each connection with the configuration that `tls` holds when
/// it comes; it must ask for client certificates.
///
/// # Errors
/// The server failed, which a broken connection does not cause.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ArcSwap<ServerConfig>>,
    publisher: Arc<Publisher>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServeError> {
    let stop = CancellationToken::new();
    let counters = publisher.counters().clone();
    let service = Service {
        publisher,
        watches: Arc::new(Semaphore::new(WATCHES)),
        relays: Arc::new(Semaphore::new(RELAYS)),
        relay_number: AtomicU64::new(0),
        stop: stop.clone(),
    };
    let (incoming, accepting) = accept::accepted(listener, tls, counters);
    let end = async {
        shutdown.await;
        stop.cancel();
    };
    let stopped = stop.clone();
    let server = link::server().add_service(link::bounded_server(service)).serve_with_incoming_shutdown(incoming, end);
    let too_long = async {
        stopped.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let ended = tokio::select! {
        ended = server => ended,
        () = too_long => Ok(()),
    };
    accepting.abort();
    // Aborted, or over by itself.
    let _ = accepting.await;
    Ok(ended?)
}

// === impl Service ===

impl Service {
    /// Lets a peer of `role` in, if there is room.
    fn admit<T>(
        &self,
        request: &Request<T>,
        role: Role,
        room: &Arc<Semaphore>,
    ) -> Result<(Peer, OwnedSemaphorePermit), Status> {
        let refused = |status| {
            self.publisher.counters().refused.inc();
            status
        };
        let peer = request.extensions().get::<Peer>().copied();
        let peer = peer.ok_or_else(|| refused(Status::unauthenticated("no certificate")))?;
        if peer.role != role {
            return Err(refused(Status::permission_denied("this certificate is for something else")));
        }
        let permit = Arc::clone(room).try_acquire_owned();
        let permit = permit.map_err(|_| refused(Status::resource_exhausted("this replica has no room for more")))?;
        Ok((peer, permit))
    }
}

#[async_trait]
impl wire::config_stream_server::ConfigStream for Service {
    type WatchStream = ReceiverStream<Result<wire::Update, Status>>;
    type RelayStream = ReceiverStream<Result<wire::RelayAck, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<wire::PodMessage>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (peer, permit) = self.admit(&request, Role::Dataplane, &self.watches)?;
        // One part waits while one is written.
        let (sender, receiver) = mpsc::channel(1);
        let publisher = Arc::clone(&self.publisher);
        let work = watch::run(publisher, request.into_inner(), sender.clone());
        tokio::spawn(until_end(work, peer, self.stop.clone(), sender, permit));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn relay(&self, request: Request<Streaming<wire::PodReport>>) -> Result<Response<Self::RelayStream>, Status> {
        let (peer, permit) = self.admit(&request, Role::Operator, &self.relays)?;
        let (sender, receiver) = mpsc::channel(1);
        let number = self.relay_number.fetch_add(1, Relaxed);
        let publisher = Arc::clone(&self.publisher);
        let work = relayed::run(publisher, number, request.into_inner(), sender.clone());
        tokio::spawn(until_end(work, peer, self.stop.clone(), sender, permit));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

/// Runs a stream's work until it ends, the process does, or the peer's certificate has ended; and says why.
async fn until_end<T>(
    work: impl Future<Output = Result<(), Status>>,
    peer: Peer,
    stop: CancellationToken,
    sender: mpsc::Sender<Result<T, Status>>,
    _permit: OwnedSemaphorePermit,
) {
    let ended = tokio::select! {
        ended = work => ended,
        () = stop.cancelled() => Err(Status::unavailable("this replica is going away")),
        () = tokio::time::sleep(peer.remaining(std::time::SystemTime::now())) => {
            Err(Status::unauthenticated("the certificate has ended"))
        }
    };
    if let Err(status) = ended {
        // A peer that reads nothing learns it from the end of the stream.
        let _ = timeout(Duration::from_secs(1), sender.send(Err(status))).await;
    }
}
