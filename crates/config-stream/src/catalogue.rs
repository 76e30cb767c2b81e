//! What a replica publishes: every object encoded once, and what is new for somebody who holds something else.
//!
//! An edition is immutable and shares its resources with the one before, so that a pod's place is an edition and not a
//! list, and the difference between two of them is found by pointer. Publishing compares and encodes, which takes a
//! while where much changed; what is published is read without waiting for it. Called by the operator's publisher.

mod edition;
mod offer;

use std::collections::BTreeMap;
use std::sync::Arc;

use ringway_snapshot::Snapshot;

use crate::key::Key;
use crate::limits::RESOURCES;
use crate::pod::Rejection;
use crate::position::Position;
use crate::resource::Object;

pub use edition::{Base, Edition};
pub use offer::{Offer, Parts};

/// Everything published, newest state only.
#[derive(Debug, Default)]
pub struct Catalogue {
    snapshot: Snapshot,
    current: Arc<Edition>,
    refused: BTreeMap<Key, Rejection>,
}

/// Counts up with everything published by one process.
pub type Version = u64;

// === impl Catalogue ===

impl Catalogue {
    /// Takes in a new state. False: it is the one published already.
    ///
    /// An object that cannot travel stays as it was last published, or is left out; see [`Self::refused`].
    pub fn publish(&mut self, snapshot: &Snapshot, position: Position) -> bool {
        let mut resources = Vec::with_capacity(self.current.resources());
        let mut is_new = self.current.version == 0 || position != self.current.position;
        let mut refused = BTreeMap::new();
        for object in Object::all(snapshot) {
            let key = object.key();
            let published = self.current.resource(&key);
            if let Some(published) = published.filter(|_| self.is_unchanged(&object, &key)) {
                resources.push(Arc::clone(published));
                continue;
            }
            let room = if resources.len() < RESOURCES { Ok(()) } else { Err(too_many()) };
            let encoded = room.and_then(|()| object.encode().map_err(|error| error.to_string()));
            match (encoded, published) {
                (Ok(encoded), Some(published)) if encoded.hash == published.hash => {
                    resources.push(Arc::clone(published));
                }
                (Ok(encoded), _) => {
                    is_new = true;
                    resources.push(Arc::new(encoded.publish()));
                }
                (Err(reason), published) => {
                    refused.insert(key.clone(), Rejection::new(&key, reason));
                    resources.extend(published.map(Arc::clone));
                }
            }
        }
        is_new |= resources.len() != self.current.resources();
        self.snapshot = snapshot.clone();
        self.refused = refused;
        if is_new {
            self.current = Arc::new(Edition::new(self.current.version + 1, position, resources));
        }
        is_new
    }

    /// Objects of the published state that cannot travel.
    pub fn refused(&self) -> impl Iterator<Item = &Rejection> {
        self.refused.values()
    }

    #[must_use]
    pub fn current(&self) -> &Arc<Edition> {
        &self.current
    }

    fn is_unchanged(&self, object: &Object, key: &Key) -> bool {
        fn is_same<T: PartialEq>(new: &Arc<T>, old: Option<&Arc<T>>) -> bool {
            old.is_some_and(|old| Arc::ptr_eq(new, old) || new == old)
        }
        // What was refused is not what is published, and there may be room for it now.
        if self.refused.contains_key(key) {
            return false;
        }
        match object {
            Object::Listener(new) => is_same(new, self.snapshot.listeners.get(&new.name)),
            Object::Backend(new) => is_same(new, self.snapshot.backends.get(&new.name)),
            Object::Route(new) => is_same(new, self.snapshot.routes.get(&new.name)),
        }
    }
}

fn too_many() -> String {
    format!("more than {RESOURCES} objects cannot be sent to a pod")
}
