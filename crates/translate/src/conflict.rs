//! Routes at the same host and path: the older one stays.
//!
//! Knows no other rule of routes. Called by `translate` with the routes that are right in themselves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ringway_snapshot::{ObjectName, Route};

use crate::object::Object;
use crate::path::FieldPath;
use crate::problem::{Problem, Reason, Severity};

/// A route with the object it came from.
pub(crate) struct Candidate<'a> {
    pub(crate) object: &'a Object,
    pub(crate) route: Route,
}

/// Splits off the routes that claim what an older one has.
pub(crate) fn settle(mut candidates: Vec<Candidate<'_>>) -> (Vec<Route>, Vec<Problem>) {
    candidates.sort_by(|a, b| age(a).cmp(&age(b)));
    let mut claimed: BTreeMap<(String, String), ObjectName> = BTreeMap::new();
    let mut routes = Vec::new();
    let mut problems = Vec::new();
    for Candidate { object, route } in candidates {
        let claims = claims(&route);
        let lost = claims.iter().find_map(|(field, claim)| Some((field, claim, claimed.get(claim)?)));
        if let Some((field, (host, path), winner)) = lost {
            let host = if host.is_empty() { "every host" } else { host };
            let message = format!(
                "MCPRoute {winner} has {path} on {host} already; the older route stays, without times the first by name"
            );
            problems.push(object.problem(field.clone(), Reason::Conflicted, Severity::Error, message));
            continue;
        }
        claimed.extend(claims.into_iter().map(|(_, claim)| (claim, route.name.clone())));
        routes.push(route);
    }
    (routes, problems)
}

/// Those with a time of creation first, by it; then by name.
fn age<'a>(candidate: &'a Candidate<'_>) -> (bool, Option<Timestamp>, &'a ObjectName) {
    let created = created(candidate.object);
    (created.is_none(), created, &candidate.route.name)
}

/// When an API server made the object; `None` also for what is no RFC 3339 time, which `translate` reports.
pub(crate) fn created(object: &Object) -> Option<Timestamp> {
    object.meta.creation_timestamp.as_deref()?.parse().ok()
}

/// Each (host, path) with the field to blame; the empty host is every host.
fn claims(route: &Route) -> Vec<(FieldPath, (String, String))> {
    if route.hostnames.is_empty() {
        return vec![(FieldPath::of("spec.path"), (String::new(), route.path.clone()))];
    }
    let hosts = route.hostnames.iter().enumerate();
    hosts
        .map(|(index, host)| (FieldPath::of("spec.hostnames").index(index), (host.clone(), route.path.clone())))
        .collect()
}
