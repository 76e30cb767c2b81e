//! Policies that this version cannot enforce: what they want to guard is not served without them.
//!
//! An open route with a Deny rule that nobody reads would be wider than its author allowed. Called by `translate` for
//! each route that is right in itself, and for each Gateway that takes it.

use std::collections::BTreeMap;

use ringway_crds::GroupKind;
use ringway_snapshot::{ObjectName, Route};

use crate::install::Install;
use crate::object::{Content, PolicyTargets};
use crate::world::World;

/// What unserved policies cover, each with the first policy that does.
#[derive(Debug, Default)]
pub(crate) struct Guards<'a> {
    namespaces: BTreeMap<&'a str, &'a ObjectName>,
    routes: BTreeMap<ObjectName, &'a ObjectName>,
    backends: BTreeMap<ObjectName, &'a ObjectName>,
    gateways: BTreeMap<ObjectName, &'a ObjectName>,
}

// === impl Guards ===

impl<'a> Guards<'a> {
    pub(crate) fn read(world: &'a World, install: &Install) -> Self {
        let mut guards = Self::default();
        for object in world.of_kind(GroupKind::ToolPolicy) {
            let Content::UnservedPolicy(policy) = &object.content else { continue };
            let namespace = object.id.name.namespace.as_str();
            let PolicyTargets::Objects(targets) = &policy.targets else {
                guards.namespaces.entry(namespace).or_insert(&object.id.name);
                continue;
            };
            for (kind, name) in targets {
                let name = ObjectName::new(namespace, name.as_str());
                let covered = match kind.as_str() {
                    "MCPRoute" => &mut guards.routes,
                    "MCPBackend" => &mut guards.backends,
                    // Without Gateways a route's own are not known: all of the namespace may be meant.
                    _ if install.cluster().is_none() => {
                        guards.namespaces.entry(namespace).or_insert(&object.id.name);
                        continue;
                    }
                    _ => &mut guards.gateways,
                };
                covered.entry(name).or_insert(&object.id.name);
            }
        }
        guards
    }

    /// The sentence on a route that a policy targets by name, by a backend on it, or in ways not read here.
    pub(crate) fn of_route(&self, name: &ObjectName, route: Option<&Route>) -> Option<String> {
        let by_backend =
            || route.into_iter().flat_map(|route| &route.backends).find_map(|entry| self.backends.get(&entry.backend));
        let policy =
            self.namespaces.get(name.namespace.as_str()).or_else(|| self.routes.get(name)).or_else(by_backend)?;
        Some(format!(
            "ToolPolicy {policy} covers this route, and policies are not served by this version; the route would be open without it"
        ))
    }

    /// The sentence on a Gateway that a policy targets.
    pub(crate) fn of_gateway(&self, gateway: &ObjectName) -> Option<String> {
        let policy = self.gateways.get(gateway).or_else(|| self.namespaces.get(gateway.namespace.as_str()))?;
        Some(format!(
            "ToolPolicy {policy} covers Gateway {gateway}, and policies are not served by this version; the route would be open without it"
        ))
    }
}
