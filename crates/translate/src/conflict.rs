//! Routes at the same listener, host and path: the older one has it.
//!
//! Knows no other rule of routes. Called by `translate` with the routes that are right in themselves; whether what
//! they refer to is there does not matter, or a route would lose its place to another tenant's by an outage.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use ringway_snapshot::{ListenerName, ObjectName};

use crate::object::Object;
use crate::path::FieldPath;

/// A route and where it wants to be.
pub(crate) struct Claimant<'a> {
    pub(crate) object: &'a Object,
    pub(crate) path: &'a str,
    pub(crate) places: Vec<Place>,
}

/// One listener, `None` for the only one of a process, and the hosts there; the empty host is every host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) listener: Option<ListenerName>,
    /// Each with the field that is to blame.
    pub(crate) hosts: Vec<(FieldPath, String)>,
}

/// Who has the place, in words, and the field that claims it, too.
#[derive(Debug, Clone)]
pub(crate) struct Loss {
    pub(crate) field: FieldPath,
    pub(crate) message: String,
}

/// For each claimant the listeners on which an older route has one of its hosts.
pub(crate) fn settle(claimants: &[Claimant<'_>]) -> Vec<BTreeMap<Option<ListenerName>, Loss>> {
    let mut order: Vec<usize> = (0..claimants.len()).collect();
    order.sort_by_cached_key(|index| claimants.get(*index).map(|claimant| age_of(claimant.object)));
    let mut losses = vec![BTreeMap::new(); claimants.len()];
    let mut claimed: BTreeMap<Claim<'_>, &ObjectName> = BTreeMap::new();
    for index in order {
        let (Some(claimant), Some(lost)) = (claimants.get(index), losses.get_mut(index)) else { continue };
        for (listener, hosts) in merged(&claimant.places) {
            let claims = hosts.iter().map(|(field, host)| (*field, (listener, *host, claimant.path)));
            let taken = claims.clone().find_map(|(field, claim)| Some((field, claim, claimed.get(&claim)?)));
            if let Some((field, claim, winner)) = taken {
                lost.insert(listener.cloned(), loss(field, claim, winner));
                continue;
            }
            claimed.extend(claims.map(|(_, claim)| (claim, &claimant.object.id.name)));
        }
    }
    losses
}

/// A listener, a host and a path.
type Claim<'a> = (Option<&'a ListenerName>, &'a str, &'a str);
/// The hosts at one listener.
type Merged<'a> = (Option<&'a ListenerName>, BTreeSet<(&'a FieldPath, &'a str)>);

/// Several parents of a route may lead to one listener.
fn merged(places: &[Place]) -> Vec<Merged<'_>> {
    let mut merged: BTreeMap<Option<&ListenerName>, BTreeSet<(&FieldPath, &str)>> = BTreeMap::new();
    for place in places {
        let hosts = merged.entry(place.listener.as_ref()).or_default();
        hosts.extend(place.hosts.iter().map(|(field, host)| (field, host.as_str())));
    }
    merged.into_iter().collect()
}

fn loss(field: &FieldPath, (listener, host, path): Claim<'_>, winner: &ObjectName) -> Loss {
    let host = if host.is_empty() { "every host" } else { host };
    let at = listener.map(|listener| format!(" of listener {listener}")).unwrap_or_default();
    Loss {
        field: field.clone(),
        message: format!(
            "MCPRoute {winner} has {path} on {host}{at} already; the older route stays, without times the first by name"
        ),
    }
}

/// Those with a time of creation first, by it; then by name.
pub(crate) fn age_of(object: &Object) -> (bool, Option<Timestamp>, &ObjectName) {
    let created = created(object);
    (created.is_none(), created, &object.id.name)
}

/// When an API server made the object; `None` also for what is no RFC 3339 time, which `translate` reports.
pub(crate) fn created(object: &Object) -> Option<Timestamp> {
    object.meta.creation_timestamp.as_deref()?.parse().ok()
}
