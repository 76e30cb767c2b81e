//! The slot owner of a ring of one: the mutable facts of sessions, shared by all workers.
//!
//! State with explicit times (Unix milliseconds), no I/O, and no waiting but for a [`bind`] under way elsewhere. It ends
//! no upstream session itself: what it forgets it hands to the caller as [`Freed`]. A session id is valid without a
//! record; one is made at first use and may be lost, whereupon upstreams are bound anew. With the ring this becomes the
//! local side of slot ownership. Called by the pipeline (one [`Owner::touch`] a request) and a sweep task.

pub mod bind;
mod record;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringway_snapshot::BackendKey;

pub use crate::peer::SessionKey;
use crate::telemetry::labels::{Limit, SessionEvent, closed_set};
use crate::telemetry::metrics::Metrics;
use record::{Session, Shard};

/// Locks are held for about 50 ns; with 64 of them two workers rarely meet.
const SHARDS: usize = 64;
/// Session records per process; at some 300 bytes with one binding 60 MB.
pub const RECORDS: usize = 200_000;
/// Only records unused for this long, in milliseconds, give way to new ones.
pub const EVICTABLE_AFTER: u64 = 5 * 60 * 1000;
/// Deleted sessions remembered: with the set's and the queue's slack 71 bytes each, 16 MiB.
pub const TOMBSTONES: usize = SHARDS * record::TOMBSTONES_PER_SHARD;

/// All sessions of the process. `T`: a binding to a backend; `L`: a list kept for one session; `E`: why a bind failed.
#[derive(Debug)]
pub struct Owner<T, L, E> {
    shards: Box<[Mutex<Shard<T, L, E>>]>,
    records: AtomicUsize,
    capacity: usize,
    /// Makes bindings, attempts and records distinct for the life of the process.
    next: AtomicU64,
    metrics: Arc<Metrics>,
}

/// What each use of a session says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// End of the id's life, Unix milliseconds.
    pub expires_at: u64,
    /// The caller's index of route and principal; [`Owner::sweep`] asks for its idle time.
    pub group: u32,
}

/// How a session stands at the moment of its use.
#[derive(Debug)]
pub enum Touch<T> {
    Known,
    /// There was no record: new, or freed since. One that gave way to it is for the caller to end.
    Created {
        evicted: Option<Freed<T>>,
    },
    /// Deleted, or past its end: the id is dead.
    Revoked,
    /// No room, and no record is idle for long enough.
    Busy,
}

/// What a forgotten session held; to be ended by whoever gets it.
#[derive(Debug)]
#[must_use]
pub struct Freed<T> {
    pub key: SessionKey,
    pub group: u32,
    pub bindings: Vec<(BackendKey, T)>,
    pub holder: Option<Holder>,
}

/// Result of [`Owner::tombstone`].
#[derive(Debug)]
pub struct Tombstoned<T> {
    /// Not known as deleted before: worth a line in the journal.
    pub new: bool,
    pub freed: Option<Freed<T>>,
}

/// Where the client's GET stream is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    pub worker: u32,
    /// Of the stream, on that worker.
    pub number: u64,
}

/// A list that a backend may change for one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

/// Whether a session has a list of its own from a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OwnList<L> {
    /// The backend shows it what it shows to all.
    #[default]
    Shared,
    /// Changed and not read since; the version goes to [`Owner::keep_list`].
    Dirty(u64),
    Kept(L),
}

closed_set! {
    /// Level of `logging/setLevel` (RFC 5424 severities), least first.
    pub enum LogLevel {
        Debug = "debug",
        Info = "info",
        Notice = "notice",
        Warning = "warning",
        Error = "error",
        Critical = "critical",
        Alert = "alert",
        Emergency = "emergency",
    }
}

/// A call or stream that uses a session, which is not idle while this lives.
#[derive(Debug)]
pub struct InUse<T, L, E> {
    owner: Arc<Owner<T, L, E>>,
    key: SessionKey,
    record: u64,
}

/// Answer to [`Owner::enter`].
#[derive(Debug)]
pub enum Enter<T, L, E> {
    In(InUse<T, L, E>),
    /// As many as allowed are in flight.
    Full,
    /// There is no record (any more).
    Gone,
}

// === impl Owner ===

