//! What the gateway shows to a server. A union: with `type`, the member of that name.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::SecretKeyRef;
use crate::schema::{default, rule, set, text};

/// What the gateway shows to the server. The client's own credentials are never passed on by default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(self.type == 'Bearer') == has(self.bearer)",
    "bearer must be set with type Bearer, and only then",
))]
#[schemars(transform = rule(
    "(self.type == 'Header') == has(self.header)",
    "header must be set with type Header, and only then",
))]
#[schemars(transform = rule(
    "(self.type == 'OAuthClientCredentials') == has(self.oauthClientCredentials)",
    "oauthClientCredentials must be set with type OAuthClientCredentials, and only then",
))]
#[schemars(transform = rule(
    "(self.type == 'TokenExchange') == has(self.tokenExchange)",
    "tokenExchange must be set with type TokenExchange, and only then",
))]
pub struct Credentials {
    #[serde(default, rename = "type")]
    #[schemars(transform = default("None"))]
    pub kind: CredentialsType,
    pub bearer: Option<BearerCredentials>,
    pub header: Option<HeaderCredentials>,
    /// RFC 6749 section 4.4.
    pub oauth_client_credentials: Option<OAuthCredentials>,
    /// RFC 8693: the caller's verified token is the subject; no token, no call.
    pub token_exchange: Option<OAuthCredentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum CredentialsType {
    #[default]
    None,
    Bearer,
    Header,
    OAuthClientCredentials,
    TokenExchange,
}

/// A token in `Authorization: Bearer`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BearerCredentials {
    pub secret_ref: SecretKeyRef,
}

/// A secret in a header of its own.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderCredentials {
    #[schemars(transform = text::free_header)]
    pub name: String,
    pub secret_ref: SecretKeyRef,
}

/// RFC 6749 section 4.4, or RFC 8693.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OAuthCredentials {
    #[schemars(transform = text::url)]
    pub token_endpoint: String,
    #[serde(rename = "clientID")]
    #[schemars(transform = text::line)]
    pub client_id: String,
    pub client_secret_ref: SecretKeyRef,
    #[serde(default)]
    #[schemars(transform = set(0, 32, text::scope))]
    pub scopes: Vec<String>,
    /// RFC 8707: which server the token is for.
    #[schemars(transform = text::url)]
    pub resource: Option<String>,
}
