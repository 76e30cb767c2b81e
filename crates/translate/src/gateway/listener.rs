//! One listener: its protocol, port, host, certificates and guests, in this order.

use ringway_crds::kube::{AllowedRoutes, GatewayListener, GatewaySpec, NamespacesFrom};
use ringway_crds::{GATEWAY_API_GROUP, GroupKind};
use ringway_snapshot::{ListenerName, ListenerTls, ObjectName};

use super::{Admits, Bench, DEFAULT, Gateway, Listening, own_name, tls};
use crate::judge;
use crate::object::Object;
use crate::path::FieldPath;
use crate::pem;
use crate::problem::{Problem, Reason};
use crate::scope::Scope;
use crate::text;
use crate::verdict::Condition;

/// A listener before it is served: what it shows and asks, or why not.
struct Secured {
    tls: Option<ListenerTls>,
    resolved_refs: Condition,
    /// Nothing is missing that must be there.
    is_ready: bool,
}

/// Where a listener is, checked.
struct Place<'a> {
    name: ListenerName,
    port: u16,
    hostname: Option<&'a str>,
    is_https: bool,
}

/// The install's own listener: without a certificate that it was told to show it is not served, never plain.
pub(super) fn own(bench: &mut Bench<'_>, gateway: &ObjectName) -> Gateway {
    let settings = &bench.install.default_listener;
    let object = Object::of_install(GroupKind::Gateway, gateway.clone());
    let mut scope = Scope::new(&object);
    let local = |name: &String| ObjectName::new(gateway.namespace.as_str(), name.as_str());
    let field = FieldPath::of("defaultListener");
    let mut is_ready = true;
    let mut certificates = Vec::new();
    if let Some(secret) = &settings.tls_secret {
        let field = field.field("tlsSecret");
        certificates.extend(tls::certificate(&mut scope, bench.refs, &field, &local(secret)));
        is_ready = !certificates.is_empty();
    }
    let mut client = None;
    if let Some(map) = &settings.client_ca_config_map {
        let field = field.field("clientCaConfigMap");
        let map = local(map);
        let authorities = (GroupKind::ConfigMap, &map);
        let pem = pem::authorities_of(&mut scope, bench.refs, &field, authorities, &mut pem::Room::default());
        client = pem.map(|pem| ringway_snapshot::ClientValidation { ca_pem: vec![pem], is_required: false });
        is_ready &= client.is_some();
        if settings.tls_secret.is_none() {
            scope.error(&field, Reason::InvalidRef, "needs tlsSecret: without TLS there are no client certificates");
            is_ready = false;
        }
    }
    let problems = scope.into_problems();
    let resolved_refs = unresolved(&problems, "InvalidCertificateRef");
    bench.problems.extend(problems);
    let tls = settings.tls_secret.as_ref().map(|_| ListenerTls { certificates, client });
    let name = ListenerName::new(gateway.clone(), DEFAULT);
    let place = Place { name, port: settings.port, hostname: None, is_https: settings.tls_secret.is_some() };
    let admits = Admits::Install(bench.install.route_namespaces.clone());
    let accepted = port(bench, settings.port);
    let secured = Secured { tls, resolved_refs, is_ready };
    let listening = settled(bench, place, accepted, secured, admits, true);
    Gateway { accepted: Condition::yes("Accepted"), listeners: vec![listening] }
}

/// A Gateway of our class with all its listeners.
pub(super) fn gateway(bench: &mut Bench<'_>, object: &Object, spec: &GatewaySpec) -> Gateway {
    let accepted = whole(bench, object, spec);
    let listeners = spec.listeners.iter().enumerate();
    let listeners = listeners
        .map(|(index, listener)| {
            let field = FieldPath::of("spec.listeners").index(index);
            let mut scope = Scope::new(object);
            let listening = one(bench, &mut scope, (&field, listener), spec, &accepted);
            bench.problems.extend(scope.into_problems());
            listening
        })
        .collect();
    Gateway { accepted, listeners }
}

/// What concerns the Gateway as a whole.
fn whole(bench: &mut Bench<'_>, object: &Object, spec: &GatewaySpec) -> Condition {
    let mut scope = Scope::new(object);
    let refusal = if object.id.name == own_name(bench.install) {
        let message = "is the name of the install's own listener; take another one";
        Some(("Invalid", FieldPath::of("metadata.name"), Reason::Conflicted, message))
    } else if !spec.addresses.is_empty() {
        let message = "are not given by Ringway: every Gateway is served at the address of the install's Service";
        Some(("UnsupportedAddress", FieldPath::of("spec.addresses"), Reason::UnsupportedValue, message))
    } else if spec.tls.as_ref().is_some_and(|tls| tls.backend.is_some()) {
        let message =
            "is not served; a client certificate for a server is `tls.clientCertificateRef` of its MCPBackend";
        Some(("UnsupportedValue", FieldPath::of("spec.tls.backend"), Reason::UnsupportedValue, message))
    } else if spec.infrastructure.as_ref().is_some_and(|infrastructure| infrastructure.parameters_ref.is_some()) {
        let message = "is not read: Ringway takes no parameters for a Gateway; leave it out";
        let field = FieldPath::of("spec.infrastructure.parametersRef");
        Some(("InvalidParameters", field, Reason::UnsupportedValue, message))
    } else if spec.admits_listener_sets() {
        let message = "is not served: listeners stand in the Gateway itself; leave it out";
        Some(("UnsupportedValue", FieldPath::of("spec.allowedListeners"), Reason::UnsupportedValue, message))
    } else {
        None
    };
    let accepted = match refusal {
        None => Condition::yes("Accepted"),
        Some((condition, field, reason, message)) => refused(&mut scope, condition, &field, reason, message),
    };
    bench.problems.extend(scope.into_problems());
    accepted
}

