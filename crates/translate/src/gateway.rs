//! Listeners: the install's own, and those of Gateways of its class. All of them are served by one data plane, so a
//! port and a host belong to one listener of the whole install.
//!
//! Decides what each listener is and who may attach; which routes do is `attach`'s question. Called by `translate` in
//! a cluster.

mod claims;
mod listener;
mod tls;

use std::collections::BTreeMap;
use std::sync::Arc;

use ringway_crds::{GroupKind, LabelSelector, kube};
use ringway_snapshot::{Listener, ListenerName, ListenerTls, ObjectName};

use crate::conflict;
use crate::install::{CONTROLLER_NAME, ClusterInstall, Namespaces};
use crate::object::{Content, Object};
use crate::problem::Problem;
use crate::refs::Refs;
use crate::verdict::{Condition, GatewayVerdict, ListenerVerdict};
use crate::world::World;
use claims::Claims;

/// The name of the install's own Gateway and of its listener.
pub(crate) const DEFAULT: &str = "default";

/// Every listener of the install.
#[derive(Debug)]
pub(crate) struct Gateways {
    own_name: ObjectName,
    /// The install's own, with its one listener.
    own: Gateway,
    by_name: BTreeMap<ObjectName, Gateway>,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    /// Of the Gateway as a whole; what its listeners make of it does not count yet.
    pub(crate) accepted: Condition,
    pub(crate) listeners: Vec<Listening>,
}

/// A listener as it was judged.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) name: ListenerName,
    pub(crate) port: u16,
    pub(crate) hostname: Option<String>,
    pub(crate) tls: Option<ListenerTls>,
    pub(crate) admits: Admits,
    pub(crate) supports_routes: bool,
    pub(crate) accepted: Condition,
    pub(crate) resolved_refs: Condition,
    pub(crate) conflicted: Condition,
    pub(crate) is_served: bool,
}

/// The namespaces whose routes may attach.
#[derive(Debug)]
pub(crate) enum Admits {
    Everyone,
    Nobody,
    Namespace(String),
    Labelled(LabelSelector),
    /// The install's `routeNamespaces`.
    Install(Namespaces),
}

/// What listeners are judged in.
struct Bench<'a> {
    refs: Refs<'a>,
    install: &'a ClusterInstall,
    claims: Claims,
    problems: Vec<Problem>,
}

// === impl Gateways ===

impl Gateways {
    /// Judges all of them: the install's own listener first, then the older Gateway.
    pub(crate) fn read(refs: Refs<'_>, install: &ClusterInstall) -> (Self, Vec<Problem>) {
        let mut bench = Bench { refs, install, claims: Claims::default(), problems: Vec::new() };
        let own_name = own_name(install);
        let own = listener::own(&mut bench, &own_name);
        let mut ours = ours(refs.world);
        ours.sort_by_cached_key(|&(object, _)| conflict::age_of(object));
        let by_name = ours
            .into_iter()
            .map(|(object, gateway)| (object.id.name.clone(), listener::gateway(&mut bench, object, &gateway.spec)))
            .collect();
        (Self { own_name, own, by_name }, bench.problems)
    }

    /// The install's own goes before an object of its name.
    pub(crate) fn get(&self, name: &ObjectName) -> Option<&Gateway> {
        if *name == self.own_name { Some(&self.own) } else { self.by_name.get(name) }
    }

    pub(crate) fn find(&self, name: &ListenerName) -> Option<&Listening> {
        self.get(&name.gateway)?.listeners.iter().find(|listening| listening.name == *name)
    }

    /// What the data plane obeys.
    pub(crate) fn served(&self) -> BTreeMap<ListenerName, Arc<Listener>> {
        let gateways = self.by_name.values().chain([&self.own]);
        let served = gateways.flat_map(|gateway| &gateway.listeners).filter(|listening| listening.is_served);
        served.map(|listening| (listening.name.clone(), Arc::new(listening.listener()))).collect()
    }

