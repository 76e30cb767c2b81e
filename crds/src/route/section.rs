//! A section of a route: which server, under which name and prefix, and what of it is shown.

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use crate::schema::{annotations, keyed, kinds, list, range, rule, span, text, texts};
use crate::{Duration, GROUP, ObjectRef};

/// A section: `ref`, or `refs` with a `name`.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule("has(self.ref) != has(self.refs)", "exactly one of ref and refs must be set"))]
#[schemars(transform = rule("!has(self.refs) || has(self.name)", "name must be set with refs"))]
pub struct BackendEntry {
    /// The section name; policies may target it. Default: the reference's name.
    #[schemars(transform = text::object_name)]
    pub name: Option<String>,
    #[serde(rename = "ref")]
    #[schemars(transform = kinds(GROUP, "MCPBackend | RESTBridge"))]
    pub reference: Option<ObjectRef>,
    /// Instead of `ref`: one server in more than one version, by weight.
    #[schemars(transform = list(1, 16))]
    #[schemars(transform = rule(
        "self.exists(r, !has(r.weight) || r.weight > 0)",
        "at least one weight must be more than 0",
    ))]
    pub refs: Option<Vec<WeightedRef>>,
    /// The tool `search` is seen as `PREFIX_search`. Default: the section name.
    #[schemars(transform = text::prefix)]
    pub prefix: Option<String>,
    #[serde(default)]
    #[schemars(transform = one_name)]
    pub tools: Selection,
    #[serde(default)]
    #[schemars(transform = one_name, transform = tools_only)]
    pub prompts: Selection,
    #[serde(default)]
    #[schemars(transform = no_rename, transform = tools_only)]
    pub resources: Selection,
    #[serde(default)]
    #[schemars(transform = no_rename, transform = tools_only)]
    pub resource_templates: Selection,
}

fn one_name(schema: &mut Schema) {
    rule(
        "!has(self.override) || self.override.all(o, !o.name.contains('*') && !o.name.contains('?'))",
        "an override is for one name, not for a glob",
    )(schema);
}

fn no_rename(schema: &mut Schema) {
    rule(
        "!has(self.override) || self.override.all(o, !has(o.rename))",
        "a resource is known by its URI, which cannot be renamed",
    )(schema);
}

fn tools_only(schema: &mut Schema) {
    rule(
        "!has(self.override) || self.override.all(o, !has(o.annotations))",
        "only tools have annotations that can be overridden",
    )(schema);
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = kinds(GROUP, "MCPBackend | RESTBridge"))]
pub struct WeightedRef {
    pub group: Option<String>,
    pub kind: Option<String>,
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the route's own. Another one needs a ReferenceGrant there.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    /// Default: 1.
    #[schemars(transform = range(0, 1_000_000))]
    pub weight: Option<u32>,
}

/// Which of a server's own names are shown, and how.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    /// Globs on the server's own names. Default: everything.
    #[schemars(transform = texts(1, 128, text::glob))]
    pub include: Option<Vec<String>>,
    /// Globs; wins over `include`.
    #[serde(default)]
    #[schemars(transform = texts(0, 128, text::glob))]
    pub exclude: Vec<String>,
    #[serde(default, rename = "override")]
    #[schemars(transform = keyed("name", 0, 256))]
    pub overrides: Vec<Override>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Override {
    /// The server's own name.
    #[schemars(transform = text::glob)]
    pub name: String,
    /// Seen as this, behind the prefix.
    #[schemars(transform = text::mcp_name)]
    pub rename: Option<String>,
    #[schemars(transform = text::description)]
    pub description: Option<String>,
    /// Replaces the server's annotations key by key.
    #[schemars(transform = annotations)]
    pub annotations: Option<serde_json::Map<String, serde_json::Value>>,
    /// Instead of the backend's `request`.
    #[schemars(transform = span("1ms", "24h"))]
    pub timeout: Option<Duration>,
}
