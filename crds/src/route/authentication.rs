//! Who may show themselves, and how: any of these; none given, and the route is not accepted.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::schema::{keyed, list, rule, set, text};
use crate::{ConfigMapKeyRef, LabelSelector, SecretKeyRef};

/// Who may show themselves, and how: any of these.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(has(self.anonymous) && self.anonymous) || has(self.jwt) || has(self.introspection) || has(self.apiKeys) || has(self.mtls) || has(self.serviceAccounts)",
    "at least one way to authenticate must be given: jwt, introspection, apiKeys, mtls, serviceAccounts, or `anonymous: true`",
))]
pub struct Authentication {
    /// Who shows no credential is anonymous; a bad credential is still refused.
    #[serde(default)]
    pub anonymous: bool,
    #[schemars(transform = keyed("issuer", 1, 8))]
    pub jwt: Option<Vec<Jwt>>,
    /// Opaque tokens, RFC 7662.
    #[schemars(transform = list(1, 4))]
    pub introspection: Option<Vec<Introspection>>,
    pub api_keys: Option<ApiKeys>,
    pub mtls: Option<Mtls>,
    pub service_accounts: Option<ServiceAccounts>,
}

/// Tokens of one issuer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    #[schemars(transform = text::line)]
    pub issuer: String,
    /// Default: the protected resource.
    #[schemars(transform = set(1, 16, text::line))]
    pub audiences: Option<Vec<String>>,
    /// Default: any that fits the key.
    #[schemars(transform = set(1, 16, text::algorithm))]
    pub algorithms: Option<Vec<String>>,
    /// Default: found by OIDC discovery.
    pub jwks: Option<Jwks>,
}

/// Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "has(self.uri) != has(self.configMapRef)",
    "exactly one of uri and configMapRef must be set",
))]
pub struct Jwks {
    #[schemars(transform = text::url)]
    pub uri: Option<String>,
    pub config_map_ref: Option<ConfigMapKeyRef>,
}

/// RFC 7662.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "has(self.clientID) == has(self.clientSecretRef)",
    "clientID and clientSecretRef must be set together",
))]
pub struct Introspection {
    #[schemars(transform = text::line)]
    pub issuer: Option<String>,
    #[schemars(transform = text::url)]
    pub endpoint: String,
    #[serde(rename = "clientID")]
    #[schemars(transform = text::line)]
    pub client_id: Option<String>,
    pub client_secret_ref: Option<SecretKeyRef>,
}

/// Secrets of this namespace; they hold only SHA-256 digests.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeys {
    pub secret_selector: LabelSelector,
}

/// SPIFFE ids of client certificates that the listener verified.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mtls {
    #[schemars(transform = set(1, 16, text::trust_domain))]
    pub trust_domains: Vec<String>,
}

/// Projected tokens of Kubernetes' ServiceAccounts; in a cluster only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccounts {
    #[schemars(transform = set(1, 16, text::line))]
    pub audiences: Vec<String>,
}
