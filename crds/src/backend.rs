//! `MCPBackend`: where an MCP server is and how to speak to it.
//!
//! The whole contract of the kind; which parts this version serves is `ringway-translate`'s to say.

mod credentials;
mod target;

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{Duration, LocalRef, ObjectRef, Quantity};

pub use credentials::{BearerCredentials, Credentials, CredentialsType, HeaderCredentials, OAuthCredentials};
pub use target::{EnvValue, ServiceTarget, StdioTarget};

/// The spec of an MCPBackend: exactly one of `service`, `url` and `stdio`.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MCPBackendSpec {
    pub service: Option<ServiceTarget>,
    pub url: Option<String>,
    pub stdio: Option<StdioTarget>,
    /// The `Host` header; default: the url's, or `NAME.NAMESPACE.svc`.
    pub host: Option<String>,
    #[serde(default)]
    pub transport: Transport,
    #[serde(default)]
    pub protocol_version: ProtocolVersion,
    #[serde(default)]
    pub session_affinity: SessionAffinity,
    pub tls: Option<Tls>,
    #[serde(default)]
    pub credentials: Credentials,
    #[serde(default)]
    pub forward_headers: Vec<String>,
    /// Header name → claim.
    pub claim_headers: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub trust: Trust,
    #[serde(default)]
    pub timeouts: Timeouts,
    pub retries: Option<Retries>,
    pub health_check: Option<HealthCheck>,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub tool_pinning: ToolPinning,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum Transport {
    /// Probe and remember.
    #[default]
    Auto,
    #[serde(rename = "StreamableHTTP")]
    StreamableHttp,
    #[serde(rename = "SSE")]
    Sse,
    WebSocket,
    #[serde(rename = "GRPC")]
    Grpc,
}

/// A revision of MCP, or `Auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum ProtocolVersion {
    #[default]
    Auto,
    #[serde(rename = "2026-07-28")]
    V2026July,
    #[serde(rename = "2025-11-25")]
    V2025November,
    #[serde(rename = "2025-06-18")]
    V2025June,
    #[serde(rename = "2025-03-26")]
    V2025March,
    #[serde(rename = "2024-11-05")]
    V2024November,
}

/// Which pod of a Service gets a call.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SessionAffinity {
    #[serde(default, rename = "type")]
    pub kind: AffinityType,
    /// With `Header`.
    pub header: Option<String>,
    /// With `Argument`: a JSON Pointer into the tool's arguments.
    pub argument: Option<String>,
    pub on_endpoint_loss: Option<OnEndpointLoss>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum AffinityType {
    /// `Session` for servers that hand out session ids.
    #[default]
    Auto,
    None,
    Session,
    Principal,
    Header,
    Argument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum OnEndpointLoss {
    Reinitialize,
    Fail,
}

/// TLS towards the server; `{}` means the system's roots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// ConfigMaps (default) or Secrets with the key `ca.crt`.
    pub ca_certificate_refs: Option<Vec<ObjectRef>>,
    /// A Secret with `tls.crt` and `tls.key`.
    pub client_certificate_ref: Option<ObjectRef>,
    /// The name in SNI and in the server's certificate.
    pub hostname: Option<String>,
    pub subject_alt_names: Option<Vec<SubjectAltName>>,
}

/// As in Gateway API's BackendTLSPolicy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubjectAltName {
    #[serde(rename = "type")]
    pub kind: SubjectAltNameType,
    pub hostname: Option<String>,
    pub uri: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum SubjectAltNameType {
    Hostname,
    #[serde(rename = "URI")]
    Uri,
}

/// May policy, retries and caches believe the server's own hints?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trust {
    #[serde(default)]
    pub annotations: bool,
    #[serde(default)]
    pub cache_scope: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    pub connect: Option<Duration>,
    /// No byte and no progress of a call.
    pub request: Option<Duration>,
    /// How far progress can renew `request`.
    pub max_request: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retries {
    pub attempts: Option<u32>,
    pub budget_percent: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    pub interval: Option<Duration>,
    pub outlier: Option<Outlier>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outlier {
    pub consecutive_failures: Option<u32>,
    pub eject_for: Option<Duration>,
}

/// Per data-plane process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    pub max_connections: Option<u64>,
    pub max_concurrent_requests: Option<u64>,
    pub max_response_bytes: Option<Quantity>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ToolPinning {
    #[serde(default)]
    pub mode: PinningMode,
    /// A ConfigMap `tool: sha256`.
    pub digests_ref: Option<LocalRef>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum PinningMode {
    #[default]
    None,
    Warn,
    Enforce,
}

// === impl ProtocolVersion ===

impl ProtocolVersion {
    /// The revision as it goes over the wire; `None` for `Auto`.
    #[must_use]
    pub fn revision(self) -> Option<&'static str> {
        match self {
            Self::Auto => None,
            Self::V2026July => Some("2026-07-28"),
            Self::V2025November => Some("2025-11-25"),
            Self::V2025June => Some("2025-06-18"),
            Self::V2025March => Some("2025-03-26"),
            Self::V2024November => Some("2024-11-05"),
        }
    }
}
