//! A replica that is not the lease holder tells the holder about its pods: whole at first, then what changed.
//!
//! A round of reports is acknowledged before the next one is made, from what the table says by then, so that nothing
//! queues when many pods change at once.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hyper_util::rt::TokioIo;
use ringway_config_stream::limits::FACTS_PER_MESSAGE;
use ringway_config_stream::wire::config_stream_client::ConfigStreamClient;
use ringway_config_stream::{Facts, Position, Rejection, link, wire};
use ringway_snapshot::ObjectName;
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

/// For a round of reports to be acknowledged.
const ROUND: Duration = Duration::from_secs(15);

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
            sleep(link::pause(failures, random())).await;
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
    match report(publisher, channel, failures).await {
        Ok(()) => RelayError::Ended,
        Err(error) => error,
    }
}

async fn report(publisher: &Publisher, channel: Channel, failures: &mut u32) -> Result<(), RelayError> {
    let status = |status: Status| RelayError::Status(Box::new(status));
    let (sender, receiver) = mpsc::channel(1);
    let mut client = link::bounded_client(ConfigStreamClient::new(channel));
    let answer = client.relay(ReceiverStream::new(receiver)).await.map_err(status)?;
    let mut acks = answer.into_inner();
    let mut own = publisher.pods.own();
    let (mut told, mut sent) = (Pods::new(), 0);
    loop {
        let pods = Arc::clone(&own.borrow_and_update());
        let reports = reports(&told, &pods);
        if !reports.is_empty() {
            sent += reports.len() as u64;
            let round = async {
                let send = async {
                    for report in reports {
                        sender.send(report).await.map_err(|_| RelayError::Ended)?;
                    }
                    Ok(())
                };
                tokio::try_join!(send, acknowledged(&mut acks, sent))
            };
            timeout(ROUND, round).await.map_err(|_| RelayError::Silent)??;
            *failures = 0;
        }
        told = Arc::unwrap_or_clone(pods);
        tokio::select! {
            changed = own.changed() => changed.map_err(|_| RelayError::Ended)?,
            // Nothing is due: the other end broke off, or breaks the rules.
            message = acks.message() => {
                message.map_err(status)?;
                return Err(RelayError::Ended);
            }
        }
    }
}

async fn acknowledged(acks: &mut Streaming<wire::RelayAck>, sent: u64) -> Result<(), RelayError> {
    loop {
        match acks.message().await.map_err(|status| RelayError::Status(Box::new(status)))? {
            Some(ack) if ack.received >= sent => return Ok(()),
            Some(_) => {}
            None => return Err(RelayError::Ended),
        }
    }
}

/// What somebody must hear who was told `told`, for `now` to be known.
fn reports(told: &Pods, now: &Pods) -> Vec<wire::PodReport> {
    let gone = told.iter().filter(|(name, _)| !now.contains_key(*name)).map(|(_, state)| wire::PodReport {
        pod: Some(state.pod.to_wire()),
        is_gone: true,
        ..wire::PodReport::default()
    });
    let is_told =
        |name: &ObjectName, state: &Arc<PodState>| told.get(name).is_some_and(|told| Arc::ptr_eq(told, state));
    let changed = now.iter().filter(|(name, state)| !is_told(name, state));
    let nothing = Facts::default();
    let reports = changed.flat_map(|(name, state)| {
        let said = told.get(name).map_or(&nothing, |told| &*told.facts);
        reports_of(state, said)
    });
    gone.chain(reports).collect()
}

/// At least one; more when the facts do not fit into it.
fn reports_of(state: &PodState, said: &Facts) -> Vec<wire::PodReport> {
    let report = |facts: Option<wire::Facts>, forgotten: Vec<wire::Gone>| wire::PodReport {
        pod: Some(state.pod.to_wire()),
        is_connected: state.is_connected,
        position: state.position.as_ref().map(Position::to_wire),
        rejections: state.rejections.iter().map(Rejection::to_wire).collect(),
        has_more_rejections: state.has_more_rejections,
        facts,
        forgotten,
        is_gone: false,
    };
    let forgotten: Vec<_> = state.facts.forgotten(said).map(|key| key.to_gone()).collect();
    let forgotten = forgotten.chunks(FACTS_PER_MESSAGE).map(|forgotten| report(None, forgotten.to_vec()));
    let facts = state.facts.since(said).to_wire();
    let mut reports: Vec<_> = forgotten.chain(facts.into_iter().map(|facts| report(Some(facts), vec![]))).collect();
    if reports.is_empty() {
        reports.push(report(None, vec![]));
    }
    reports
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness the pause is the shortest of its spread.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
