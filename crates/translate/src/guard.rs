//! Policies that this version cannot enforce: what they want to guard is not served without them.
//!
//! An open route with a Deny rule that nobody reads would be wider than its author allowed. Called by `translate` for
//! each route that is right in itself.

use ringway_crds::GroupKind;
use ringway_snapshot::Route;

use crate::object::{Content, Object, PolicyTargets};
use crate::path::FieldPath;
use crate::problem::{Problem, Reason, Severity};
use crate::world::World;

/// The problem of a route that a policy targets, whether by name, by a backend on it, or in ways not read here.
pub(crate) fn guarded(world: &World, object: &Object, route: &Route) -> Option<Problem> {
    let policy = world.of_kind(GroupKind::ToolPolicy).find(|other| match &other.content {
        Content::UnservedPolicy(PolicyTargets::Namespace) => other.id.name.namespace == route.name.namespace,
        Content::UnservedPolicy(PolicyTargets::Objects(targets)) => targets.iter().any(|(kind, name)| {
            let is_ours = |namespace: &str, own: &str| namespace == other.id.name.namespace && own == name;
            match kind.as_str() {
                "MCPRoute" => is_ours(&route.name.namespace, &route.name.name),
                _ => route.backends.iter().any(|entry| is_ours(&entry.backend.namespace, &entry.backend.name)),
            }
        }),
        _ => false,
    })?;
    let message = format!(
        "ToolPolicy {} covers this route, and policies are not served by this version; the route would be open without it",
        policy.id.name
    );
    Some(object.problem(FieldPath::of("metadata.name"), Reason::UnsupportedValue, Severity::Error, message))
}
