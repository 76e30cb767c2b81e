//! A fault as a JSON-RPC error object.

use ringway_mcp::error as code;
use ringway_mcp::splice::write_json_string;

use super::Era;
use crate::fault::{Fault, Reason};

/// The JSON-RPC code of a fault: the specification's where it has one, else ours (-31000 … -31099).
pub(crate) fn error_code(reason: Reason) -> i64 {
    match reason {
        Reason::Parse => code::PARSE,
        Reason::Request
        | Reason::Origin
        | Reason::Session
        | Reason::TooLarge
        | Reason::HeadersTooLarge
        | Reason::UriTooLong
        | Reason::NoRoute
        | Reason::Misdirected
        | Reason::ContentType
        | Reason::Accept
        | Reason::HttpMethod
        | Reason::ClientTimeout => code::INVALID_REQUEST,
        Reason::UnknownResource => code::RESOURCE_NOT_FOUND,
        Reason::Header => code::HEADER_MISMATCH,
        Reason::Version => code::UNSUPPORTED_PROTOCOL_VERSION,
        Reason::Method => code::METHOD_NOT_FOUND,
        Reason::Params | Reason::Unknown | Reason::State => code::INVALID_PARAMS,
        Reason::Rate => code::RATE_LIMITED,
        Reason::Busy => code::BUSY,
        Reason::Lost | Reason::Cancelled => code::CALL_LOST,
        Reason::UpstreamConnect | Reason::UpstreamEra => code::UPSTREAM_UNREACHABLE,
        Reason::UpstreamBad => code::UPSTREAM_INVALID,
        Reason::UpstreamTimeout => code::UPSTREAM_TIMEOUT,
        Reason::Internal => code::INTERNAL,
    }
}

/// The whole JSON-RPC message. Without a readable id: `id` is left out for modern peers and `null` for legacy ones
/// (JSON-RPC 2.0 section 5; SDKs of the legacy era write and expect it).
pub(crate) fn error_body(fault: &Fault, era: Era, id: Option<&[u8]>) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(br#"{"jsonrpc":"2.0""#);
    match id {
        Some(id) => {
            out.extend_from_slice(br#","id":"#);
            out.extend_from_slice(id);
        }
        None if era == Era::Modern => {}
        None => out.extend_from_slice(br#","id":null"#),
    }
    // A legacy client knows no -3202x: for it a version or header fault is an invalid request.
    let code = match (era, fault.reason) {
        (Era::Legacy | Era::Unknown, Reason::Version | Reason::Header) => code::INVALID_REQUEST,
        (_, reason) => error_code(reason),
    };
    out.extend_from_slice(br#","error":{"code":"#);
    out.extend_from_slice(itoa::Buffer::new().format(code).as_bytes());
    out.extend_from_slice(br#","message":"#);
    write_json_string(&mut out, &fault.message);
    out.extend_from_slice(br#","data":{"#);
    if let Some(members) = fault.data.as_deref().and_then(|d| d.strip_prefix('{')).and_then(|d| d.strip_suffix('}'))
        && !members.is_empty()
    {
        out.extend_from_slice(members.as_bytes());
        out.push(b',');
    }
    write_provenance(&mut out, fault);
    out.extend_from_slice(b"}}}");
    out
}

/// `"ringway":{source, reason, retryable, executed, retryAfterMs?}`: whose fault, whether to retry, whether it ran.
fn write_provenance(out: &mut Vec<u8>, fault: &Fault) {
    out.extend_from_slice(br#""ringway":{"source":""#);
    out.extend_from_slice(fault.source.as_str().as_bytes());
    out.extend_from_slice(br#"","reason":""#);
    out.extend_from_slice(fault.reason.as_str().as_bytes());
    out.extend_from_slice(br#"","retryable":"#);
    out.extend_from_slice(if fault.retryable() { b"true" } else { b"false" });
    out.extend_from_slice(br#","executed":""#);
    out.extend_from_slice(fault.executed.as_str().as_bytes());
    out.push(b'"');
    if let Some(after) = fault.retry_after {
        out.extend_from_slice(br#","retryAfterMs":"#);
        out.extend_from_slice(itoa::Buffer::new().format(after.as_millis()).as_bytes());
    }
    out.push(b'}');
}
