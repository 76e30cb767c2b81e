//! Names of headers that a user may give or pass on: never those that the gateway or HTTP itself speaks with.

use std::collections::BTreeSet;

use http::HeaderName;
use ringway_crds::MCPBackendSpec;
use ringway_crds::backend::CredentialsType;

use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::Scope;

const MAX_FORWARDED: usize = 32;

/// Connection and framing headers (RFC 9110 section 7.6.1), what content negotiation is made of, and MCP's resumption.
const OURS: [&str; 17] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// `forwardHeaders`, lower case, in the order written.
pub(super) fn forwarded(scope: &mut Scope<'_>, spec: &MCPBackendSpec) -> Vec<String> {
    let list = FieldPath::of("spec.forwardHeaders");
    scope.at_most(&list, spec.forward_headers.len(), MAX_FORWARDED);
    let ours = spec.credentials.header.as_ref().map(|header| header.name.to_ascii_lowercase());
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for (index, header) in spec.forward_headers.iter().enumerate() {
        let field = list.index(index);
        let Some(name) = free_name(scope, &field, header) else { continue };
        if name == "authorization" && spec.credentials.kind != CredentialsType::None {
            let message = "authorization may be forwarded only with credentials of type None";
            scope.error(&field, Reason::InvalidValue, message);
        }
        if ours.as_ref() == Some(&name) {
            scope.error(&field, Reason::Conflicted, "credentials.header sets this header");
        }
        if !seen.insert(name.clone()) {
            scope.error(&field, Reason::Conflicted, format_args!("`{name}` stands twice"));
        }
        names.push(name);
    }
    names
}

/// A header name that a user may use, lower case.
pub(super) fn free_name(scope: &mut Scope<'_>, field: &FieldPath, header: &str) -> Option<String> {
    let Some(name) = HeaderName::from_bytes(header.as_bytes()).ok().filter(|_| header.len() <= 256) else {
        scope.error(field, Reason::InvalidValue, "must be a header name of at most 256 characters");
        return None;
    };
    if OURS.contains(&name.as_str()) || name.as_str().starts_with("mcp-") {
        scope.error(field, Reason::InvalidValue, format_args!("`{name}` is the gateway's own to set"));
        return None;
    }
    Some(name.as_str().to_owned())
}
