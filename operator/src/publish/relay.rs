//! A replica that is not the lease holder tells the holder about its pods: whole at first, then what changed.
//!
//! A round of reports is acknowledged before the next one is made, from what the table says by then, so that nothing
//! queues when many pods change at once. Within it a few are on their way at a time, and each is made only then: the first
//! round tells everything that every pod found out.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper_util::rt::TokioIo;
use ringway_config_stream::limits::FACTS_PER_MESSAGE;
use ringway_config_stream::wire::config_stream_client::ConfigStreamClient;
use ringway_config_stream::{Facts, Position, Rejection, backoff, link, wire};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use tower::service_fn;

use super::Publisher;
use super::pods::{PodState, Pods};

/// For a report to be acknowledged; a round has as long as it has reports.
const ACK: Duration = Duration::from_secs(15);
/// Reports on their way: enough for the line not to wait for the answers, few enough to be nothing in memory.
const UNDER_WAY: u64 = 8;

/// Why a relay ended; it is tried again.
#[derive(Debug, thiserror::Error)]
enum RelayError {
    #[error("{0} is no address")]
    Address(String),
    #[error("cannot connect: {0}")]
    Connect(#[from] tonic::transport::Error),
    #[error("{0}")]
    Status(Box<Status>),
    #[error("the lease holder does not acknowledge")]
    Silent,
    #[error("the lease holder acknowledges {received} reports, and {sent} were sent")]
    Acknowledged { received: u64, sent: u64 },
    #[error("the lease holder ended the relay")]
    Ended,
}

/// Relays this replica's pods for as long as `leader` names another one (`ip:port`), until `shutdown`.
pub async fn relay(
    publisher: Arc<Publisher>,
    mut leader: watch::Receiver<Option<String>>,
    tls: Arc<ArcSwap<ClientConfig>>,
    shutdown: impl Future<Output = ()> + Send,
) {
    tokio::pin!(shutdown);
    let mut failures = 0;
    loop {
        let address = leader.borrow_and_update().clone();
        let session = async {
            // While this replica leads, or nobody does, there is nothing to do.
            let Some(address) = address else { return std::future::pending().await };
            let error = match connect(&address, &tls).await {
                Ok(client) => to_leader(&publisher, client, &mut failures).await,
                Err(error) => error,
            };
            tracing::info!(leader = %address, %error, "the relay to the lease holder broke");
            sleep(link::pause(failures, backoff::random())).await;
            failures = failures.saturating_add(1);
        };
        tokio::select! {
            () = session => {}
            changed = leader.changed() => {
                if changed.is_err() {
                    return;
                }
                failures = 0;
            }
            () = &mut shutdown => return,
        }
    }
}

async fn connect(address: &str, tls: &ArcSwap<ClientConfig>) -> Result<Channel, RelayError> {
    let socket: SocketAddr = address.parse().map_err(|_| RelayError::Address(address.to_owned()))?;
    let connector = TlsConnector::from(tls.load_full());
    let connect = service_fn(move |_| {
        let connector = connector.clone();
        async move {
            let stream = TcpStream::connect(socket).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::IpAddress(socket.ip().into());
            Ok::<_, io::Error>(TokioIo::new(connector.connect(name, stream).await?))
        }
    });
    Ok(link::endpoint(address)?.connect_with_connector(connect).await?)
}

/// Reports until something fails.
async fn to_leader(publisher: &Publisher, channel: Channel, failures: &mut u32) -> RelayError {
    match tell(publisher, channel, failures).await {
        Ok(()) => RelayError::Ended,
        Err(error) => error,
    }
}

async fn tell(publisher: &Publisher, channel: Channel, failures: &mut u32) -> Result<(), RelayError> {
    let (sender, receiver) = mpsc::channel(1);
    let mut client = link::bounded_client(ConfigStreamClient::new(channel));
    let acks = client.relay(ReceiverStream::new(receiver)).await?.into_inner();
    let mut line = Line { sender, acks, sent: 0, received: 0 };
    let mut own = publisher.pods.own();
    let mut told = Pods::new();
    loop {
        let pods = Arc::clone(&own.borrow_and_update());
        for report in reports(&told, &pods) {
            line.send(report).await?;
        }
        line.all_acknowledged().await?;
        *failures = 0;
        told = Arc::unwrap_or_clone(pods);
        tokio::select! {
            changed = own.changed() => changed.map_err(|_| RelayError::Ended)?,
            // Nothing is due: the other end broke off, or breaks the rules.
            message = line.acks.message() => {
                message?;
                return Err(RelayError::Ended);
            }
        }
    }
}

/// Reports on their way, a few at a time.
struct Line {
    sender: mpsc::Sender<wire::PodReport>,
    acks: Streaming<wire::RelayAck>,
    sent: u64,
    received: u64,
}

// === impl Line ===

impl Line {
    /// Sends once there is room.
    async fn send(&mut self, report: wire::PodReport) -> Result<(), RelayError> {
        while self.sent - self.received >= UNDER_WAY {
            self.acknowledged().await?;
        }
        let sent = timeout(ACK, self.sender.send(report)).await.map_err(|_| RelayError::Silent)?;
        sent.map_err(|_| RelayError::Ended)?;
        self.sent += 1;
        Ok(())
    }

