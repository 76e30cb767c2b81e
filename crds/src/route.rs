//! `MCPRoute`: many servers behind one URL.
//!
//! The whole contract of the kind; which parts this version serves is `ringway-translate`'s to say.

mod authentication;

use serde::Deserialize;

use crate::{Duration, LabelSelector, ObjectRef};

pub use authentication::{ApiKeys, Authentication, Introspection, Jwks, Jwt, Mtls, ServiceAccounts};

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MCPRouteSpec {
    pub parent_refs: Option<Vec<ParentRef>>,
    /// Left out: every host.
    pub hostnames: Option<Vec<String>>,
    /// Exact; `/mcp` when left out.
    pub path: Option<String>,
    pub backends: Option<Vec<BackendEntry>>,
    pub backend_selector: Option<LabelSelector>,
    pub authentication: Option<Authentication>,
    #[serde(default)]
    pub authorization: Authorization,
    pub deny_as: Option<DenyAs>,
    pub protected_resource: Option<ProtectedResource>,
    #[serde(default)]
    pub sessions: Sessions,
    /// Left out: browsers are refused.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    pub instructions: Option<String>,
    #[serde(default)]
    pub on_backend_failure: OnBackendFailure,
}

/// Gateway API's ParentReference.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParentRef {
    pub group: Option<String>,
    pub kind: Option<String>,
    pub name: String,
    pub namespace: Option<String>,
    pub section_name: Option<String>,
    pub port: Option<u16>,
}

/// A section of the route: `ref`, or `refs` with a `name`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendEntry {
    /// The section name; default: the reference's name.
    pub name: Option<String>,
    #[serde(rename = "ref")]
    pub reference: Option<ObjectRef>,
    pub refs: Option<Vec<WeightedRef>>,
    /// Default: the section name.
    pub prefix: Option<String>,
    #[serde(default)]
    pub tools: Selection,
    #[serde(default)]
    pub prompts: Selection,
    #[serde(default)]
    pub resources: Selection,
    #[serde(default)]
    pub resource_templates: Selection,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WeightedRef {
    pub group: Option<String>,
    pub kind: Option<String>,
    pub name: String,
    pub namespace: Option<String>,
    pub weight: Option<u32>,
}

/// Which of a server's own names are shown, and how.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    /// Globs; left out: everything.
    pub include: Option<Vec<String>>,
    #[serde(default)]
    pub exclude: Vec<String>,
    #[serde(default, rename = "override")]
    pub overrides: Vec<Override>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The server's own name.
    pub name: String,
    pub rename: Option<String>,
    pub description: Option<String>,
    /// Replaces the server's annotations key by key.
    pub annotations: Option<serde_json::Map<String, serde_json::Value>>,
    /// Instead of the backend's `request`.
    pub timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Authorization {
    /// Only what an Allow rule on the route allows.
    #[default]
    Policy,
    /// All, until an Allow rule covers it.
    Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum DenyAs {
    Error,
    ToolError,
}

/// RFC 9728.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProtectedResource {
    pub resource: Option<String>,
    pub authorization_servers: Option<Vec<String>>,
    pub scopes_supported: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Sessions {
    pub idle_timeout: Option<Duration>,
    pub max_lifetime: Option<Duration>,
    pub max_per_principal: Option<u64>,
}

/// Is a list without a failed backend an answer?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum OnBackendFailure {
    #[default]
    Partial,
    Fail,
}
