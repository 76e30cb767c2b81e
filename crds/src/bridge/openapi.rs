//! Where the OpenAPI document is.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema::{rule, text};

/// Exactly one of the three.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "[has(self.configMapRef), has(self.inline), has(self.url)].exists_one(set, set)",
    "exactly one of configMapRef, inline and url must be set",
))]
#[schemars(transform = rule("has(self.url) == has(self.sha256)", "sha256 must be set with url, and only then"))]
pub struct OpenApi {
    pub config_map_ref: Option<OpenApiConfigMap>,
    /// At most 128 KiB, so that client-side apply works.
    #[schemars(transform = text::document)]
    pub inline: Option<String>,
    #[schemars(transform = text::url)]
    pub url: Option<String>,
    /// Of the document behind `url`: a changed one is a condition, not a silent change.
    #[schemars(transform = text::sha256)]
    pub sha256: Option<String>,
}

/// YAML or JSON, or gzip of it in `binaryData`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenApiConfigMap {
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the bridge's own. Another one needs a ReferenceGrant there.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    /// May be left out where the ConfigMap has one key.
    #[schemars(transform = text::data_key)]
    pub key: Option<String>,
}
