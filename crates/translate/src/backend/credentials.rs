//! What the gateway shows to a server: the union by `type`, and values that fit into a header.

use ringway_crds::backend::{Credentials as Spec, CredentialsType};
use ringway_snapshot::{Credentials, Secret};

use super::headers;
use crate::path::FieldPath;
use crate::problem::Reason;
use crate::refs::Refs;
use crate::scope::Scope;

/// `None`, with a problem, when they cannot be shown.
pub(super) fn credentials(scope: &mut Scope<'_>, refs: Refs<'_>, spec: &Spec) -> Option<Credentials> {
    let field = FieldPath::of("spec.credentials");
    refuse_other_members(scope, &field, spec);
    match spec.kind {
        CredentialsType::None => Some(Credentials::None),
        CredentialsType::Bearer => {
            let Some(bearer) = &spec.bearer else {
                scope.error(&field.field("bearer"), Reason::RequiredValue, "must be set with type Bearer");
                return None;
            };
            let field = field.field("bearer.secretRef");
            let token = refs.secret(scope, &field, &bearer.secret_ref)?;
            let is_token = !token.expose().is_empty() && token.expose().iter().all(u8::is_ascii_graphic);
            if !is_token {
                let message = "the token is empty or holds spaces, line breaks or other characters no token has";
                scope.error(&field, Reason::InvalidRef, message);
            }
            Some(Credentials::Bearer(token.clone()))
        }
        CredentialsType::Header => {
            let Some(header) = &spec.header else {
                scope.error(&field.field("header"), Reason::RequiredValue, "must be set with type Header");
                return None;
            };
            let name = headers::free_name(scope, &field.field("header.name"), &header.name);
            let field = field.field("header.secretRef");
            let value = refs.secret(scope, &field, &header.secret_ref)?;
            if !is_header_value(value) {
                let message =
                    "the value is empty, begins or ends with a space or line break, or cannot stand in a header";
                scope.error(&field, Reason::InvalidRef, message);
            }
            Some(Credentials::Header { name: name?, value: value.clone() })
        }
        CredentialsType::OAuthClientCredentials | CredentialsType::TokenExchange => {
            let message = "this version serves None, Bearer and Header only";
            scope.error(&field.field("type"), Reason::UnsupportedValue, message);
            None
        }
    }
}

fn refuse_other_members(scope: &mut Scope<'_>, field: &FieldPath, spec: &Spec) {
    for (member, kind, is_set) in [
        ("bearer", CredentialsType::Bearer, spec.bearer.is_some()),
        ("header", CredentialsType::Header, spec.header.is_some()),
        ("oauthClientCredentials", CredentialsType::OAuthClientCredentials, spec.oauth_client_credentials.is_some()),
        ("tokenExchange", CredentialsType::TokenExchange, spec.token_exchange.is_some()),
    ] {
        if is_set && kind != spec.kind {
            let message = format!("may be set only with type {kind:?}, the type is {:?}", spec.kind);
            scope.error(&field.field(member), Reason::InvalidValue, message);
        }
    }
}

fn is_header_value(value: &Secret) -> bool {
    let bytes = value.expose();
    !bytes.is_empty()
        && http::HeaderValue::from_bytes(bytes).is_ok()
        && bytes.first().is_some_and(|b| !b.is_ascii_whitespace())
        && bytes.last().is_some_and(|b| !b.is_ascii_whitespace())
}
