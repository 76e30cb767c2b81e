//! One published state, and what is new in it for a pod.
//!
//! Pods that have nothing, and pods that come from one edition, share what is to be sent to them: 200 that come at once
//! are answered by one look. No lock is held while it is taken but by those who wait for the very same.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Offer, Version};
use crate::key::Key;
use crate::position::Position;
use crate::resource::Published;

/// Differences to earlier editions that are kept for other pods at the same place.
const REMEMBERED: usize = 16;

#[derive(Debug, Default)]
pub struct Edition {
    pub version: Version,
    pub position: Position,
    /// In the order of their keys.
    resources: Vec<Arc<Published>>,
    offers: Offers,
}

/// Where a pod stands.
#[derive(Debug, Clone, Default)]
pub enum Base {
    /// It has nothing.
    #[default]
    Nothing,
    /// What it said it holds, in the order of the keys; what is published so is shared.
    Held(Arc<[Arc<Published>]>),
    /// What it got from this process.
    Edition(Arc<Edition>),
}

/// Filled in by who comes first.
type Place = OnceLock<Arc<Offer>>;

/// What was worked out already.
#[derive(Debug, Default)]
struct Offers {
    whole: Place,
    since: Mutex<VecDeque<(Version, Arc<Place>)>>,
}

// === impl Edition ===

impl Edition {
    pub(super) fn new(version: Version, position: Position, mut resources: Vec<Arc<Published>>) -> Self {
        resources.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        Self { version, position, resources, offers: Offers::default() }
    }

    #[must_use]
    pub fn resources(&self) -> usize {
        self.resources.len()
    }

    /// The published form of `key`.
    #[must_use]
    pub fn resource(&self, key: &Key) -> Option<&Arc<Published>> {
        let found = self.resources.binary_search_by(|resource| resource.key.cmp(key));
        found.ok().and_then(|index| self.resources.get(index))
    }

    /// Where a pod stands that says it holds these, by hash. Of what is published so no copy is kept.
    #[must_use]
    pub fn recognise(self: &Arc<Self>, held: impl IntoIterator<Item = (Key, u64)>) -> Base {
        let known = |(key, hash): (Key, u64)| match self.resource(&key) {
            Some(published) if published.hash == hash => Arc::clone(published),
            _ => Arc::new(Published::held(key, hash)),
        };
        let mut held: Vec<_> = held.into_iter().map(known).collect();
        held.sort_by(|one, other| one.key.cmp(&other.key));
        held.dedup_by(|one, other| one.key == other.key);
        let is_this = held.len() == self.resources.len()
            && held.iter().zip(&self.resources).all(|(held, published)| Arc::ptr_eq(held, published));
        match held.is_empty() {
            true => Base::Nothing,
            false if is_this => Base::Edition(Arc::clone(self)),
            false => Base::Held(held.into()),
        }
    }

    /// What is new for a pod at `base`.
    #[must_use]
    pub fn offer(&self, base: &Base) -> Arc<Offer> {
        match base {
            Base::Nothing => {
                let whole = || Arc::new(self.offered(true, self.resources.clone(), vec![]));
                Arc::clone(self.offers.whole.get_or_init(whole))
            }
            Base::Held(held) => Arc::new(self.since(held)),
            Base::Edition(edition) => {
                let offer = self.offers.since(edition.version);
                Arc::clone(offer.get_or_init(|| Arc::new(self.since(&edition.resources))))
            }
        }
    }

    fn offered(&self, is_whole: bool, changed: Vec<Arc<Published>>, removed: Vec<Key>) -> Offer {
        Offer { version: self.version, is_whole, position: self.position.clone(), changed, removed }
    }

    /// One walk along both, since both are sorted.
    fn since(&self, base: &[Arc<Published>]) -> Offer {
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        let (mut new, mut old) = (self.resources.iter().peekable(), base.iter().peekable());
        loop {
            let order = match (new.peek(), old.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(new), Some(old)) if Arc::ptr_eq(new, old) => Ordering::Equal,
                (Some(new), Some(old)) => new.key.cmp(&old.key),
            };
            match order {
                Ordering::Less => changed.extend(new.next().map(Arc::clone)),
                Ordering::Greater => removed.extend(old.next().map(|old| old.key.clone())),
                Ordering::Equal => {
                    if let (Some(new), Some(old)) = (new.next(), old.next())
                        && new.hash != old.hash
                    {
                        changed.push(Arc::clone(new));
                    }
                }
            }
        }
        self.offered(false, changed, removed)
    }
}

// === impl Offers ===

impl Offers {
    /// The place for the difference to `version`. Who finds it empty fills it in, without the lock.
    fn since(&self, version: Version) -> Arc<Place> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, offer)) = since.iter().find(|(of, _)| *of == version) {
            return Arc::clone(offer);
        }
        let offer = Arc::default();
        since.push_front((version, Arc::clone(&offer)));
        since.truncate(REMEMBERED);
        offer
    }
}
