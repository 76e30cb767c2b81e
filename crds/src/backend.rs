//! `MCPBackend`: where an MCP server is and how to speak to it.
//!
//! The whole contract of the kind; which parts this version serves is `ringway-translate`'s to say.

mod credentials;
mod health;
mod target;
mod tls;

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema};
use serde::Deserialize;

use crate::schema::{bytes, default, free_object, map, range, rule, set, span, text};
use crate::{Duration, LocalRef, Quantity};

pub use credentials::{BearerCredentials, Credentials, CredentialsType, HeaderCredentials, OAuthCredentials};
pub use health::{HealthCheck, Outlier, Retries};
pub use target::{EnvValue, ServiceTarget, StdioTarget};
pub use tls::{SubjectAltName, SubjectAltNameType, Tls};

/// Exactly one of `service` and `url` (and `stdio` in standalone mode).
#[derive(Debug, Clone, PartialEq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "[has(self.service), has(self.url), has(self.stdio)].exists_one(set, set)",
    "exactly one of service and url must be set",
))]
#[schemars(transform = rule(
    "!has(self.stdio)",
    "stdio is for standalone mode only (`ringway run`): run the server in a pod and name its service",
))]
#[schemars(transform = rule(
    "!has(self.forwardHeaders) || !has(self.claimHeaders) || !self.forwardHeaders.exists(h, h in self.claimHeaders)",
    "a header cannot be both in forwardHeaders and in claimHeaders",
))]
#[schemars(transform = http_without_tls, transform = forwarded)]
pub struct MCPBackendSpec {
    pub service: Option<ServiceTarget>,
    /// http or https. The host is resolved by DNS again and again; in a cluster it must be a public address, or one that
    /// the install allows.
    #[schemars(transform = text::url)]
    pub url: Option<String>,
    /// A command that the gateway starts; for `ringway run` on files only.
    #[schemars(with = "Option<serde_json::Value>", transform = free_object)]
    pub stdio: Option<StdioTarget>,
    /// The `Host` header. Default: the url's, or `NAME.NAMESPACE.svc`.
    #[schemars(transform = text::authority)]
    pub host: Option<String>,
    #[serde(default)]
    #[schemars(transform = default("Auto"))]
    pub transport: Transport,
    /// A revision of MCP, in quotes, or Auto.
    #[serde(default)]
    #[schemars(transform = default("Auto"))]
    pub protocol_version: ProtocolVersion,
    #[serde(default)]
    pub session_affinity: SessionAffinity,
    /// A service is spoken to in plain without it; `{}` means TLS with the system's roots.
    pub tls: Option<Tls>,
    #[serde(default)]
    pub credentials: Credentials,
    /// The only client headers that go upstream.
    #[serde(default)]
    #[schemars(transform = set(0, 32, text::free_header), transform = once)]
    pub forward_headers: Vec<String>,
    /// Header to verified claim of the caller. What the client sent under these names is dropped.
    #[schemars(transform = map(1, 32, text::claim), transform = claim_headers)]
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

pub(crate) fn http_without_tls(schema: &mut Schema) {
    rule(
        "!has(self.url) || !has(self.tls) || self.url.lowerAscii().startsWith('https:')",
        "an http url has no TLS: write https, or leave tls out",
    )(schema);
}

pub(crate) fn forwarded(schema: &mut Schema) {
    rule(
        concat!(
            "!has(self.forwardHeaders) || !has(self.credentials) || self.credentials.type == 'None' ",
            "|| !self.forwardHeaders.exists(h, h.lowerAscii() == 'authorization')"
        ),
        "authorization may be forwarded only with credentials of type None",
    )(schema);
    rule(
        concat!(
            "!has(self.forwardHeaders) || !has(self.credentials) || !has(self.credentials.header) ",
            "|| !self.forwardHeaders.exists(h, h.lowerAscii() == self.credentials.header.name.lowerAscii())"
        ),
        "credentials.header sets this header: it cannot be forwarded, too",
    )(schema);
}

/// Of headers, whose names have no case.
pub(crate) fn once(schema: &mut Schema) {
    rule(
        "self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))",
        "a header stands twice: upper and lower case are the same header",
    )(schema);
}

fn claim_headers(schema: &mut Schema) {
    rule(
        concat!(
            "self.all(h, h.size() <= 256 && h.matches('^[-A-Za-z0-9!#$%&*+.^_|~]+$') && !h.matches('^(?i:mcp-.*|accept|",
            "accept-encoding|authorization|connection|content-encoding|content-length|content-type|expect|host|",
            "keep-alive|last-event-id|proxy-.*|te|trailer|transfer-encoding|upgrade)$'))"
        ),
        "the keys of claimHeaders are headers of at most 256 characters, none of them the gateway's own to set",
    )(schema);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(self.type == 'Header') == has(self.header)",
    "header must be set with type Header, and only then",
))]
#[schemars(transform = rule(
    "(self.type == 'Argument') == has(self.argument)",
    "argument must be set with type Argument, and only then",
))]
#[schemars(transform = rule(
    "self.type != 'None' || !has(self.onEndpointLoss)",
    "onEndpointLoss means nothing with type None, which ties nothing to an endpoint",
))]
pub struct SessionAffinity {
    #[serde(default, rename = "type")]
    #[schemars(transform = default("Auto"))]
    pub kind: AffinityType,
    /// With Header: its name.
    #[schemars(transform = text::header)]
    pub header: Option<String>,
    /// With Argument: a JSON Pointer into the tool's arguments.
    #[schemars(transform = text::pointer)]
    pub argument: Option<String>,
    /// Default: Reinitialize.
    pub on_endpoint_loss: Option<OnEndpointLoss>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum AffinityType {
    /// Session for servers that hand out session ids.
    #[default]
    Auto,
    None,
    Session,
    Principal,
    Header,
    Argument,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum OnEndpointLoss {
    Reinitialize,
    Fail,
}

/// May policy, retries and caches believe the server's own hints? Default: no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Trust {
    #[serde(default)]
    pub annotations: bool,
    #[serde(default)]
    pub cache_scope: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "!has(self.request) || !has(self.maxRequest) || duration(self.maxRequest) >= duration(self.request)",
    "maxRequest must not be shorter than request",
))]
pub struct Timeouts {
    /// Default: 2s.
    #[schemars(transform = span("1ms", "5m"))]
    pub connect: Option<Duration>,
    /// No byte and no progress of a call for this long ends it. Default: 5m.
    #[schemars(transform = span("1ms", "24h"))]
    pub request: Option<Duration>,
    /// How far progress can renew `request`. Default: 30m, or `request` if that is longer.
    #[schemars(transform = span("1ms", "24h"))]
    pub max_request: Option<Duration>,
}

/// Per process of the data plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Default: 512.
    #[schemars(transform = range(1, 65_536))]
    pub max_connections: Option<u64>,
    /// Default: 1024.
    #[schemars(transform = range(1, 65_536))]
    pub max_concurrent_requests: Option<u64>,
    /// One JSON answer, or one event of a stream. Default: 16Mi.
    #[schemars(transform = bytes("1Ki", "1Gi"))]
    pub max_response_bytes: Option<Quantity>,
}

/// Against tools that change behind their users' backs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(self.mode != 'None') == has(self.digestsRef)",
    "digestsRef must be set with mode Warn and Enforce, and only then",
))]
pub struct ToolPinning {
    #[serde(default)]
    #[schemars(transform = default("None"))]
    pub mode: PinningMode,
    /// A ConfigMap `tool: sha256`.
    pub digests_ref: Option<LocalRef>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
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
