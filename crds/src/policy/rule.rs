//! One rule of a policy: from whom, to what, when.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema::{entries, list, rule, set, text, value_lists};

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    #[schemars(transform = text::label)]
    pub name: String,
    pub action: Action,
    /// Any of these. Default: an Allow is for every authenticated caller, a Deny for every caller.
    #[schemars(transform = list(1, 32))]
    pub from: Option<Vec<Caller>>,
    /// Any of these. Default: everything.
    #[schemars(transform = list(1, 32))]
    pub to: Option<Vec<Target>>,
    /// A CEL expression.
    #[schemars(transform = text::cel)]
    pub when: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Action {
    Allow,
    Deny,
}

/// All that is written must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = entries(1, 0))]
#[schemars(transform = rule(
    "!has(self.anonymous) || self.anonymous",
    "anonymous may be true or left out: other entries are never anonymous",
))]
#[schemars(transform = rule(
    "!has(self.anonymous) || !(has(self.issuers) || has(self.claims) || has(self.scopes) || has(self.subjects) || has(self.apiKeys) || has(self.serviceAccounts) || has(self.spiffeIDs))",
    "an anonymous caller has nothing else: make it an entry of its own",
))]
pub struct Caller {
    #[schemars(transform = set(1, 16, text::line))]
    pub issuers: Option<Vec<String>>,
    /// Any value of each, all keys. A key with a leading / is a JSON Pointer.
    #[schemars(transform = value_lists(16, 64, text::line))]
    #[schemars(transform = rule(
        "self.all(k, size(k) > 0 && size(k) <= 256)",
        "the name of a claim has 1 to 256 characters",
    ))]
    pub claims: Option<BTreeMap<String, Vec<String>>>,
    /// All of them.
    #[schemars(transform = set(1, 32, text::scope))]
    pub scopes: Option<Vec<String>>,
    #[schemars(transform = set(1, 256, text::line))]
    pub subjects: Option<Vec<String>>,
    /// Their names.
    #[schemars(transform = set(1, 256, text::line))]
    pub api_keys: Option<Vec<String>>,
    /// `NAMESPACE/NAME`.
    #[schemars(transform = set(1, 64, text::service_account))]
    pub service_accounts: Option<Vec<String>>,
    /// Globs.
    #[serde(rename = "spiffeIDs")]
    #[schemars(transform = set(1, 64, text::spiffe_id))]
    pub spiffe_ids: Option<Vec<String>>,
    pub anonymous: Option<bool>,
}

/// One of `tools`, `prompts`, `resources`, `methods`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "[has(self.tools), has(self.prompts), has(self.resources), has(self.methods)].exists_one(set, set)",
    "exactly one of tools, prompts, resources and methods must be set",
))]
#[schemars(transform = rule("!has(self.annotations) || has(self.tools)", "only tools have annotations"))]
pub struct Target {
    /// Globs.
    #[schemars(transform = set(1, 128, text::glob))]
    pub tools: Option<Vec<String>>,
    /// Globs.
    #[schemars(transform = set(1, 128, text::glob))]
    pub prompts: Option<Vec<String>>,
    /// Globs of the server's own URIs: of resources and templates.
    #[schemars(transform = set(1, 128, text::uri_glob))]
    pub resources: Option<Vec<String>>,
    #[schemars(transform = set(1, 64, text::method))]
    pub methods: Option<Vec<String>>,
    /// Only tools with these; of a server without `trust` they count as absent.
    pub annotations: Option<Hints>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = entries(1, 0))]
pub struct Hints {
    pub read_only_hint: Option<bool>,
    pub destructive_hint: Option<bool>,
    pub idempotent_hint: Option<bool>,
    pub open_world_hint: Option<bool>,
}
