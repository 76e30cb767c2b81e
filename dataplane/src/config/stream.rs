//! The I/O of one stream: hello, updates, acks, facts. What to take is `serving`'s.

use std::sync::Arc;
use std::time::Duration;

use ringway_config_stream::assembler::{Assembler, ProtocolError, Transaction};
use ringway_config_stream::wire::config_stream_client::ConfigStreamClient;
use ringway_config_stream::wire::pod_message::Message;
use ringway_config_stream::{Facts, link, wire};
use tokio::sync::mpsc::{self, Sender};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::transport::Channel;

use super::connect::TlsDirectory;
use super::keeper::{Copy, Keeper};
use super::serving::{Serving, Taken};
use super::{FollowSettings, Obey, SWITCHES};
use crate::clock::unix_seconds;

/// How often what was found out is told, where it changed.
const FACTS: Duration = Duration::from_secs(1);
/// How often the certificates are looked at; the kubelet itself takes up to a minute.
const LOOK: Duration = Duration::from_secs(10);
/// Messages on their way to the operator.
const OUTBOUND: usize = 16;
/// Of these, kept free for acks while facts wait.
const FOR_ACKS: usize = 4;

pub(super) struct Stream<'a> {
    pub settings: &'a FollowSettings,
    pub obey: &'a Arc<dyn Obey>,
    pub serving: &'a mut Serving,
    pub keeper: Option<&'a Keeper>,
    pub tls: TlsDirectory,
    /// An update was answered.
    pub has_updated: bool,
}

/// Which facts were told on this stream.
#[derive(Debug, Default)]
struct Said {
    facts: Facts,
    /// Everything of this, so that nothing is to be looked for as long as it is the newest.
    all_of: Option<Arc<Facts>>,
}

/// How a stream ended.
#[derive(Debug)]
pub(super) enum End {
    /// This replica is behind: another one may not be.
    Switch,
    /// There are other certificates to show.
    Rotated,
    Broken {
        reason: String,
        was_good: bool,
    },
}

#[derive(Debug, thiserror::Error)]
enum StreamError {
    #[error("{}: {}", .0.code(), .0.message())]
    Status(#[from] Status),
    #[error("the operator breaks the rules of the stream: {0}")]
    Protocol(#[from] ProtocolError),
    #[error("the operator ended the stream")]
    Ended,
    #[error("applying the configuration failed")]
    Apply,
}

// === impl Stream ===

impl Stream<'_> {
    pub(super) async fn run(mut self, channel: Channel) -> End {
        match self.follow(channel).await {
            Ok(end) => end,
            Err(error) => End::Broken { reason: error.to_string(), was_good: self.has_updated },
        }
    }

    async fn follow(&mut self, channel: Channel) -> Result<End, StreamError> {
        let (sender, receiver) = mpsc::channel(OUTBOUND);
        say(&sender, Message::Hello(self.serving.hello(&self.settings.pod))).await?;
        let mut client = link::bounded_client(ConfigStreamClient::new(channel));
        let mut inbound = client.watch(ReceiverStream::new(receiver)).await?.into_inner();
        self.obey.metrics().connected.set(1);
        tracing::info!(operator = %self.settings.operator, "following the operator");
        let (mut assembler, mut said) = (Assembler::default(), Said::default());
        let (mut facts, mut look) = (interval(FACTS), interval(LOOK));
        facts.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut switch_at: Option<Instant> = None;
        loop {
            tokio::select! {
                part = inbound.message() => {
                    let part = part?.ok_or(StreamError::Ended)?;
                    if let Some(update) = assembler.part(part)? {
                        switch_at = self.update(update, &sender).await?.map(|wait| Instant::now() + wait);
                    }
                }
                _ = facts.tick() => self.tell(&mut said, &sender),
                _ = look.tick() => if self.tls.is_replaced(&self.settings.tls).await {
                    return Ok(End::Rotated);
                },
                () = sleep_until(switch_at.unwrap_or_else(Instant::now)), if switch_at.is_some() => {
                    return Ok(End::Switch);
                }
            }
        }
    }

    /// Takes an update or holds; answers. Held: for how long to wait for a newer one from this replica.
    async fn update(
        &mut self,
        update: Transaction,
        sender: &Sender<wire::PodMessage>,
    ) -> Result<Option<Duration>, StreamError> {
        let version = update.version;
        let metrics = self.obey.metrics();
        let taken = self.serving.offered(update, Instant::now().into_std());
        let wait = match taken {
            Taken::Held(remaining) => {
                metrics.holds.inc();
                Some(remaining.min(self.settings.hold / SWITCHES))
            }
            Taken::Snapshot => {
                let (obey, snapshot) = (Arc::clone(self.obey), self.serving.store().snapshot().clone());
                let applied = spawn_blocking(move || obey.apply(snapshot)).await;
                self.serving.served(applied.map_err(|_| StreamError::Apply)?);
                None
            }
            Taken::Position => None,
        };
        if wait.is_none() {
            metrics.updates.inc();
            metrics.updated_at.set(i64::try_from(unix_seconds()).unwrap_or(i64::MAX));
            if let Some(keeper) = self.keeper {
                keeper.keep(Copy::of(self.serving.store()));
            }
        }
        self.has_updated = true;
        say(sender, Message::Ack(self.serving.ack(version, wait.is_some()))).await?;
        Ok(wait)
    }

    /// Tells what changed since it was `said`, as far as there is room; the rest comes with the next tick.
    fn tell(&self, said: &mut Said, sender: &Sender<wire::PodMessage>) {
        let now = self.obey.facts();
        if said.all_of.as_ref().is_some_and(|all| Arc::ptr_eq(all, &now)) {
            return;
        }
        said.all_of = None;
        said.facts.keep_only(&now);
        for piece in now.since(&said.facts).into_pieces() {
            let message = wire::PodMessage { message: Some(Message::Facts(piece.to_wire())) };
            if sender.capacity() <= FOR_ACKS || sender.try_send(message).is_err() {
                return;
            }
            said.facts.merge(piece);
        }
        said.all_of = Some(now);
    }
}

async fn say(sender: &Sender<wire::PodMessage>, message: Message) -> Result<(), StreamError> {
    sender.send(wire::PodMessage { message: Some(message) }).await.map_err(|_| StreamError::Ended)
}
