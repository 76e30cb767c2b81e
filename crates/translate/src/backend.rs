//! One MCPBackend: every rule of the kind, and what the data plane obeys.
//!
//! Reads like the spec from top to bottom. Does not know routes. Called by `translate` for each backend.

mod credentials;
mod headers;
mod service;
mod stdio;
mod tls;
mod url;

use std::time::Duration;

use ringway_crds::MCPBackendSpec;
use ringway_crds::backend::{AffinityType, OnEndpointLoss, PinningMode, ProtocolVersion, SessionAffinity, Transport};
use ringway_snapshot::{Affinity, Backend, BackendLimits, EndpointLoss, Target, Timeouts, TransportHint, Trust};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::{DAY, MILLISECOND, Range, Scope, Span};

/// The backend as far as it could be read; it counts only when `scope` has no error.
pub(crate) fn backend(scope: &mut Scope<'_>, refs: Refs<'_>, spec: &MCPBackendSpec) -> Option<Backend> {
    refuse_later_features(scope, spec);
    let name = scope.object.id.name.clone();
    let target = target(scope, refs, spec);
    let credentials = credentials::credentials(scope, refs, &spec.credentials);
    let forward_headers = headers::forwarded(scope, spec);
    let affinity = affinity(scope, &spec.session_affinity);
    let timeouts = timeouts(scope, spec);
    let limits = limits(scope, spec);
    Some(Backend {
        key: name.backend_key(),
        name,
        target: target?,
        transport: match spec.transport {
            Transport::StreamableHttp => TransportHint::StreamableHttp,
            _ => TransportHint::Auto,
        },
        protocol_version: spec.protocol_version.revision().map(str::to_owned),
        affinity,
        credentials: credentials?,
        forward_headers,
        trust: Trust { annotations: spec.trust.annotations, cache_scope: spec.trust.cache_scope },
        timeouts,
        limits,
    })
}

/// Takes the backend's certificates and keys out of what all backends share; an error when they are too much.
pub(crate) fn fits(scope: &mut Scope<'_>, backend: &Backend, room: &mut usize) -> bool {
    let Target::Http(target) = &backend.target else { return true };
    let bytes = target.tls.as_ref().map_or(0, tls::bytes);
    if let Some(left) = room.checked_sub(bytes) {
        *room = left;
        return true;
    }
    let message = "there is no room for its certificates: those of older backends of this install take all; name fewer";
    scope.error(&FieldPath::of("spec.tls"), Reason::OutOfRange, message);
    false
}

fn refuse_later_features(scope: &mut Scope<'_>, spec: &MCPBackendSpec) {
    for (field, is_set) in [
        ("claimHeaders", spec.claim_headers.is_some()),
        ("retries", spec.retries.is_some()),
        ("healthCheck", spec.health_check.is_some()),
        ("toolPinning.mode", spec.tool_pinning.mode != PinningMode::None),
        ("toolPinning.digestsRef", spec.tool_pinning.digests_ref.is_some()),
    ] {
        if is_set {
            scope.unsupported(&FieldPath::of("spec").field(field));
        }
    }
    if let Transport::Sse | Transport::WebSocket | Transport::Grpc = spec.transport {
        let message = "this version speaks Auto and StreamableHTTP only";
        scope.error(&FieldPath::of("spec.transport"), Reason::UnsupportedValue, message);
    }
    if spec.protocol_version == ProtocolVersion::V2024November {
        let message = "the revision 2024-11-05 (HTTP+SSE) is not served by this version";
        scope.error(&FieldPath::of("spec.protocolVersion"), Reason::UnsupportedValue, message);
    }
}

