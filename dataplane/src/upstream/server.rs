//! One backend at run time, shared by every thread: its limits' counters and what was learned about it.
//!
//! Holds no connection itself: those lie in each thread's [`Pool`](super::Pool); stdio processes hang on
//! [`StdioSide`]. Made by the application when configuration changes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri, header};
use ringway_mcp::Revision;
use ringway_snapshot::{Affinity, Backend, BackendTls, Credentials, EndpointLoss, HttpTarget, Scheme, Target};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::Outgoing;
use super::era::{Era, EraMemory, Knowledge};
use super::error::UpstreamError;
use super::pool::Idle;
use super::resolve::{Addresses, Resolver};
use super::stdio::StdioSide;
use super::tls::TlsClient;

/// How long a server's refusal of GET streams (405) is believed.
const NO_STREAM_HORIZON: Duration = Duration::from_secs(300);
/// How long an address that could not be connected to is tried last.
const SHUNNED: Duration = Duration::from_secs(10);

/// One backend's run time.
#[derive(Debug)]
pub struct Server {
    /// The configuration.
    pub backend: Arc<Backend>,
    pub(super) live: Arc<Live>,
    /// The configured revision, when configuration decides instead of a probe.
    pinned: Option<Revision>,
}

/// What survives a reload that keeps target and credentials.
#[derive(Debug)]
pub(super) struct Live {
    /// Key of the pools: no two backends and no two incarnations share connections.
    pub(super) id: u64,
    pub(super) side: Side,
    pub(super) counts: Counts,
    /// Pools that may hold idle connections to this backend.
    pools: Mutex<Vec<Weak<Idle>>>,
    /// Counts requests, to spread them over endpoints.
    turn: AtomicUsize,
    /// Addresses that refused lately, each with the time when it may come first again.
    shunned: Mutex<SmallVec<[(SocketAddr, Instant); 2]>>,
    /// Wakes who waits for a connection to be given up.
    pub(super) freed: tokio::sync::Notify,
    era: Mutex<EraMemory>,
    /// GET was answered with 405 until then.
    no_stream_until: Mutex<Option<Instant>>,
    /// The last list came as an event.
    lists_in_events: AtomicBool,
    /// It took a message since somebody asked.
    answered: AtomicBool,
    /// Something failed since somebody asked.
    doubted: AtomicBool,
}

#[derive(Debug)]
pub(super) enum Side {
    Http(Box<HttpSide>),
    Stdio(StdioSide),
    /// The configuration cannot be used; the text is for the log.
    Broken(String),
}

/// Everything of an HTTP request that is the same for each of them.
#[derive(Debug)]
pub(super) struct HttpSide {
    pub(super) uri: Uri,
    pub(super) host: HeaderValue,
    pub(super) credential: Option<(HeaderName, HeaderValue)>,
    pub(super) tls: Option<TlsClient>,
    pub(super) resolver: Resolver,
}

/// Levels for limits and metrics.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) connections: AtomicUsize,
    pub(super) in_flight: AtomicUsize,
    pub(super) streams: AtomicUsize,
}

/// One unit of a level, given back on drop.
#[derive(Debug)]
pub(super) struct Counted {
    live: Arc<Live>,
    level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Connections,
    InFlight,
    Streams,
}

/// The present levels of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Levels {
    /// Open HTTP connections, busy and idle, without standing streams.
    pub connections: usize,
    /// Requests that wait for their answer's end.
    pub in_flight: usize,
    /// Standing streams: legacy GET, modern `subscriptions/listen`.
    pub streams: usize,
    /// Child processes.
    pub processes: usize,
}

// === impl Server ===

impl Server {
    /// The run time of `backend`. Connections, processes and what was learned are taken over from `previous` when
    /// target, TLS and credentials are the same (a Service's endpoints may differ).
    #[must_use]
    pub fn new(backend: Arc<Backend>, previous: Option<&Arc<Self>>) -> Arc<Self> {
        let live = previous
            .filter(|old| same_server(&old.backend, &backend))
            .map_or_else(|| Arc::new(Live::new(&backend)), |old| Arc::clone(&old.live));
        let pinned = backend.protocol_version.as_ref().and_then(|text| Revision::parse(text.as_bytes()));
        Arc::new(Self { backend, live, pinned })
    }

