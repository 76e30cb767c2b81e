//! The sections of a route: which backend, under which name and prefix.
//!
//! An error here costs its entry and no other; of two entries that claim the same, the first stays.

use std::collections::{BTreeMap, BTreeSet};

use ringway_crds::GroupKind;
use ringway_crds::MCPRouteSpec;
use ringway_crds::route::BackendEntry;
use ringway_snapshot::{Backend, ObjectName, RouteBackend, uri_prefix};

use super::names::Visible;
use super::selection::{self, Shown};
use super::selector::{self, Labelled};
use crate::labels;
use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::{Refs, found};
use crate::scope::Scope;
use crate::text;
use crate::world::Found;

/// One route stays readable, and a merged list of so many servers is beyond any model.
pub(super) const MAX_BACKENDS: usize = 128;
/// Leaves half of the 128 characters of a visible name to the server.
pub(super) const MAX_PREFIX: usize = 63;

/// What entries are resolved in.
#[derive(Clone, Copy)]
pub(crate) struct Known<'a> {
    pub(crate) refs: Refs<'a>,
    /// Backends without an error.
    pub(crate) backends: &'a BTreeMap<ObjectName, Backend>,
    pub(crate) labelled: &'a Labelled<'a>,
}

/// What the entries so far have taken.
#[derive(Default)]
pub(super) struct Taken {
    sections: BTreeSet<String>,
    prefixes: BTreeSet<String>,
    uri_prefixes: BTreeMap<String, String>,
    backends: BTreeSet<ObjectName>,
    visible: Visible,
}

/// What is wrong with the list as a whole.
pub(super) fn check_list(scope: &mut Scope<'_>, spec: &MCPRouteSpec) {
    let field = FieldPath::of("spec.backends");
    if let Some(selector) = &spec.backend_selector {
        labels::check(scope, &FieldPath::of("spec.backendSelector"), selector);
    }
    match spec.backends.as_deref() {
        None if spec.backend_selector.is_some() => {}
        None => scope.error(&field, Reason::RequiredValue, "must be set, or backendSelector"),
        Some([]) => scope.error(&field, Reason::InvalidValue, "must not be empty"),
        Some(list) => scope.at_most(&field, list.len(), MAX_BACKENDS),
    }
}

/// The entries without an error, in the order of the route, then those that its selector finds.
pub(super) fn entries(scope: &mut Scope<'_>, known: Known<'_>, spec: &MCPRouteSpec) -> Vec<RouteBackend> {
    let mut taken = Taken::default();
    let list = spec.backends.as_deref().unwrap_or_default();
    let mut entries: Vec<_> = list
        .iter()
        .enumerate()
        .filter_map(|(index, spec)| {
            let field = FieldPath::of("spec.backends").index(index);
            let before = scope.errors();
            let entry = entry(scope, known, &field, spec);
            if let Some(entry) = &entry {
                taken.check(scope, &field, spec, entry);
            }
            let entry = entry.filter(|_| scope.errors() == before)?;
            taken.take(&entry);
            Some(entry)
        })
        .collect();
    if let Some(selector) = &spec.backend_selector {
        entries.append(&mut selector::entries(scope, known, list, selector, &mut taken));
    }
    entries
}

fn entry(scope: &mut Scope<'_>, known: Known<'_>, field: &FieldPath, spec: &BackendEntry) -> Option<RouteBackend> {
    let backend = backend(scope, known, field, spec);
    let section = spec.name.clone().or_else(|| Some(spec.reference.as_ref()?.name.clone()));
    if let Some(name) = &spec.name
        && !text::is_object_name(name)
    {
        scope.error(&field.field("name"), Reason::InvalidValue, text::OBJECT_NAME);
    }
    let prefix = spec.prefix.clone().or_else(|| section.clone()).unwrap_or_default();
    if !text::is_name_part(&prefix) || prefix.len() > MAX_PREFIX {
        let message = format!("a prefix is at most {MAX_PREFIX} of the characters A-Z a-z 0-9 _ . -");
        let from = if spec.prefix.is_some() { "" } else { "; the section name is too long for one, set prefix" };
        scope.error(&field.field("prefix"), Reason::InvalidValue, message + from);
    }
    let mut read =
        |member: &str, selection, shown| selection::selection(scope, &field.field(member), selection, shown, &prefix);
    let tools = read("tools", &spec.tools, Shown::Tool);
    let prompts = read("prompts", &spec.prompts, Shown::Prompt);
    let resources = read("resources", &spec.resources, Shown::Resource);
    let resource_templates = read("resourceTemplates", &spec.resource_templates, Shown::Resource);
    let backend = backend?;
    Some(RouteBackend {
        section: section?,
        key: backend.backend_key(),
        backend,
        prefix,
        tools,
        prompts,
        resources,
        resource_templates,
    })
}

