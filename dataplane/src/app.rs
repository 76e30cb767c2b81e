//! The composition root: threads, shared parts, and the life of a gateway. Wiring only.

mod mail;
mod named;
mod sweep;

use std::collections::HashSet;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub use named::{LimitError, LimitSettings, NAMED, Named, Unit};

use arc_swap::ArcSwap;
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;
use tokio::runtime;

use crate::admin;
use crate::admin::health::Health;
use crate::catalog::Catalog;
use crate::drain::Drain;
use crate::listen;
pub use crate::listen::{TlsError, TlsFiles};
use crate::peer::Mailboxes;
use crate::routes::RouteTable;
use crate::session::owner::{Owner, RECORDS};
use crate::session::tombstones::Journal;
use crate::telemetry::Telemetry;
use crate::telemetry::cells::Gauge;
pub use crate::telemetry::log::LogTarget;
use crate::telemetry::log::{AccessLog, LogWriter};
use crate::telemetry::metrics::Metrics;
pub use crate::telemetry::spans::{SettingError, TraceSettings};
use crate::telemetry::spans::{SpanWriter, Spans};
use crate::worker::{Shared, Worker};
use crate::{clock, telemetry};

/// What a gateway is started with.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub tls: Option<TlsFiles>,
    pub admin: Option<SocketAddr>,
    /// Threads that serve connections.
    pub workers: usize,
    pub keyring: Keyring,
    /// Where revoked sessions are remembered across a restart.
    pub tombstone_file: Option<PathBuf>,
    pub access_log: LogTarget,
    /// `None`: no spans.
    pub traces: Option<TraceSettings>,
    pub limits: LimitSettings,
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0} is in use by another program")]
    AddressInUse(SocketAddr),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("cannot open {what}: {error}")]
    File { what: String, error: io::Error },
    #[error(transparent)]
    Spans(#[from] telemetry::spans::StartError),
    #[error("the system gives no randomness")]
    Random,
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    local: SocketAddr,
    admin: Option<(SocketAddr, admin::Handle)>,
    health: Arc<Health>,
    threads: Vec<JoinHandle<()>>,
    log: Option<LogWriter>,
    spans: Option<SpanWriter>,
    /// Reloads come one after the other.
    applied: Mutex<Snapshot>,
}

// === impl Gateway ===

