//! The routes of one configuration as they are served: rules, servers, metric handles, and the tables by host and path.
//!
//! Made by `app` when a configuration is applied; read by `listen`, `pipeline` and `worker`. One object that cannot be
//! used stops no other, and its last good form is served on.

mod backends;
mod origins;
mod table;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ringway_config_stream::{Key, Kind, Rejection};
use ringway_snapshot::{BackendKey, ObjectName, Route, Snapshot};

use crate::fault::Fault;
use crate::ports::{ListenerId, Port, Ports};
use crate::state::hosts::HostMap;
use crate::state::route::{CompiledRoute, Section};
use crate::telemetry::metrics::{BackendMetrics, Metrics, RouteMetrics};
use crate::upstream::Server;
use backends::Backends;
use origins::Origins;
use table::Paths;

pub(crate) use crate::upstream::LiveRoute as Bound;

/// A route as it is served: compiled rules, servers, metric handles.
#[derive(Debug)]
pub(crate) struct LiveRoute {
    /// What the catalogue works on.
    pub(crate) bound: Arc<Bound>,
    pub(crate) origins: Origins,
    pub(crate) metrics: Arc<RouteMetrics>,
    /// By section.
    pub(crate) backend_metrics: Vec<Arc<BackendMetrics>>,
}

/// Every route of one configuration.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    backends: Backends,
    routes: HashMap<ObjectName, Arc<LiveRoute>, RandomState>,
    pub(crate) ports: Ports,
    /// By socket, then by listener: what is attached there.
    attached: Vec<Vec<Paths>>,
    /// Of the process's own socket: every route that names no listener.
    own: Paths,
    /// Hosts that those routes name.
    own_hosts: HostMap<()>,
}

/// Through which socket a connection came, and which listener its handshake met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The process's own.
    Own,
    Port {
        socket: u16,
        /// `None`: without TLS.
        handshake: Option<ListenerId>,
    },
}

/// Why a request meets no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Miss {
    /// There is none at this host and path.
    Nothing,
    /// The host is another listener's than the one whose certificate was shown, and whose clients were checked.
    Misdirected,
}

/// Why a route is not served as it is wanted.
#[derive(Debug)]
struct Refusal {
    reason: String,
    /// False: some of its listeners serve it.
    is_whole: bool,
}

// === impl LiveRoute ===

impl LiveRoute {
    pub(crate) fn rules(&self) -> &CompiledRoute {
        &self.bound.compiled
    }

    pub(crate) fn server(&self, section: usize) -> Result<&Arc<Server>, Fault> {
        self.bound.servers.get(section).ok_or_else(changed)
    }

    pub(crate) fn section(&self, section: usize) -> Result<&Section, Fault> {
        self.rules().sections.get(section).ok_or_else(changed)
    }

    pub(crate) fn backend_metrics(&self, section: usize) -> Result<&Arc<BackendMetrics>, Fault> {
        self.backend_metrics.get(section).ok_or_else(changed)
    }

    fn new(spec: &Arc<Route>, servers: Vec<Arc<Server>>, metrics: &Arc<Metrics>) -> Self {
        Self {
            origins: Origins::new(&spec.allowed_origins),
            metrics: metrics.route(&spec.name.to_string()),
            backend_metrics: spec.backends.iter().map(|b| metrics.backend(&b.backend.to_string())).collect(),
            bound: Arc::new(Bound { compiled: CompiledRoute::new(Arc::clone(spec)), servers }),
        }
    }

    fn is_of(&self, spec: &Arc<Route>, servers: &[Arc<Server>]) -> bool {
        let same = Arc::ptr_eq(&self.rules().spec, spec) || self.rules().spec == *spec;
        same && self.bound.servers.len() == servers.len()
            && self.bound.servers.iter().zip(servers).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}

/// Cannot be: a request keeps the route that its section was found on.
fn changed() -> Fault {
    Fault::internal("The route changed")
}

// === impl RouteTable ===

impl RouteTable {
    /// Compiles a snapshot for a process whose sockets are those of `ports`. What did not change keeps its servers, and so
    /// its connections, processes and probes. What cannot be used is told.
    pub(crate) fn new(
        snapshot: &Snapshot,
        previous: &Self,
        ports: &[u16],
        metrics: &Arc<Metrics>,
    ) -> (Self, Vec<Rejection>) {
        let mut rejections = Vec::new();
        let ports = Ports::new(&snapshot.listeners, ports, &previous.ports, &mut rejections);
        let attached = ports
            .ports
            .iter()
            .map(|port| port.listeners.iter().map(|listener| Paths::of(listener.spec.hostname.as_deref())).collect());
        let mut table = Self {
            backends: Backends::new(&snapshot.backends, &previous.backends, &mut rejections),
            routes: HashMap::default(),
            attached: attached.collect(),
            ports,
            own: Paths::default(),
            own_hosts: HostMap::default(),
        };
        for spec in snapshot.routes.values() {
            let refusal = match table.live(spec, previous, metrics) {
                Ok(live) => table.take(&live),
                Err(reason) => Some(Refusal { reason, is_whole: true }),
            };
            let Some(Refusal { reason, is_whole }) = refusal else { continue };
            if let Some(old) = previous.routes.get(&spec.name).filter(|_| is_whole) {
                // What refuses the old form is no news to anybody.
                let _told = table.take(old);
            }
            rejections.push(Rejection::new(&Key::new(Kind::Route, &spec.name), reason));
        }
        (table, rejections)
    }

