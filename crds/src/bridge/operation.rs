//! Which operations of an API become tools, and how.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema::{entries, map, rule, set, text};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "self.action == 'Include' || !(has(self.rename) || has(self.description) || has(self.hidden) || has(self.slashes) || has(self.outputSchema))",
    "what is excluded has no rename, description, hidden, slashes and outputSchema",
))]
pub struct Operation {
    #[serde(rename = "match")]
    pub matches: OperationMatch,
    pub action: OperationAction,
    /// Of the one operation that matches.
    #[schemars(transform = text::mcp_name)]
    pub rename: Option<String>,
    #[schemars(transform = text::description)]
    pub description: Option<String>,
    /// Parameters that no model sees, with their values: `header.X-Tenant`, `query.limit`, `path.version`.
    #[schemars(transform = map(1, 32, text::request_value))]
    #[schemars(transform = rule(
        "self.all(k, size(k) <= 256 && k.matches('^(header|query|path|cookie)[.].+$'))",
        "the keys of hidden are `header.NAME`, `query.NAME`, `path.NAME` or `cookie.NAME`",
    ))]
    pub hidden: Option<BTreeMap<String, String>>,
    /// Path parameters that may hold `/`.
    #[schemars(transform = set(1, 16, text::line))]
    pub slashes: Option<Vec<String>>,
    /// Default: Outer.
    pub output_schema: Option<OutputSchema>,
}

/// All that is written must hold, any entry of each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = entries(1, 0))]
pub struct OperationMatch {
    /// Globs on the paths of the document.
    #[schemars(transform = set(1, 64, text::path_glob))]
    pub paths: Option<Vec<String>>,
    #[schemars(transform = set(1, 64, text::line))]
    pub tags: Option<Vec<String>>,
    #[schemars(transform = set(1, 7, text::http_method))]
    pub methods: Option<Vec<String>>,
    #[schemars(transform = set(1, 128, text::line))]
    pub operation_ids: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum OperationAction {
    Include,
    Exclude,
}

/// How much of an answer's schema a tool promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum OutputSchema {
    /// that it is an object.
    Outer,
    /// all that the document says.
    Strict,
}