fn target(scope: &mut Scope<'_>, refs: Refs<'_>, spec: &MCPBackendSpec) -> Option<Target> {
    match (&spec.service, &spec.url, &spec.stdio) {
        (Some(service), None, None) => service::target(scope, refs, spec, service).map(Target::Http),
        (None, Some(url), None) => url::target(scope, refs, spec, url).map(Target::Http),
        (None, None, Some(stdio)) => stdio::target(scope, refs, spec, stdio).map(Target::Stdio),
        (None, None, None) => {
            let message = "exactly one of service, url and stdio must be set; none is";
            scope.error(&FieldPath::of("spec"), Reason::RequiredValue, message);
            None
        }
        (service, url, stdio) => {
            let set = [("service", service.is_some()), ("url", url.is_some()), ("stdio", stdio.is_some())];
            for (field, _) in set.iter().filter(|(_, is_set)| *is_set).skip(1) {
                let message = "exactly one of service, url and stdio may be set";
                scope.error(&FieldPath::of("spec").field(field), Reason::InvalidValue, message);
            }
            None
        }
    }
}

fn affinity(scope: &mut Scope<'_>, spec: &SessionAffinity) -> Affinity {
    let field = FieldPath::of("spec.sessionAffinity");
    if spec.header.is_some() {
        scope.unsupported(&field.field("header"));
    }
    if spec.argument.is_some() {
        scope.unsupported(&field.field("argument"));
    }
    let on_loss = match spec.on_endpoint_loss {
        Some(OnEndpointLoss::Fail) => EndpointLoss::Fail,
        Some(OnEndpointLoss::Reinitialize) | None => EndpointLoss::Reinitialize,
    };
    match spec.kind {
        AffinityType::Auto => Affinity::Auto { on_loss },
        AffinityType::Session => Affinity::Session { on_loss },
        AffinityType::None => {
            if spec.on_endpoint_loss.is_some() {
                let message = "means nothing with type None, which ties nothing to an endpoint";
                scope.error(&field.field("onEndpointLoss"), Reason::InvalidValue, message);
            }
            Affinity::None
        }
        AffinityType::Principal | AffinityType::Header | AffinityType::Argument => {
            let message = "this version serves Auto, None and Session only";
            scope.error(&field.field("type"), Reason::UnsupportedValue, message);
            Affinity::None
        }
    }
}

fn timeouts(scope: &mut Scope<'_>, spec: &MCPBackendSpec) -> Timeouts {
    let field = FieldPath::of("spec.timeouts");
    let default = Timeouts::default();
    // Longer than five minutes no TCP stack tries to connect; longer than a day no call is worth to be held.
    let connect = Span { least: MILLISECOND, most: Duration::from_secs(300), default: default.connect };
    let connect = scope.duration(&field.field("connect"), spec.timeouts.connect, &connect);
    let request = Span { least: MILLISECOND, most: DAY, default: default.request };
    let request = scope.duration(&field.field("request"), spec.timeouts.request, &request);
    // A `request` above the default of `maxRequest` lifts it: who writes one long timeout means it.
    let most = Span { least: MILLISECOND, most: DAY, default: default.max_request.max(request) };
    let max_request = scope.duration(&field.field("maxRequest"), spec.timeouts.max_request, &most);
    if max_request < request {
        scope.error(&field.field("maxRequest"), Reason::InvalidValue, "must not be shorter than timeouts.request");
    }
    Timeouts { connect, request, max_request }
}

fn limits(scope: &mut Scope<'_>, spec: &MCPBackendSpec) -> BackendLimits {
    let field = FieldPath::of("spec.limits");
    let default = BackendLimits::default();
    // 65,536 is beyond the ports of one source address; an answer is held in memory, so a GiB is the end.
    let range = Range { least: 1, most: 65_536, default: default.max_connections };
    let max_connections = scope.number(&field.field("maxConnections"), spec.limits.max_connections, &range);
    let range = Range { default: default.max_concurrent_requests, ..range };
    let max_concurrent_requests =
        scope.number(&field.field("maxConcurrentRequests"), spec.limits.max_concurrent_requests, &range);
    let range = Range { least: 1024, most: 1 << 30, default: default.max_response_bytes };
    let bytes = spec.limits.max_response_bytes.map(|quantity| quantity.0);
    let max_response_bytes = scope.number(&field.field("maxResponseBytes"), bytes, &range);
    BackendLimits { max_connections, max_concurrent_requests, max_response_bytes }
}
