//! A backend by `service`: the port by number, the ready endpoints by EndpointSlice.

use std::net::{IpAddr, SocketAddr};

use ringway_crds::backend::ServiceTarget;
use ringway_crds::kube::{self, EndpointSlice, ServicePort};
use ringway_crds::{GroupKind, MCPBackendSpec};
use ringway_snapshot::{Dial, HttpTarget, ObjectName, Scheme};

use super::{tls, url};
use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::{Refs, found};
use crate::scope::Scope;
use crate::text;

pub(super) fn target(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    spec: &MCPBackendSpec,
    service: &ServiceTarget,
) -> Option<HttpTarget> {
    let field = FieldPath::of("spec.service");
    let path = service.path.as_deref().unwrap_or("/mcp");
    if !text::is_request_path(path) {
        let message = "must be an absolute path with an optional query, at most 1024 bytes";
        scope.error(&field.field("path"), Reason::InvalidValue, message);
    }
    let tls = tls::tls(scope, refs, spec.tls.as_ref());
    let host_header = spec.host.as_deref().and_then(|host| url::host_header(scope, host));
    let name = service_name(scope, refs, &field, service)?;
    let port = service_port(scope, refs, &field, service, &name)?;
    let hostname = format!("{}.{}.svc", name.name, name.namespace);
    Some(HttpTarget {
        scheme: if spec.tls.is_some() { Scheme::Https } else { Scheme::Http },
        port: service.port,
        path: path.to_owned(),
        host_header: host_header.unwrap_or_else(|| hostname.clone()),
        hostname,
        dial: Dial::Any,
        endpoints: Some(endpoints(scope, refs, &field, &name, port)),
        tls,
    })
}

fn service_name(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    service: &ServiceTarget,
) -> Option<ObjectName> {
    let pair = (service.group.as_deref(), service.kind.as_deref());
    let kind = refs.kind(scope, field, pair, &[GroupKind::Service])?;
    refs.permitted(scope, field, kind, (&service.name, service.namespace.as_deref()))
}

fn service_port<'a>(
    scope: &mut Scope<'_>,
    refs: Refs<'a>,
    field: &FieldPath,
    target: &ServiceTarget,
    name: &ObjectName,
) -> Option<&'a ServicePort> {
    let service = found(scope, field, GroupKind::Service, name, refs.world.service(name))?;
    if service.spec.kind.as_deref() == Some("ExternalName") {
        let message = format!("Service {name} is an ExternalName, which could point anywhere; use url");
        scope.error(field, Reason::RefNotPermitted, message);
        return None;
    }
    let is_tcp = |port: &ServicePort| port.protocol.as_deref().unwrap_or("TCP") == "TCP";
    let port = service.spec.ports.iter().find(|port| port.port == target.port && target.port != 0 && is_tcp(port));
    if port.is_none() {
        let ports: Vec<_> = service.spec.ports.iter().filter(|p| is_tcp(p)).map(|p| p.port.to_string()).collect();
        let has = if ports.is_empty() { "none".to_owned() } else { ports.join(", ") };
        let message = format!("Service {name} has no TCP port {}; it has {has}", target.port);
        scope.error(&field.field("port"), Reason::RefNotFound, message);
    }
    port
}

/// The ready endpoints, sorted and each once.
fn endpoints(
    scope: &mut Scope<'_>,
    refs: Refs<'_>,
    field: &FieldPath,
    name: &ObjectName,
    port: &ServicePort,
) -> Vec<SocketAddr> {
    let mut slices = 0;
    let mut endpoints = Vec::new();
    for slice in refs.world.endpoint_slices(name) {
        slices += 1;
        endpoints.extend(ready(slice, port));
    }
    endpoints.sort_unstable();
    endpoints.dedup();
    if slices == 0 {
        let message = format!("no EndpointSlice with the label {}: {}", kube::SERVICE_NAME_LABEL, name.name);
        scope.warning(field, Reason::RefNotFound, message);
    } else if endpoints.is_empty() {
        scope.warning(field, Reason::RefNotFound, format_args!("Service {name} has no ready endpoint on this port"));
    }
    endpoints
}

fn ready<'a>(slice: &'a EndpointSlice, port: &'a ServicePort) -> impl Iterator<Item = SocketAddr> + 'a {
    let numbers = slice.ports.iter().filter(|p| p.name == port.name).filter_map(|p| p.port).filter(|port| *port != 0);
    numbers.flat_map(|number| {
        slice
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.conditions.ready != Some(false))
            .flat_map(|endpoint| &endpoint.addresses)
            .filter_map(move |address| Some(SocketAddr::new(address.parse::<IpAddr>().ok()?, number)))
    })
}
