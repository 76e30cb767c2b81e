//! What a replica publishes: every object encoded once, and what is new for somebody who holds something else.
//!
//! An edition is immutable and shares its resources with the one before, so that a pod's place is an edition and not a
//! list, and the difference between two of them is found by pointer. Called by the operator's publisher.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use ringway_snapshot::Snapshot;

use crate::key::Key;
use crate::limits::{PART_BYTES, RESOURCES};
use crate::pod::Rejection;
use crate::position::Position;
use crate::resource::{Encoded, Object};
use crate::wire;

/// Differences that are kept for other pods at the same place.
const REMEMBERED: usize = 16;

/// Everything published, newest state only.
#[derive(Debug, Default)]
pub struct Catalogue {
    snapshot: Snapshot,
    current: Arc<Edition>,
    refused: BTreeMap<Key, Rejection>,
    differences: VecDeque<(Version, Arc<Offer>)>,
}

/// Counts up with everything published by one process.
pub type Version = u64;

/// One published state.
#[derive(Debug, Default)]
pub struct Edition {
    pub version: Version,
    pub position: Position,
    resources: BTreeMap<Key, Arc<Encoded>>,
}

/// Where a pod stands.
#[derive(Debug, Clone, Default)]
pub enum Base {
    /// It has nothing.
    #[default]
    Nothing,
    /// What it said it holds, by hash.
    Held(Arc<HashMap<Key, u64>>),
    /// What it got from this process.
    Edition(Arc<Edition>),
}

/// What is to be sent to a pod that stands at some base. It takes effect as a whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Offer {
    pub version: Version,
    pub is_whole: bool,
    pub position: Position,
    pub changed: Vec<Arc<Encoded>>,
    pub removed: Vec<Key>,
}

/// The messages of an offer, made one by one as they can be sent.
#[derive(Debug)]
pub struct Parts {
    offer: Arc<Offer>,
    removed: usize,
    changed: usize,
    is_done: bool,
}

// === impl Catalogue ===

