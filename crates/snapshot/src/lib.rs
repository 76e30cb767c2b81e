//! What the data plane obeys: routes and backends as plain data, with names, hash and secrets.
//!
//! Does not read YAML, know Kubernetes or compile matchers. Made by `ringway-translate`, obeyed by `ringway-dataplane`.

mod backend;
mod dial;
mod listener;
mod name;
mod route;
mod secret;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

pub use backend::{
    Affinity, Backend, BackendLimits, BackendTls, Credentials, EndpointLoss, HttpTarget, Scheme, StdioTarget, Target,
    Timeouts, TransportHint, Trust,
};
pub use dial::{Dial, is_public};
pub use listener::{Certificate, ClientValidation, Listener, ListenerName, ListenerTls};
pub use name::{BackendKey, ObjectName};
pub use route::{OnBackendFailure, Override, Route, RouteBackend, Selection, Sessions, uri_prefix};
pub use secret::Secret;

/// Everything a data plane needs to serve: one immutable value per generation.
///
/// Objects stand behind `Arc`s so that a new snapshot shares what did not change and a reader can compare by pointer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Snapshot {
    /// Counts up with every published snapshot of one publisher.
    pub generation: u64,
    /// Empty in standalone mode, where the process has the one listener that it was told.
    pub listeners: BTreeMap<ListenerName, Arc<Listener>>,
    pub backends: BTreeMap<ObjectName, Arc<Backend>>,
    pub routes: BTreeMap<ObjectName, Arc<Route>>,
}

// === impl Snapshot ===

impl Snapshot {
    /// A hash of what can be shown, without the generation: equal content, equal hash, on every machine. Secrets do not
    /// count.
    #[must_use]
    pub fn content_hash(&self) -> u64 {
        let bytes = serde_json::to_vec(&(&self.listeners, &self.backends, &self.routes)).unwrap_or_default();
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// This snapshot with every object that equals the one in `previous` replaced by that very `Arc`.
    ///
    /// What lives per object (pools, catalogues, probes) then survives a reload that did not concern it.
    #[must_use]
    pub fn sharing_with(mut self, previous: &Self) -> Self {
        for (name, listener) in &mut self.listeners {
            if let Some(old) = previous.listeners.get(name).filter(|old| *old == listener) {
                *listener = Arc::clone(old);
            }
        }
        for (name, backend) in &mut self.backends {
            if let Some(old) = previous.backends.get(name).filter(|old| *old == backend) {
                *backend = Arc::clone(old);
            }
        }
        for (name, route) in &mut self.routes {
            if let Some(old) = previous.routes.get(name).filter(|old| *old == route) {
                *route = Arc::clone(old);
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{ObjectName, OnBackendFailure, Route, Sessions, Snapshot};

    fn with_route(path: &str) -> Snapshot {
        let name = ObjectName::new("tools", "r");
        let route = Route {
            name: name.clone(),
            hostnames: vec![],
            path: path.into(),
            listeners: vec![],
            backends: vec![],
            sessions: Sessions::default(),
            allowed_origins: vec![],
            instructions: None,
            on_backend_failure: OnBackendFailure::Partial,
        };
        Snapshot { routes: [(name, Arc::new(route))].into(), ..Snapshot::default() }
    }

    #[test]
    fn the_hash_tells_contents_apart() {
        assert_ne!(with_route("/a").content_hash(), with_route("/b").content_hash());
        assert_ne!(with_route("/a").content_hash(), Snapshot::default().content_hash());
        let later = Snapshot { generation: 7, ..with_route("/a") };
        assert_eq!(with_route("/a").content_hash(), later.content_hash());
    }

    #[test]
    fn a_snapshot_can_be_written_as_json() {
        let text = serde_json::to_string(&with_route("/a")).expect("names are texts");
        assert!(text.contains(r#""tools/r":{"name":"tools/r""#), "{text}");
        let name: ObjectName = serde_json::from_str(r#""tools/r""#).expect("a name");
        assert_eq!(name, ObjectName::new("tools", "r"));
    }
}
