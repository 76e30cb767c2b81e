//! Which of a server's names are shown, and how: globs and overrides of one kind of things.

use std::collections::BTreeSet;

use ringway_crds::route::{Override as SpecOverride, Selection as Spec};
use ringway_snapshot::{Override, Selection};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::{DAY, MILLISECOND, Scope, Span};
use crate::text;

const MAX_GLOBS: usize = 128;
const MAX_OVERRIDES: usize = 256;
const MAX_DESCRIPTION: usize = 4096;
const MAX_ANNOTATIONS: usize = 32;
/// What a visible name may have (MCP, "tool names").
const MAX_VISIBLE: usize = 128;

/// What is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Tool,
    Prompt,
    /// Resources and their templates, known by URI.
    Resource,
}

pub(super) fn selection(
    scope: &mut Scope<'_>,
    field: &FieldPath,
    spec: &Spec,
    shown: Shown,
    prefix: &str,
) -> Selection {
    if spec.include.as_ref().is_some_and(Vec::is_empty) {
        let message = "must not be empty; leave it out to show everything, or write exclude: [\"*\"] to show nothing";
        scope.error(&field.field("include"), Reason::InvalidValue, message);
    }
    globs(scope, &field.field("include"), spec.include.as_deref().unwrap_or_default());
    globs(scope, &field.field("exclude"), &spec.exclude);
    let list = field.field("override");
    scope.at_most(&list, spec.overrides.len(), MAX_OVERRIDES);
    let mut own = BTreeSet::new();
    let mut visible = BTreeSet::new();
    for (index, item) in spec.overrides.iter().enumerate() {
        let field = list.index(index);
        override_rules(scope, &field, item, shown, prefix);
        if !own.insert(item.name.as_str()) {
            let message = format!("`{}` has an override already", text::cut(&item.name));
            scope.error(&field.field("name"), Reason::Conflicted, message);
        } else if !visible.insert(item.rename.as_deref().unwrap_or(&item.name)) {
            let at = if item.rename.is_some() { "rename" } else { "name" };
            let name = item.rename.as_deref().unwrap_or(&item.name);
            let message = format!("two overrides would be seen as `{}`", text::cut(name));
            scope.error(&field.field(at), Reason::NameConflict, message);
        }
    }
    Selection {
        include: spec.include.clone(),
        exclude: spec.exclude.clone(),
        overrides: spec.overrides.iter().map(converted).collect(),
    }
}

fn globs(scope: &mut Scope<'_>, field: &FieldPath, globs: &[String]) {
    scope.at_most(field, globs.len(), MAX_GLOBS);
    for (index, _) in globs.iter().enumerate().filter(|(_, glob)| !text::is_glob(glob)) {
        let message = "a glob is 1 to 256 characters, none of them a control character";
        scope.error(&field.index(index), Reason::InvalidValue, message);
    }
}

fn override_rules(scope: &mut Scope<'_>, field: &FieldPath, item: &SpecOverride, shown: Shown, prefix: &str) {
    if !text::is_glob(&item.name) {
        let message = "must be the server's own name: 1 to 256 characters, none of them a control character";
        scope.error(&field.field("name"), Reason::InvalidValue, message);
    } else if shown != Shown::Resource && item.name.contains(['*', '?']) {
        scope.error(&field.field("name"), Reason::InvalidValue, "must be one name, not a glob");
    }
    if let Some(rename) = &item.rename {
        self::rename(scope, &field.field("rename"), rename, shown, prefix);
    }
    if let Some(description) = &item.description {
        scope.prose(&field.field("description"), description, MAX_DESCRIPTION);
    }
    if let Some(annotations) = &item.annotations {
        let field = field.field("annotations");
        if shown != Shown::Tool {
            scope.error(&field, Reason::UnsupportedValue, "only tools have annotations that can be overridden");
        }
        scope.at_most(&field, annotations.len(), MAX_ANNOTATIONS);
        let hints = ["readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"];
        for (key, _) in annotations.iter().filter(|(key, value)| hints.contains(&key.as_str()) && !value.is_boolean()) {
            scope.error(&field.key(key), Reason::InvalidValue, "must be true or false");
        }
        if annotations.get("title").is_some_and(|title| !title.is_string()) {
            scope.error(&field.key("title"), Reason::InvalidValue, "must be a string");
        }
    }
    // The same range as the timeout of the backend that it stands for.
    let span = Span { least: MILLISECOND, most: DAY, default: DAY };
    scope.duration(&field.field("timeout"), item.timeout, &span);
}

fn rename(scope: &mut Scope<'_>, field: &FieldPath, rename: &str, shown: Shown, prefix: &str) {
    if shown == Shown::Resource {
        scope.error(field, Reason::UnsupportedValue, "a resource is known by its URI, which cannot be renamed");
    } else if !text::is_mcp_name(rename) {
        scope.error(field, Reason::InvalidValue, text::MCP_NAME);
    } else if !prefix.is_empty() && prefix.len() + 1 + rename.len() > MAX_VISIBLE {
        let length = prefix.len() + 1 + rename.len();
        let message = format!("with the prefix it has {length} characters, at most {MAX_VISIBLE} are allowed");
        scope.error(field, Reason::OutOfRange, message);
    }
}

fn converted(item: &SpecOverride) -> Override {
    Override {
        name: item.name.clone(),
        rename: item.rename.clone(),
        description: item.description.clone(),
        annotations: item.annotations.clone(),
        timeout: item.timeout.map(|timeout| timeout.0),
    }
}
