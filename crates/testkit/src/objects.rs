//! Snapshot objects of which a test says no more than it is about; all else is as a resource that leaves it out.

use std::net::SocketAddr;
use std::sync::Arc;

use ringway_snapshot::{
    Affinity, Backend, BackendLimits, Credentials, Dial, EndpointLoss, HttpTarget, Listener, ObjectName,
    OnBackendFailure, Route, RouteBackend, Scheme, Selection, Sessions, Snapshot, Target, Timeouts, TransportHint,
    Trust,
};

/// A backend of this name.
#[must_use]
pub fn backend(name: ObjectName, target: Target) -> Backend {
    Backend {
        key: name.backend_key(),
        name,
        target,
        transport: TransportHint::Auto,
        protocol_version: None,
        affinity: Affinity::Auto { on_loss: EndpointLoss::Reinitialize },
        credentials: Credentials::None,
        forward_headers: Vec::new(),
        trust: Trust::default(),
        timeouts: Timeouts::default(),
        limits: BackendLimits::default(),
    }
}

/// `http://ADDRESS/mcp`.
#[must_use]
pub fn http_target(address: SocketAddr) -> HttpTarget {
    HttpTarget {
        scheme: Scheme::Http,
        hostname: address.ip().to_string(),
        port: address.port(),
        path: "/mcp".to_owned(),
        host_header: address.to_string(),
        endpoints: None,
        dial: Dial::Any,
        tls: None,
    }
}

/// A section of a route that shows all that its backend has, under `prefix`.
#[must_use]
pub fn section(section: &str, backend: ObjectName, prefix: &str) -> RouteBackend {
    RouteBackend {
        section: section.to_owned(),
        key: backend.backend_key(),
        backend,
        prefix: prefix.to_owned(),
        tools: Selection::default(),
        prompts: Selection::default(),
        resources: Selection::default(),
        resource_templates: Selection::default(),
    }
}

/// A route at `/mcp` of every host.
#[must_use]
pub fn route(name: ObjectName, backends: Vec<RouteBackend>) -> Route {
    Route {
        name,
        hostnames: Vec::new(),
        path: "/mcp".to_owned(),
        backends,
        sessions: Sessions::default(),
        allowed_origins: Vec::new(),
        instructions: None,
        listeners: Vec::new(),
        on_backend_failure: OnBackendFailure::Partial,
    }
}

/// The first generation, with these under their names.
#[must_use]
pub fn snapshot(listeners: Vec<Listener>, backends: Vec<Backend>, routes: Vec<Route>) -> Snapshot {
    Snapshot {
        generation: 1,
        listeners: listeners.into_iter().map(|one| (one.name.clone(), Arc::new(one))).collect(),
        backends: backends.into_iter().map(|one| (one.name.clone(), Arc::new(one))).collect(),
        routes: routes.into_iter().map(|one| (one.name.clone(), Arc::new(one))).collect(),
    }
}
