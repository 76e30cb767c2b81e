//! `ToolPolicy`: who may do what.
//!
//! The whole contract of the kind; which parts this version serves is `ringway-translate`'s to say.

mod external;
mod limit;
mod rule;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Quantity;
use crate::schema::{bytes, default, keyed, list, rule, text};

pub use external::{ExternalAuthorization, ExternalType, FailureMode, GrpcAuthorizer, HttpAuthorizer};
pub use limit::{KeyType, Limit, LimitKey, Rate};
pub use rule::{Action, Caller, Hints, Rule, Target};

/// Who may do what. Of all policies that cover a call, one Deny is enough to refuse it.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "has(self.rules) || has(self.limits) || has(self.guardrails) || has(self.externalAuthorization)",
    "a policy must say something: rules, limits, guardrails or externalAuthorization",
))]
pub struct ToolPolicySpec {
    /// Objects of this namespace, all of one kind.
    #[schemars(transform = list(1, 16))]
    #[schemars(transform = rule("self.all(t, t.kind == self[0].kind)", "all targetRefs must be of one kind"))]
    #[schemars(transform = rule(
        "self.all(a, self.exists_one(b, a.name == b.name && (has(a.sectionName) ? a.sectionName : '') == (has(b.sectionName) ? b.sectionName : '')))",
        "a targetRef stands twice",
    ))]
    pub target_refs: Vec<TargetRef>,
    #[serde(default)]
    #[schemars(transform = default("Enforce"))]
    pub mode: PolicyMode,
    /// Deny wins; the order never matters.
    #[schemars(transform = keyed("name", 1, 64))]
    pub rules: Option<Vec<Rule>>,
    /// Counted for each target.
    #[schemars(transform = keyed("name", 1, 32))]
    pub limits: Option<Vec<Limit>>,
    pub guardrails: Option<Guardrails>,
    /// Asked last; every one must allow.
    pub external_authorization: Option<ExternalAuthorization>,
}

/// What a policy covers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "!has(self.group) || self.group == (self.kind == 'Gateway' ? 'gateway.networking.k8s.io' : 'ringway.dev')",
    "the group of a Gateway is gateway.networking.k8s.io, that of the other kinds ringway.dev: leave it out",
))]
#[schemars(transform = rule(
    "!has(self.sectionName) || self.kind in ['Gateway', 'MCPRoute']",
    "only a Gateway (its listeners) and an MCPRoute (its backends) have sections",
))]
pub struct TargetRef {
    #[schemars(transform = text::group)]
    pub group: Option<String>,
    pub kind: TargetKind,
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// A Gateway's listener, or the name of a route's backend. Default: all of the object.
    #[schemars(transform = text::object_name)]
    pub section_name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum TargetKind {
    Gateway,
    MCPRoute,
    MCPBackend,
    RESTBridge,
}

/// Is it only tried?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum PolicyMode {
    #[default]
    Enforce,
    /// decided, counted and logged; never enforced, and grants nothing.
    Audit,
}

/// Bounds on what goes to a server and comes from it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = crate::schema::entries(1, 0))]
pub struct Guardrails {
    /// Against the tool's inputSchema, before the server sees them.
    #[serde(default)]
    pub validate_arguments: bool,
    #[schemars(transform = bytes("1", "1Gi"))]
    pub max_argument_bytes: Option<Quantity>,
    #[schemars(transform = bytes("1", "1Gi"))]
    pub max_result_bytes: Option<Quantity>,
    /// In results.
    #[schemars(transform = list(1, 32))]
    pub redact: Option<Vec<Redaction>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redaction {
    /// A regular expression.
    #[schemars(transform = text::regex)]
    pub pattern: String,
    /// Default: `***`.
    #[schemars(transform = text::replacement)]
    pub replacement: Option<String>,
}
