//! Visible names that the configuration alone decides: the renamed ones. Two under one name are a clash.
//!
//! What servers call their things is not known here; the data plane's catalogue watches over that.

use std::collections::BTreeSet;

use ringway_snapshot::{RouteBackend, Selection};

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::Scope;

/// Names that renames on a route produce.
#[derive(Default)]
pub(super) struct Visible {
    tools: BTreeSet<String>,
    prompts: BTreeSet<String>,
}

// === impl Visible ===

impl Visible {
    pub(super) fn check(&self, scope: &mut Scope<'_>, field: &FieldPath, entry: &RouteBackend) {
        for (member, taken, selection) in
            [("tools", &self.tools, &entry.tools), ("prompts", &self.prompts, &entry.prompts)]
        {
            for (index, name) in renamed(&entry.prefix, selection).filter(|(_, name)| taken.contains(name)) {
                let field = field.field(member).field("override").index(index).field("rename");
                let message = format!("another entry renames to `{name}`, too");
                scope.error(&field, Reason::NameConflict, message);
            }
        }
    }

    pub(super) fn take(&mut self, entry: &RouteBackend) {
        self.tools.extend(renamed(&entry.prefix, &entry.tools).map(|(_, name)| name));
        self.prompts.extend(renamed(&entry.prefix, &entry.prompts).map(|(_, name)| name));
    }
}

/// The index of each override with a rename, and the name that a client sees.
fn renamed<'a>(prefix: &'a str, selection: &'a Selection) -> impl Iterator<Item = (usize, String)> + 'a {
    selection.overrides.iter().enumerate().filter_map(move |(index, item)| {
        let rename = item.rename.as_deref()?;
        Some((index, if prefix.is_empty() { rename.to_owned() } else { format!("{prefix}_{rename}") }))
    })
}
