//! Who may show themselves, and how: any of these; none given, and the route is not accepted.

use serde::Deserialize;

use crate::{ConfigMapKeyRef, LabelSelector, SecretKeyRef};

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authentication {
    /// Who shows no credential is anonymous; a bad credential is still refused.
    #[serde(default)]
    pub anonymous: bool,
    pub jwt: Option<Vec<Jwt>>,
    pub introspection: Option<Vec<Introspection>>,
    pub api_keys: Option<ApiKeys>,
    pub mtls: Option<Mtls>,
    pub service_accounts: Option<ServiceAccounts>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwt {
    pub issuer: String,
    pub audiences: Option<Vec<String>>,
    pub algorithms: Option<Vec<String>>,
    pub jwks: Option<Jwks>,
}

/// Exactly one of the two.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Jwks {
    pub uri: Option<String>,
    pub config_map_ref: Option<ConfigMapKeyRef>,
}

/// RFC 7662.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Introspection {
    pub issuer: Option<String>,
    pub endpoint: String,
    #[serde(rename = "clientID")]
    pub client_id: Option<String>,
    pub client_secret_ref: Option<SecretKeyRef>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiKeys {
    pub secret_selector: LabelSelector,
}

/// SPIFFE ids of client certificates that the listener verified.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mtls {
    pub trust_domains: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceAccounts {
    pub audiences: Vec<String>,
}
