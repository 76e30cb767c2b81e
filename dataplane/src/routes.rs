//! The routes of one configuration as they are served: rules, servers, metric handles, and the table by host and path.
//!
//! Made by `app` when a configuration is applied; read by `pipeline` and `worker`.

mod origins;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ringway_snapshot::{BackendKey, Snapshot};

use crate::fault::Fault;
use crate::state::route::{CompiledRoute, Section};
use crate::telemetry::metrics::{BackendMetrics, Metrics, RouteMetrics};
use crate::upstream::Server;
use origins::Origins;

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
    by_path: HashMap<String, Vec<Arc<LiveRoute>>, RandomState>,
    servers: HashMap<BackendKey, Arc<Server>, RandomState>,
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
}

/// Cannot be: a request keeps the route that its section was found on.
fn changed() -> Fault {
    Fault::internal("The route changed")
}

// === impl RouteTable ===

impl RouteTable {
    /// Compiles a snapshot. What did not change keeps its servers, and so its connections, processes and probes.
    pub(crate) fn new(snapshot: &Snapshot, previous: &Self, metrics: &Arc<Metrics>) -> Self {
        let servers: HashMap<_, _, _> = snapshot
            .backends
            .values()
            .map(|backend| (backend.key, Server::new(Arc::clone(backend), previous.servers.get(&backend.key))))
            .collect();
        let mut table = Self { by_path: HashMap::default(), servers };
        for spec in snapshot.routes.values() {
            let found: Option<Vec<_>> = spec.backends.iter().map(|b| table.servers.get(&b.key).cloned()).collect();
            // Translate leaves out what it cannot resolve; a hole here would be a bug, and shifts no section.
            let Some(servers) = found else { continue };
            let live = previous.unchanged(spec, &servers).unwrap_or_else(|| {
                Arc::new(LiveRoute {
                    origins: Origins::new(&spec.allowed_origins),
                    metrics: metrics.route(&spec.name.to_string()),
                    backend_metrics: spec.backends.iter().map(|b| metrics.backend(&b.backend.to_string())).collect(),
                    bound: Arc::new(Bound { compiled: CompiledRoute::new(Arc::clone(spec)), servers }),
                })
            });
            table.by_path.entry(spec.path.clone()).or_default().push(live);
        }
        table
    }

    fn unchanged(&self, spec: &Arc<ringway_snapshot::Route>, servers: &[Arc<Server>]) -> Option<Arc<LiveRoute>> {
        let old = self.by_path.get(&spec.path)?.iter().find(|r| r.rules().spec == *spec)?;
        let same = old.bound.servers.len() == servers.len()
            && old.bound.servers.iter().zip(servers).all(|(a, b)| Arc::ptr_eq(a, b));
        same.then(|| Arc::clone(old))
    }

    pub(crate) fn server(&self, backend: BackendKey) -> Option<&Arc<Server>> {
        self.servers.get(&backend)
    }

    pub(crate) fn servers(&self) -> impl Iterator<Item = &Arc<Server>> {
        self.servers.values()
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = &Arc<LiveRoute>> {
        self.by_path.values().flatten()
    }

    /// Does a route name this host?
    pub(crate) fn names_host(&self, host: &str) -> bool {
        self.routes()
            .any(|route| route.rules().spec.hostnames.iter().any(|pattern| host_matches(pattern, host).is_some()))
    }

    /// The route of a host and path; the more specific hostname wins.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&Arc<LiveRoute>> {
        let at_path = self.by_path.get(path)?;
        let rank = |route: &&Arc<LiveRoute>| {
            let hostnames = &route.rules().spec.hostnames;
            if hostnames.is_empty() {
                Some(0)
            } else {
                hostnames.iter().filter_map(|pattern| host_matches(pattern, host)).max()
            }
        };
        at_path
            .iter()
            .filter_map(|route| rank(&route).map(|rank| (rank, route)))
            .max_by_key(|(rank, _)| *rank)
            .map(|(_, route)| route)
    }
}

/// How well a hostname pattern fits: longer is more specific, an exact name beats every wildcard.
fn host_matches(pattern: &str, host: &str) -> Option<usize> {
    match pattern.strip_prefix("*.") {
        Some(suffix) => {
            let rest = host.strip_suffix(suffix)?.strip_suffix('.')?;
            (!rest.is_empty()).then_some(suffix.len() + 1)
        }
        None => (pattern == host).then_some(usize::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::host_matches;

    #[test]
    fn hosts_match_exactly_or_below_a_star() {
        assert_eq!(host_matches("tools.example.com", "tools.example.com"), Some(usize::MAX));
        assert!(host_matches("*.example.com", "a.b.example.com").is_some());
        assert_eq!(host_matches("*.example.com", "example.com"), None);
        assert_eq!(host_matches("*.example.com", "evilexample.com"), None);
        assert_eq!(host_matches("tools.example.com", "x.tools.example.com"), None);
    }
}
