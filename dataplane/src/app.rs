//! The composition root: threads, shared parts, and the life of a gateway. Wiring only.

mod inspect;
mod mail;
mod named;
mod obey;
mod settings;
mod sockets;
mod sweep;

use std::collections::{BTreeSet, HashSet};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub use named::{LimitError, LimitSettings, NAMED, Named, Unit, setting as limit_setting};
pub use settings::{Listen, Settings, StartError};

use arc_swap::ArcSwap;
use futures::FutureExt as _;
use inspect::Inspection;
use ringway_config_stream::{Facts, Rejection};
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;
use sockets::Bound;
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use crate::admin;
use crate::admin::health::Health;
use crate::catalog::Catalog;
use crate::drain::Drain;
use crate::listen;
pub use crate::listen::{TlsError, TlsFiles};
use crate::peer::{Mailboxes, Message};
use crate::probe::{Plan, Probes};
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

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    shared: Arc<Shared>,
    sockets: Arc<Bound>,
    admin: Option<SocketAddr>,
    debug: Option<SocketAddr>,
    health: Arc<Health>,
    /// In a cluster.
    probes: Option<Arc<Probes>>,
    /// Changes come one after the other.
    applied: Arc<Mutex<Applied>>,
    /// `None` once it was shut down.
    ending: Mutex<Option<Ending>>,
}

/// What is waited for at the end.
#[derive(Debug)]
struct Ending {
    threads: Vec<JoinHandle<()>>,
    servers: Vec<admin::Handle>,
    log: Option<LogWriter>,
    spans: Option<SpanWriter>,
}

/// What was applied last.
#[derive(Debug)]
struct Applied {
    snapshot: Snapshot,
    rejections: Vec<Rejection>,
    /// Told at the first configuration.
    configured: Option<oneshot::Sender<()>>,
}

// === impl Gateway ===

impl Gateway {
    /// Binds, starts every thread, and serves `initial`. With `None` clients wait until the first [`Self::apply`].
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(mut settings: Settings, initial: impl Into<Option<Snapshot>>) -> Result<Self, StartError> {
        let (sockets, listeners) = sockets::bind(&settings.listen)?;
        let sockets = Arc::new(sockets);
        let tls = match &settings.listen {
            Listen::Own { tls: Some(files), .. } => Some(listen::acceptor(files)?),
            Listen::Own { tls: None, .. } | Listen::Ports(_) => None,
        };
        let in_cluster = matches!(settings.listen, Listen::Ports(_));
        let (probing, lists) = (settings.limits.probes.clone(), settings.limits.lists.clone());
        let workers = settings.workers.clamp(1, 1_024);
        let (admin_address, debug_address) = (settings.admin, settings.debug);
        let metrics = Metrics::new();
        let (log, writer) = AccessLog::open(&settings.access_log, &metrics)
            .map_err(|error| StartError::File { what: "the access log".into(), error })?;
        let (spans, span_writer) = match settings.traces.take() {
            None => (Spans::off(), None),
            Some(traces) => Spans::start(traces, &metrics).map(|(spans, writer)| (spans, Some(writer)))?,
        };
        let telemetry = Telemetry::with_spans(metrics, log, spans);
        let (mailboxes, receivers) = Mailboxes::new(workers);
        let shared = Arc::new(shared(settings, telemetry, mailboxes, sockets.is_own_loopback())?);
        let start_probes = || Probes::start(probing, lists, shared.telemetry.tasks.clone());
        let probes = in_cluster.then(start_probes).transpose().map_err(StartError::Thread)?.map(Arc::new);
        let health = Health::new(shared.drain.clone());
        let admin = admin_address.map(|address| start_admin(address, &shared, &health)).transpose()?;
        let (admin, admin_handle) = admin.unzip();
        let (configured, is_configured) = oneshot::channel();
        let applied = Applied { snapshot: Snapshot::default(), rejections: Vec::new(), configured: Some(configured) };
        let applied = Arc::new(Mutex::new(applied));
        let inspection = Inspection {
            shared: Arc::clone(&shared),
            sockets: Arc::clone(&sockets),
            applied: Arc::clone(&applied),
            probes: probes.clone(),
        };
        let debug = debug_address.map(|address| start_debug(address, inspection)).transpose()?;
        let (debug, debug_handle) = debug.unzip();
        let mut threads = start_workers(&shared, &health, receivers, tls.as_ref())?;
        // An error: the gateway ended before it was configured.
        let accept = listen::accept(listeners, Arc::clone(&shared), is_configured.map(drop));
        threads.push(start_thread("ringway-accept", accept)?);
        health.listening();
        let servers = admin_handle.into_iter().chain(debug_handle).collect();
        let gateway = Self {
            shared,
            sockets,
            admin,
            debug,
            health,
            probes,
            applied,
            ending: Mutex::new(Some(Ending { threads, servers, log: writer, spans: span_writer })),
        };
        if let Some(initial) = initial.into() {
            gateway.apply(initial);
        }
        Ok(gateway)
    }