    /// Why its configuration cannot be used at all: a text without secrets.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        match &self.live.side {
            Side::Broken(why) => Some(why),
            Side::Http(_) | Side::Stdio(_) => None,
        }
    }

    /// What is known of the eras it serves: configured, or learned and not yet past its horizon.
    #[must_use]
    pub fn era(&self) -> Era {
        self.pinned.map_or_else(|| lock(&self.live.era).now(Instant::now()), Era::of_revision)
    }

    /// The present levels, for metrics.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let counts = &self.live.counts;
        Levels {
            connections: counts.connections.load(Ordering::Relaxed),
            in_flight: counts.in_flight.load(Ordering::Relaxed),
            streams: counts.streams.load(Ordering::Relaxed),
            processes: match &self.live.side {
                Side::Stdio(side) => side.processes.load(Ordering::Relaxed),
                Side::Http(_) | Side::Broken(_) => 0,
            },
        }
    }

    /// True while the server is known to refuse GET streams.
    #[must_use]
    pub fn refuses_streams(&self) -> bool {
        lock(&self.live.no_stream_until).is_some_and(|until| Instant::now() < until)
    }

    /// True for a server that frames its answers as events: what is answered in its stead is framed so, too.
    #[must_use]
    pub fn lists_in_events(&self) -> bool {
        self.live.lists_in_events.load(Ordering::Relaxed)
    }

    /// Notes how the server framed a list.
    pub fn note_list_framing(&self, in_events: bool) {
        self.live.lists_in_events.store(in_events, Ordering::Relaxed);
    }

    pub(super) fn learn_no_stream(&self) {
        *lock(&self.live.no_stream_until) = Some(Instant::now() + NO_STREAM_HORIZON);
    }

    pub(super) fn learn_era(&self, modern: Option<Knowledge>, legacy: Option<Knowledge>) {
        lock(&self.live.era).learn(modern, legacy, Instant::now());
    }

    /// Something failed as it may when another server took the place of the one we know.
    pub(super) fn doubt(&self) {
        self.live.doubted.store(true, Ordering::Relaxed);
        lock(&self.live.era).doubt(Instant::now());
    }

    /// Did it take a message since the last time this was asked?
    pub fn take_answered(&self) -> bool {
        self.live.answered.swap(false, Ordering::Relaxed)
    }

    /// Did something fail, since the last time this was asked, as it may when the server is gone?
    pub fn take_doubted(&self) -> bool {
        self.live.doubted.swap(false, Ordering::Relaxed)
    }

    pub(super) fn note_answer(&self) {
        // Looked at first: a line of the cache that all threads write would travel between them.
        if !self.live.answered.load(Ordering::Relaxed) {
            self.live.answered.store(true, Ordering::Relaxed);
        }
    }

    /// The same place, spoken to in the same way: what was learned of the one holds for the other.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.live, &other.live) && self.pinned == other.pinned
    }

    /// The configured revision.
    #[must_use]
    pub fn pinned(&self) -> Option<Revision> {
        self.pinned
    }

    /// May a session whose endpoint is gone be opened at another one?
    #[must_use]
    pub fn moves_sessions(&self) -> bool {
        match self.backend.affinity {
            Affinity::Auto { on_loss } | Affinity::Session { on_loss } => on_loss == EndpointLoss::Reinitialize,
            Affinity::None => true,
        }
    }

    /// May a connection be opened to this address?
    pub(super) fn may_dial(&self, address: SocketAddr) -> bool {
        self.http_target().is_some_and(|target| target.dial.permits(address.ip()))
    }

    pub(super) fn http_target(&self) -> Option<&HttpTarget> {
        match &self.backend.target {
            Target::Http(target) => Some(target),
            Target::Stdio(_) => None,
        }
    }

    /// Counts `out` for as long as it is under way: a standing stream among the streams, all else among the calls.
    ///
    /// # Errors
    /// The backend has as many calls as it may.
    pub(super) fn admit(&self, out: &Outgoing<'_>) -> Result<Counted, UpstreamError> {
        let (level, limit) = if out.is_standing() {
            (Level::Streams, usize::MAX)
        } else {
            (Level::InFlight, self.backend.limits.max_concurrent_requests)
        };
        self.live.count(level, limit).ok_or(UpstreamError::Busy("maxConcurrentRequests"))
    }
}

/// Same place, same way of speaking to it.
fn same_server(old: &Backend, new: &Backend) -> bool {
    if old.name != new.name || old.credentials != new.credentials {
        return false;
    }
    match (&old.target, &new.target) {
        (Target::Http(a), Target::Http(b)) => {
            a.scheme == b.scheme
                && a.hostname == b.hostname
                && a.port == b.port
                && a.path == b.path
                && a.host_header == b.host_header
                && a.dial == b.dial
                && a.tls == b.tls
        }
        (a, b) => a == b,
    }
}