    fn live(&self, spec: &Arc<Route>, previous: &Self, metrics: &Arc<Metrics>) -> Result<Arc<LiveRoute>, String> {
        let servers = spec.backends.iter().map(|section| {
            let missing = || format!("Backend {} is not in the configuration.", section.backend);
            self.backends.server(section.key).cloned().ok_or_else(missing)
        });
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        let old = previous.routes.get(&spec.name).filter(|old| old.is_of(spec, &servers));
        Ok(old.cloned().unwrap_or_else(|| Arc::new(LiveRoute::new(spec, servers, metrics))))
    }

    /// Serves a route wherever it has room.
    fn take(&mut self, live: &Arc<LiveRoute>) -> Option<Refusal> {
        let refusal = self.attach(live).err();
        if !refusal.as_ref().is_some_and(|refusal| refusal.is_whole) {
            self.routes.insert(live.rules().spec.name.clone(), Arc::clone(live));
        }
        refusal
    }

    /// Puts a route into the tables of its listeners. Where it clashes at one, the others serve it all the same.
    fn attach(&mut self, live: &Arc<LiveRoute>) -> Result<(), Refusal> {
        let spec = &live.rules().spec;
        if spec.listeners.is_empty() {
            self.own.insert(live).map_err(|reason| Refusal { reason, is_whole: true })?;
            for host in &spec.hostnames {
                self.own_hosts.insert(Some(host), ());
            }
            return Ok(());
        }
        let (mut clash, mut is_whole) = (None, true);
        for (socket, listener) in spec.listeners.iter().filter_map(|name| self.ports.place_of(name)) {
            let Some(paths) = self.attached.get_mut(socket).and_then(|of| of.get_mut(listener)) else { continue };
            match paths.insert(live) {
                Ok(()) => is_whole = false,
                Err(reason) => clash = clash.or(Some(reason)),
            }
        }
        clash.map_or(Ok(()), |reason| Err(Refusal { reason, is_whole }))
    }

    pub(crate) fn server(&self, backend: BackendKey) -> Option<&Arc<Server>> {
        self.backends.server(backend)
    }

    pub(crate) fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.backends.servers()
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        self.routes.values()
    }

    /// The listeners of a socket.
    pub(crate) fn port(&self, socket: u16) -> Option<&Port> {
        self.ports.ports.get(usize::from(socket))
    }

    /// Does a route of the own socket name this host?
    pub(crate) fn names_host(&self, host: &str) -> bool {
        self.own_hosts.find(host).is_some()
    }

    /// The route of a host and path behind a door: of the listener with the more specific host name the route with the
    /// more specific one.
    pub(crate) fn find(&self, door: Door, host: &str, path: &str) -> Result<&Arc<LiveRoute>, Miss> {
        let paths = match door {
            Door::Own => &self.own,
            Door::Port { socket, handshake } => {
                let port = self.port(socket).ok_or(Miss::Nothing)?;
                let (index, listener) = port.find(host).ok_or(Miss::Nothing)?;
                // Also a connection from before its port was given a certificate, or asked clients for theirs.
                let met = if listener.tls.is_some() { handshake == Some(listener.id) } else { handshake.is_none() };
                if !met {
                    return Err(Miss::Misdirected);
                }
                self.attached.get(usize::from(socket)).and_then(|of| of.get(index)).ok_or(Miss::Nothing)?
            }
        };
        paths.find(host, path).ok_or(Miss::Nothing)
    }

    /// Is a connection through this door good for no listener any more?
    pub(crate) fn is_outdated(&self, door: Door) -> bool {
        let Door::Port { socket, handshake } = door else { return false };
        self.port(socket).is_some_and(|port| match handshake {
            None => port.is_tls(),
            Some(met) => !port.listeners.iter().any(|listener| listener.tls.is_some() && listener.id == met),
        })
    }
}

#[cfg(test)]
mod tests;
