//! A backend: where an MCP server is and how to speak to it. Field meanings: the `MCPBackend` resource.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::dial::Dial;
use crate::name::{BackendKey, ObjectName};
use crate::secret::Secret;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Backend {
    pub name: ObjectName,
    pub key: BackendKey,
    pub target: Target,
    pub transport: TransportHint,
    /// `None`: probe and remember. Otherwise a revision string of Streamable HTTP, 2025-03-26 or later.
    pub protocol_version: Option<String>,
    pub affinity: Affinity,
    pub credentials: Credentials,
    /// Client headers that go upstream, lower case.
    pub forward_headers: Vec<String>,
    pub trust: Trust,
    pub timeouts: Timeouts,
    pub limits: BackendLimits,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Target {
    Http(HttpTarget),
    Stdio(StdioTarget),
}

/// An HTTP(S) server: a fixed URL resolved by DNS, or a Service whose ready endpoints are listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpTarget {
    pub scheme: Scheme,
    /// DNS name or IP literal (without brackets) to resolve when `endpoints` is `None`; also the TLS name unless `tls.hostname` is set.
    pub hostname: String,
    pub port: u16,
    /// Path with query, starts with `/`.
    pub path: String,
    /// The `Host` header.
    pub host_header: String,
    /// `Some`: a Service; the ready endpoints, sorted (possibly none).
    pub endpoints: Option<Vec<SocketAddr>>,
    pub tls: Option<BackendTls>,
    pub dial: Dial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scheme {
    Http,
    Https,
}

/// TLS towards a backend; empty `ca_pem`: the system's roots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackendTls {
    pub ca_pem: Vec<String>,
    /// PEM certificate chain and private key shown to the server.
    pub client_certificate: Option<(String, Secret)>,
    pub hostname: Option<String>,
}

/// A child process that speaks MCP over its standard streams (standalone mode only).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StdioTarget {
    pub command: String,
    pub args: Vec<String>,
    /// The child's whole environment beside PATH, HOME and the locale: an allow-list, values may be secret.
    pub env: BTreeMap<String, Secret>,
    pub max_processes: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransportHint {
    Auto,
    StreamableHttp,
}

/// Which endpoint of a Service gets a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Affinity {
    Auto { on_loss: EndpointLoss },
    None,
    Session { on_loss: EndpointLoss },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndpointLoss {
    Reinitialize,
    Fail,
}

/// What the gateway shows to the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Credentials {
    None,
    Bearer(Secret),
    Header { name: String, value: Secret },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Trust {
    pub annotations: bool,
    pub cache_scope: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    pub connect: Duration,
    /// No byte and no progress of a call for this long ends it.
    pub request: Duration,
    /// A call never lasts longer, whatever its progress.
    pub max_request: Duration,
}

/// Per data-plane process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendLimits {
    pub max_connections: usize,
    pub max_concurrent_requests: usize,
    /// One JSON answer, or one SSE event.
    pub max_response_bytes: usize,
}

// === impl Backend ===

impl Backend {
    /// Every secret, always in the same order: so the bytes travel beside the object.
    pub fn secrets_mut(&mut self) -> Vec<&mut Secret> {
        let mut secrets = Vec::new();
        match &mut self.target {
            Target::Http(target) => {
                let client = target.tls.as_mut().and_then(|tls| tls.client_certificate.as_mut());
                secrets.extend(client.map(|(_, key)| key));
            }
            Target::Stdio(target) => secrets.extend(target.env.values_mut()),
        }
        match &mut self.credentials {
            Credentials::None => {}
            Credentials::Bearer(secret) | Credentials::Header { value: secret, .. } => secrets.push(secret),
        }
        secrets
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            request: Duration::from_secs(300),
            max_request: Duration::from_secs(1800),
        }
    }
}

// === impl BackendLimits ===

impl Default for BackendLimits {
    fn default() -> Self {
        Self { max_connections: 512, max_concurrent_requests: 1024, max_response_bytes: 16 << 20 }
    }
}
