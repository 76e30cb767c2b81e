//! `backendSelector`: the backends of a namespace that join a route by their labels.
//!
//! One that cannot join is left out with a warning: the route's owner did nothing wrong. Called by `entry`.

use std::collections::{BTreeMap, BTreeSet};

use ringway_crds::route::BackendEntry;
use ringway_crds::{GroupKind, LabelSelector};
use ringway_snapshot::{RouteBackend, Selection};

use super::entry::{Known, MAX_BACKENDS, MAX_PREFIX, Taken};
use crate::labels;
use crate::object::Object;
use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::Scope;
use crate::text;
use crate::world::World;

/// What selectors find: MCPBackends and RESTBridges by namespace and label, so that many routes with selectors do not
/// each look through all of them.
#[derive(Debug, Default)]
pub(crate) struct Labelled<'a>(BTreeMap<(&'a str, &'a str, &'a str), Vec<&'a Object>>);

/// More names in one message help nobody.
const MAX_NAMED: usize = 8;

pub(super) fn entries(
    scope: &mut Scope<'_>,
    known: Known<'_>,
    explicit: &[BackendEntry],
    selector: &LabelSelector,
    taken: &mut Taken,
) -> Vec<RouteBackend> {
    let field = FieldPath::of("spec.backendSelector");
    let namespace = scope.namespace();
    let written: BTreeSet<&str> = explicit.iter().filter_map(|entry| local(entry, namespace)).collect();
    let mut room = MAX_BACKENDS.saturating_sub(explicit.len());
    let mut left_out: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut entries = Vec::new();
    let mut found = 0;
    for object in known.labelled.find(known.refs.world, namespace, selector) {
        let name = object.id.name.name.as_str();
        if object.id.kind == GroupKind::MCPBackend && written.contains(name) {
            continue;
        }
        found += 1;
        let entry = match entry(known, object) {
            Ok(_) if room == 0 => Err(format!("a route has at most {MAX_BACKENDS} entries")),
            Ok(entry) => taken.refusal(&entry).map_or(Ok(entry), Err),
            Err(why) => Err(why),
        };
        match entry {
            Ok(entry) => {
                taken.take(&entry);
                entries.push(entry);
                room -= 1;
            }
            Err(why) => left_out.entry(why).or_default().push(name),
        }
    }
    if explicit.is_empty() && entries.is_empty() {
        let (reason, message) = match found {
            0 => (Reason::RefNotFound, format!("no MCPBackend of namespace {namespace} has the labels")),
            _ => (Reason::RefNotAccepted, format!("none of the {found} backends with the labels can be served")),
        };
        scope.error(&field, reason, message);
    }
    for (why, names) in left_out {
        let more = names.len().saturating_sub(MAX_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names: Vec<_> = names.into_iter().take(MAX_NAMED).collect();
        let message = format!("leaves out {}{more}: {why}", names.join(", "));
        scope.warning(&field, Reason::RefNotAccepted, message);
    }
    entries
}

/// The MCPBackend of the route's own namespace that an entry names.
fn local<'a>(entry: &'a BackendEntry, namespace: &str) -> Option<&'a str> {
    let reference = entry.reference.as_ref()?;
    let is_local = reference.namespace.as_deref().is_none_or(|other| other == namespace);
    let is_backend = reference.kind.as_deref().is_none_or(|kind| kind == "MCPBackend");
    (is_local && is_backend).then_some(reference.name.as_str())
}

/// Named and prefixed by the backend's own name; or why it cannot join.
fn entry(known: Known<'_>, object: &Object) -> Result<RouteBackend, String> {
    if object.id.kind == GroupKind::RESTBridge {
        return Err("RESTBridges are not served by this version".to_owned());
    }
    let name = &object.id.name;
    if !known.backends.contains_key(name) {
        return Err("has problems of its own".to_owned());
    }
    if name.name.len() > MAX_PREFIX || !text::is_name_part(&name.name) {
        return Err(format!("the name is no prefix: at most {MAX_PREFIX} characters"));
    }
    let all = Selection::default;
    Ok(RouteBackend {
        section: name.name.clone(),
        backend: name.clone(),
        key: name.backend_key(),
        prefix: name.name.clone(),
        tools: all(),
        prompts: all(),
        resources: all(),
        resource_templates: all(),
    })
}

// === impl Labelled ===

impl<'a> Labelled<'a> {
    pub(crate) fn read(world: &'a World) -> Self {
        let mut labelled = Self::default();
        for object in world.unique(GroupKind::MCPBackend).chain(world.unique(GroupKind::RESTBridge)) {
            for (key, value) in &object.meta.labels {
                let place = (object.id.name.namespace.as_str(), key.as_str(), value.as_str());
                labelled.0.entry(place).or_default().push(object);
            }
        }
        labelled
    }

    /// In the order of names.
    fn find(&self, world: &'a World, namespace: &'a str, selector: &LabelSelector) -> Vec<&'a Object> {
        let by_label = selector
            .match_labels
            .iter()
            .map(|(key, value)| self.0.get(&(namespace, key.as_str(), value.as_str())).map_or(&[][..], Vec::as_slice))
            .min_by_key(|objects| objects.len());
        let mut found: Vec<&Object> = match by_label {
            Some(objects) => objects.to_vec(),
            None => world
                .in_namespace(GroupKind::MCPBackend, namespace)
                .chain(world.in_namespace(GroupKind::RESTBridge, namespace))
                .collect(),
        };
        found.retain(|object| labels::matches(selector, &object.meta.labels));
        found.sort_by(|a, b| (&a.id.name.name, a.id.kind).cmp(&(&b.id.name.name, b.id.kind)));
        found
    }
}
