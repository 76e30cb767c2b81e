//! Objects for the tests: a small world, so that names meet again.

use std::sync::Arc;

use proptest::prelude::*;
use ringway_config_stream::{Cursor, Position};
use ringway_snapshot::{
    Affinity, Backend, BackendTls, Certificate, Credentials, HttpTarget, Listener, ListenerName, ListenerTls,
    ObjectName, Route, Scheme, Secret, Snapshot, Target,
};
use ringway_testkit::objects;

pub(crate) fn backend(n: usize, variant: u8, secret: &[u8]) -> Backend {
    let tls = BackendTls {
        client_certificate: (variant.is_multiple_of(2)).then(|| ("chain".to_owned(), Secret::new(secret))),
        ..BackendTls::default()
    };
    let target = Target::Http(HttpTarget {
        scheme: Scheme::Https,
        hostname: "mcp.example.com".into(),
        path: format!("/v{variant}"),
        host_header: "mcp.example.com".into(),
        tls: Some(tls),
        ..objects::http_target(([10, 0, 0, 1], 443).into())
    });
    Backend {
        affinity: Affinity::None,
        credentials: Credentials::Bearer(Secret::new(secret)),
        ..objects::backend(ObjectName::new("tools", format!("b{n}")), target)
    }
}

pub(crate) fn route(n: usize, variant: u8, padding: usize) -> Route {
    Route {
        path: format!("/{variant}"),
        instructions: Some("x".repeat(padding)),
        ..objects::route(ObjectName::new("tools", format!("r{n}")), vec![])
    }
}

pub(crate) fn listener(n: usize, variant: u8, secret: &[u8]) -> Listener {
    let certificate = || Certificate { chain_pem: "chain".into(), key_pem: Secret::new(secret) };
    let certificates = (0..=variant % 3).map(|_| certificate()).collect();
    Listener {
        name: ListenerName::new(ObjectName::new("tools", "gateway"), format!("l{n}")),
        port: 443,
        hostname: None,
        tls: Some(ListenerTls { certificates, client: None }),
    }
}

/// Each of a few names is there or not, in one of a few forms.
pub(crate) fn snapshots() -> impl Strategy<Value = Snapshot> {
    let form = || prop::option::of((0_u8..4, prop::collection::vec(any::<u8>(), 0..3)));
    let forms = |count: usize| prop::collection::vec(form(), count);
    let padding = prop_oneof![4 => 0_usize..50, 1 => 300_000_usize..700_000];
    (forms(2), forms(4), prop::collection::vec(prop::option::of((0_u8..4, padding)), 4)).prop_map(
        |(listeners, backends, routes)| {
            let mut snapshot = Snapshot::default();
            for (n, (variant, secret)) in listeners.into_iter().enumerate().filter_map(|(n, form)| Some((n, form?))) {
                let listener = listener(n, variant, &secret);
                snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
            }
            for (n, (variant, secret)) in backends.into_iter().enumerate().filter_map(|(n, form)| Some((n, form?))) {
                let backend = backend(n, variant, &secret);
                snapshot.backends.insert(backend.name.clone(), Arc::new(backend));
            }
            for (n, (variant, padding)) in routes.into_iter().enumerate().filter_map(|(n, form)| Some((n, form?))) {
                let route = route(n, variant, padding);
                snapshot.routes.insert(route.name.clone(), Arc::new(route));
            }
            snapshot
        },
    )
}

pub(crate) fn at(revision: u64) -> Position {
    Position([("MCPRoute".to_owned(), Cursor { revision, fingerprint: revision })].into())
}

/// Equal but for the generation, secrets included.
pub(crate) fn same(one: &Snapshot, other: &Snapshot) -> bool {
    (&one.listeners, &one.backends, &one.routes) == (&other.listeners, &other.backends, &other.routes)
}
