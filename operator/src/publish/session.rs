//! One pod's stream, decided without I/O: where the pod stands, what is under way, what its acks mean.

use std::sync::Arc;

use ringway_config_stream::catalogue::{Base, Edition, Offer, Version};
use ringway_config_stream::key::KeyError;
use ringway_config_stream::limits::RESOURCES;
use ringway_config_stream::pod::PodError;
use ringway_config_stream::position::PositionError;
use ringway_config_stream::{Comparison, Key, Pod, Position, Rejection, wire};
use tokio::time::Instant;

use super::pods::PodState;

/// Where the pod stands and what is under way to it.
#[derive(Debug)]
pub(super) struct Session {
    base: Base,
    /// As the pod said it last.
    position: Option<Position>,
    /// The newest version that was sent, whatever the pod did with it.
    last: Version,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct UnderWay {
    edition: Arc<Edition>,
    offer: Arc<Offer>,
    /// When its first part went out: what the lag is measured from.
    begun: Instant,
    /// When its last part went out: the pod can answer from then on.
    sent: Instant,
}

/// A pod's answer to an update.
#[derive(Debug)]
pub(super) struct Acked {
    /// Of what it serves now.
    pub position: Option<Position>,
    pub rejections: Vec<Rejection>,
    pub has_more_rejections: bool,
    pub is_held: bool,
    /// What the pod serves no longer.
    pub removed: Vec<Key>,
    pub sent_at: Instant,
}

/// What a pod must not send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SessionError {
    #[error("the first message is not a hello")]
    NoHello,
    #[error("a second hello")]
    SecondHello,
    #[error("an empty message")]
    Empty,
    #[error("a hello names more than {RESOURCES} resources")]
    TooMany,
    #[error("an ack of version {0}, which is not under way")]
    Ack(Version),
    #[error(transparent)]
    Pod(#[from] PodError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Position(#[from] PositionError),
}

// === impl Session ===

impl Session {
    /// Begins with the first message, while `published` is the newest edition.
    ///
    /// # Errors
    /// [`SessionError`]: it is not a hello, or not a usable one.
    pub(super) fn begin(message: wire::PodMessage, published: &Arc<Edition>) -> Result<(Self, PodState), SessionError> {
        let Some(wire::pod_message::Message::Hello(hello)) = message.message else { return Err(SessionError::NoHello) };
        if hello.held.len() > RESOURCES {
            return Err(SessionError::TooMany);
        }
        let pod = Pod::from_wire(hello.pod.unwrap_or_default())?;
        let position = hello.position.map(Position::from_wire).transpose()?;
        let held = |held: wire::Held| Ok((Key::from_wire(held.kind, held.name)?, held.hash));
        let held: Vec<(Key, u64)> = hello.held.into_iter().map(held).collect::<Result<_, SessionError>>()?;
        let base = published.recognise(held);
        let state = PodState { pod, is_connected: true, position: position.clone(), ..PodState::default() };
        Ok((Self { base, position, last: 0, under_way: None }, state))
    }

    /// Whether to send now, with `published` being the newest version: never two updates at a time, and none twice.
    pub(super) fn wants(&self, published: Version) -> bool {
        self.under_way.is_none() && published > self.last
    }

    /// Whether there is anything here for the pod, though `published` may be behind what other replicas have: all of it for
    /// a pod that has nothing, and otherwise what it was not sent and is newer than what it has.
    pub(super) fn gains_from_stale(&self, published: &Edition) -> bool {
        let Some(position) = &self.position else { return true };
        let is_newer = published.position.offered_to(position) == Comparison::NotOlder;
        self.under_way.is_some() || (is_newer && published.version > self.last)
    }

    pub(super) fn base(&self) -> &Base {
        &self.base
    }

    /// All of an update is out that was `begun` then.
    pub(super) fn sent(&mut self, offer: Arc<Offer>, edition: Arc<Edition>, begun: Instant) {
        self.last = offer.version;
        self.under_way = Some(UnderWay { edition, offer, begun, sent: Instant::now() });
    }

