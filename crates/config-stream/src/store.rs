//! What a pod holds: the snapshot that it serves, the hash of each object, and where it stands.
//!
//! A transaction is taken as a whole; an object in it that cannot be read leaves its last good form in place. Called by
//! the data plane, which has the snapshot served and written to its disk.

use std::collections::BTreeMap;

use ringway_snapshot::{ListenerName, ObjectName, Snapshot};

use crate::assembler::Transaction;
use crate::key::{Key, Kind};
use crate::limits::{POD_MESSAGE_BYTES, RESOURCES};
use crate::pod::{Pod, Rejection};
use crate::position::Position;
use crate::resource::Object;
use crate::wire;

/// Empty at first, or what was on disk.
#[derive(Debug, Clone, Default)]
pub struct Store {
    snapshot: Snapshot,
    position: Position,
    hashes: BTreeMap<Key, u64>,
    unreadable: BTreeMap<Key, Rejection>,
}

// === impl Store ===

impl Store {
    /// From the disk. The hashes are made anew: the file may be of another version of the software, for which an
    /// object was another one.
    #[must_use]
    pub fn restored(snapshot: Snapshot, position: Position) -> Self {
        let hash = |object: Object| object.encode().ok().map(|encoded| (encoded.key, encoded.hash));
        let hashes = Object::all(&snapshot).filter_map(hash).collect();
        Self { snapshot, position, hashes, unreadable: BTreeMap::new() }
    }

    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    #[must_use]
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Nothing was ever taken.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.snapshot.generation == 0
    }

    /// Objects that could not be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &Rejection> {
        self.unreadable.values()
    }

    /// What to say at the start of a stream. If the list of what is held were too long for a message, everything is
    /// asked for.
    #[must_use]
    pub fn hello(&self, pod: &Pod) -> wire::Hello {
        let held =
            |(key, hash): (&Key, &u64)| wire::Held { kind: key.kind.to_wire(), name: key.name.clone(), hash: *hash };
        let bytes: usize = self.hashes.keys().map(|key| key.name.len() + 24).sum();
        let fits = bytes < POD_MESSAGE_BYTES - (64 << 10) && !self.is_empty();
        wire::Hello {
            pod: Some(pod.to_wire()),
            position: (!self.is_empty()).then(|| self.position.to_wire()),
            held: if fits { self.hashes.iter().map(held).collect() } else { vec![] },
        }
    }

    /// Takes all of `transaction`. True: the snapshot is another one, not only the position.
    pub fn take(&mut self, transaction: Transaction) -> bool {
        let Transaction { is_whole, position, changed, removed, .. } = transaction;
        let gone: Vec<Key> = if is_whole {
            let known = self.hashes.keys().chain(self.unreadable.keys());
            known.filter(|key| !changed.contains_key(*key)).cloned().collect()
        } else {
            removed.into_iter().collect()
        };
        let mut is_new = self.is_empty();
        for key in gone {
            self.unreadable.remove(&key);
            is_new |= self.hashes.remove(&key).is_some();
            remove(&mut self.snapshot, &key);
        }
        for (key, incoming) in changed {
            match incoming.object {
                Ok(object) if self.hashes.len() < RESOURCES || self.hashes.contains_key(&key) => {
                    self.unreadable.remove(&key);
                    if self.hashes.insert(key, incoming.hash) != Some(incoming.hash) {
                        is_new = true;
                        object.put_into(&mut self.snapshot);
                    }
                }
                Ok(_) => self.refuse(key, format!("a pod serves at most {RESOURCES} objects")),
                Err(error) => self.refuse(key, error.to_string()),
            }
        }
        self.position = position.taken_by(&self.position);
        self.snapshot.generation += u64::from(is_new);
        is_new
    }

    fn refuse(&mut self, key: Key, reason: String) {
        let rejection = Rejection::new(&key, reason);
        self.unreadable.insert(key, rejection);
    }
}

fn remove(snapshot: &mut Snapshot, key: &Key) {
    let mut parts = key.name.splitn(3, '/');
    let (Some(namespace), Some(name)) = (parts.next(), parts.next()) else { return };
    let name = ObjectName::new(namespace, name);
    match (key.kind, parts.next()) {
        (Kind::Listener, Some(listener)) => drop(snapshot.listeners.remove(&ListenerName::new(name, listener))),
        (Kind::Backend, None) => drop(snapshot.backends.remove(&name)),
        (Kind::Route, None) => drop(snapshot.routes.remove(&name)),
        // No object is called so.
        (Kind::Listener, None) | (Kind::Backend | Kind::Route, Some(_)) => {}
    }
}
