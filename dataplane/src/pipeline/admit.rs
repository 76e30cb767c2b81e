//! The first stage: what a stranger may send at all. Sizes, HTTP method, Host, and the headers that must stand alone.
//!
//! Reads no body and knows no route. Sync.

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method};

use crate::admin::loopback::is_loopback_name;
use crate::fault::{Fault, Reason};
use crate::reply::SESSION_ID;
use crate::routes::{Door, RouteTable};
use crate::telemetry::labels::Limit;
use crate::worker::Shared;

pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(crate) const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(crate) const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");
pub(crate) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Headers that decide something and so may stand once only: two values are two opinions.
const SINGLE: [HeaderName; 9] = [
    PROTOCOL_VERSION,
    MCP_METHOD,
    MCP_NAME,
    SESSION_ID,
    LAST_EVENT_ID,
    header::HOST,
    header::ORIGIN,
    header::CONTENT_TYPE,
    header::AUTHORIZATION,
];

/// What the request wants of the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Post,
    Get,
    Delete,
    Preflight,
}

/// The admitted head of a request.
#[derive(Debug)]
pub(crate) struct Inbound<'a> {
    pub(crate) verb: Verb,
    pub(crate) path: &'a str,
    /// Lower case, without the port.
    pub(crate) host: String,
    pub(crate) origin: Option<&'a HeaderValue>,
    pub(crate) headers: &'a HeaderMap,
}

/// Checks a head.
///
/// # Errors
/// The first thing wrong with it.
pub(crate) fn check<'a>(
    shared: &Shared,
    routes: &RouteTable,
    door: Door,
    head: &'a Parts,
) -> Result<Inbound<'a>, Fault> {
    sizes(shared, head)?;
    // As many names as fields: nothing stands twice.
    let doubled = head.headers.len() != head.headers.keys_len();
    for name in SINGLE.iter().filter(|_| doubled) {
        if head.headers.get_all(name).iter().nth(1).is_some() {
            return Err(Fault::client(Reason::Request, format!("{name} stands more than once")));
        }
    }
    let host = host(shared, routes, door, head)?;
    Ok(Inbound {
        verb: verb(head)?,
        path: head.uri.path(),
        host,
        origin: head.headers.get(header::ORIGIN),
        headers: &head.headers,
    })
}

fn sizes(shared: &Shared, head: &Parts) -> Result<(), Fault> {
    let limits = &shared.limits;
    let uri = head.uri.path_and_query().map_or(0, |p| p.as_str().len());
    if uri > limits.uri_bytes {
        shared.limit(Limit::UriBytes);
        return Err(Fault::client(Reason::UriTooLong, "The URI is too long"));
    }
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if bytes > limits.headers_bytes || head.headers.len() > limits.headers_count {
        shared.limit(Limit::HeadersBytes);
        return Err(Fault::client(Reason::HeadersTooLarge, "The header fields are too large"));
    }
    Ok(())
}

fn verb(head: &Parts) -> Result<Verb, Fault> {
    match head.method {
        Method::POST => Ok(Verb::Post),
        Method::GET => Ok(Verb::Get),
        Method::DELETE => Ok(Verb::Delete),
        Method::OPTIONS
            if head.headers.contains_key(header::ORIGIN)
                && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) =>
        {
            Ok(Verb::Preflight)
        }
        _ => Err(Fault::client(Reason::HttpMethod, "Method not allowed")),
    }
}

/// The requested host. On a loopback socket of our own anything but a loopback name is a rebinding attack or a mistake, unless a
/// route names the host (row DNS rebinding of the threat model).
fn host(shared: &Shared, routes: &RouteTable, door: Door, head: &Parts) -> Result<String, Fault> {
    let text = match head.uri.host() {
        Some(host) => host,
        None => {
            let value = head
                .headers
                .get(header::HOST)
                .ok_or_else(|| Fault::client(Reason::Request, "Host header is required"))?;
            let text = value.to_str().map_err(|_| Fault::client(Reason::Origin, "Host not allowed"))?;
            without_port(text)
        }
    };
    let host = text.trim_end_matches('.').to_ascii_lowercase();
    let allowed = door != Door::Own || !shared.loopback || is_loopback_name(&host) || routes.names_host(&host);
    if allowed { Ok(host) } else { Err(Fault::client(Reason::Origin, "Host not allowed")) }
}

fn without_port(authority: &str) -> &str {
    match authority.rfind(':') {
        // Inside the brackets of an IPv6 literal there is no port.
        Some(colon) if authority.rfind(']').is_none_or(|bracket| bracket < colon) => {
            authority.get(..colon).unwrap_or(authority)
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::without_port;

    #[test]
    fn ports_are_cut_off() {
        for (authority, want) in [("a:1", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")] {
            assert_eq!(without_port(authority), want);
        }
    }
}
