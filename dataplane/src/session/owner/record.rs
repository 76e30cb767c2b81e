//! One session's record, and one shard of records and tombstones.
//!
//! Plain data under the shard's lock: what is removed is handed out, so that nothing foreign is dropped under it.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::RandomState;
use ringway_snapshot::BackendKey;
use tokio::sync::oneshot;

use super::bind::Waited;
use super::{EVICTABLE_AFTER, Facts, Freed, Holder, ListKind, LogLevel, OwnList, SessionKey};

/// Seven eighths of 4,096, where a hash table would double: 4,096 buckets of 25 bytes and as many places of 24 bytes in
/// the queue are 196 KiB, times 64 shards 12.3 MiB; growing keeps both halves for a moment.
pub(super) const TOMBSTONES_PER_SHARD: usize = 3_584;

#[derive(Debug)]
pub(super) struct Shard<T, L, E> {
    pub(super) sessions: HashMap<SessionKey, Session<T, L, E>, RandomState>,
    pub(super) tombstones: Tombstones,
    /// No record can be evicted before this time: spares a full shard the search on every new session.
    no_victim_before: u64,
}

#[derive(Debug)]
pub(super) struct Session<T, L, E> {
    /// Tells this record from a later one of the same session.
    pub(super) id: u64,
    pub(super) last_use: u64,
    expires_at: u64,
    group: u32,
    /// Calls and streams in flight.
    pub(super) users: u32,
    pub(super) holder: Option<Holder>,
    pub(super) log_level: Option<LogLevel>,
    /// Sorted. Boxed, as most sessions have one and a search should not walk over the others' contents.
    slots: Vec<Placed<T, L, E>>,
}

type Placed<T, L, E> = (BackendKey, Box<Slot<T, L, E>>);

/// One backend's part of a session.
#[derive(Debug)]
pub(super) struct Slot<T, L, E> {
    pub(super) bound: Option<Bound<T>>,
    pub(super) attempt: Option<Attempt<T, L, E>>,
    lists: [OwnList<L>; 4],
}

#[derive(Debug)]
pub(super) struct Bound<T> {
    pub(super) seq: u64,
    pub(super) binding: T,
}

/// A bind under way.
#[derive(Debug)]
pub(super) struct Attempt<T, L, E> {
    pub(super) id: u64,
    pub(super) waiters: VecDeque<oneshot::Sender<Waited<T, L, E>>>,
}

/// Deleted sessions, oldest deletion first.
#[derive(Debug, Default)]
pub(super) struct Tombstones {
    until: HashMap<SessionKey, u64, RandomState>,
    order: VecDeque<SessionKey>,
}

// === impl Shard ===

impl<T, L, E> Default for Shard<T, L, E> {
    fn default() -> Self {
        Self { sessions: HashMap::default(), tombstones: Tombstones::default(), no_victim_before: 0 }
    }
}

impl<T, L, E> Shard<T, L, E> {
    /// Removes the session unused for longest, if that is long enough.
    pub(super) fn evict(&mut self, now: u64) -> Option<(SessionKey, Session<T, L, E>)> {
        if now < self.no_victim_before {
            return None;
        }
        let idle = self.sessions.iter().filter(|(_, session)| !session.in_use());
        let oldest = idle.min_by_key(|(_, session)| session.last_use).map(|(key, session)| (*key, session.last_use));
        let Some((key, last_use)) = oldest else {
            // All in use: a moment is enough for that to change, but not for a search per request.
            self.no_victim_before = now.saturating_add(1_000);
            return None;
        };
        if now.saturating_sub(last_use) <= EVICTABLE_AFTER {
            self.no_victim_before = last_use.saturating_add(EVICTABLE_AFTER + 1).min(now.saturating_add(1_000));
            return None;
        }
        self.sessions.remove_entry(&key)
    }

    pub(super) fn sweep(
        &mut self,
        now: u64,
        idle_timeout_of: &impl Fn(u32) -> u64,
    ) -> Vec<(SessionKey, Session<T, L, E>)> {
        self.tombstones.sweep(now);
        let over = |session: &mut Session<T, L, E>| {
            if session.in_use() {
                session.last_use = session.last_use.max(now);
            }
            let idle = now.saturating_sub(session.last_use);
            session.expires_at <= now || (idle > 0 && idle >= idle_timeout_of(session.group))
        };
        let removed = self.sessions.extract_if(|_, session| over(session)).collect();
        // A burst of sessions does not hold its memory for ever.
        if self.sessions.capacity() > 4 * self.sessions.len().max(64) {
            self.sessions.shrink_to_fit();
        }
        removed
    }
}

