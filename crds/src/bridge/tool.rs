//! A tool that is written by hand: one request, and what of its answer counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Quantity;
use crate::schema::{annotations, anything, bytes, map, object_schema, rule, text};

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BridgeTool {
    #[schemars(transform = text::mcp_name)]
    pub name: String,
    #[schemars(transform = text::title)]
    pub title: Option<String>,
    #[schemars(transform = text::description)]
    pub description: Option<String>,
    /// A JSON Schema of the arguments. Default: no arguments.
    #[schemars(transform = object_schema)]
    pub input_schema: Option<serde_json::Map<String, serde_json::Value>>,
    /// A JSON Schema of the result.
    #[schemars(transform = object_schema)]
    pub output_schema: Option<serde_json::Map<String, serde_json::Value>>,
    #[schemars(transform = annotations)]
    pub annotations: Option<serde_json::Map<String, serde_json::Value>>,
    pub request: ToolRequest,
    pub response: Option<ToolResponse>,
}

#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolRequest {
    #[schemars(transform = text::http_method)]
    pub method: String,
    /// Below the path of the service or url, with `{arguments}` in it.
    #[schemars(transform = text::path_template)]
    pub path: String,
    #[schemars(transform = map(1, 64, text::request_value))]
    #[schemars(transform = rule(
        "self.all(k, size(k) > 0 && size(k) <= 256)",
        "the name of a query parameter has 1 to 256 characters",
    ))]
    pub query: Option<BTreeMap<String, String>>,
    #[schemars(transform = map(1, 32, text::request_value))]
    #[schemars(transform = rule(
        "self.all(k, size(k) <= 256 && k.matches('^[-A-Za-z0-9!#$%&*+.^_|~]+$'))",
        "the keys of headers are header names of at most 256 characters",
    ))]
    pub headers: Option<BTreeMap<String, String>>,
    /// JSON of any shape, with `{arguments}` in its texts; not with GET and HEAD.
    #[schemars(transform = anything)]
    pub body: Option<serde_json::Value>,
}

/// What of an answer counts. Default: all of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "!has(self.select) || !has(self.jsonPath)",
    "at most one of select and jsonPath may be set",
))]
pub struct ToolResponse {
    /// A JSON Pointer.
    #[schemars(transform = text::pointer)]
    pub select: Option<String>,
    /// A JSONPath (RFC 9535).
    #[schemars(transform = text::json_path)]
    pub json_path: Option<String>,
    #[schemars(transform = bytes("1", "1Gi"))]
    pub max_bytes: Option<Quantity>,
}
