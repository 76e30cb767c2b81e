//! Which era a message belongs to: the body decides, once per POST; then the modern rules for headers. Pure.

use std::fmt::Write as _;

use http::header::HeaderMap;
use ringway_mcp::headers::{self, HeaderFault, Routing};
use ringway_mcp::scan::{Envelope, Kind};
use ringway_mcp::{Method, Revision};

use super::{Claim, Message};
use crate::fault::{Fault, Reason};
use crate::pipeline::admit::{MCP_METHOD, MCP_NAME, PROTOCOL_VERSION};
use crate::reply::{Era, SESSION_ID};

/// The era that a message claims.
///
/// # Errors
/// A message that is modern and malformed: what its `_meta` must hold is missing.
pub(super) fn claim(envelope: &Envelope, body: &[u8], headers: &HeaderMap) -> Result<Claim, Fault> {
    let meta = envelope.meta();
    if let Some(version) = meta.and_then(|m| m.protocol_version) {
        let text = version.text(body);
        return match Revision::parse(text.as_bytes()) {
            Some(revision) if revision.is_modern() => Ok(Claim::Modern(revision)),
            // Judged after the header check, which comes first in the order of refusals.
            _ => Ok(Claim::Modern(Revision::V2026_07_28)),
        };
    }
    let header = headers.get(PROTOCOL_VERSION).map(|v| v.as_bytes());
    let modern_header = header.is_some_and(|v| Revision::parse(v).is_none_or(Revision::is_modern));
    match (envelope.kind, envelope.known_method()) {
        (Kind::Request, Some(Method::ServerDiscover)) => Err(missing("io.modelcontextprotocol/protocolVersion")),
        (Kind::Request, Some(Method::Initialize)) if !modern_header => Ok(Claim::Handshake),
        (Kind::Request, _) if modern_header => Err(missing("io.modelcontextprotocol/protocolVersion")),
        (Kind::Notification, _) if modern_header => Ok(Claim::Modern(Revision::V2026_07_28)),
        _ => Ok(Claim::Legacy),
    }
}

/// The era of a client whose body could not be read far enough to say: only the shape of its refusal hangs on it.
pub(super) fn presumed(headers: &HeaderMap) -> Era {
    let version = headers.get(PROTOCOL_VERSION).and_then(|v| Revision::parse(v.as_bytes()));
    match version {
        Some(revision) if revision.is_modern() => Era::Modern,
        _ if headers.contains_key(SESSION_ID) => Era::Legacy,
        _ => Era::Unknown,
    }
}

/// The rules for a modern message: `_meta`, then headers against body, then the version.
///
/// # Errors
/// The first rule broken.
pub(super) fn modern_headers(message: &Message, http: &HeaderMap) -> Result<(), Fault> {
    let value = |name: &http::HeaderName| http.get(name).map(|v| v.as_bytes());
    match message.kind {
        // A client posts no responses in this era, and its notifications need no routing headers.
        Kind::Response => {
            return Err(Fault::client(Reason::Request, "Responses are not accepted in this protocol version"));
        }
        Kind::Notification => return Ok(()),
        Kind::Request => {}
    }
    let meta = message.envelope.meta();
    if meta.is_none_or(|m| m.client_capabilities.is_none()) {
        return Err(missing("io.modelcontextprotocol/clientCapabilities"));
    }
    let routing =
        Routing { protocol_version: value(&PROTOCOL_VERSION), method: value(&MCP_METHOD), name: value(&MCP_NAME) };
    headers::check(&message.envelope, &message.body, &routing).map_err(|fault| mismatch(&fault))?;
    let version = meta.and_then(|m| m.protocol_version).map(|v| v.text(&message.body)).unwrap_or_default();
    if Revision::parse(version.as_bytes()).is_none_or(|r| !r.is_modern()) {
        return Err(unsupported(&version, &[Revision::V2026_07_28]));
    }
    Ok(())
}

/// -32022 with the versions that would do.
pub(crate) fn unsupported(requested: &str, supported: &[Revision]) -> Fault {
    let mut data = String::from(r#"{"supported":["#);
    for (i, revision) in supported.iter().enumerate() {
        let comma = if i == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _infallible = write!(data, r#"{comma}"{revision}""#);
    }
    let mut quoted = Vec::new();
    ringway_mcp::splice::write_json_string(&mut quoted, requested);
    data.push_str(r#"],"requested":"#);
    data.push_str(&String::from_utf8_lossy(&quoted));
    data.push('}');
    Fault::client(Reason::Version, "Unsupported protocol version").with_data(data)
}

fn mismatch(fault: &HeaderFault) -> Fault {
    Fault::client(Reason::Header, fault.to_string())
}

fn missing(key: &str) -> Fault {
    Fault::client(Reason::Params, format!("Invalid params: _meta must hold {key}"))
}