fn one(
    bench: &mut Bench<'_>,
    scope: &mut Scope<'_>,
    (field, listener): (&FieldPath, &GatewayListener),
    gateway: &GatewaySpec,
    gateway_accepted: &Condition,
) -> Listening {
    let object = scope.object;
    let is_https = listener.protocol == "HTTPS";
    let accepted = match gateway_accepted.is_true {
        true => accepted(bench, scope, field, listener, gateway),
        false => Condition::no("Invalid", format!("the Gateway is not accepted: {}", gateway_accepted.message)),
    };
    let mut secured = if is_https && accepted.is_true {
        secured(bench, object, field, listener, gateway)
    } else {
        Secured { tls: None, resolved_refs: Condition::yes("ResolvedRefs"), is_ready: true }
    };
    let supports_routes = supports_routes(&listener.allowed_routes);
    if let Some(message) = unsupported_kinds(&listener.allowed_routes) {
        let field = field.field("allowedRoutes.kinds");
        if secured.resolved_refs.is_true {
            secured.resolved_refs = refused(scope, "InvalidRouteKinds", &field, Reason::InvalidKind, &message);
        } else {
            scope.error(&field, Reason::InvalidKind, message);
        }
    }
    let place = Place {
        name: ListenerName::new(object.id.name.clone(), listener.name.as_str()),
        port: listener.port,
        hostname: listener.hostname.as_deref().filter(|hostname| !hostname.is_empty()),
        is_https,
    };
    let admits = admits(&listener.allowed_routes, &object.id.name.namespace);
    let listening = settled(bench, place, accepted, secured, admits, supports_routes);
    if listening.conflicted.is_true {
        scope.error(field, Reason::Conflicted, &listening.conflicted.message);
    }
    listening
}

/// Takes its place, unless someone has it.
fn settled(
    bench: &mut Bench<'_>,
    place: Place<'_>,
    accepted: Condition,
    secured: Secured,
    admits: Admits,
    supports_routes: bool,
) -> Listening {
    let none = Condition { is_true: false, reason: "NoConflicts", message: String::new() };
    let (accepted, conflicted) = if accepted.is_true {
        match bench.claims.claim(&place.name, place.port, place.hostname, place.is_https) {
            Ok(()) => (accepted, none),
            Err(conflict) => (Condition::no(conflict.reason, conflict.message.clone()), conflict),
        }
    } else {
        (accepted, none)
    };
    Listening {
        name: place.name,
        port: place.port,
        hostname: place.hostname.map(str::to_owned),
        tls: secured.tls,
        admits,
        supports_routes,
        is_served: accepted.is_true && secured.is_ready,
        accepted,
        resolved_refs: secured.resolved_refs,
        conflicted,
    }
}

fn accepted(
    bench: &Bench<'_>,
    scope: &mut Scope<'_>,
    field: &FieldPath,
    listener: &GatewayListener,
    gateway: &GatewaySpec,
) -> Condition {
    let tls = listener.tls.as_ref();
    let mode = tls.and_then(|tls| tls.mode.as_deref()).unwrap_or("Terminate");
    let later = Reason::UnsupportedValue;
    match listener.protocol.as_str() {
        "HTTP" if tls.is_some() => {
            let message = "means nothing with protocol HTTP; write HTTPS";
            return refused(scope, "Invalid", &field.field("tls"), Reason::InvalidValue, message);
        }
        "HTTP" | "HTTPS" => {}
        other => {
            let message = format!("`{}` is not served; HTTP and HTTPS are", text::cut(other));
            return refused(scope, "UnsupportedProtocol", &field.field("protocol"), later, &message);
        }
    }
    if let Some(hostname) = listener.hostname.as_deref().filter(|name| !name.is_empty())
        && !text::is_hostname_pattern(hostname)
    {
        let message = "must be a lower-case host name, with or without a leading `*.`, without port; no IP address";
        return refused(scope, "Invalid", &field.field("hostname"), Reason::InvalidValue, message);
    }
    if mode != "Terminate" {
        let message = "must be Terminate: what is not decrypted cannot be routed by its calls";
        return refused(scope, "UnsupportedValue", &field.field("tls.mode"), later, message);
    }
    if let Some(option) = tls.and_then(|tls| tls.options.keys().next()) {
        let field = field.field("tls.options").key(option);
        return refused(scope, "UnsupportedValue", &field, later, "is no option of this version; leave it out");
    }
    if let Some((field, validation)) = tls::validation(gateway.tls.as_ref(), listener.port)
        && listener.protocol == "HTTPS"
        && validation.mode.as_deref().is_some_and(|mode| mode != "AllowValidOnly")
    {
        let message = "must be AllowValidOnly: a client whose certificate is bad is never let in";
        return refused(scope, "UnsupportedValue", &field.field("mode"), later, message);
    }
    let port = port(bench, listener.port);
    if !port.is_true {
        scope.error(&field.field("port"), Reason::UnsupportedValue, &port.message);
    }
    port
}

