//! TLS towards a server, as in Gateway API's BackendTLSPolicy.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::ObjectRef;
use crate::schema::{each, kinds, list, rule, text};

/// TLS towards the server; `{}` means the system's roots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// ConfigMaps or Secrets with the key `ca.crt`. Default: the system's roots.
    #[schemars(transform = list(1, 8), transform = each(kinds("", "ConfigMap | Secret")))]
    pub ca_certificate_refs: Option<Vec<ObjectRef>>,
    /// A Secret with `tls.crt` and `tls.key`.
    #[schemars(transform = kinds("", "Secret"))]
    pub client_certificate_ref: Option<ObjectRef>,
    /// The name in SNI and in the server's certificate. Default: the url's host, or `NAME.NAMESPACE.svc`.
    #[schemars(transform = text::hostname)]
    pub hostname: Option<String>,
    /// Names in the server's certificate, any of them; `hostname` is for SNI only then.
    #[schemars(transform = list(1, 5))]
    pub subject_alt_names: Option<Vec<SubjectAltName>>,
}

/// A union by its type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(self.type == 'Hostname') == has(self.hostname)",
    "hostname must be set with type Hostname, and only then",
))]
#[schemars(transform = rule("(self.type == 'URI') == has(self.uri)", "uri must be set with type URI, and only then"))]
pub struct SubjectAltName {
    #[serde(rename = "type")]
    pub kind: SubjectAltNameType,
    #[schemars(transform = text::hostname_pattern)]
    pub hostname: Option<String>,
    #[schemars(transform = text::any_uri)]
    pub uri: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum SubjectAltNameType {
    Hostname,
    #[serde(rename = "URI")]
    Uri,
}
