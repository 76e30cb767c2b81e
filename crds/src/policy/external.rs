//! A service of the user's that has the last word.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Duration;
use crate::backend::ServiceTarget;
use crate::schema::{default, rule, set, span, text};

/// A union by its type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(self.type == 'GRPC') == has(self.grpc)",
    "grpc must be set with type GRPC, and only then",
))]
#[schemars(transform = rule(
    "(self.type == 'HTTP') == has(self.http)",
    "http must be set with type HTTP, and only then",
))]
pub struct ExternalAuthorization {
    #[serde(rename = "type")]
    pub kind: ExternalType,
    pub grpc: Option<GrpcAuthorizer>,
    pub http: Option<HttpAuthorizer>,
    /// Default: 200ms.
    #[schemars(transform = span("1ms", "1m"))]
    pub timeout: Option<Duration>,
    /// What a service that does not answer means.
    #[serde(default)]
    #[schemars(transform = default("Closed"))]
    pub failure_mode: FailureMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum ExternalType {
    #[serde(rename = "GRPC")]
    Grpc,
    #[serde(rename = "HTTP")]
    Http,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum FailureMode {
    /// the call is refused.
    #[default]
    Closed,
    /// the call goes on.
    Open,
}

/// Envoy's `ext_authz` over gRPC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule("!has(self.service.path)", "a gRPC service has no path of its own: leave it out"))]
pub struct GrpcAuthorizer {
    pub service: ServiceTarget,
}

/// A POST; 2xx allows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpAuthorizer {
    pub service: ServiceTarget,
    /// The client's headers that the service sees.
    #[serde(default)]
    #[schemars(transform = set(0, 32, text::header))]
    pub forward_headers: Vec<String>,
}
