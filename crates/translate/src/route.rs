//! One MCPRoute: every rule of the kind, and what the data plane obeys.
//!
//! Reads like the spec from top to bottom. Whether another route claims the same place is `conflict`'s question.
//! Called by `translate` for each route.

mod access;
mod entry;
mod names;
mod place;
mod selection;
mod selector;

use std::time::Duration;

use ringway_crds::MCPRouteSpec;
use ringway_crds::route::OnBackendFailure as SpecFailure;
use ringway_snapshot::{OnBackendFailure, Route, Sessions};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::{Range, Scope, Span};

pub(crate) use entry::Known;
pub(crate) use selector::Labelled;

/// A route as it was read.
pub(crate) struct Draft {
    pub(crate) hostnames: Vec<String>,
    pub(crate) path: String,
    /// Without an error but those of single entries: its place is its own.
    pub(crate) is_whole: bool,
    /// Without the entries that are broken and without listeners; `None`: nothing of it can be served.
    pub(crate) route: Option<Route>,
}

pub(crate) fn route(scope: &mut Scope<'_>, known: Known<'_>, spec: &MCPRouteSpec) -> Draft {
    refuse_later_features(scope, spec);
    access::check(scope, spec);
    place::parents(scope, spec.parent_refs.as_deref());
    let hostnames = place::hostnames(scope, spec.hostnames.as_deref());
    let path = place::path(scope, spec.path.as_deref());
    let allowed_origins = place::origins(scope, &spec.allowed_origins);
    let sessions = sessions(scope, spec);
    if let Some(instructions) = &spec.instructions {
        scope.prose(&FieldPath::of("spec.instructions"), instructions, MAX_INSTRUCTIONS);
    }
    entry::check_list(scope, spec);
    let is_whole = scope.errors() == 0;
    // From here on each error is one entry's, and costs that entry alone.
    let backends = entry::entries(scope, known, spec);
    let route = (is_whole && !backends.is_empty()).then(|| Route {
        name: scope.object.id.name.clone(),
        hostnames: hostnames.clone(),
        path: path.clone(),
        listeners: Vec::new(),
        backends,
        sessions,
        allowed_origins,
        instructions: spec.instructions.clone(),
        on_backend_failure: match spec.on_backend_failure {
            SpecFailure::Partial => OnBackendFailure::Partial,
            SpecFailure::Fail => OnBackendFailure::Fail,
        },
    });
    Draft { hostnames, path, is_whole, route }
}

/// As much as a model reads before its first call; more belongs into a prompt or resource.
const MAX_INSTRUCTIONS: usize = 16_384;

fn refuse_later_features(scope: &mut Scope<'_>, spec: &MCPRouteSpec) {
    for (field, is_set) in
        [("denyAs", spec.deny_as.is_some()), ("protectedResource", spec.protected_resource.is_some())]
    {
        if is_set {
            scope.unsupported(&FieldPath::of("spec").field(field));
        }
    }
}

fn sessions(scope: &mut Scope<'_>, spec: &MCPRouteSpec) -> Sessions {
    let field = FieldPath::of("spec.sessions");
    let default = Sessions::default();
    // A session id is good for as long as its key is kept; 30 days is more than any client stays.
    let month = Duration::from_secs(30 * 86_400);
    let second = Duration::from_secs(1);
    let lifetime = Span { least: second, most: month, default: default.max_lifetime };
    let max_lifetime = scope.duration(&field.field("maxLifetime"), spec.sessions.max_lifetime, &lifetime);
    let idle = Span { least: second, most: month, default: default.idle_timeout.min(max_lifetime) };
    let idle_timeout = scope.duration(&field.field("idleTimeout"), spec.sessions.idle_timeout, &idle);
    if idle_timeout > max_lifetime {
        let message = "must not be longer than sessions.maxLifetime";
        scope.error(&field.field("idleTimeout"), Reason::InvalidValue, message);
    }
    let range = Range { least: 1, most: 65_536, default: default.max_per_principal };
    let max_per_principal = scope.number(&field.field("maxPerPrincipal"), spec.sessions.max_per_principal, &range);
    Sessions { idle_timeout, max_lifetime, max_per_principal }
}
