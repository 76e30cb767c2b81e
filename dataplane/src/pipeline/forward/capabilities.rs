//! What a route with several backends says it can do: the union of its backends. Pure.

use std::fmt::Write as _;

use ringway_mcp::scan::Span;
use ringway_mcp::{Method, Revision, value};

use crate::catalog::{Facts, Hello, ListKind, Presence};

/// The features that a gateway announces for its backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Union {
    tools: bool,
    prompts: bool,
    resources: bool,
    subscribe: bool,
    completions: bool,
    logging: bool,
}

// === impl Union ===

impl Union {
    /// A backend that was not seen yet counts as having everything: a legacy client asks only once.
    pub(crate) fn of(hello: &Hello) -> Self {
        if hello.sections.is_empty() || hello.sections.iter().any(|s| s.state == Presence::Unseen && s.facts.is_none())
        {
            return Self {
                tools: true,
                prompts: true,
                resources: true,
                subscribe: true,
                completions: true,
                logging: true,
            };
        }
        hello.sections.iter().filter_map(|s| s.facts.as_deref()).fold(Self::default(), Self::with)
    }

    fn with(self, facts: &Facts) -> Self {
        let at = |path: &[&str]| facts.capabilities.and_then(|c: Span| value::pointer(&facts.message, c, path));
        let flag = |path: &[&str]| at(path).and_then(|v| value::as_bool(&facts.message, v)).unwrap_or(false);
        Self {
            tools: self.tools || facts.has(ListKind::Tools),
            prompts: self.prompts || facts.has(ListKind::Prompts),
            resources: self.resources || facts.has(ListKind::Resources),
            subscribe: self.subscribe || flag(&["resources", "subscribe"]),
            completions: self.completions || at(&["completions"]).is_some(),
            logging: self.logging || at(&["logging"]).is_some(),
        }
    }

    /// The `capabilities` object for a client of `revision`.
    pub(crate) fn to_json(self, revision: Revision) -> String {
        let mut out = String::from("{");
        let mut member = |present: bool, text: &str| {
            if present {
                let comma = if out.len() > 1 { "," } else { "" };
                // Writing to a string cannot fail.
                let _infallible = write!(out, "{comma}{text}");
            }
        };
        member(self.tools, r#""tools":{"listChanged":true}"#);
        member(self.prompts, r#""prompts":{"listChanged":true}"#);
        member(self.resources && self.subscribe, r#""resources":{"subscribe":true,"listChanged":true}"#);
        member(self.resources && !self.subscribe, r#""resources":{"listChanged":true}"#);
        // 2024-11-05 knew no such flag.
        member(self.completions && revision > Revision::V2024_11_05, r#""completions":{}"#);
        member(self.logging, r#""logging":{}"#);
        out.push('}');
        out
    }
}

/// The list that a notification says has changed.
pub(crate) fn changed_list(method: Method) -> Option<ListKind> {
    match method {
        Method::ToolsListChanged => Some(ListKind::Tools),
        Method::PromptsListChanged => Some(ListKind::Prompts),
        Method::ResourcesListChanged => Some(ListKind::Resources),
        _ => None,
    }
}

/// The notification that tells of a changed list; templates change with resources.
pub(crate) fn change_notification(kind: ListKind) -> Method {
    match kind {
        ListKind::Tools => Method::ToolsListChanged,
        ListKind::Prompts => Method::PromptsListChanged,
        ListKind::Resources | ListKind::Templates => Method::ResourcesListChanged,
    }
}

/// The owner's name for a list.
pub(crate) fn owned(kind: ListKind) -> crate::session::owner::ListKind {
    use crate::session::owner::ListKind as Owned;
    match kind {
        ListKind::Tools => Owned::Tools,
        ListKind::Prompts => Owned::Prompts,
        ListKind::Resources => Owned::Resources,
        ListKind::Templates => Owned::Templates,
    }
}
