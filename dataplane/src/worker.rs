//! One worker: the connections, calls and streams of one thread, and its mailbox.
//!
//! What is shared by all workers stands in [`Shared`]; what hangs on a socket in [`Worker`]. Wired by `app`, used by
//! `listen` and `pipeline`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use foldhash::fast::RandomState;
use ringway_seal::Keyring;
use ringway_snapshot::BackendKey;
use tokio::sync::{mpsc, oneshot};

use crate::catalog::Catalog;
use crate::drain::Drain;
use crate::limits::Limits;
use crate::peer::{Address, Mailboxes};
use crate::pipeline::route::RouteTable;
use crate::session::SessionKey;
use crate::session::asks::Asks;
use crate::session::owner::Owner;
use crate::session::tombstones::Tombstones;
use crate::telemetry::Telemetry;
use crate::upstream::{Pool, UpstreamSession};

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) routes: ArcSwap<RouteTable>,
    pub(crate) mailboxes: Mailboxes,
    /// Random for each life of the process.
    pub(crate) incarnation: u64,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) owner: Arc<Owner<UpstreamSession>>,
    pub(crate) tombstones: Option<Tombstones>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) telemetry: Arc<Telemetry>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) limits: Limits,
    /// The listener's address is a loopback one: only loopback names may stand in Host.
    pub(crate) loopback: AtomicBool,
    /// Client streams (GET and `listen`) of the process.
    pub(crate) streams: AtomicUsize,
}

/// What lives on one thread. Its locks are never contended, but futures stay `Send`.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: u16,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Pool,
    pub(crate) asks: Asks,
    calls: Mutex<HashMap<CallKey, CallEntry, RandomState>>,
    streams: Mutex<HashMap<SessionKey, StreamEntry, RandomState>>,
}

/// A legacy call as its client names it: the session and the raw request id.
pub(crate) type CallKey = (SessionKey, Bytes);

#[derive(Debug)]
struct CallEntry {
    number: u64,
    /// Gets the client's own `notifications/cancelled`.
    cancel: oneshot::Sender<Bytes>,
}

/// The GET stream of a client that this worker holds.
#[derive(Debug, Clone)]
struct StreamEntry {
    number: u64,
    notices: mpsc::Sender<Notice>,
}

/// What a GET stream is told.
#[derive(Debug)]
pub(crate) enum Notice {
    /// One more backend is bound.
    Bound(BackendKey),
    /// Make room.
    End,
}

/// A registered call; dropping it takes the call off the table.
#[derive(Debug)]
pub(crate) struct CallGuard {
    worker: Arc<Worker>,
    key: CallKey,
    number: u64,
}

// === impl Worker ===

impl Worker {
    pub(crate) fn new(id: u16, shared: Arc<Shared>) -> Self {
        Self {
            id,
            shared,
            pool: Pool::new(),
            asks: Asks::default(),
            calls: Mutex::default(),
            streams: Mutex::default(),
        }
    }

    pub(crate) fn address(&self, number: u64) -> Address {
        Address { incarnation: self.shared.incarnation, worker: self.id, number }
    }

    /// Puts a call on the table under `number`, so that its cancellation finds it.
    pub(crate) fn register_call(self: &Arc<Self>, key: CallKey, number: u64) -> (CallGuard, oneshot::Receiver<Bytes>) {
        let (cancel, cancelled) = oneshot::channel();
        self.calls().insert(key.clone(), CallEntry { number, cancel });
        (CallGuard { worker: Arc::clone(self), key, number }, cancelled)
    }

    /// Hands a cancellation to the call it names, if this worker holds it.
    pub(crate) fn cancel(&self, key: &CallKey, body: Bytes) {
        if let Some(entry) = self.calls().remove(key) {
            // A call that ended meanwhile needs no cancelling.
            let _ended = entry.cancel.send(body);
        }
    }

    /// How many calls of a session are in flight here, and the number of the one when there is just one.
    pub(crate) fn is_sole_call(&self, session: SessionKey, number: u64) -> bool {
        self.calls().iter().filter(|((s, _), _)| *s == session).all(|(_, entry)| entry.number == number)
    }

    /// Takes the client's GET stream of a session in, in place of an older one.
    pub(crate) fn register_stream(&self, session: SessionKey, number: u64) -> mpsc::Receiver<Notice> {
        let (notices, receiver) = mpsc::channel(64);
        let old = self.streams().insert(session, StreamEntry { number, notices });
        if let Some(old) = old {
            // Full or closed: it ends by itself.
            let _ending = old.notices.try_send(Notice::End);
        }
        receiver
    }

    pub(crate) fn forget_stream(&self, session: SessionKey, number: u64) {
        let mut streams = self.streams();
        if streams.get(&session).is_some_and(|s| s.number == number) {
            streams.remove(&session);
        }
    }

    pub(crate) fn notify_stream(&self, session: SessionKey, notice: Notice) {
        let entry = self.streams().get(&session).cloned();
        if let Some(entry) = entry {
            // A full queue means that the stream is about to open what it was told already.
            let _full = entry.notices.try_send(notice);
        }
    }

    /// Ends the stream of a session unless it is number `keep`.
    pub(crate) fn end_stream(&self, session: SessionKey, keep: Option<u64>) {
        let entry = self.streams().get(&session).filter(|s| Some(s.number) != keep).cloned();
        if let Some(entry) = entry {
            let _ending = entry.notices.try_send(Notice::End);
        }
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<CallKey, CallEntry, RandomState>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<SessionKey, StreamEntry, RandomState>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl CallGuard ===

impl Drop for CallGuard {
    fn drop(&mut self) {
        let mut calls = self.worker.calls();
        if calls.get(&self.key).is_some_and(|entry| entry.number == self.number) {
            calls.remove(&self.key);
        }
    }
}
