//! A world into what can be served, and every reason why the rest cannot.
//!
//! The order of the rules is here; the rules are in `backend`, `route`, `conflict` and `guard`.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringway_crds::GroupKind;
use ringway_snapshot::{Backend, ObjectName, Route, Snapshot};

use crate::backend;
use crate::conflict::{self, Candidate};
use crate::guard;
use crate::install::Install;
use crate::object::Content;
use crate::path::FieldPath;
use crate::problem::{Problem, Reason};
use crate::refs::Refs;
use crate::route::{self, Known};
use crate::scope::Scope;
use crate::secrets::Secrets;
use crate::verdict::Verdicts;
use crate::world::World;

/// The outcome: both parts are always there.
#[derive(Debug, Clone, Default)]
pub struct Translation {
    /// Everything without an error; generation 0, the publisher counts.
    pub snapshot: Snapshot,
    /// In the order of file, line and column. Those of `parse_documents` are not among them.
    pub problems: Vec<Problem>,
    /// Empty in standalone mode.
    pub verdicts: Verdicts,
}

/// Translates a world. `env` answers for `${NAME}` in Secrets; the process environment is not looked at.
///
/// The outcome depends on the objects alone: not on their order, and not on what was served before.
#[must_use]
pub fn translate(world: &World, _install: &Install, env: &dyn Fn(&str) -> Option<String>) -> Translation {
    let mut problems = world.doubled();
    let (secrets, mut found) = Secrets::read(world, env);
    problems.append(&mut found);
    let refs = Refs { world, secrets: &secrets };
    let backends = backends(refs, &mut problems);
    let routes = routes(Known { refs, backends: &backends }, &mut problems);
    problems.sort();
    problems.dedup();
    let backends = backends.into_iter().map(|(name, backend)| (name, Arc::new(backend))).collect();
    let routes = routes.into_iter().map(|route| (route.name.clone(), Arc::new(route))).collect();
    let snapshot = Snapshot { generation: 0, listeners: BTreeMap::new(), backends, routes };
    Translation { snapshot, problems, verdicts: Verdicts::default() }
}

fn backends(refs: Refs<'_>, problems: &mut Vec<Problem>) -> BTreeMap<ObjectName, Backend> {
    let mut backends = BTreeMap::new();
    for object in refs.world.unique(GroupKind::MCPBackend) {
        let Content::Backend(spec) = &object.content else { continue };
        let mut scope = Scope::new(object);
        let backend = backend::backend(&mut scope, refs, spec).filter(|_| scope.errors() == 0);
        backends.extend(backend.map(|backend| (backend.name.clone(), backend)));
        problems.append(&mut scope.into_problems());
    }
    backends
}

fn routes(known: Known<'_>, problems: &mut Vec<Problem>) -> Vec<Route> {
    let world = known.refs.world;
    let mut candidates = Vec::new();
    for object in world.unique(GroupKind::MCPRoute) {
        let Content::Route(spec) = &object.content else { continue };
        let mut scope = Scope::new(object);
        if object.meta.creation_timestamp.is_some() && conflict::created(object).is_none() {
            let message = "is no RFC 3339 time; leave it out, or conflicts are settled by name";
            scope.warning(&FieldPath::of("metadata.creationTimestamp"), Reason::InvalidValue, message);
        }
        let route = route::route(&mut scope, known, spec);
        problems.append(&mut scope.into_problems());
        let Some(route) = route else { continue };
        match guard::guarded(world, object, &route) {
            Some(problem) => problems.push(problem),
            None => candidates.push(Candidate { object, route }),
        }
    }
    let (routes, mut lost) = conflict::settle(candidates);
    problems.append(&mut lost);
    routes
}
