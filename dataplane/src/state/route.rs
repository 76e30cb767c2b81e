//! A compiled route: its backends with their name rules, and the index from visible names and URIs to backends.
//!
//! Pure and made once per configuration. It knows what config decides; which of several possible backends really has
//! a name is the catalogue's knowledge.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use ringway_snapshot::{BackendKey, Override, Route, RouteBackend, uri_prefix};
use smallvec::SmallVec;

use super::names::Names;

/// A section of a route.
#[derive(Debug)]
pub struct Section {
    /// Position on the route: the order of merged lists.
    pub index: usize,
    pub spec: RouteBackend,
    pub tools: Names,
    pub prompts: Names,
    pub resources: Names,
    pub templates: Names,
    /// `gh+` in front of URIs; `None` with an empty prefix.
    pub uri_prefix: Option<String>,
}

/// Which namespace of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    Tool,
    Prompt,
}

/// The compiled route.
#[derive(Debug)]
pub struct CompiledRoute {
    pub spec: Arc<Route>,
    pub label: String,
    pub sections: Vec<Section>,
    by_key: HashMap<BackendKey, usize>,
    /// Non-empty prefix → section.
    by_prefix: HashMap<String, usize>,
    /// The section with the empty prefix.
    bare: Option<usize>,
    by_uri_prefix: HashMap<String, usize>,
}

/// A backend that config allows for a name, with the server's own name.
#[derive(Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    pub section: usize,
    pub own: Cow<'a, str>,
}

// === impl CompiledRoute ===

impl CompiledRoute {
    #[must_use]
    pub fn new(spec: Arc<Route>) -> Self {
        let sections: Vec<Section> =
            spec.backends.iter().enumerate().map(|(index, b)| Section::new(index, b)).collect();
        let by_key = sections.iter().map(|s| (s.spec.key, s.index)).collect();
        let by_prefix =
            sections.iter().filter(|s| !s.spec.prefix.is_empty()).map(|s| (s.spec.prefix.clone(), s.index)).collect();
        let bare = sections.iter().find(|s| s.spec.prefix.is_empty()).map(|s| s.index);
        let by_uri_prefix = sections.iter().filter_map(|s| s.uri_prefix.clone().map(|p| (p, s.index))).collect();
        Self { label: spec.name.to_string(), sections, by_key, by_prefix, bare, by_uri_prefix, spec }
    }

    #[must_use]
    pub fn section_of(&self, key: BackendKey) -> Option<&Section> {
        self.by_key.get(&key).and_then(|index| self.sections.get(*index))
    }

    /// The only section, when there is just one.
    #[must_use]
    pub fn sole(&self) -> Option<&Section> {
        match self.sections.as_slice() {
            [one] => Some(one),
            _ => None,
        }
    }

    /// Every section that config allows for a visible tool or prompt name, longest prefix first.
    ///
    /// One candidate: config decides and no list is needed. Several: prefixes overlap (`gh` and `gh_ent`, or an empty
    /// one), and the catalogue says who has it. The work grows with the number of `_` in the name, never with backends.
    #[must_use]
    pub fn candidates<'a>(&'a self, kind: NameKind, visible: &'a str) -> SmallVec<[Candidate<'a>; 2]> {
        let mut found = SmallVec::new();
        for (at, _) in visible.rmatch_indices('_') {
            let (prefix, rest) = visible.split_at(at);
            let Some(section) = self.by_prefix.get(prefix) else { continue };
            if let Some(candidate) = self.candidate(*section, kind, rest.get(1..).unwrap_or_default()) {
                found.push(candidate);
            }
        }
        if let Some(candidate) = self.bare.and_then(|section| self.candidate(section, kind, visible)) {
            found.push(candidate);
        }
        found
    }

    fn candidate<'a>(&'a self, section: usize, kind: NameKind, shown: &'a str) -> Option<Candidate<'a>> {
        if shown.is_empty() {
            return None;
        }
        let own = self.sections.get(section)?.names(kind).own(shown)?;
        Some(Candidate { section, own })
    }

    /// The section and the server's own URI behind a visible one, where its form decides; `None`: an `http(s)` link or
    /// an unprefixed URI, which the catalogue or the section with the empty prefix answers for.
    #[must_use]
    pub fn section_of_uri<'a>(&'a self, visible: &'a str) -> Option<(&'a Section, Cow<'a, str>)> {
        // `ui://` keeps its scheme, hosts demand it: `ui://gh+x` for `ui://x`.
        if let Some(rest) = visible.strip_prefix("ui://") {
            if let Some((prefix, own)) = rest.split_once('+')
                && let Some(section) = self.by_uri_prefix.get(prefix)
            {
                return Some((self.sections.get(*section)?, Cow::Owned(format!("ui://{own}"))));
            }
        } else if let Some((prefix, own)) = visible.split_once('+')
            && let Some(section) = self.by_uri_prefix.get(prefix)
        {
            return Some((self.sections.get(*section)?, Cow::Borrowed(own)));
        }
        let section = self.sections.get(self.bare?)?;
        Some((section, Cow::Borrowed(visible)))
    }
}

// === impl Section ===

impl Section {
    fn new(index: usize, spec: &RouteBackend) -> Self {
        Self {
            index,
            tools: Names::new(&spec.tools),
            prompts: Names::new(&spec.prompts),
            resources: Names::new(&spec.resources),
            templates: Names::new(&spec.resource_templates),
            uri_prefix: uri_prefix(&spec.prefix),
            spec: spec.clone(),
        }
    }

    #[must_use]
    pub fn names(&self, kind: NameKind) -> &Names {
        match kind {
            NameKind::Tool => &self.tools,
            NameKind::Prompt => &self.prompts,
        }
    }

    /// The visible name of a server's own tool or prompt name; `None`: hidden.
    #[must_use]
    pub fn visible_name(&self, kind: NameKind, own: &str) -> Option<String> {
        let shown = self.names(kind).shown(own)?;
        Some(if self.spec.prefix.is_empty() { shown.to_owned() } else { format!("{}_{shown}", self.spec.prefix) })
    }

    /// The visible form of a server's own URI or URI template; `None`: it stays as it is.
    #[must_use]
    pub fn visible_uri(&self, own: &str) -> Option<String> {
        let prefix = self.uri_prefix.as_deref()?;
        if let Some(rest) = own.strip_prefix("ui://") {
            return Some(format!("ui://{prefix}+{rest}"));
        }
        let scheme = own.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") {
            return None;
        }
        Some(format!("{prefix}+{own}"))
    }

    /// The override of a tool, prompt or resource by the server's own name or URI.
    #[must_use]
    pub fn override_of(&self, kind: Option<NameKind>, own: &str) -> Option<&Override> {
        match kind {
            Some(kind) => self.names(kind).override_of(own),
            None => self.resources.override_of(own).or_else(|| self.templates.override_of(own)),
        }
    }
}

#[cfg(test)]
mod tests;
