//! What the gateway shows to a server. A union: with `type`, the member of that name.

use serde::Deserialize;

use crate::SecretKeyRef;

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    #[serde(default, rename = "type")]
    pub kind: CredentialsType,
    pub bearer: Option<BearerCredentials>,
    pub header: Option<HeaderCredentials>,
    pub oauth_client_credentials: Option<OAuthCredentials>,
    /// RFC 8693: the caller's verified token is the subject.
    pub token_exchange: Option<OAuthCredentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum CredentialsType {
    #[default]
    None,
    Bearer,
    Header,
    OAuthClientCredentials,
    TokenExchange,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BearerCredentials {
    pub secret_ref: SecretKeyRef,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderCredentials {
    pub name: String,
    pub secret_ref: SecretKeyRef,
}

/// RFC 6749 section 4.4, or RFC 8693.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuthCredentials {
    pub token_endpoint: String,
    #[serde(rename = "clientID")]
    pub client_id: String,
    pub client_secret_ref: SecretKeyRef,
    #[serde(default)]
    pub scopes: Vec<String>,
    /// RFC 8707.
    pub resource: Option<String>,
}
