//! One thread's idle HTTP connections, last in first out.
//!
//! A connection taken out belongs to its request until the answer's last byte; only then does it come back. Dropping it
//! closes it. Opens nothing: `connect` does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;
use tokio::time::Instant;

use super::server::{Live, lock};
use crate::telemetry::trace::new_id;

/// An unused connection is closed after this long: shorter than what servers and load balancers commonly wait.
const IDLE: Duration = Duration::from_secs(60);
/// A connection is not used beyond this age, so that a backend's new endpoints get their share.
const MAX_AGE: Duration = Duration::from_secs(600);
const SWEEP: Duration = Duration::from_secs(10);
/// A connection whose last answer ended a moment ago becomes ready as soon as its task runs; one that does not is busy
/// with something else (a request body that nobody reads).
const READY: Duration = Duration::from_millis(100);

/// Idle connections of one thread. Make one per thread; calls may be made from any.
#[derive(Debug, Default)]
pub struct Pool {
    pub(super) idle: Arc<Idle>,
}

type Key = (u64, SocketAddr);

#[derive(Default)]
pub(super) struct Idle {
    parked: Mutex<HashMap<Key, Vec<Parked>, foldhash::fast::RandomState>>,
    sweeping: AtomicBool,
}

struct Parked {
    connection: Connection,
    since: Instant,
}

/// An open connection; its driver runs as a task and ends when this is dropped.
pub(super) struct Connection {
    pub(super) sender: SendRequest<Full<Bytes>>,
    key: Key,
    /// Not used after this.
    until: Instant,
    /// `None` for one that serves a single standing stream.
    home: Weak<Idle>,
}

// === impl Pool ===

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections lie idle here.
    #[must_use]
    pub fn idle_connections(&self) -> usize {
        lock(&self.idle.parked).values().map(Vec::len).sum()
    }

    /// An idle connection to `address` that can take a request now.
    pub(super) async fn checkout(&self, live: &Live, address: SocketAddr) -> Option<Connection> {
        let key = (live.id, address);
        loop {
            let mut connection = self.idle.take(key, Instant::now())?;
            let ready = tokio::time::timeout(READY, connection.sender.ready()).await;
            if matches!(ready, Ok(Ok(()))) {
                return Some(connection);
            }
        }
    }
}

// === impl Idle ===

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").finish_non_exhaustive()
    }
}

impl Idle {
    pub(super) fn take(&self, key: Key, now: Instant) -> Option<Connection> {
        let mut parked = lock(&self.parked);
        let list = parked.get_mut(&key)?;
        while let Some(last) = list.pop() {
            if last.fit(now) {
                return Some(last.connection);
            }
        }
        None
    }

    /// Any idle connection of a server, whatever its address: to be used or closed by who is out of connections.
    pub(super) fn take_any(&self, live_id: u64) -> Option<Connection> {
        let mut parked = lock(&self.parked);
        let list = parked.iter_mut().find(|((id, _), list)| *id == live_id && !list.is_empty())?.1;
        list.pop().map(|last| last.connection)
    }

    fn put(self: &Arc<Self>, connection: Connection, now: Instant) {
        let key = connection.key;
        lock(&self.parked).entry(key).or_default().push(Parked { connection, since: now });
        if !self.sweeping.swap(true, Ordering::Relaxed) {
            self.spawn_sweeper();
        }
    }

    fn spawn_sweeper(self: &Arc<Self>) {
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP).await;
                let Some(pool) = pool.upgrade() else { return };
                if pool.sweep(Instant::now()) {
                    return;
                }
            }
        });
    }

    /// Drops what is too old; true (and no longer sweeping) when nothing is left.
    fn sweep(&self, now: Instant) -> bool {
        let mut parked = lock(&self.parked);
        parked.retain(|_, list| {
            list.retain(|one| one.fit(now));
            !list.is_empty()
        });
        let empty = parked.is_empty();
        if empty {
            // Under the lock: who parks next sees it and starts a sweeper.
            self.sweeping.store(false, Ordering::Relaxed);
        }
        empty
    }
}

// === impl Parked ===

impl Parked {
    fn fit(&self, now: Instant) -> bool {
        now < self.connection.until && now.duration_since(self.since) < IDLE && !self.connection.sender.is_closed()
    }
}

// === impl Connection ===

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Connection {
    pub(super) fn new(sender: SendRequest<Full<Bytes>>, live: &Live, address: SocketAddr, home: Weak<Idle>) -> Self {
        Self { sender, key: (live.id, address), until: Instant::now() + jittered(MAX_AGE), home }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.key.1
    }

    /// Never comes back to the pool: where its answer ends is in doubt.
    pub(super) fn distrust(&mut self) {
        self.home = Weak::new();
    }

    /// Gives the connection back after the answer's last byte.
    pub(super) fn park(self) {
        if self.sender.is_closed() {
            return;
        }
        if let Some(home) = self.home.upgrade() {
            home.put(self, Instant::now());
        }
    }
}

/// ±10 %, so that what began together, here or in another process, does not end together.
pub(crate) fn jittered(span: Duration) -> Duration {
    let percent = u32::try_from(new_id() % 21).unwrap_or(10);
    span / 100 * (90 + percent)
}