fn port(bench: &Bench<'_>, port: u16) -> Condition {
    if bench.install.ports.contains(&port) {
        return Condition::yes("Accepted");
    }
    let ports: Vec<_> = bench.install.ports.iter().map(ToString::to_string).collect();
    let message = format!("the install's Service does not expose port {port}; it exposes {}", ports.join(", "));
    Condition::no("PortUnavailable", message)
}

/// What an HTTPS listener shows and asks; without any certificate, or with authorities that none can be read of, it is
/// not served.
fn secured(
    bench: &mut Bench<'_>,
    object: &Object,
    field: &FieldPath,
    listener: &GatewayListener,
    gateway: &GatewaySpec,
) -> Secured {
    let mut scope = Scope::new(object);
    let certificates = tls::certificates(&mut scope, bench.refs, field, listener.tls.as_ref());
    let of_certificates = scope.into_problems();
    let mut scope = Scope::new(object);
    let validation = tls::validation(gateway.tls.as_ref(), listener.port);
    let client = validation.as_ref().map(|(field, spec)| tls::client(&mut scope, bench.refs, field, spec));
    let of_client = scope.into_problems();
    let mut resolved_refs = unresolved(&of_certificates, "InvalidCertificateRef");
    if resolved_refs.is_true {
        let is_kind = of_client
            .iter()
            .find(|problem| problem.is_error())
            .is_some_and(|problem| problem.reason == Reason::InvalidKind);
        let reason = if is_kind { "InvalidCACertificateKind" } else { "InvalidCACertificateRef" };
        resolved_refs = unresolved(&of_client, reason);
    }
    bench.problems.extend(of_certificates);
    bench.problems.extend(of_client);
    let is_ready = !certificates.is_empty() && !matches!(client, Some(None));
    Secured { tls: Some(ListenerTls { certificates, client: client.flatten() }), resolved_refs, is_ready }
}

/// False with `reason`, unless what comes first is forbidden.
fn unresolved(problems: &[Problem], reason: &'static str) -> Condition {
    let errors: Vec<_> = problems.iter().filter(|problem| problem.is_error()).collect();
    let Some(first) = errors.first() else { return Condition::yes("ResolvedRefs") };
    let reason = if first.reason == Reason::RefNotPermitted { "RefNotPermitted" } else { reason };
    Condition::no(reason, judge::message(&errors, ""))
}

fn refused(
    scope: &mut Scope<'_>,
    condition: &'static str,
    field: &FieldPath,
    reason: Reason,
    message: &str,
) -> Condition {
    scope.error(field, reason, message);
    Condition::no(condition, format!("{field}: {message}"))
}

fn supports_routes(allowed: &AllowedRoutes) -> bool {
    allowed.kinds.is_empty() || allowed.kinds.iter().any(|kind| is_route(kind.group.as_deref(), &kind.kind))
}

fn is_route(group: Option<&str>, kind: &str) -> bool {
    group.unwrap_or(GATEWAY_API_GROUP) == GroupKind::MCPRoute.group() && kind == GroupKind::MCPRoute.kind()
}

/// In words, which of the kinds are not served.
fn unsupported_kinds(allowed: &AllowedRoutes) -> Option<String> {
    let others = allowed.kinds.iter().filter(|kind| !is_route(kind.group.as_deref(), &kind.kind));
    let names: Vec<_> = others
        .map(|kind| text::cut(&format!("{}/{}", kind.group.as_deref().unwrap_or(GATEWAY_API_GROUP), kind.kind)))
        .take(8)
        .collect();
    (!names.is_empty()).then(|| format!("{} cannot attach; ringway.dev/MCPRoute can", names.join(", ")))
}

fn admits(allowed: &AllowedRoutes, own: &str) -> Admits {
    match (allowed.namespaces.from, &allowed.namespaces.selector) {
        (NamespacesFrom::All, _) => Admits::Everyone,
        (NamespacesFrom::Same, _) => Admits::Namespace(own.to_owned()),
        (NamespacesFrom::Selector, Some(selector)) => Admits::Labelled(selector.clone()),
        (NamespacesFrom::Selector | NamespacesFrom::None | NamespacesFrom::Unknown, _) => Admits::Nobody,
    }
}