// === impl Live ===

impl Live {
    fn new(backend: &Backend) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let side = match &backend.target {
            Target::Http(target) => {
                HttpSide::new(target, &backend.credentials).map_or_else(Side::Broken, |side| Side::Http(Box::new(side)))
            }
            Target::Stdio(target) => Side::Stdio(StdioSide::new(target.clone())),
        };
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            side,
            counts: Counts::default(),
            pools: Mutex::new(Vec::new()),
            turn: AtomicUsize::new(0),
            shunned: Mutex::new(SmallVec::new()),
            freed: tokio::sync::Notify::new(),
            era: Mutex::new(EraMemory::default()),
            no_stream_until: Mutex::new(None),
            lists_in_events: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            doubted: AtomicBool::new(false),
        }
    }

    fn level(&self, level: Level) -> &AtomicUsize {
        match level {
            Level::Connections => &self.counts.connections,
            Level::InFlight => &self.counts.in_flight,
            Level::Streams => &self.counts.streams,
        }
    }

    /// One more of `level`, unless that would exceed `limit`.
    pub(super) fn count(self: &Arc<Self>, level: Level, limit: usize) -> Option<Counted> {
        let counter = self.level(level);
        if counter.fetch_add(1, Ordering::Relaxed) >= limit {
            counter.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Counted { live: Arc::clone(self), level })
    }

    pub(super) fn turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    /// Remembers that `pool` may hold connections to this backend.
    pub(super) fn register(&self, pool: &Arc<Idle>) {
        let mut pools = lock(&self.pools);
        if !pools.iter().any(|known| known.as_ptr() == Arc::as_ptr(pool)) {
            pools.retain(|known| known.strong_count() > 0);
            pools.push(Arc::downgrade(pool));
        }
    }

    pub(super) fn pools(&self) -> Vec<Arc<Idle>> {
        lock(&self.pools).iter().filter_map(Weak::upgrade).collect()
    }

    /// `addresses` with those that refused lately at the end.
    pub(super) fn healthy_first(&self, mut addresses: Addresses) -> Addresses {
        let now = Instant::now();
        let shunned = lock(&self.shunned);
        addresses.sort_by_key(|address| shunned.iter().any(|(bad, until)| bad == address && now < *until));
        addresses
    }

    pub(super) fn learn_address(&self, address: SocketAddr, answered: bool) {
        let now = Instant::now();
        let mut shunned = lock(&self.shunned);
        shunned.retain(|(bad, until)| *bad != address && now < *until);
        if !answered {
            shunned.push((address, now + SHUNNED));
        }
    }
}

// === impl HttpSide ===

impl HttpSide {
    fn new(target: &HttpTarget, credentials: &Credentials) -> Result<Self, String> {
        let path: PathAndQuery = target.path.parse().map_err(|e| format!("path {:?}: {e}", target.path))?;
        let host = HeaderValue::from_str(&target.host_header).map_err(|e| format!("host header: {e}"))?;
        let tls = match target.scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let system = BackendTls::default();
                Some(TlsClient::new(target.tls.as_ref().unwrap_or(&system), &target.hostname)?)
            }
        };
        let resolver = Resolver::new(&target.hostname, target.port);
        Ok(Self { uri: Uri::from(path), host, credential: credential(credentials)?, tls, resolver })
    }
}

fn credential(credentials: &Credentials) -> Result<Option<(HeaderName, HeaderValue)>, String> {
    let (name, bytes) = match credentials {
        Credentials::None => return Ok(None),
        Credentials::Bearer(token) => (header::AUTHORIZATION, [b"Bearer ", token.expose()].concat()),
        Credentials::Header { name, value } => {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| format!("credential header: {e}"))?;
            (name, value.expose().to_vec())
        }
    };
    // The error text of `http` does not show the value.
    let mut value = HeaderValue::from_bytes(&bytes).map_err(|e| format!("credential: {e}"))?;
    value.set_sensitive(true);
    Ok(Some((name, value)))
}

// === impl Counted ===

impl Drop for Counted {
    fn drop(&mut self) {
        self.live.level(self.level).fetch_sub(1, Ordering::Relaxed);
        if self.level == Level::Connections {
            self.live.freed.notify_one();
        }
    }
}

/// A panic elsewhere leaves plain values behind: go on with them.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