    /// Where clients of a gateway on its own connect; the first socket of a pod.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.sockets.first
    }

    /// The socket behind a port of the snapshot's listeners.
    #[must_use]
    pub fn port_addr(&self, port: u16) -> Option<SocketAddr> {
        self.sockets.port(port)
    }

    /// Where `/livez`, `/readyz` and `/metrics` are.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Where the applied configuration can be looked at.
    #[must_use]
    pub fn debug_addr(&self) -> Option<SocketAddr> {
        self.debug
    }

    /// Serves `snapshot` from now on. Requests in flight end under the configuration they began with; sessions, streams,
    /// connections and processes of what did not change live on.
    ///
    /// What cannot be used is told and stops nothing else: its last good form is served, if there was one.
    pub fn apply(&self, snapshot: Snapshot) -> Vec<Rejection> {
        let mut applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = snapshot.sharing_with(&applied.snapshot);
        let metrics = &self.shared.telemetry.metrics;
        let before = self.shared.routes.load_full();
        let (table, rejections) = RouteTable::new(&snapshot, &before, &self.sockets.numbers, metrics);
        let table = Arc::new(table);
        self.shared.catalog.apply(table.routes().map(|route| Arc::clone(&route.bound)).collect());
        if let Some(probes) = &self.probes {
            let servers = table.servers().cloned().collect();
            probes.apply(Plan { servers, routes: table.routes().map(|route| Arc::clone(&route.bound)).collect() });
        }
        self.shared.routes.store(table);
        self.health.config_applied();
        metrics.config_generation.set(i64::try_from(snapshot.generation).unwrap_or(i64::MAX));
        // Series end with their route or backend.
        let routes: HashSet<String> = snapshot.routes.keys().map(ToString::to_string).collect();
        let backends: HashSet<String> = snapshot.backends.keys().map(ToString::to_string).collect();
        metrics.keep(|route| routes.contains(route), |backend| backends.contains(backend));
        let known: BTreeSet<&Rejection> = applied.rejections.iter().collect();
        for new in rejections.iter().filter(|new| !known.contains(new)) {
            metrics.config_rejections.inc();
            tracing::warn!(kind = new.kind.as_str(), name = %new.name, reason = %new.reason, "not taken; its last good form is served, if there is one");
        }
        applied.rejections.clone_from(&rejections);
        applied.snapshot = snapshot;
        if let Some(configured) = applied.configured.take() {
            // Gone: the gateway ends.
            let _ends = configured.send(());
        }
        rejections
    }

    /// All that is known now of backends and routes. Nothing for a gateway on its own: nobody asks there.
    #[must_use]
    pub fn facts(&self) -> Arc<Facts> {
        self.probes.as_ref().map(|probes| probes.facts()).unwrap_or_default()
    }

    /// Chosen at random at the start of the process.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        self.shared.incarnation
    }

    /// Why nothing is served yet, for `/readyz`. Nothing once a configuration was applied.
    pub fn config_missing(&self, reason: impl Into<String>) {
        self.health.config_missing(reason);
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

    /// Not ready from now on, but serving as before: for the time until nobody is sent here any more.
    pub fn leave(&self) {
        self.health.leaving();
    }

    /// Stops: no new work, streams end, calls in flight have until `grace`, then everything is closed. Once is enough.
    pub fn shutdown(&self, grace: Duration) {
        let Some(ending) = self.ending.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        self.shared.drain.begin();
        let deadline = Instant::now() + grace;
        while Instant::now() < deadline && (self.shared.drain.inflight() > 0 || self.shared.mailboxes.connections() > 0)
        {
            thread::sleep(Duration::from_millis(10));
        }
        self.shared.stop.begin();
        for thread in ending.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended by a panic");
            }
        }
        self.shared.catalog.stop();
        if let Some(probes) = &self.probes {
            probes.stop();
        }
        drop(ending.servers);
        if let Some(spans) = ending.spans
            && !spans.shutdown(Duration::from_secs(3))
        {
            tracing::warn!("the last spans were not exported");
        }
        if let Some(log) = ending.log
            && !log.shutdown(Duration::from_secs(2))
        {
            tracing::warn!("the access log did not take its last lines");
        }
    }
}

fn start_workers(
    shared: &Arc<Shared>,
    health: &Arc<Health>,
    receivers: Vec<mpsc::Receiver<Message>>,
    tls: Option<&TlsAcceptor>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let mut threads = Vec::with_capacity(receivers.len() + 1);
    for (id, mail) in (0_u16..).zip(receivers) {
        let worker = Arc::new(Worker::new(id, Arc::clone(shared)));
        let tls = tls.cloned();
        let heartbeat = health.worker(format!("worker-{id}"));
        threads.push(start_thread(&format!("ringway-worker-{id}"), async move {
            worker.spawn(telemetry::labels::TaskName::Heartbeat, heartbeat.run());
            if worker.id == 0 {
                worker.spawn(telemetry::labels::TaskName::Sweep, sweep::run(Arc::clone(&worker)));
            }
            mail::serve(worker, mail, tls).await;
        })?);
    }
    Ok(threads)
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
    loopback: bool,
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
        loopback,
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

fn start_debug(address: SocketAddr, inspection: Inspection) -> Result<(SocketAddr, admin::Handle), StartError> {
    let tasks = inspection.shared.telemetry.tasks.clone();
    admin::debug::start(address, tasks, Arc::new(inspection)).map_err(cannot_listen(address))
}

/// A thread with a runtime of its own, for one future.
fn start_thread(name: &str, work: impl Future<Output = ()> + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work)).map_err(StartError::Thread)
}
