//! What the pod serves and whether it takes what it is offered, across streams. No I/O, no clock.

use std::time::{Duration, Instant};

use ringway_config_stream::assembler::Transaction;
use ringway_config_stream::fence::{Fence, Judgement};
use ringway_config_stream::limits::REJECTIONS;
use ringway_config_stream::store::Store;
use ringway_config_stream::{Pod, Position, Rejection, wire};
use ringway_snapshot::Snapshot;

/// The store behind its fence, and what the gateway said of its content.
#[derive(Debug)]
pub(super) struct Serving {
    store: Store,
    fence: Fence,
    refused: Vec<Rejection>,
}

/// What became of an offer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Another snapshot is to be served.
    Snapshot,
    /// Only the position is another one.
    Position,
    /// Nothing changed; in so much time it would be taken.
    Held(Duration),
}

// === impl Serving ===

impl Serving {
    pub(super) fn new(hold: Duration) -> Self {
        Self { store: Store::default(), fence: Fence::new(hold), refused: vec![] }
    }

    /// Begins with a copy from disk that is served.
    pub(super) fn restore(&mut self, snapshot: Snapshot, position: Position, refused: Vec<Rejection>) {
        self.store = Store::restored(snapshot, position);
        self.refused = refused;
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn hello(&self, pod: &Pod) -> wire::Hello {
        self.store.hello(pod)
    }

    /// Takes all of an update, or holds.
    pub(super) fn offered(&mut self, transaction: Transaction, now: Instant) -> Taken {
        match self.fence.judge(&transaction.position, self.store.position(), now) {
            Judgement::Hold { kinds, remaining } => {
                tracing::warn!(?kinds, ?remaining, "the operator is behind what is served; holding");
                return Taken::Held(remaining);
            }
            Judgement::TakeOlder { kinds } => {
                tracing::warn!(?kinds, "nothing newer came; an older configuration is taken, as after a restored etcd");
            }
            Judgement::Take => {}
        }
        if self.store.take(transaction) { Taken::Snapshot } else { Taken::Position }
    }

    /// What the gateway said of the snapshot that it serves now.
    pub(super) fn served(&mut self, refused: Vec<Rejection>) {
        self.refused = refused;
    }

    pub(super) fn ack(&self, version: u64, is_held: bool) -> wire::Ack {
        let mut rejections = self.store.unreadable().chain(&self.refused);
        let named = rejections.by_ref().take(REJECTIONS).map(Rejection::to_wire).collect();
        wire::Ack {
            version,
            position: (!self.store.is_empty()).then(|| self.store.position().to_wire()),
            is_held,
            rejections: named,
            has_more_rejections: rejections.next().is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use ringway_config_stream::assembler::Transaction;
    use ringway_config_stream::{Cursor, Key, Kind, Pod, Position, Rejection};

    use super::{REJECTIONS, Serving, Taken};

    fn update(version: u64, revision: u64) -> Transaction {
        let cursor = Cursor { revision, fingerprint: revision };
        let position = Position([("MCPRoute".to_owned(), cursor)].into());
        Transaction { version, is_whole: true, position, ..Transaction::default() }
    }

    #[test]
    fn an_older_state_is_held_and_said_so_until_its_time() {
        let (mut serving, start) = (Serving::new(Duration::from_secs(60)), Instant::now());
        assert_eq!(serving.ack(1, false).position, None);
        assert_eq!(serving.offered(update(1, 10), start), Taken::Snapshot);
        let served = serving.ack(1, false).position;
        assert!(served.is_some());
        let held = serving.offered(update(2, 9), start + Duration::from_secs(5));
        assert_eq!(held, Taken::Held(Duration::from_secs(60)));
        assert_eq!(serving.ack(2, true).position, served, "what is served did not change");
        let held = serving.offered(update(3, 9), start + Duration::from_secs(35));
        assert_eq!(held, Taken::Held(Duration::from_secs(30)));
        assert_eq!(serving.offered(update(4, 9), start + Duration::from_secs(65)), Taken::Position);
        assert_ne!(serving.ack(4, false).position, served);
    }

    #[test]
    fn more_than_can_be_named_is_said_to_be_so() {
        let mut serving = Serving::new(Duration::from_secs(60));
        serving.offered(update(1, 1), Instant::now());
        for (count, has_more) in [(REJECTIONS, false), (REJECTIONS + 1, true)] {
            let refused = |index| Rejection::new(&Key::new(Kind::Route, format!("tools/r{index}")), "no");
            serving.served((0..count).map(refused).collect());
            let ack = serving.ack(1, false);
            assert_eq!((ack.rejections.len(), ack.has_more_rejections), (REJECTIONS, has_more));
        }
    }

    #[test]
    fn what_the_gateway_refused_is_in_every_ack_until_it_says_otherwise() {
        let mut serving = Serving::new(Duration::from_secs(60));
        serving.offered(update(1, 1), Instant::now());
        serving.served(vec![Rejection::new(&Key::new(Kind::Route, "tools/r"), "no")]);
        assert_eq!(serving.ack(1, false).rejections.len(), 1);
        serving.offered(update(2, 2), Instant::now());
        assert_eq!(serving.ack(2, false).rejections.len(), 1);
        serving.served(vec![]);
        assert_eq!(serving.ack(3, false).rejections.len(), 0);
        assert!(serving.hello(&Pod::default()).position.is_some());
    }
}
