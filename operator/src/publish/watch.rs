//! The I/O of one pod's stream. What to do is `session`'s.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use ringway_config_stream::catalogue::Edition;
use ringway_config_stream::{Facts, wire};
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until, timeout};
use tonic::{Status, Streaming};

use super::Publisher;
use super::pods::{Row, Source};
use super::session::{Session, SessionError};

/// For the first message.
const HELLO: Duration = Duration::from_secs(10);
/// For one part to be taken by a slow pod.
const SEND: Duration = Duration::from_secs(30);
/// From the last part to the ack: the pod puts it together and has it served.
const ACK: Duration = Duration::from_secs(30);

struct Watch {
    publisher: Arc<Publisher>,
    outbound: Sender<Result<wire::Update, Status>>,
    session: Session,
    row: Row,
}

/// Serves one pod until its stream ends.
///
/// # Errors
/// Why it is cut off, for the pod to read.
pub(super) async fn run(
    publisher: Arc<Publisher>,
    mut inbound: Streaming<wire::PodMessage>,
    outbound: Sender<Result<wire::Update, Status>>,
) -> Result<(), Status> {
    let first = timeout(HELLO, inbound.message()).await.map_err(|_| Status::deadline_exceeded("no hello"))??;
    let Some(first) = first else { return Ok(()) };
    let (mut editions, mut offers_all) = (publisher.editions(), publisher.offers_all());
    let published = Arc::clone(&editions.borrow());
    let mut watch = Watch::begin(publisher, outbound, (first, published))?;
    loop {
        let published = Arc::clone(&editions.borrow_and_update());
        if !*offers_all.borrow_and_update() && !watch.session.gains_from_stale(&published) {
            watch.publisher.counters().refused.inc();
            return Err(Status::unavailable("this replica has not heard from the API server for too long"));
        }
        if watch.session.wants(published.version) {
            watch.send(published).await?;
        }
        let waits_since = watch.session.waits_since();
        tokio::select! {
            message = inbound.message() => match message? {
                Some(message) => {
                    watch.take(message)?;
                    // Many pods may say much at one moment; others on this thread have their turn between messages.
                    tokio::task::yield_now().await;
                }
                None => return Ok(()),
            },
            changed = editions.changed(), if waits_since.is_none() => {
                changed.map_err(|_| Status::unavailable("this replica is going away"))?;
            }
            changed = offers_all.changed(), if waits_since.is_none() => {
                changed.map_err(|_| Status::unavailable("this replica is going away"))?;
            }
            () = sleep_until(waits_since.unwrap_or_else(Instant::now) + ACK), if waits_since.is_some() => {
                return Err(watch.cut(Status::deadline_exceeded("no ack in time")));
            }
        }
    }
}

// === impl Watch ===

impl Watch {
    fn begin(
        publisher: Arc<Publisher>,
        outbound: Sender<Result<wire::Update, Status>>,
        (first, published): (wire::PodMessage, Arc<Edition>),
    ) -> Result<Self, Status> {
        let (session, state) = Session::begin(first, &published).map_err(|error| {
            publisher.counters().cut.inc();
            Status::invalid_argument(error.to_string())
        })?;
        publisher.counters().connected.inc();
        let row = publisher.pods.join(Source::Own, state);
        Ok(Self { publisher, outbound, session, row })
    }

    /// Sends what is new, whole.
    async fn send(&mut self, edition: Arc<Edition>) -> Result<(), Status> {
        let offer = edition.offer(self.session.base());
        let begun = Instant::now();
        let counters = self.publisher.counters();
        for part in Arc::clone(&offer).into_parts() {
            let bytes = part.encoded_len() as u64;
            match timeout(SEND, self.outbound.send(Ok(part))).await {
                Ok(Ok(())) => counters.bytes.inc_by(bytes),
                Ok(Err(_)) => return Err(Status::cancelled("the pod has gone")),
                Err(_) => return Err(self.cut(Status::deadline_exceeded("the pod reads too slowly"))),
            };
        }
        counters.updates.inc();
        self.session.sent(offer, edition, begun);
        Ok(())
    }

    fn take(&mut self, message: wire::PodMessage) -> Result<(), Status> {
        use wire::pod_message::Message::{Ack, Facts, Hello};
        let is_mine = match message.message {
            Some(Ack(ack)) => self.ack(ack).map_err(|error| self.broken(&error))?,
            Some(Facts(facts)) => self.facts(facts),
            Some(Hello(_)) => return Err(self.broken(&SessionError::SecondHello)),
            None => return Err(self.broken(&SessionError::Empty)),
        };
        if is_mine { Ok(()) } else { Err(Status::aborted("the pod has a later stream")) }
    }

    fn ack(&mut self, ack: wire::Ack) -> Result<bool, SessionError> {
        let acked = self.session.ack(ack)?;
        let counters = self.publisher.counters();
        counters.acks.inc();
        counters.lag.observe(acked.sent_at.elapsed().as_secs_f64());
        counters.holds.inc_by(u64::from(acked.is_held));
        counters.rejections.inc_by(acked.rejections.len() as u64);
        let pods = &self.publisher.pods;
        pods.learn(&self.row, Facts::default(), &acked.removed);
        Ok(pods.change(&self.row, |state| {
            state.position = acked.position;
            state.rejections = acked.rejections;
            state.has_more_rejections = acked.has_more_rejections;
        }))
    }

    fn facts(&self, facts: wire::Facts) -> bool {
        let facts = Facts::from_wire(facts);
        self.publisher.pods.learn(&self.row, facts, &[])
    }

    fn broken(&self, error: &SessionError) -> Status {
        self.cut(Status::invalid_argument(error.to_string()))
    }

    fn cut(&self, status: Status) -> Status {
        self.publisher.counters().cut.inc();
        tracing::warn!(reason = status.message(), "the stream of a pod is cut off");
        status
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.publisher.counters().connected.dec();
        self.publisher.pods.leave(&self.row);
    }
}
