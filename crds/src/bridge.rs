//! `RESTBridge`: a REST API as an MCP server.
//!
//! The whole contract of the kind; which parts this version serves is `ringway-translate`'s to say.

mod openapi;
mod operation;
mod tool;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::backend::{Credentials, Limits, ServiceTarget, Timeouts, Tls, forwarded, http_without_tls, once};
use crate::schema::{keyed, list, range, rule, set, text};

pub use openapi::{OpenApi, OpenApiConfigMap};
pub use operation::{Operation, OperationAction, OperationMatch, OutputSchema};
pub use tool::{BridgeTool, ToolRequest, ToolResponse};

/// A REST API as an MCP server. Exactly one of `service` and `url`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = http_without_tls, transform = forwarded)]
#[schemars(transform = rule("has(self.service) != has(self.url)", "exactly one of service and url must be set"))]
#[schemars(transform = rule("has(self.openapi) || has(self.tools)", "openapi, tools or both must be set"))]
#[schemars(transform = rule(
    "!has(self.operations) || has(self.openapi)",
    "operations choose from openapi, which is not set",
))]
pub struct RESTBridgeSpec {
    pub service: Option<ServiceTarget>,
    /// http or https. In a cluster its host must be a public address, or one that the install allows.
    #[schemars(transform = text::url)]
    pub url: Option<String>,
    /// The `Host` header. Default: the url's, or `NAME.NAMESPACE.svc`.
    #[schemars(transform = text::authority)]
    pub host: Option<String>,
    pub openapi: Option<OpenApi>,
    /// In order, the first match wins. Default: GET and HEAD are included, writes are not.
    #[schemars(transform = list(1, 256))]
    pub operations: Option<Vec<Operation>>,
    /// Written by hand, with or without openapi.
    #[schemars(transform = keyed("name", 1, 128))]
    pub tools: Option<Vec<BridgeTool>>,
    /// A service is spoken to in plain without it; `{}` means TLS with the system's roots.
    pub tls: Option<Tls>,
    /// The API's securitySchemes say where they go.
    #[serde(default)]
    pub credentials: Credentials,
    /// The only client headers that go upstream.
    #[serde(default)]
    #[schemars(transform = set(0, 32, text::free_header), transform = once)]
    pub forward_headers: Vec<String>,
    pub pagination: Option<Pagination>,
    #[serde(default)]
    pub timeouts: Timeouts,
    #[serde(default)]
    pub limits: Limits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pagination {
    /// How many further pages one call reads.
    #[schemars(transform = range(0, 100))]
    pub follow: u32,
}
