//! Which listeners a route attaches to: its `parentRefs`, who may, and the hosts that both have.
//!
//! Does not know whether an older route has the place already (`conflict`). Called by `translate` for each route of a
//! cluster.

use ringway_crds::route::ParentRef;
use ringway_crds::{GATEWAY_API_GROUP, GroupKind};
use ringway_snapshot::{ListenerName, ObjectName};
use serde_json::{Map, Value, json};

use crate::conflict::Place;
use crate::gateway::{Admits, DEFAULT, Gateways, Listening, own_name};
use crate::install::ClusterInstall;
use crate::labels;
use crate::object::{Content, Object};
use crate::path::FieldPath;
use crate::text;
use crate::world::{Found, World};

/// What routes are attached in.
#[derive(Clone, Copy)]
pub(crate) struct Grounds<'a> {
    pub(crate) world: &'a World,
    pub(crate) install: &'a ClusterInstall,
    pub(crate) gateways: &'a Gateways,
}

/// One parent of a route, as far as it is ours.
#[derive(Debug)]
pub(crate) struct Parent {
    pub(crate) field: FieldPath,
    /// As a status names it.
    pub(crate) reference: Value,
    pub(crate) gateway: ObjectName,
    /// Where, or the reason and a sentence.
    pub(crate) places: Result<Vec<Place>, (&'static str, String)>,
}

/// In the order of `parentRefs`. Those that lead to a Gateway of another controller are not ours and left out.
pub(crate) fn parents(
    grounds: Grounds<'_>,
    namespace: &str,
    references: Option<&[ParentRef]>,
    hostnames: &[String],
) -> Vec<Parent> {
    let Some(references) = references.filter(|references| !references.is_empty()) else {
        return vec![default_parent(grounds, namespace, hostnames)];
    };
    let references = references.iter().enumerate();
    references
        .filter_map(|(index, reference)| {
            let field = FieldPath::of("spec.parentRefs").index(index);
            let gateway = ObjectName::new(reference.namespace.as_deref().unwrap_or(namespace), reference.name.as_str());
            let places = places(grounds, namespace, &gateway, reference, hostnames)?;
            Some(Parent { field, reference: as_written(reference), gateway, places })
        })
        .collect()
}

/// Without `parentRefs`: the install's own listener.
fn default_parent(grounds: Grounds<'_>, namespace: &str, hostnames: &[String]) -> Parent {
    let gateway = own_name(grounds.install);
    let reference = json!({
        "group": GATEWAY_API_GROUP,
        "kind": GroupKind::Gateway.kind(),
        "namespace": gateway.namespace,
        "name": gateway.name,
        "sectionName": DEFAULT,
    });
    let listeners = grounds.gateways.get(&gateway).map(|gateway| gateway.listeners.iter().collect());
    let places = attached(grounds, namespace, listeners.unwrap_or_default(), hostnames);
    Parent { field: FieldPath::of("spec.parentRefs"), reference, gateway, places }
}

/// `None`: not ours.
fn places(
    grounds: Grounds<'_>,
    namespace: &str,
    gateway: &ObjectName,
    reference: &ParentRef,
    hostnames: &[String],
) -> Option<Result<Vec<Place>, (&'static str, String)>> {
    let group = reference.group.as_deref().unwrap_or(GATEWAY_API_GROUP);
    let kind = reference.kind.as_deref().unwrap_or_else(|| GroupKind::Gateway.kind());
    if group != GATEWAY_API_GROUP || kind != GroupKind::Gateway.kind() {
        let message = format!("{} is no parent of an MCPRoute; a Gateway is", text::cut(&format!("{group}/{kind}")));
        return Some(Err(("UnsupportedValue", message)));
    }
    let Some(ours) = grounds.gateways.get(gateway) else {
        let shown = text::cut(&gateway.to_string());
        return match grounds.world.find(GroupKind::Gateway, gateway) {
            Found::One(object) => nobodys(grounds.world, &shown, object).map(|it| Err(("NoMatchingParent", it))),
            Found::Broken => Some(Err(("NoMatchingParent", format!("Gateway {shown} has problems of its own")))),
            Found::Missing => Some(Err(("NoMatchingParent", format!("there is no Gateway {shown}")))),
        };
    };
    let is_meant = |listening: &&Listening| {
        reference.section_name.as_ref().is_none_or(|section| *section == listening.name.listener)
            && reference.port.is_none_or(|port| port == listening.port)
    };
    let listeners: Vec<_> = ours.listeners.iter().filter(is_meant).collect();
    if listeners.is_empty() {
        let names: Vec<_> = ours
            .listeners
            .iter()
            .map(|listening| format!("{} on port {}", listening.name.listener, listening.port))
            .collect();
        let message = format!("Gateway {gateway} has no such listener; it has {}", names.join(", "));
        return Some(Err(("NoMatchingParent", message)));
    }
    Some(attached(grounds, namespace, listeners, hostnames))
}

/// What is wrong with a Gateway that is not ours, unless another controller looks after it: as long as its class is not
/// there, nobody else says so.
fn nobodys(world: &World, shown: &str, gateway: &Object) -> Option<String> {
    let Content::Gateway(gateway) = &gateway.content else { return None };
    let class = &gateway.spec.gateway_class_name;
    let fault = match world.find(GroupKind::GatewayClass, &ObjectName::new("", class.as_str())) {
        Found::One(_) => return None,
        Found::Broken => "has problems of its own",
        Found::Missing => "is not there",
    };
    Some(format!("GatewayClass {} of Gateway {shown} {fault}", text::cut(class)))
}

/// The listeners that take the route, with the hosts that both have.
fn attached(
    grounds: Grounds<'_>,
    namespace: &str,
    mut listeners: Vec<&Listening>,
    hostnames: &[String],
) -> Result<Vec<Place>, (&'static str, String)> {
    let first = listeners.first().map(|listening| listening.name.clone());
    listeners.retain(|listening| listening.supports_routes && is_admitted(grounds, namespace, &listening.admits));
    if listeners.is_empty() {
        return Err(("NotAllowedByListeners", not_allowed(grounds, namespace, first.as_ref())));
    }
    let mut places: Vec<(&Listening, Place)> = listeners
        .into_iter()
        .map(|listening| {
            let hosts = shared_hosts(hostnames, listening.hostname.as_deref());
            (listening, Place { listener: Some(listening.name.clone()), hosts })
        })
        .collect();
    places.retain(|(_, place)| !place.hosts.is_empty());
    if places.is_empty() {
        let message = "no host of the route is one of a listener's";
        return Err(("NoMatchingListenerHostname", message.to_owned()));
    }
    let trouble = places
        .first()
        .map(|(listening, _)| format!("listener {} is not served: {}", listening.name, listening.trouble()));
    places.retain(|(listening, _)| listening.is_served);
    match trouble {
        Some(trouble) if places.is_empty() => Err(("NoMatchingParent", trouble)),
        _ => Ok(places.into_iter().map(|(_, place)| place).collect()),
    }
}

fn not_allowed(grounds: Grounds<'_>, namespace: &str, listener: Option<&ListenerName>) -> String {
    let own = own_name(grounds.install);
    if listener.is_some_and(|listener| listener.gateway == own) {
        return format!(
            "namespace {namespace} may not use the install's default listener; name a Gateway in parentRefs, or add \
             the namespace to `routeNamespaces` of the chart"
        );
    }
    let gateway = listener.map(|listener| format!(" of Gateway {}", listener.gateway)).unwrap_or_default();
    format!("no such listener{gateway} lets MCPRoutes of namespace {namespace} attach (allowedRoutes)")
}

fn is_admitted(grounds: Grounds<'_>, namespace: &str, admits: &Admits) -> bool {
    match admits {
        Admits::Everyone => true,
        Admits::Nobody => false,
        Admits::Namespace(own) => own == namespace,
        Admits::Labelled(selector) => {
            grounds.world.namespace_labels(namespace).is_some_and(|labels| labels::matches(selector, labels))
        }
        Admits::Install(namespaces) => namespaces.holds(namespace),
    }
}

/// The hosts that both a route and a listener have; the empty one is every host.
fn shared_hosts(hostnames: &[String], listener: Option<&str>) -> Vec<(FieldPath, String)> {
    if hostnames.is_empty() {
        return vec![(FieldPath::of("spec.path"), listener.unwrap_or_default().to_owned())];
    }
    let field = FieldPath::of("spec.hostnames");
    let all = hostnames.iter().enumerate();
    all.filter_map(|(index, hostname)| {
        let shared = listener.map_or(Some(hostname.as_str()), |listener| shared(hostname, listener))?;
        Some((field.index(index), shared.to_owned()))
    })
    .collect()
}

/// The narrower of two names of which one holds the other.
fn shared<'a>(one: &'a str, other: &'a str) -> Option<&'a str> {
    if one == other || holds(other, one) {
        Some(one)
    } else if holds(one, other) {
        Some(other)
    } else {
        None
    }
}

/// `*.example.com` holds every name below it.
fn holds(pattern: &str, name: &str) -> bool {
    pattern.strip_prefix('*').is_some_and(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
}

/// What a status repeats: the fields that the route sets.
fn as_written(reference: &ParentRef) -> Value {
    let mut written = Map::new();
    let texts = [
        ("group", &reference.group),
        ("kind", &reference.kind),
        ("namespace", &reference.namespace),
        ("name", &Some(reference.name.clone())),
        ("sectionName", &reference.section_name),
    ];
    for (field, value) in texts {
        written.extend(value.as_ref().map(|value| (field.to_owned(), Value::from(value.as_str()))));
    }
    written.extend(reference.port.map(|port| ("port".to_owned(), Value::from(port))));
    Value::Object(written)
}

#[cfg(test)]
mod tests {
    use super::shared;

    #[test]
    fn the_narrower_name_is_shared() {
        for (route, listener, expected) in [
            ("a.example.com", "a.example.com", Some("a.example.com")),
            ("a.example.com", "*.example.com", Some("a.example.com")),
            ("a.b.example.com", "*.example.com", Some("a.b.example.com")),
            ("*.example.com", "a.example.com", Some("a.example.com")),
            ("*.b.example.com", "*.example.com", Some("*.b.example.com")),
            ("*.example.com", "*.b.example.com", Some("*.b.example.com")),
            ("*.example.com", "*.example.com", Some("*.example.com")),
            ("example.com", "*.example.com", None),
            ("*.example.com", "example.com", None),
            ("aexample.com", "*.example.com", None),
            ("a.example.com", "b.example.com", None),
        ] {
            assert_eq!(shared(route, listener), expected, "{route} on {listener}");
        }
    }
}
