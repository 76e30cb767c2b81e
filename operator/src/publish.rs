//! The operator's end of the config stream: what is published, to which pods, and what they say.
//!
//! Every replica publishes what it translated ([`Publisher::publish`]) and serves it ([`serve`]); a replica that is not
//! the lease holder tells the holder about its pods ([`relay()`]), so that the holder's table ([`Publisher::pods`]) has
//! them all. One update is under way to a pod: when it is acknowledged, what is the newest by then follows, so that
//! nothing queues behind a slow pod. Does not translate and writes no status.

mod accept;
mod counters;
mod interner;
mod peer;
mod pods;
mod relay;
mod relayed;
mod service;
mod session;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use ringway_config_stream::catalogue::{Catalogue, Edition};
use ringway_config_stream::{Position, Rejection};
use ringway_snapshot::Snapshot;
use tokio::sync::watch::{Receiver, Sender};

pub use counters::Counters;
pub use pods::{PodState, Pods};
pub use relay::relay;
pub use service::{ServeError, serve};

use pods::Table;

/// What one replica publishes, and the pods that it knows of.
#[derive(Debug)]
pub struct Publisher {
    /// Held by who publishes, for as long as that takes; nobody else waits for it.
    catalogue: Mutex<Catalogue>,
    edition: Sender<Arc<Edition>>,
    offers_all: Sender<bool>,
    pods: Arc<Table>,
    counters: Counters,
}

// === impl Publisher ===

impl Publisher {
    /// Publishes nothing yet: a pod that connects waits for the first state.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            catalogue: Mutex::default(),
            edition: Sender::default(),
            offers_all: Sender::new(true),
            pods: Table::new(),
            counters: Counters::default(),
        })
    }

    /// Publishes a state from now on. Cheap where little changed: what is equal is found by pointer or by comparison,
    /// the rest is encoded once for all pods. The same state again wakes nobody. Of 10,000 objects it may take a tenth of
    /// a second: nothing for a thread that serves others.
    ///
    /// Gives what cannot travel for its size: its last published form stays, or it is not there.
    pub fn publish(&self, snapshot: &Snapshot, position: Position) -> Vec<Rejection> {
        let mut catalogue = self.catalogue.lock().unwrap_or_else(PoisonError::into_inner);
        if catalogue.publish(snapshot, position) {
            self.edition.send_replace(Arc::clone(catalogue.current()));
        }
        catalogue.refused().cloned().collect()
    }

    /// False: what is published may be behind by any time. From now on it is offered only to a pod that has nothing, or
    /// something older still; streams of all others end.
    pub fn offer_all(&self, offers_all: bool) {
        self.offers_all.send_if_modified(|old| std::mem::replace(old, offers_all) != offers_all);
    }

    /// All pods that this replica serves, and those that other replicas relay. Changes within some 50 ms are one.
    #[must_use]
    pub fn pods(&self) -> Receiver<Arc<Pods>> {
        self.pods.all()
    }

    /// What is counted of the stream, to be registered once.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What is published. Version 0: nothing yet.
    fn editions(&self) -> Receiver<Arc<Edition>> {
        self.edition.subscribe()
    }

    fn offers_all(&self) -> Receiver<bool> {
        self.offers_all.subscribe()
    }
}