    async fn all_acknowledged(&mut self) -> Result<(), RelayError> {
        while self.received < self.sent {
            self.acknowledged().await?;
        }
        Ok(())
    }

    async fn acknowledged(&mut self) -> Result<(), RelayError> {
        let ack = timeout(ACK, self.acks.message()).await.map_err(|_| RelayError::Silent)??;
        let received = ack.ok_or(RelayError::Ended)?.received;
        if received <= self.received || received > self.sent {
            return Err(RelayError::Acknowledged { received, sent: self.sent });
        }
        self.received = received;
        Ok(())
    }
}

// === impl RelayError ===

impl From<Status> for RelayError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// What somebody must hear who was told `told`, for `now` to be known: who is gone, then what every pod serves, and
/// last, since it is long at first, what they found out. Each is made when the one before it is on its way.
fn reports<'a>(told: &'a Pods, now: &'a Pods) -> impl Iterator<Item = wire::PodReport> + 'a {
    let gone = told.iter().filter(|(name, _)| !now.contains_key(*name)).map(|(_, state)| wire::PodReport {
        pod: Some(state.pod.to_wire()),
        is_gone: true,
        ..wire::PodReport::default()
    });
    let changed = move || {
        let pods = now.iter().map(|(name, state)| (told.get(name), state));
        pods.filter(|(told, state)| told.is_none_or(|told| !Arc::ptr_eq(told, state)))
    };
    let states = changed().filter(|(told, state)| told.is_none_or(|told| !is_same_but_for_facts(told, state)));
    let states = states.map(|(_, state)| report(state, None, vec![]));
    gone.chain(states).chain(changed().flat_map(|(told, state)| facts(told, state)))
}

fn is_same_but_for_facts(one: &PodState, other: &PodState) -> bool {
    let PodState { pod, is_connected, position, rejections, has_more_rejections, facts: _ } = one;
    (pod, is_connected, position) == (&other.pod, &other.is_connected, &other.position)
        && (rejections, has_more_rejections) == (&other.rejections, &other.has_more_rejections)
}

/// What a pod found out since it was as it was told, and what it forgot.
fn facts(told: Option<&Arc<PodState>>, state: &Arc<PodState>) -> impl Iterator<Item = wire::PodReport> + use<> {
    let said = told.map(|told| Arc::clone(&told.facts)).unwrap_or_default();
    let is_new = !Arc::ptr_eq(&said, &state.facts);
    let forgotten: Vec<_> =
        if is_new { state.facts.forgotten(&said).map(|key| key.to_gone()).collect() } else { vec![] };
    let new = if is_new { state.facts.since(&said) } else { Facts::default() };
    let (of, also_of) = (Arc::clone(state), Arc::clone(state));
    let mut forgotten = forgotten.into_iter();
    let forgotten = std::iter::from_fn(move || {
        let piece: Vec<_> = forgotten.by_ref().take(FACTS_PER_MESSAGE).collect();
        (!piece.is_empty()).then(|| report(&of, None, piece))
    });
    forgotten.chain(new.into_pieces().map(move |piece| report(&also_of, Some(piece.to_wire()), vec![])))
}

fn report(state: &PodState, facts: Option<wire::Facts>, forgotten: Vec<wire::Gone>) -> wire::PodReport {
    wire::PodReport {
        pod: Some(state.pod.to_wire()),
        is_connected: state.is_connected,
        position: state.position.as_ref().map(Position::to_wire),
        rejections: state.rejections.iter().map(Rejection::to_wire).collect(),
        has_more_rejections: state.has_more_rejections,
        facts,
        forgotten,
        is_gone: false,
    }
}