impl<T, L, E> Owner<T, L, E> {
    /// With room for `capacity` records ([`RECORDS`]).
    #[must_use]
    pub fn new(capacity: usize, metrics: Arc<Metrics>) -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Arc::new(Self { shards, records: AtomicUsize::new(0), capacity, next: AtomicU64::new(1), metrics })
    }

    /// Session records held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.load(Relaxed)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes a use of the session, making its record if there is none.
    pub fn touch(&self, key: SessionKey, facts: Facts, now: u64) -> Touch<T> {
        if facts.expires_at <= now {
            return Touch::Revoked;
        }
        let mut shard = self.shard(key);
        if let Some(session) = shard.sessions.get_mut(&key) {
            session.last_use = session.last_use.max(now);
            return Touch::Known;
        }
        if shard.tombstones.contains(key) {
            return Touch::Revoked;
        }
        let mut evicted = None;
        if self.records.fetch_add(1, Relaxed) >= self.capacity {
            self.records.fetch_sub(1, Relaxed);
            self.metrics.limit_hit(Limit::SessionRecords);
            evicted = shard.evict(now);
            if evicted.is_none() {
                drop(shard);
                self.metrics.session(SessionEvent::RejectedCap);
                return Touch::Busy;
            }
        } else {
            self.metrics.sessions.add(1);
        }
        shard.sessions.insert(key, Session::new(self.number(), facts, now));
        drop(shard);
        Touch::Created { evicted: evicted.map(Freed::from) }
    }

    /// Counts a call or stream of the session, at most `limit` at a time. The session is in use until it is dropped.
    #[must_use]
    pub fn enter(self: &Arc<Self>, key: SessionKey, limit: u32) -> Enter<T, L, E> {
        let mut shard = self.shard(key);
        let Some(session) = shard.sessions.get_mut(&key) else { return Enter::Gone };
        if session.users >= limit {
            return Enter::Full;
        }
        session.users += 1;
        Enter::In(InUse { owner: Arc::clone(self), key, record: session.id })
    }

    /// Where the client's GET stream is.
    #[must_use]
    pub fn holder(&self, key: SessionKey) -> Option<Holder> {
        self.shard(key).sessions.get(&key)?.holder
    }

    /// The client's GET stream is here now. `Err`: there is no record; else who held one before.
    pub fn set_holder(&self, key: SessionKey, holder: Holder) -> Result<Option<Holder>, Gone> {
        let mut shard = self.shard(key);
        let session = shard.sessions.get_mut(&key).ok_or(Gone)?;
        Ok(session.holder.replace(holder))
    }

    /// The stream of `holder` ended. False, and nothing happens, if another one is there by now.
    pub fn clear_holder(&self, key: SessionKey, holder: Holder) -> bool {
        let mut shard = self.shard(key);
        shard.sessions.get_mut(&key).is_some_and(|session| session.holder.take_if(|held| *held == holder).is_some())
    }

    #[must_use]
    pub fn log_level(&self, key: SessionKey) -> Option<LogLevel> {
        self.shard(key).sessions.get(&key)?.log_level
    }

    /// False: there is no record.
    pub fn set_log_level(&self, key: SessionKey, level: LogLevel) -> bool {
        let mut shard = self.shard(key);
        shard.sessions.get_mut(&key).map(|session| session.log_level = Some(level)).is_some()
    }

    /// The backend said on the session's own stream that a list changed: from now on the list is read for this session
    /// alone. False: the session is not bound to it.
    pub fn mark_list_changed(&self, key: SessionKey, backend: BackendKey, kind: ListKind) -> bool {
        let version = self.number();
        let mut shard = self.shard(key);
        let own = shard.sessions.get_mut(&key).and_then(|session| session.own_list(backend, kind));
        let old = own.map(|own| std::mem::replace(own, OwnList::Dirty(version)));
        drop(shard);
        old.is_some()
    }

    /// Stores the list read after `version` was marked. False, and it is dropped, if it changed again meanwhile.
    pub fn keep_list(&self, key: SessionKey, backend: BackendKey, kind: ListKind, version: u64, list: L) -> bool {
        let mut shard = self.shard(key);
        let own = shard.sessions.get_mut(&key).and_then(|session| session.own_list(backend, kind));
        // Only a dirty list is replaced, so nothing foreign is dropped under the lock.
        own.filter(|own| matches!(own, OwnList::Dirty(marked) if *marked == version))
            .map(|own| *own = OwnList::Kept(list))
            .is_some()
    }

    /// Remembers until `expires_at` that the session was deleted, and forgets all else about it.
    pub fn tombstone(&self, key: SessionKey, expires_at: u64) -> Tombstoned<T> {
        let mut shard = self.shard(key);
        let removed = shard.sessions.remove(&key);
        let (new, dropped) = shard.tombstones.insert(key, expires_at);
        drop(shard);
        self.forget_tombstones(dropped);
        self.removed(removed.is_some().into());
        if new {
            self.metrics.session(SessionEvent::Deleted);
        }
        Tombstoned { new, freed: removed.map(|session| Freed::from((key, session))) }
    }

    /// Takes tombstones from the journal back in, at start.
    pub fn restore(&self, tombstones: impl IntoIterator<Item = (SessionKey, u64)>) {
        for (key, expires_at) in tombstones {
            let (_, dropped) = self.shard(key).tombstones.insert(key, expires_at);
            self.forget_tombstones(dropped);
        }
    }

    /// Forgets sessions unused for longer than their group's idle time (milliseconds) or past their end, and tombstones
    /// past theirs. One in use (a call, a GET stream, a bind) counts as used now. Takes the shards one after another.
    pub fn sweep(&self, now: u64, idle_timeout_of: impl Fn(u32) -> u64) -> Vec<Freed<T>> {
        let mut freed = Vec::new();
        for shard in &self.shards {
            let removed = shard.lock().unwrap_or_else(PoisonError::into_inner).sweep(now, &idle_timeout_of);
            self.removed(removed.len());
            for each in removed {
                self.metrics.session(SessionEvent::Expired);
                freed.push(Freed::from(each));
            }
        }
        freed
    }

    fn removed(&self, records: usize) {
        if records > 0 {
            self.records.fetch_sub(records, Relaxed);
            self.metrics.sessions.add(-i64::try_from(records).unwrap_or(i64::MAX));
        }
    }

    fn forget_tombstones(&self, dropped: bool) {
        if dropped {
            self.metrics.tombstones_dropped.inc();
            self.metrics.limit_hit(Limit::Tombstones);
        }
    }

    fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    fn shard(&self, key: SessionKey) -> MutexGuard<'_, Shard<T, L, E>> {
        let [.., last] = key.0;
        // The index is always below the length.
        #[expect(clippy::indexing_slicing, reason = "a remainder of the length")]
        self.shards[usize::from(last) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, L: Clone, E> Owner<T, L, E> {
    /// The backends with a list of `kind` for this session alone, and how each stands.
    #[must_use]
    pub fn own_lists(&self, key: SessionKey, kind: ListKind) -> Vec<(BackendKey, OwnList<L>)> {
        self.shard(key).sessions.get(&key).map(|session| session.own_lists(kind)).unwrap_or_default()
    }
}

impl<T: Clone, L, E> Owner<T, L, E> {
    /// The binding to `backend` with its number, for [`Owner::begin_bind`] once it proves dead.
    #[must_use]
    pub fn binding(&self, key: SessionKey, backend: BackendKey) -> Option<(u64, T)> {
        let shard = self.shard(key);
        let bound = shard.sessions.get(&key)?.slot(backend)?.bound.as_ref()?;
        Some((bound.seq, bound.binding.clone()))
    }

    /// Every binding of the session.
    #[must_use]
    pub fn bindings(&self, key: SessionKey) -> Vec<(BackendKey, T)> {
        self.shard(key).sessions.get(&key).map(Session::bindings).unwrap_or_default()
    }
}

/// There is no record of the session (any more).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no record of the session")]
pub struct Gone;

// === impl LogLevel ===

impl LogLevel {
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|level| level.as_str().as_bytes() == name)
    }
}

// === impl InUse ===

impl<T, L, E> Drop for InUse<T, L, E> {
    fn drop(&mut self) {
        let mut shard = self.owner.shard(self.key);
        // A record made anew meanwhile has users of its own.
        if let Some(session) = shard.sessions.get_mut(&self.key).filter(|session| session.id == self.record) {
            session.users = session.users.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests;