// === impl Session ===

impl<T, L, E> Session<T, L, E> {
    pub(super) fn new(id: u64, facts: Facts, now: u64) -> Self {
        let Facts { expires_at, group } = facts;
        Self { id, last_use: now, expires_at, group, users: 0, holder: None, log_level: None, slots: Vec::new() }
    }

    fn in_use(&self) -> bool {
        self.users > 0 || self.holder.is_some() || self.slots.iter().any(|(_, slot)| slot.attempt.is_some())
    }

    fn position(&self, backend: BackendKey) -> Result<usize, usize> {
        self.slots.binary_search_by_key(&backend.0, |(key, _)| key.0)
    }

    pub(super) fn slot(&self, backend: BackendKey) -> Option<&Slot<T, L, E>> {
        self.slots.get(self.position(backend).ok()?).map(|(_, slot)| &**slot)
    }

    pub(super) fn slot_mut(&mut self, backend: BackendKey) -> Option<&mut Slot<T, L, E>> {
        let at = self.position(backend).ok()?;
        self.slots.get_mut(at).map(|(_, slot)| &mut **slot)
    }

    pub(super) fn slot_or_new(&mut self, backend: BackendKey) -> Option<&mut Slot<T, L, E>> {
        if let Err(at) = self.position(backend) {
            self.slots.insert(at, (backend, Box::default()));
        }
        self.slot_mut(backend)
    }

    /// The list of a backend to which the session is bound.
    pub(super) fn own_list(&mut self, backend: BackendKey, kind: ListKind) -> Option<&mut OwnList<L>> {
        self.slot_mut(backend).filter(|slot| slot.bound.is_some())?.lists.get_mut(kind as usize)
    }

    pub(super) fn own_lists(&self, kind: ListKind) -> Vec<(BackendKey, OwnList<L>)>
    where
        L: Clone,
    {
        let lists = self.slots.iter().filter_map(|(key, slot)| Some((*key, slot.lists.get(kind as usize)?)));
        lists.filter(|(_, list)| !matches!(list, OwnList::Shared)).map(|(key, list)| (key, list.clone())).collect()
    }

    pub(super) fn bindings(&self) -> Vec<(BackendKey, T)>
    where
        T: Clone,
    {
        let bound = self.slots.iter().filter_map(|(key, slot)| Some((*key, slot.bound.as_ref()?)));
        bound.map(|(key, bound)| (key, bound.binding.clone())).collect()
    }
}

// === impl Slot ===

impl<T, L, E> Default for Slot<T, L, E> {
    fn default() -> Self {
        Self { bound: None, attempt: None, lists: std::array::from_fn(|_| OwnList::Shared) }
    }
}

impl<T, L, E> Slot<T, L, E> {
    /// Puts a binding in place. Lists of its own belong to the upstream session that is gone, so they go, too.
    pub(super) fn bind(&mut self, bound: Bound<T>) -> (Option<Bound<T>>, [OwnList<L>; 4]) {
        let lists = std::mem::replace(&mut self.lists, std::array::from_fn(|_| OwnList::Shared));
        (self.bound.replace(bound), lists)
    }
}

// === impl Freed ===

impl<T, L, E> From<(SessionKey, Session<T, L, E>)> for Freed<T> {
    fn from((key, session): (SessionKey, Session<T, L, E>)) -> Self {
        let (group, holder) = (session.group, session.holder);
        let bound = session.slots.into_iter().filter_map(|(backend, slot)| Some((backend, slot.bound?.binding)));
        Self { key, group, holder, bindings: bound.collect() }
    }
}

// === impl Tombstones ===

impl Tombstones {
    pub(super) fn contains(&self, key: SessionKey) -> bool {
        self.until.contains_key(&key)
    }

    /// (not there before, an older one had to go)
    pub(super) fn insert(&mut self, key: SessionKey, expires_at: u64) -> (bool, bool) {
        if let Some(until) = self.until.get_mut(&key) {
            *until = expires_at.max(*until);
            return (false, false);
        }
        let full = self.until.len() >= TOMBSTONES_PER_SHARD;
        if full && let Some(oldest) = self.order.pop_front() {
            self.until.remove(&oldest);
        }
        self.until.insert(key, expires_at);
        self.order.push_back(key);
        (true, full)
    }

    fn sweep(&mut self, now: u64) {
        let before = self.until.len();
        self.until.retain(|_, until| *until > now);
        if self.until.len() < before {
            self.order.retain(|key| self.until.contains_key(key));
        }
    }
}