impl Catalogue {
    /// Takes in a new state. False: it is the one published already.
    ///
    /// An object that cannot travel stays as it was last published, or is left out; see [`Self::refused`].
    pub fn publish(&mut self, snapshot: &Snapshot, position: Position) -> bool {
        let mut resources = BTreeMap::new();
        let mut is_new = self.current.version == 0 || position != self.current.position;
        let mut refused = BTreeMap::new();
        for object in Object::all(snapshot) {
            let key = object.key();
            let published = self.current.resources.get(&key);
            if let Some(published) = published.filter(|_| self.is_unchanged(&object, &key)) {
                resources.insert(key, Arc::clone(published));
                continue;
            }
            let room = if resources.len() < RESOURCES { Ok(()) } else { Err(too_many()) };
            let encoded = room.and_then(|()| object.encode().map_err(|error| error.to_string()));
            match (encoded, published) {
                (Ok(encoded), Some(published)) if encoded.hash == published.hash => {
                    resources.insert(key, Arc::clone(published));
                }
                (Ok(encoded), _) => {
                    is_new = true;
                    resources.insert(key, Arc::new(encoded));
                }
                (Err(reason), published) => {
                    refused.insert(key.clone(), Rejection::new(&key, reason));
                    resources.extend(published.map(|published| (key, Arc::clone(published))));
                }
            }
        }
        is_new |= resources.len() != self.current.resources.len();
        self.snapshot = snapshot.clone();
        self.refused = refused;
        if is_new {
            let version = self.current.version + 1;
            self.current = Arc::new(Edition { version, position, resources });
            // Towards an older state: nobody will be sent it any more.
            self.differences.clear();
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

    /// What is new for a pod at `base`. Pods at the same edition share one offer.
    pub fn offer(&mut self, base: &Base) -> Arc<Offer> {
        let Base::Edition(edition) = base else { return Arc::new(self.current.offer_to(base)) };
        if let Some((_, offer)) = self.differences.iter().find(|(version, _)| *version == edition.version) {
            return Arc::clone(offer);
        }
        let offer = Arc::new(self.current.offer_to(base));
        self.differences.push_front((edition.version, Arc::clone(&offer)));
        self.differences.truncate(REMEMBERED);
        offer
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

// === impl Edition ===

impl Edition {
    #[must_use]
    pub fn resources(&self) -> usize {
        self.resources.len()
    }

    /// The published form of `key`.
    #[must_use]
    pub fn resource(&self, key: &Key) -> Option<&Arc<Encoded>> {
        self.resources.get(key)
    }

    fn offer_to(&self, base: &Base) -> Offer {
        let (is_whole, changed, removed) = match base {
            Base::Nothing => (true, self.resources.values().cloned().collect(), vec![]),
            Base::Held(held) => self.since_held(held),
            Base::Edition(edition) => self.since(edition),
        };
        Offer { version: self.version, is_whole, position: self.position.clone(), changed, removed }
    }

    fn since_held(&self, held: &HashMap<Key, u64>) -> (bool, Vec<Arc<Encoded>>, Vec<Key>) {
        let is_held = |resource: &Encoded| held.get(&resource.key) == Some(&resource.hash);
        let changed = self.resources.values().filter(|resource| !is_held(resource)).cloned().collect();
        let removed = held.keys().filter(|key| !self.resources.contains_key(*key)).cloned().collect();
        (false, changed, removed)
    }

    /// One walk along both, since both are sorted.
    fn since(&self, base: &Self) -> (bool, Vec<Arc<Encoded>>, Vec<Key>) {
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        let (mut new, mut old) = (self.resources.iter().peekable(), base.resources.iter().peekable());
        loop {
            let order = match (new.peek(), old.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((new, _)), Some((old, _))) => new.cmp(old),
            };
            match order {
                Ordering::Less => changed.extend(new.next().map(|(_, resource)| Arc::clone(resource))),
                Ordering::Greater => removed.extend(old.next().map(|(key, _)| key.clone())),
                Ordering::Equal => {
                    if let (Some((_, new)), Some((_, old))) = (new.next(), old.next())
                        && !Arc::ptr_eq(new, old)
                        && new.hash != old.hash
                    {
                        changed.push(Arc::clone(new));
                    }
                }
            }
        }
        (false, changed, removed)
    }
}

// === impl Offer ===

impl Offer {
    /// Nothing but the position is new.
    #[must_use]
    pub fn is_position_only(&self) -> bool {
        !self.is_whole && self.changed.is_empty() && self.removed.is_empty()
    }

    #[must_use]
    pub fn into_parts(self: Arc<Self>) -> Parts {
        Parts { offer: self, removed: 0, changed: 0, is_done: false }
    }
}

// === impl Parts ===

impl Iterator for Parts {
    type Item = wire::Update;

    fn next(&mut self) -> Option<wire::Update> {
        if self.is_done {
            return None;
        }
        let Self { offer, .. } = self;
        let mut update = wire::Update { version: offer.version, is_whole: offer.is_whole, ..wire::Update::default() };
        let mut bytes = 0;
        // What is larger than a part travels alone.
        let mut fits = |size: usize| {
            let fits = bytes == 0 || bytes + size <= PART_BYTES;
            bytes += size;
            fits
        };
        while let Some(key) = offer.removed.get(self.removed).filter(|key| fits(key.name.len() + 1)) {
            update.removed.push(key.to_gone());
            self.removed += 1;
        }
        if self.removed == offer.removed.len() {
            while let Some(resource) = offer.changed.get(self.changed).filter(|resource| fits(resource.size())) {
                update.changed.push(resource.to_wire());
                self.changed += 1;
            }
        }
        if self.removed == offer.removed.len() && self.changed == offer.changed.len() {
            self.is_done = true;
            update.is_last = true;
            update.position = Some(offer.position.to_wire());
        }
        Some(update)
    }
}