impl Gateway {
    /// Binds, starts every thread, and serves `initial`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(mut settings: Settings, initial: Snapshot) -> Result<Self, StartError> {
        let listener = bind(settings.listen)?;
        let local = listener.local_addr().map_err(|error| StartError::Listen { address: settings.listen, error })?;
        let tls = settings.tls.as_ref().map(listen::acceptor).transpose()?;
        let workers = settings.workers.clamp(1, 1_024);
        let admin_address = settings.admin;
        let metrics = Metrics::new();
        let (log, writer) = AccessLog::open(&settings.access_log, &metrics)
            .map_err(|error| StartError::File { what: "the access log".into(), error })?;
        let (spans, span_writer) = match settings.traces.take() {
            None => (Spans::off(), None),
            Some(traces) => Spans::start(traces, &metrics).map(|(spans, writer)| (spans, Some(writer)))?,
        };
        let telemetry = Telemetry::with_spans(metrics, log, spans);
        let (mailboxes, receivers) = Mailboxes::new(workers);
        let shared = Arc::new(shared(settings, telemetry, mailboxes, local)?);
        let health = Health::new(shared.drain.clone());
        let admin = admin_address.map(|address| start_admin(address, &shared, &health)).transpose()?;
        let mut threads = Vec::with_capacity(workers + 1);
        for (id, mail) in (0_u16..).zip(receivers) {
            let worker = Arc::new(Worker::new(id, Arc::clone(&shared)));
            let tls = tls.clone();
            let heartbeat = health.worker(format!("worker-{id}"));
            threads.push(thread(&format!("ringway-worker-{id}"), async move {
                worker.spawn(telemetry::labels::TaskName::Heartbeat, heartbeat.run());
                if worker.id == 0 {
                    worker.spawn(telemetry::labels::TaskName::Sweep, sweep::run(Arc::clone(&worker)));
                }
                mail::serve(worker, mail, tls).await;
            })?);
        }
        let mut gateway = Self {
            shared: Arc::clone(&shared),
            local,
            admin,
            health,
            threads,
            log: writer,
            spans: span_writer,
            applied: Mutex::default(),
        };
        gateway.apply(initial);
        gateway.health.listening();
        let accept = async move {
            if let Err(error) = listen::accept(listener, shared).await {
                tracing::error!(%error, "the listener failed");
            }
        };
        gateway.threads.push(thread("ringway-accept", accept)?);
        Ok(gateway)
    }

    /// Where clients connect.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Where `/livez`, `/readyz` and `/metrics` are.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(|(address, _)| *address)
    }

    /// Serves `snapshot` from now on. Requests in flight end under the configuration they began with; sessions, streams,
    /// connections and processes of what did not change live on.
    pub fn apply(&self, snapshot: Snapshot) {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = snapshot.sharing_with(&applied);
        let table = Arc::new(RouteTable::new(&snapshot, &self.shared.routes.load(), &self.shared.telemetry.metrics));
        self.shared.catalog.apply(table.routes().map(|route| Arc::clone(&route.bound)).collect());
        self.shared.routes.store(table);
        self.health.config_applied();
        let metrics = &self.shared.telemetry.metrics;
        metrics.config_generation.set(i64::try_from(snapshot.generation).unwrap_or(i64::MAX));
        // Series end with their route or backend.
        let routes: HashSet<String> = snapshot.routes.keys().map(ToString::to_string).collect();
        let backends: HashSet<String> = snapshot.backends.keys().map(ToString::to_string).collect();
        metrics.keep(|route| routes.contains(route), |backend| backends.contains(backend));
        *applied = snapshot;
    }

    /// Seals with other keys from now on; what was sealed with a key that is still accepted stays good.
    pub fn rekey(&self, keyring: Keyring) {
        let keyring = Arc::new(keyring);
        self.shared.keyring.store(Arc::clone(&keyring));
        self.shared.catalog.rekey(keyring);
    }

    /// Notes that a configuration was refused and the last good one serves on.
    pub fn config_rejected(&self) {
        self.shared.telemetry.metrics.config_rejections.inc();
    }

    /// Stops: no new work, streams end, calls in flight have until `grace`, then everything is closed.
    pub fn shutdown(self, grace: Duration) {
        self.shared.drain.begin();
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline && (self.shared.drain.inflight() > 0 || self.shared.mailboxes.connections() > 0)
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        self.shared.stop.begin();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended by a panic");
            }
        }
        self.shared.catalog.stop();
        drop(self.admin);
        if let Some(spans) = self.spans
            && !spans.shutdown(Duration::from_secs(3))
        {
            tracing::warn!("the last spans were not exported");
        }
        if let Some(log) = self.log
            && !log.shutdown(Duration::from_secs(2))
        {
            tracing::warn!("the access log did not take its last lines");
        }
    }
}

fn bind(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    listen::bind(address).map_err(cannot_listen(address))
}

fn cannot_listen(address: SocketAddr) -> impl FnOnce(io::Error) -> StartError {
    move |error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::AddressInUse(address),
        _ => StartError::Listen { address, error },
    }
}

fn shared(
    settings: Settings,
    telemetry: Arc<Telemetry>,
    mailboxes: Mailboxes,
    local: SocketAddr,
) -> Result<Shared, StartError> {
    let owner = Owner::new(RECORDS, Arc::clone(&telemetry.metrics));
    let journal = match &settings.tombstone_file {
        None => None,
        Some(path) => {
            let (journal, revoked) = Journal::open(path, clock::unix_millis())
                .map_err(|error| StartError::File { what: path.display().to_string(), error })?;
            owner.restore(revoked);
            Some(journal)
        }
    };
    let mut incarnation = [0; 8];
    aws_lc_rs::rand::fill(&mut incarnation).map_err(|_| StartError::Random)?;
    let keyring = Arc::new(settings.keyring);
    Ok(Shared {
        routes: ArcSwap::default(),
        mailboxes,
        incarnation: u64::from_le_bytes(incarnation),
        catalog: Catalog::start(Arc::clone(&keyring), settings.limits.lists, Arc::clone(&telemetry.metrics))
            .map_err(StartError::Thread)?,
        keyring: ArcSwap::new(keyring),
        owner,
        journal,
        drain: Drain::new(telemetry.metrics.inflight.clone()),
        stop: Drain::new(Gauge::default()),
        telemetry,
        limits: settings.limits.process,
        loopback: local.ip().is_loopback(),
        streams: AtomicUsize::new(0),
    })
}

fn start_admin(
    address: SocketAddr,
    shared: &Shared,
    health: &Arc<Health>,
) -> Result<(SocketAddr, admin::Handle), StartError> {
    let state = admin::State { telemetry: Arc::clone(&shared.telemetry), health: Arc::clone(health) };
    admin::start(address, Arc::new(state)).map_err(cannot_listen(address))
}

/// A thread with a runtime of its own, for one future.
fn thread(name: &str, work: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work)).map_err(StartError::Thread)
}
