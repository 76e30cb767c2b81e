//! The catalogue against small MCP servers of both eras in this process.

mod fake;
mod legacy;
mod modern;
mod upkeep;
mod walks;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;
use ringway_seal::Keyring;
use ringway_snapshot::{Backend, ObjectName, OnBackendFailure, Route, RouteBackend, Target, Trust};
use ringway_testkit::objects;
use serde_json::Value;
use tokio::time::Instant;

use super::{Catalog, Changes, KindSet, Limits, ListKind, OwnList, Viewer};
use crate::state::route::CompiledRoute;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{LiveRoute, Server};

pub(super) const LEGACY: Revision = Revision::V2025_11_25;

/// A catalogue with its metrics and the servers it was given.
pub(super) struct Bench {
    pub catalog: Arc<Catalog>,
    pub metrics: Arc<Metrics>,
    servers: HashMap<String, Arc<Server>>,
}

pub(super) fn short() -> Limits {
    Limits {
        deadline: Duration::from_millis(1_500),
        coalesce: Duration::from_millis(40),
        backoff: (Duration::from_millis(20), Duration::from_millis(100)),
        watch_head: Duration::from_millis(300),
        era_horizon: Duration::from_millis(200),
        ..Limits::default()
    }
}

pub(super) fn viewer(revision: Revision, capabilities: ClientCapabilities) -> Viewer {
    Viewer::new(revision, capabilities)
}

pub(super) fn plain() -> Viewer {
    viewer(LEGACY, ClientCapabilities::NONE)
}

pub(super) fn modern() -> Viewer {
    viewer(Revision::V2026_07_28, ClientCapabilities::NONE)
}

/// A section with its prefix equal to its name.
pub(super) fn section(name: &str) -> RouteBackend {
    objects::section(name, ObjectName::new("test", name), name)
}

fn backend(name: &str, address: SocketAddr) -> Backend {
    let target = Target::Http(objects::http_target(address));
    let trust = Trust { annotations: false, cache_scope: true };
    Backend { trust, ..objects::backend(ObjectName::new("test", name), target) }
}

impl Bench {
    pub(super) fn new(limits: Limits) -> Self {
        let keyring = Arc::new(Keyring::new([7; 32], []).unwrap());
        let metrics = Metrics::new();
        let catalog = Catalog::start(keyring, limits, Arc::clone(&metrics)).unwrap();
        Self { catalog, metrics, servers: HashMap::new() }
    }

    /// A route over sections and the addresses of their servers. Not applied yet.
    pub(super) fn route(
        &mut self,
        name: &str,
        on_failure: OnBackendFailure,
        backends: Vec<(RouteBackend, SocketAddr)>,
    ) -> Arc<LiveRoute> {
        let servers = backends.iter().map(|(section, address)| {
            let made = || Server::new(Arc::new(backend(&section.backend.name, *address)), None);
            let server = self.servers.entry(section.backend.name.clone()).or_insert_with(made);
            Arc::clone(server)
        });
        let servers = servers.collect();
        let sections = backends.into_iter().map(|(section, _)| section).collect();
        let spec = objects::route(ObjectName::new("test", name), sections);
        let spec = Route { on_backend_failure: on_failure, ..spec };
        Arc::new(LiveRoute { compiled: CompiledRoute::new(Arc::new(spec)), servers })
    }

    /// An applied route whose sections are named like their prefixes.
    pub(super) fn serve(&mut self, backends: &[(&str, SocketAddr)]) -> Arc<LiveRoute> {
        let backends = backends.iter().map(|(name, address)| (section(name), *address)).collect();
        let route = self.route("route", OnBackendFailure::Partial, backends);
        self.catalog.apply(vec![Arc::clone(&route)]);
        route
    }

    pub(super) async fn page(
        &self,
        route: &Arc<LiveRoute>,
        viewer: &Viewer,
        kind: ListKind,
        cursor: Option<&str>,
    ) -> Value {
        let bytes = self.catalog.list(route, viewer, kind, cursor, &[]).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    pub(super) async fn tools(&self, route: &Arc<LiveRoute>, viewer: &Viewer) -> Vec<String> {
        names(&self.page(route, viewer, ListKind::Tools, None).await, ListKind::Tools)
    }

    /// Lists until the tools are these.
    pub(super) async fn tools_become(&self, route: &Arc<LiveRoute>, viewer: &Viewer, want: &[&str]) {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let got = self.tools(route, viewer).await;
            if got == want {
                return;
            }
            assert!(Instant::now() < end, "still {got:?}, not {want:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) fn is_kept(&self, route: &Arc<LiveRoute>, viewer: &Viewer) -> bool {
        self.catalog.kept(route, viewer, ListKind::Tools).is_some()
    }

    /// Some merged list was published with a backend missing.
    pub(super) fn metrics_say_missing(&self) -> bool {
        self.metrics.render(false).unwrap().contains("ringway_fanout_misses_total{")
    }

    pub(super) async fn with_own(&self, route: &Arc<LiveRoute>, own: &[OwnList]) -> Vec<String> {
        let bytes = self.catalog.list(route, &plain(), ListKind::Tools, None, own).await.unwrap();
        names(&serde_json::from_slice(&bytes).unwrap(), ListKind::Tools)
    }
}

/// Visible names of a page.
pub(super) fn names(page: &Value, kind: ListKind) -> Vec<String> {
    let items = page[kind.member()].as_array().unwrap_or_else(|| panic!("no {} in {page}", kind.member()));
    items.iter().map(|item| item[kind.key()].as_str().unwrap().to_owned()).collect()
}

pub(super) fn missing(page: &Value) -> Vec<&str> {
    let missing = page["_meta"]["dev.ringway/partial"]["missing"].as_array();
    missing.map(|names| names.iter().map(|name| name.as_str().unwrap()).collect()).unwrap_or_default()
}

/// The next change; a test never waits for ever.
pub(super) async fn told(changes: &mut Changes) -> Option<KindSet> {
    tokio::time::timeout(Duration::from_secs(20), changes.next()).await.expect("nothing was told")
}

/// Waits for something that another task brings about.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
