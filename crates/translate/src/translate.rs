//! A world into what can be served, and every reason why the rest cannot.
//!
//! The order of the rules is here; the rules are in `backend`, `route`, `gateway`, `attach`, `conflict` and `guard`.

mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;

use ringway_crds::GroupKind;
use ringway_snapshot::{Backend, ObjectName, Snapshot};
use serde_json::{Map, Value};

use crate::attach::Grounds;
use crate::backend;
use crate::conflict;
use crate::gateway::{self, Gateways};
use crate::guard::Guards;
use crate::install::Install;
use crate::judge::Charges;
use crate::object::{Content, Object, TargetRef};
use crate::problem::Problem;
use crate::refs::Refs;
use crate::route::{Known, Labelled};
use crate::scope::Scope;
use crate::secrets::Secrets;
use crate::verdict::{AncestorVerdict, Condition, PolicyVerdict, Verdict, Verdicts};
use crate::world::World;

/// Certificates and keys towards all backends together: a quarter of what one update of a pod may hold. Beyond it younger
/// backends are not served.
const MAX_TLS_BYTES: usize = 128 << 20;

/// The outcome: both parts are always there.
#[derive(Debug, Clone, Default)]
pub struct Translation {
    /// Everything without an error; generation 0, the publisher counts.
    pub snapshot: Snapshot,
    /// In the order of file, line and column. Those that were found as objects were read are not among them.
    pub problems: Vec<Problem>,
    /// Empty in standalone mode.
    pub verdicts: Verdicts,
}

/// Translates a world. `env` answers for `${NAME}` in Secrets; the process environment is not looked at.
///
/// The outcome depends on the objects alone: not on their order, and not on what was served before.
#[must_use]
pub fn translate(world: &World, install: &Install, env: &dyn Fn(&str) -> Option<String>) -> Translation {
    let mut problems = world.doubled();
    let mut verdicts = Verdicts::default();
    let (secrets, mut found) = Secrets::read(world, env);
    problems.append(&mut found);
    let refs = Refs { world, install, secrets: &secrets };
    let backends = backends(refs, &mut problems, &mut verdicts);
    let gateways = install.cluster().map(|install| {
        let (gateways, mut found) = Gateways::read(refs, install);
        problems.append(&mut found);
        (install, gateways)
    });
    let grounds = gateways.as_ref().map(|(install, gateways)| Grounds { world, install, gateways });
    let labelled = Labelled::read(world);
    let known = Known { refs, backends: &backends, labelled: &labelled };
    let mut routes = routes::routes(known, grounds, &Guards::read(world, install));
    problems.append(&mut routes.problems);
    problems.sort();
    problems.dedup();
    let mut snapshot = Snapshot { routes: routes.served, ..Snapshot::default() };
    if let Some((_, gateways)) = &gateways {
        snapshot.listeners = gateways.served();
        verdicts.routes = routes.verdicts;
        (verdicts.default_listener, verdicts.gateways) = gateways.verdicts(&routes.attached);
        later_kinds(world, &mut verdicts);
    }
    snapshot.backends = backends.into_iter().map(|(name, backend)| (name, Arc::new(backend))).collect();
    Translation { snapshot, problems, verdicts }
}

fn backends(refs: Refs<'_>, problems: &mut Vec<Problem>, verdicts: &mut Verdicts) -> BTreeMap<ObjectName, Backend> {
    let mut backends = BTreeMap::new();
    let mut objects: Vec<_> = refs.world.unique(GroupKind::MCPBackend).collect();
    // The older one has its room, whatever comes after it.
    objects.sort_by_cached_key(|&object| conflict::age_of(object));
    let mut room = MAX_TLS_BYTES;
    for object in objects {
        let mut scope = Scope::new(object);
        let backend = match &object.content {
            Content::Backend(spec) => backend::backend(&mut scope, refs, spec).filter(|_| scope.errors() == 0),
            _ => None,
        };
        let backend = backend.filter(|backend| backend::fits(&mut scope, backend, &mut room));
        let mut found = scope.into_problems();
        if refs.install.cluster().is_some() {
            let verdict = Charges::new(object, &found).verdict("RefNotFound", backend.is_some());
            verdicts.backends.insert(object.id.name.clone(), verdict);
        }
        backends.extend(backend.map(|backend| (backend.name.clone(), backend)));
        problems.append(&mut found);
    }
    backends
}

/// Kinds of the contract that this version does not serve, and GatewayClasses.
fn later_kinds(world: &World, verdicts: &mut Verdicts) {
    for object in world.unique(GroupKind::RESTBridge) {
        verdicts.bridges.insert(object.id.name.clone(), unserved(object));
    }
    for object in world.unique(GroupKind::ToolPolicy) {
        let Content::UnservedPolicy(policy) = &object.content else { continue };
        let verdict = unserved(object);
        let ancestors = policy.refs.iter().map(|target| AncestorVerdict {
            ancestor_ref: ancestor(&object.id.name.namespace, target),
            verdict: verdict.clone(),
        });
        verdicts.policies.insert(
            object.id.name.clone(),
            PolicyVerdict { accepted: verdict.accepted.clone(), ancestors: ancestors.collect() },
        );
    }
    for object in gateway::classes(world) {
        verdicts.classes.insert(object.id.name.name.clone(), class(object));
    }
}

fn class(object: &Object) -> Condition {
    let has_parameters = matches!(&object.content, Content::GatewayClass(class) if class.spec.parameters_ref.is_some());
    if has_parameters {
        let message = "spec.parametersRef: is not read: Ringway takes no parameters for a class; its Gateways are \
                       served without them";
        return Condition::no("InvalidParameters", message);
    }
    Condition::yes("Accepted")
}

fn unserved(object: &Object) -> Verdict {
    let message = "is not looked at: the kind is not served by this version";
    Verdict {
        resolved_refs: Condition::no("Pending", message),
        ..Charges::new(object, &[]).verdict("RefNotFound", false)
    }
}

/// A target as a status names it.
fn ancestor(namespace: &str, target: &TargetRef) -> Value {
    let of_gateway_api =
        if target.kind == GroupKind::Gateway.kind() { GroupKind::Gateway } else { GroupKind::MCPRoute };
    let group = target.group.as_deref().unwrap_or_else(|| of_gateway_api.group());
    let mut reference = Map::new();
    let texts =
        [("group", group), ("kind", target.kind.as_str()), ("namespace", namespace), ("name", target.name.as_str())];
    reference.extend(texts.map(|(field, text)| (field.to_owned(), Value::from(text))));
    reference
        .extend(target.section_name.as_ref().map(|section| ("sectionName".to_owned(), Value::from(section.as_str()))));
    Value::Object(reference)
}
