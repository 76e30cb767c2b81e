//! `MCPRoute`: many servers behind one URL.
//!
//! The whole contract of the kind; which parts this version serves is `ringway-translate`'s to say.

mod authentication;
mod section;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema::{default, list, range, rule, set, span, text};
use crate::{Duration, LabelSelector};

pub use authentication::{ApiKeys, Authentication, Introspection, Jwks, Jwt, Mtls, ServiceAccounts};
pub use section::{BackendEntry, Override, Selection, WeightedRef};

/// Many servers behind one URL.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "has(self.backends) || has(self.backendSelector)",
    "backends, backendSelector or both must be set",
))]
pub struct MCPRouteSpec {
    /// Gateways of a class that Ringway serves. Default: the install's own listener, for the namespaces that the install
    /// allows.
    #[schemars(transform = list(1, 32))]
    #[schemars(transform = rule(
        "self.all(a, self.exists_one(b, a.name == b.name && (has(a.__namespace__) ? a.__namespace__ : '') == (has(b.__namespace__) ? b.__namespace__ : '') && (has(a.sectionName) ? a.sectionName : '') == (has(b.sectionName) ? b.sectionName : '') && (has(a.port) ? a.port : 0) == (has(b.port) ? b.port : 0)))",
        "a parentRef stands twice",
    ))]
    pub parent_refs: Option<Vec<ParentRef>>,
    /// Default: every host.
    #[schemars(transform = set(1, 16, text::hostname_pattern))]
    pub hostnames: Option<Vec<String>>,
    /// Matched exactly.
    #[schemars(transform = text::exact_path, transform = default("/mcp"))]
    #[schemars(transform = rule("!self.matches('/[.][.]?(/|$)')", "a path has no dot segments"))]
    #[schemars(transform = rule(
        "self != '/.well-known' && !self.startsWith('/.well-known/')",
        "/.well-known is the gateway's own (RFC 8615)",
    ))]
    pub path: Option<String>,
    #[schemars(transform = list(1, 128))]
    #[schemars(transform = rule(
        "self.all(a, self.exists_one(b, (has(a.name) ? a.name : has(a.ref) ? a.ref.name : '') == (has(b.name) ? b.name : has(b.ref) ? b.ref.name : '')))",
        "two backends have the same section name, which is the reference's name without one: set name",
    ))]
    #[schemars(transform = rule(
        "self.all(a, !has(a.prefix) || self.exists_one(b, has(b.prefix) && a.prefix == b.prefix))",
        "two backends have the same prefix",
    ))]
    pub backends: Option<Vec<BackendEntry>>,
    /// Every MCPBackend and RESTBridge of this namespace with the labels, named and prefixed by its own name.
    pub backend_selector: Option<LabelSelector>,
    #[schemars(with = "Authentication")]
    pub authentication: Option<Authentication>,
    #[serde(default)]
    #[schemars(transform = default("Policy"))]
    pub authorization: Authorization,
    /// Default: Error.
    pub deny_as: Option<DenyAs>,
    pub protected_resource: Option<ProtectedResource>,
    #[serde(default)]
    pub sessions: Sessions,
    /// Of browsers. Default: browsers are refused.
    #[serde(default)]
    #[schemars(transform = set(0, 64, text::origin))]
    pub allowed_origins: Vec<String>,
    /// What a model reads before its first call.
    #[schemars(transform = text::instructions)]
    pub instructions: Option<String>,
    #[serde(default)]
    #[schemars(transform = default("Partial"))]
    pub on_backend_failure: OnBackendFailure,
}

/// Gateway API's ParentReference.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::kinds(crate::GATEWAY_API_GROUP, "Gateway"))]
pub struct ParentRef {
    pub group: Option<String>,
    pub kind: Option<String>,
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the route's own.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    /// A listener's name. Default: every listener that lets the route attach.
    #[schemars(transform = text::object_name)]
    pub section_name: Option<String>,
    #[schemars(transform = range(1, 65_535))]
    pub port: Option<u16>,
}

/// Who may use what is on the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum Authorization {
    /// only what an Allow rule on the route allows; no policy, no access.
    #[default]
    Policy,
    /// everyone, until an Allow rule covers the route.
    Open,
}

/// What a refused tools/call is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum DenyAs {
    /// HTTP 403.
    Error,
    /// a result with isError that the model can read.
    ToolError,
}

/// RFC 9728: served under the well-known URL and named in WWW-Authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProtectedResource {
    /// The URL that clients use. Default: the listener's scheme, the first hostname and the path.
    #[schemars(transform = text::url)]
    pub resource: Option<String>,
    /// Default: the jwt issuers.
    #[schemars(transform = set(1, 8, text::url))]
    pub authorization_servers: Option<Vec<String>>,
    #[schemars(transform = set(1, 64, text::scope))]
    pub scopes_supported: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "!has(self.idleTimeout) || !has(self.maxLifetime) || duration(self.idleTimeout) <= duration(self.maxLifetime)",
    "idleTimeout must not be longer than maxLifetime",
))]
pub struct Sessions {
    /// Frees what a session holds; its id stays good. Default: 30m.
    #[schemars(transform = span("1s", "720h"))]
    pub idle_timeout: Option<Duration>,
    /// Default: 24h.
    #[schemars(transform = span("1s", "720h"))]
    pub max_lifetime: Option<Duration>,
    /// Default: 256. Anonymous callers have no cap of this kind.
    #[schemars(transform = range(1, 65_536))]
    pub max_per_principal: Option<u64>,
}

/// Is a list without a failed backend an answer?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum OnBackendFailure {
    #[default]
    Partial,
    Fail,
}