    /// How it stands with the install's own listener, and with each Gateway.
    pub(crate) fn verdicts(
        &self,
        attached: &BTreeMap<ListenerName, usize>,
    ) -> (Option<ListenerVerdict>, BTreeMap<ObjectName, GatewayVerdict>) {
        let own = self.own.listeners.first().map(|listening| listening.verdict(attached));
        let gateways = self.by_name.iter();
        (own, gateways.map(|(name, gateway)| (name.clone(), gateway.verdict(attached))).collect())
    }
}

/// The Gateway that the install's own listener belongs to, whether or not Gateway API is there.
pub(crate) fn own_name(install: &ClusterInstall) -> ObjectName {
    ObjectName::new(install.namespace.as_str(), DEFAULT)
}

/// Those of a class that names our controller.
fn ours(world: &World) -> Vec<(&Object, &kube::Gateway)> {
    let gateways = world.unique(GroupKind::Gateway).filter_map(|object| match &object.content {
        Content::Gateway(gateway) => Some((object, gateway.as_ref())),
        _ => None,
    });
    gateways.filter(|(_, gateway)| is_our_class(world, &gateway.spec.gateway_class_name)).collect()
}

fn is_our_class(world: &World, class: &str) -> bool {
    classes(world).any(|object| object.id.name.name == class)
}

/// The GatewayClasses that name our controller.
pub(crate) fn classes(world: &World) -> impl Iterator<Item = &Object> {
    world.unique(GroupKind::GatewayClass).filter(|object| {
        matches!(&object.content, Content::GatewayClass(class) if class.spec.controller_name == CONTROLLER_NAME)
    })
}

// === impl Gateway ===

impl Gateway {
    fn verdict(&self, attached: &BTreeMap<ListenerName, usize>) -> GatewayVerdict {
        let unsound: Vec<_> = self.listeners.iter().filter(|listening| !listening.is_served).collect();
        let names = unsound.iter().map(|listening| listening.name.listener.as_str()).collect::<Vec<_>>().join(", ");
        let accepted = match (self.accepted.is_true, unsound.len()) {
            (false, _) | (true, 0) => self.accepted.clone(),
            (true, count) => Condition {
                is_true: count < self.listeners.len(),
                reason: "ListenersNotValid",
                message: format!("not served: {names}"),
            },
        };
        let unresolved = self.listeners.iter().find(|listening| !listening.resolved_refs.is_true);
        let resolved_refs = unresolved.map_or_else(
            || Condition::yes("ResolvedRefs"),
            |listening| {
                let Condition { reason, message, .. } = &listening.resolved_refs;
                Condition::no(reason, format!("listener {}: {message}", listening.name.listener))
            },
        );
        let listeners = self.listeners.iter().map(|listening| listening.verdict(attached)).collect();
        GatewayVerdict { accepted, resolved_refs, listeners }
    }
}

// === impl Listening ===

impl Listening {
    fn listener(&self) -> Listener {
        Listener { name: self.name.clone(), port: self.port, hostname: self.hostname.clone(), tls: self.tls.clone() }
    }

    fn verdict(&self, attached: &BTreeMap<ListenerName, usize>) -> ListenerVerdict {
        ListenerVerdict {
            name: self.name.listener.clone(),
            accepted: self.accepted.clone(),
            resolved_refs: self.resolved_refs.clone(),
            conflicted: self.conflicted.clone(),
            supports_routes: self.supports_routes,
            attached_routes: attached.get(&self.name).copied().unwrap_or_default(),
            is_served: self.is_served,
        }
    }

    /// Why it is not served, in words.
    pub(crate) fn trouble(&self) -> &str {
        let conditions = [&self.accepted, &self.resolved_refs];
        conditions.into_iter().find(|condition| !condition.is_true).map_or("", |condition| &condition.message)
    }
}
