//! One worker: the connections, calls and streams of one thread, and its mailbox.
//!
//! What is shared by all workers stands in [`Shared`]; what hangs on a socket in [`Worker`]. Wired by `app`, used by
//! `listen` and `pipeline`.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use foldhash::fast::RandomState;
use ringway_seal::Keyring;
use ringway_snapshot::BackendKey;
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use crate::catalog::{BackendList, Catalog};
use crate::drain::Drain;
use crate::fault::{Fault, Reason};
use crate::limits::Limits;
use crate::peer::{Address, Mailboxes};
use crate::routes::RouteTable;
use crate::session::SessionKey;
use crate::session::asks::Asks;
use crate::session::bind::{Binder, SharedFault};
use crate::session::owner::{Freed, Owner};
use crate::session::tombstones::Journal;
use crate::telemetry::Telemetry;
use crate::telemetry::labels::{Limit, TaskName};
use crate::upstream::{self, Pool, Server, UpstreamSession};

/// The mutable facts of all sessions.
pub(crate) type Records = Owner<UpstreamSession, Arc<BackendList>, SharedFault>;

/// What all workers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) routes: ArcSwap<RouteTable>,
    pub(crate) mailboxes: Mailboxes,
    /// Random for each life of the process.
    pub(crate) incarnation: u64,
    pub(crate) keyring: ArcSwap<Keyring>,
    pub(crate) owner: Arc<Records>,
    pub(crate) journal: Option<Journal>,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// No new work.
    pub(crate) drain: Drain,
    /// No work at all: the threads end.
    pub(crate) stop: Drain,
    pub(crate) limits: Limits,
    /// The listener's address is a loopback one: only loopback names may stand in Host.
    pub(crate) loopback: bool,
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

/// A task that ends with its handle.
#[derive(Debug)]
pub(crate) struct Task(AbortHandle);

// === impl Shared ===

impl Shared {
    pub(crate) fn limit(&self, limit: Limit) {
        self.telemetry.metrics.limit_hit(limit);
    }

    /// Counts the limit of a backend that a call ran into, if it was one.
    pub(crate) fn backend_limit(&self, fault: &Fault) {
        match (fault.limit, fault.reason) {
            (Some("maxConnections"), _) => self.limit(Limit::BackendConnections),
            (Some("maxConcurrentRequests"), _) => self.limit(Limit::BackendConcurrency),
            (Some("maxProcesses"), _) => self.limit(Limit::BackendProcesses),
            (Some("maxResponseBytes"), _) => self.limit(Limit::ResponseBytes),
            (_, Reason::UpstreamTimeout) => self.limit(Limit::CallTime),
            _ => {}
        }
    }
}

// === impl Worker ===

impl Worker {
    /// Binds sessions to `server`.
    pub(crate) fn binder<'a>(&'a self, server: &'a Arc<Server>) -> Binder<'a, Arc<BackendList>> {
        Binder { owner: &self.shared.owner, pool: &self.pool, server }
    }

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

    /// Starts a task on this worker's thread; it lives as long as it likes.
    pub(crate) fn spawn<F>(&self, name: TaskName, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Panics are caught, counted and logged there.
        drop(self.shared.telemetry.tasks.spawn(name, future));
    }

    /// Starts a task that is aborted when its handle is dropped.
    pub(crate) fn spawn_owned<F>(&self, name: TaskName, future: F) -> Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Task(self.shared.telemetry.tasks.spawn(name, future).abort_handle())
    }

    /// Ends in the background what a forgotten session held at backends.
    pub(crate) fn end_freed(self: &Arc<Self>, freed: Freed<UpstreamSession>) {
        if freed.bindings.is_empty() {
            return;
        }
        let worker = Arc::clone(self);
        self.spawn(TaskName::EndSession, async move {
            let routes = worker.shared.routes.load_full();
            for (backend, session) in freed.bindings {
                if let Some(server) = routes.server(backend) {
                    upstream::end_session(&worker.pool, server, &session).await;
                }
            }
        });
    }

    /// Puts a call on the table under `number`, so that its cancellation finds it.
    pub(crate) fn register_call(self: &Arc<Self>, key: CallKey, number: u64) -> (CallGuard, oneshot::Receiver<Bytes>) {
        let (cancel, cancelled) = oneshot::channel();
        self.calls().insert(key.clone(), CallEntry { number, cancel });
        (CallGuard { worker: Arc::clone(self), key, number }, cancelled)
    }

    /// Hands a cancellation to the call it names, if this worker holds it.
    pub(crate) fn cancel(&self, key: &CallKey, body: Bytes) {
        let entry = self.calls().remove(key);
        if let Some(entry) = entry {
            // A call that ended meanwhile needs no cancelling.
            let _ended = entry.cancel.send(body);
        }
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

    /// Tells the session's stream, if this worker holds it.
    pub(crate) fn notify_stream(&self, session: SessionKey, notice: Notice) {
        let entry = self.streams().get(&session).cloned();
        if let Some(entry) = entry {
            // A full queue belongs to a stream that is ending.
            let _full = entry.notices.try_send(notice);
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

// === impl Task ===

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