    /// Since when an ack is waited for.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        self.under_way.as_ref().map(|under_way| under_way.sent)
    }

    /// Takes an ack in. A pod that held back stands where it stood.
    ///
    /// # Errors
    /// [`SessionError`]: nothing of that version is under way.
    pub(super) fn ack(&mut self, ack: wire::Ack) -> Result<Acked, SessionError> {
        let is_it = |under_way: &mut UnderWay| under_way.offer.version == ack.version;
        let under_way = self.under_way.take_if(is_it).ok_or(SessionError::Ack(ack.version))?;
        let UnderWay { edition, offer, begun, .. } = under_way;
        if !ack.is_held {
            self.base = Base::Edition(edition);
        }
        self.position = ack.position.map(Position::from_wire).transpose()?;
        let (rejections, has_more_rejections) = Rejection::all_from_wire(ack.rejections, ack.has_more_rejections);
        Ok(Acked {
            position: self.position.clone(),
            rejections,
            has_more_rejections,
            is_held: ack.is_held,
            removed: if ack.is_held { vec![] } else { offer.removed.clone() },
            sent_at: begun,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringway_config_stream::catalogue::{Base, Catalogue};
    use ringway_config_stream::{Cursor, Position, wire};
    use ringway_snapshot::Snapshot;
    use tokio::time::Instant;

    use super::{Session, SessionError};

    fn message(message: wire::pod_message::Message) -> wire::PodMessage {
        wire::PodMessage { message: Some(message) }
    }

    fn hello(held: Vec<wire::Held>) -> wire::PodMessage {
        let pod = wire::Pod { namespace: "system".into(), name: "p".into(), ..wire::Pod::default() };
        message(wire::pod_message::Message::Hello(wire::Hello { pod: Some(pod), position: None, held }))
    }

    fn at(revision: u64) -> Position {
        Position([("MCPRoute".to_owned(), Cursor { revision, fingerprint: revision })].into())
    }

    fn ack(version: u64, is_held: bool) -> wire::Ack {
        wire::Ack { version, is_held, ..wire::Ack::default() }
    }

    #[test]
    fn one_update_at_a_time_and_none_twice() {
        let mut catalogue = Catalogue::default();
        let (mut session, state) = Session::begin(hello(vec![]), catalogue.current()).expect("a hello");
        assert!(state.is_connected && state.position.is_none());
        assert!(!session.wants(0), "nothing is published yet");
        catalogue.publish(&Snapshot::default(), at(1));
        assert!(session.wants(1));
        session.sent(catalogue.current().offer(session.base()), catalogue.current().clone(), Instant::now());
        assert!(!session.wants(2), "the first is under way");
        assert_eq!(session.ack(ack(9, false)).err(), Some(SessionError::Ack(9)));
        session.ack(ack(1, true)).expect("it is under way");
        assert!(matches!(session.base(), Base::Nothing), "held back, it stands where it stood");
        assert!(!session.wants(1) && session.wants(2));
        catalogue.publish(&Snapshot::default(), at(2));
        session.sent(catalogue.current().offer(session.base()), catalogue.current().clone(), Instant::now());
        session.ack(ack(2, false)).expect("it is under way");
        assert!(matches!(session.base(), Base::Edition(edition) if edition.version == 2));
        assert_eq!(session.ack(ack(2, false)).err(), Some(SessionError::Ack(2)), "acknowledged once");
    }

    #[test]
    fn what_is_no_hello_is_refused() {
        let refused = |message| Session::begin(message, &Arc::default()).err();
        assert_eq!(refused(wire::PodMessage::default()), Some(SessionError::NoHello));
        assert_eq!(refused(message(wire::pod_message::Message::Ack(ack(1, false)))), Some(SessionError::NoHello));
        let nameless = message(wire::pod_message::Message::Hello(wire::Hello::default()));
        assert!(matches!(refused(nameless), Some(SessionError::Pod(_))));
        let held = wire::Held { kind: 7, name: "tools/a".into(), hash: 1 };
        assert!(matches!(refused(hello(vec![held])), Some(SessionError::Key(_))));
    }
}
