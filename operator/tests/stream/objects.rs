//! Snapshots and positions.

use std::sync::Arc;

use ringway_config_stream::{Cursor, Position};
use ringway_snapshot::{
    Affinity, Backend, BackendLimits, Credentials, Dial, HttpTarget, ObjectName, OnBackendFailure, Route, Scheme,
    Secret, Sessions, Snapshot, Target, Timeouts, TransportHint, Trust,
};

pub(crate) fn backend(n: usize, token: &str) -> Arc<Backend> {
    let name = ObjectName::new("tools", format!("backend-{n}"));
    Arc::new(Backend {
        key: name.backend_key(),
        name,
        target: Target::Http(HttpTarget {
            scheme: Scheme::Https,
            hostname: format!("backend-{n}.tools.svc"),
            port: 443,
            path: "/mcp".into(),
            host_header: format!("backend-{n}.tools.svc"),
            endpoints: Some(vec![([10, 0, 0, 1], 8080).into()]),
            tls: None,
            dial: Dial::Any,
        }),
        transport: TransportHint::Auto,
        protocol_version: None,
        affinity: Affinity::None,
        credentials: Credentials::Bearer(Secret::new(token)),
        forward_headers: vec![],
        trust: Trust::default(),
        timeouts: Timeouts::default(),
        limits: BackendLimits::default(),
    })
}

pub(crate) fn route(n: usize, path: &str) -> Arc<Route> {
    Arc::new(Route {
        name: ObjectName::new("tools", format!("route-{n}")),
        hostnames: vec![],
        path: path.into(),
        listeners: vec![],
        backends: vec![],
        sessions: Sessions::default(),
        allowed_origins: vec![],
        instructions: None,
        on_backend_failure: OnBackendFailure::Partial,
    })
}

/// As many objects, half of them backends with a secret.
pub(crate) fn snapshot(objects: usize) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for n in 0..objects / 2 {
        put_backend(&mut snapshot, n, "a-token-of-usual-length-0123456789");
        put_route(&mut snapshot, n, "/path");
    }
    snapshot
}

pub(crate) fn put_backend(snapshot: &mut Snapshot, n: usize, token: &str) {
    let backend = backend(n, token);
    snapshot.backends.insert(backend.name.clone(), backend);
}

pub(crate) fn put_route(snapshot: &mut Snapshot, n: usize, path: &str) {
    let route = route(n, path);
    snapshot.routes.insert(route.name.clone(), route);
}

pub(crate) fn at(revision: u64) -> Position {
    Position([("MCPRoute".to_owned(), Cursor { revision, fingerprint: revision })].into())
}

/// Equal but for the generation, secrets included.
pub(crate) fn same(one: &Snapshot, other: &Snapshot) -> bool {
    (&one.listeners, &one.backends, &one.routes) == (&other.listeners, &other.backends, &other.routes)
}
