//! Snapshots and positions.

use std::sync::Arc;

use ringway_config_stream::{Cursor, Position};
use ringway_snapshot::{
    Affinity, Backend, Credentials, HttpTarget, ObjectName, Route, Scheme, Secret, Snapshot, Target,
};
use ringway_testkit::objects;

pub(crate) fn backend(n: usize, token: &str) -> Arc<Backend> {
    let (host, address) = (format!("backend-{n}.tools.svc"), ([10, 0, 0, 1], 8080).into());
    let target = Target::Http(HttpTarget {
        scheme: Scheme::Https,
        hostname: host.clone(),
        port: 443,
        host_header: host,
        endpoints: Some(vec![address]),
        ..objects::http_target(address)
    });
    Arc::new(Backend {
        affinity: Affinity::None,
        credentials: Credentials::Bearer(Secret::new(token)),
        ..objects::backend(ObjectName::new("tools", format!("backend-{n}")), target)
    })
}

pub(crate) fn route(n: usize, path: &str) -> Arc<Route> {
    let name = ObjectName::new("tools", format!("route-{n}"));
    Arc::new(Route { path: path.into(), ..objects::route(name, vec![]) })
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