fn backend(scope: &mut Scope<'_>, known: Known<'_>, field: &FieldPath, spec: &BackendEntry) -> Option<ObjectName> {
    if spec.refs.is_some() {
        scope.unsupported(&field.field("refs"));
    }
    let Some(reference) = &spec.reference else {
        if spec.refs.is_none() {
            scope.error(&field.field("ref"), Reason::RequiredValue, "must be set");
        }
        return None;
    };
    let field = field.field("ref");
    if reference.kind.as_deref() == Some("RESTBridge") {
        let message = "kind RESTBridge is not served by this version";
        scope.error(&field.field("kind"), Reason::InvalidKind, message);
        return None;
    }
    let (kind, name) = known.refs.object(scope, &field, reference, &[GroupKind::MCPBackend])?;
    let object = match known.refs.world.find(kind, &name) {
        Found::One(_) if !known.backends.contains_key(&name) => Found::Broken,
        other => other,
    };
    found(scope, &field, kind, &name, object).map(|_| name)
}

// === impl Taken ===

impl Taken {
    /// Why an entry that nobody wrote cannot join; `None`: it can.
    pub(super) fn refusal(&self, entry: &RouteBackend) -> Option<String> {
        if self.sections.contains(&entry.section) {
            return Some("another entry has its name as section name".to_owned());
        }
        let uri = uri_prefix(&entry.prefix).and_then(|uri| self.uri_prefixes.get(&uri));
        if self.prefixes.contains(&entry.prefix) || uri.is_some() {
            return Some("another entry has its name as prefix, or would have the same one before URIs".to_owned());
        }
        None
    }

    fn check(&self, scope: &mut Scope<'_>, field: &FieldPath, spec: &BackendEntry, entry: &RouteBackend) {
        if self.sections.contains(&entry.section) {
            let at = if spec.name.is_some() { field.field("name") } else { field.field("ref") };
            let message = format!("another entry has the section name `{}`", text::cut(&entry.section));
            scope.error(&at, Reason::Conflicted, message);
        }
        if self.backends.contains(&entry.backend) {
            // Session ids, cursors and request states name their backend, not the section.
            let message =
                format!("MCPBackend {} is on this route already; once is all this version serves", entry.backend);
            scope.error(&field.field("ref"), Reason::UnsupportedValue, message);
        }
        let at = field.field("prefix");
        if self.prefixes.contains(&entry.prefix) {
            let message = if entry.prefix.is_empty() {
                "only one entry of a route may have the empty prefix".to_owned()
            } else {
                format!("another entry has the prefix `{}`", text::cut(&entry.prefix))
            };
            scope.error(&at, Reason::Conflicted, message);
        } else if let Some(uri) = uri_prefix(&entry.prefix)
            && let Some(other) = self.uri_prefixes.get(&uri)
        {
            let message = format!("resources of the prefix `{}` would be seen as `{uri}+...`, too", text::cut(other));
            scope.error(&at, Reason::Conflicted, message);
        }
        self.visible.check(scope, field, entry);
    }

    pub(super) fn take(&mut self, entry: &RouteBackend) {
        self.sections.insert(entry.section.clone());
        self.backends.insert(entry.backend.clone());
        self.prefixes.insert(entry.prefix.clone());
        if let Some(uri) = uri_prefix(&entry.prefix) {
            self.uri_prefixes.insert(uri, entry.prefix.clone());
        }
        self.visible.take(entry);
    }
}
