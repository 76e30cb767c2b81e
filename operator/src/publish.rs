//! The operator's end of the config stream: what is published, to which pods, and what they say.
//!
//! Every replica publishes what it translated ([`Publisher::publish`]) and serves it ([`serve`]); a replica that is not
//! the lease holder tells the holder about its pods ([`relay()`]), so that the holder's table ([`Publisher::pods`]) has
//! them all. One update is under way to a pod: when it is acknowledged, what is the newest by then follows, so that
//! nothing queues behind a slow pod. Does not translate and writes no status.

mod accept;
mod counters;
mod peer;
mod pods;
mod relay;
mod relayed;
mod service;
mod session;
mod watch;

use std::sync::{Arc, Mutex, PoisonError};

use ringway_config_stream::catalogue::{Base, Catalogue, Edition, Offer, Version};
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
    catalogue: Mutex<Catalogue>,
    version: Sender<Version>,
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
            version: Sender::new(0),
            pods: Table::new(),
            counters: Counters::default(),
        })
    }

    /// Publishes a state from now on. Cheap where little changed: what is equal is found by pointer or by comparison,
    /// the rest is encoded once for all pods. The same state again wakes nobody.
    ///
    /// Gives what cannot travel for its size: its last published form stays, or it is not there.
    pub fn publish(&self, snapshot: &Snapshot, position: Position) -> Vec<Rejection> {
        let (version, refused) = {
            let mut catalogue = self.catalogue();
            catalogue.publish(snapshot, position);
            (catalogue.current().version, catalogue.refused().cloned().collect())
        };
        self.version.send_if_modified(|published| std::mem::replace(published, version) != version);
        refused
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

    /// The version that is published. 0: none yet.
    fn version(&self) -> Receiver<Version> {
        self.version.subscribe()
    }

    /// What is new for a pod at `base`, and the edition that it then has.
    fn offer(&self, base: &Base) -> (Arc<Offer>, Arc<Edition>) {
        let mut catalogue = self.catalogue();
        (catalogue.offer(base), Arc::clone(catalogue.current()))
    }

    fn catalogue(&self) -> std::sync::MutexGuard<'_, Catalogue> {
        self.catalogue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
