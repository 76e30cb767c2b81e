//! One kind of names of one backend on one route: which of the server's own names are shown, and as what.
//!
//! Pure. Prefixes are `route`'s matter. Called per call (`own`) and per list item (`shown`).

use std::borrow::Cow;
use std::collections::HashMap;

use ringway_snapshot::{Override, Selection};

use super::glob::Glob;

/// Compiled include, exclude and rename rules.
#[derive(Debug, Default)]
pub struct Names {
    include: Option<Vec<Glob>>,
    exclude: Vec<Glob>,
    /// By the server's own name.
    overrides: HashMap<String, Override>,
    /// New name → the server's own.
    renamed: HashMap<String, String>,
}

// === impl Names ===

impl Names {
    #[must_use]
    pub fn new(selection: &Selection) -> Self {
        Self {
            include: selection.include.as_ref().map(|globs| globs.iter().map(|g| Glob::new(g)).collect()),
            exclude: selection.exclude.iter().map(|g| Glob::new(g)).collect(),
            overrides: selection.overrides.iter().map(|o| (o.name.clone(), o.clone())).collect(),
            renamed: selection
                .overrides
                .iter()
                .filter_map(|o| o.rename.as_ref().map(|new| (new.clone(), o.name.clone())))
                .collect(),
        }
    }

    /// True when no rule could change or hide a name.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.include.is_none() && self.exclude.is_empty() && self.overrides.is_empty()
    }

    /// Is the server's own name shown at all?
    #[must_use]
    pub fn shows(&self, own: &str) -> bool {
        self.include.as_ref().is_none_or(|globs| globs.iter().any(|g| g.matches(own)))
            && !self.exclude.iter().any(|g| g.matches(own))
    }

    /// The server's own name as it is shown, without the prefix. `None`: hidden.
    #[must_use]
    pub fn shown<'a>(&'a self, own: &'a str) -> Option<&'a str> {
        self.shows(own).then(|| self.overrides.get(own).and_then(|o| o.rename.as_deref()).unwrap_or(own))
    }

    /// The server's own name behind a shown one (without the prefix). `None`: nothing is shown under this name.
    #[must_use]
    pub fn own<'a>(&'a self, shown: &'a str) -> Option<Cow<'a, str>> {
        if self.is_plain() {
            return Some(Cow::Borrowed(shown));
        }
        let own = match self.renamed.get(shown) {
            Some(own) => own.as_str(),
            // A renamed thing is gone under its old name.
            None if self.overrides.get(shown).is_some_and(|o| o.rename.is_some()) => return None,
            None => shown,
        };
        self.shows(own).then_some(Cow::Borrowed(own))
    }

    #[must_use]
    pub fn override_of(&self, own: &str) -> Option<&Override> {
        self.overrides.get(own)
    }
}

#[cfg(test)]
mod tests {
    use super::Names;
    use ringway_snapshot::{Override, Selection};

    fn rename(name: &str, to: &str) -> Override {
        Override { name: name.into(), rename: Some(to.into()), description: None, annotations: None, timeout: None }
    }

    #[test]
    fn a_renamed_tool_answers_to_its_new_name_only() {
        let names =
            Names::new(&Selection { include: None, exclude: vec![], overrides: vec![rename("get_issue", "issue")] });
        assert_eq!(names.shown("get_issue"), Some("issue"));
        assert_eq!(names.own("issue").as_deref(), Some("get_issue"));
        assert_eq!(names.own("get_issue"), None);
        assert_eq!(names.own("other").as_deref(), Some("other"));
    }

    #[test]
    fn exclude_beats_include_and_rename() {
        let names = Names::new(&Selection {
            include: Some(vec!["search*".into(), "get_issue".into()]),
            exclude: vec!["*_admin".into(), "get_issue".into()],
            overrides: vec![rename("get_issue", "issue")],
        });
        assert_eq!(names.shown("search_admin"), None);
        assert_eq!(names.shown("delete"), None);
        assert_eq!(names.own("issue"), None);
        assert_eq!(names.shown("search_code"), Some("search_code"));
    }
}
