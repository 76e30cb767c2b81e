//! A route: many backends behind one path. Field meanings: the `MCPRoute` resource.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::listener::ListenerName;
use crate::name::{BackendKey, ObjectName};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub name: ObjectName,
    /// Lower case; `*.example.com` matches one or more labels in place of the star. Empty: every host.
    pub hostnames: Vec<String>,
    /// Exact path.
    pub path: String,
    /// Where it is served, sorted. Empty: on every listener of the process (standalone mode).
    pub listeners: Vec<ListenerName>,
    /// In the route's order, which is the order of merged lists.
    pub backends: Vec<RouteBackend>,
    pub sessions: Sessions,
    /// Origins that browsers may come from, as `scheme://host[:port]` with an optional leading `*.` in the host. Empty: browsers are refused.
    pub allowed_origins: Vec<String>,
    pub instructions: Option<String>,
    pub on_backend_failure: OnBackendFailure,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RouteBackend {
    /// Section name, unique on the route.
    pub section: String,
    pub backend: ObjectName,
    pub key: BackendKey,
    /// `""`: names and URIs are untouched. Distinct per route.
    pub prefix: String,
    pub tools: Selection,
    pub prompts: Selection,
    pub resources: Selection,
    pub resource_templates: Selection,
}

/// Which of a server's own names are shown, and how. Globs are already checked: `*` any run, `?` one character.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Selection {
    /// `None`: everything.
    pub include: Option<Vec<String>>,
    pub exclude: Vec<String>,
    pub overrides: Vec<Override>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// The server's own name.
    pub name: String,
    pub rename: Option<String>,
    pub description: Option<String>,
    /// A JSON object that replaces the tool's annotations key by key.
    pub annotations: Option<serde_json::Map<String, serde_json::Value>>,
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sessions {
    pub idle_timeout: Duration,
    pub max_lifetime: Duration,
    pub max_per_principal: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnBackendFailure {
    Partial,
    Fail,
}

// === impl Sessions ===

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle_timeout: Duration::from_secs(1800),
            max_lifetime: Duration::from_secs(86_400),
            max_per_principal: 256,
        }
    }
}

/// A prefix as it stands before a URI scheme: lower case, `_` as `-`, first a letter (RFC 3986 section 3.1; a Python
/// client validates the scheme). `None` for the empty prefix.
#[must_use]
pub fn uri_prefix(prefix: &str) -> Option<String> {
    if prefix.is_empty() {
        return None;
    }
    let mut out = prefix.to_ascii_lowercase().replace('_', "-");
    if !out.starts_with(|c: char| c.is_ascii_lowercase()) {
        out.insert(0, 'x');
    }
    Some(out)
}
