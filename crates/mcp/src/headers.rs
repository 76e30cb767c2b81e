//! The routing headers of 2026-07-28: how values are written, and that they say what the body says.
//!
//! The body is the source of truth; a header is only ever compared with it. Whether a request must carry the headers at
//! all (its era) is decided by the caller, and so is the refusal of repeated headers: one value each comes in here.
//! Source: 2026-07-28 transports, Request Metadata; SEP-2243.
mod params;

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

pub use params::{InvalidAnnotation, ParamHeader, check_param, param_headers, param_value};

use crate::Method;
use crate::scan::{Envelope, Kind, Str};

/// `MCP-Protocol-Version`
pub const PROTOCOL_VERSION: &str = "MCP-Protocol-Version";
/// `Mcp-Method`
pub const METHOD: &str = "Mcp-Method";
/// `Mcp-Name`
pub const NAME: &str = "Mcp-Name";
/// What the header of an annotated argument starts with.
pub const PARAM_PREFIX: &str = "Mcp-Param-";

/// The routing headers of one request, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Routing<'a> {
    /// `MCP-Protocol-Version`
    pub protocol_version: Option<&'a [u8]>,
    /// `Mcp-Method`
    pub method: Option<&'a [u8]>,
    /// `Mcp-Name`
    pub name: Option<&'a [u8]>,
}

/// Why a header value cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueFault {
    /// A byte outside 0x20-0x7E and tab.
    #[error("has invalid characters")]
    Characters,
    /// Not standard padded Base64 between the markers.
    #[error("is not valid Base64")]
    Base64,
    /// The Base64 holds no UTF-8.
    #[error("is not UTF-8")]
    Utf8,
}

/// A header that does not fit the body; answered with -32020 and HTTP 400. The text is meant for the client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// Required and not there.
    #[error("Header mismatch: required {0} header is missing")]
    Missing(Cow<'static, str>),
    /// There, but the body has no such value.
    #[error("Header mismatch: {header} header value '{value}' has no counterpart in the body", value = Cut(value))]
    Unexpected {
        /// The header's name.
        header: Cow<'static, str>,
        /// Its value, decoded.
        value: String,
    },
    /// Not readable.
    #[error("Header mismatch: {header} header value {fault}")]
    Invalid {
        /// The header's name.
        header: Cow<'static, str>,
        /// What is wrong.
        fault: ValueFault,
    },
    /// Another value than the body's.
    #[error(
        "Header mismatch: {header} header value '{value}' does not match body value '{body}'",
        value = Cut(value), body = Cut(body)
    )]
    Mismatch {
        /// The header's name.
        header: Cow<'static, str>,
        /// Its value, decoded.
        value: String,
        /// The body's value.
        body: String,
    },
}

/// At most 64 characters of a value, for a message; control characters shown as `?`.
struct Cut<'a>(&'a str);

const OPEN: &[u8] = b"=?base64?";
const CLOSE: &[u8] = b"?=";

/// Reads the value of `Mcp-Name` or `Mcp-Param-*`: trims white space and undoes the Base64 form.
///
/// # Errors
/// Bytes that neither form allows.
pub fn decode_value(value: &[u8]) -> Result<Cow<'_, str>, ValueFault> {
    let value = trim(value);
    if let Some(encoded) = sentinel(value) {
        let bytes = STANDARD.decode(encoded).map_err(|_| ValueFault::Base64)?;
        return String::from_utf8(bytes).map(Cow::Owned).map_err(|_| ValueFault::Utf8);
    }
    if !value.iter().all(|byte| is_plain(*byte)) {
        return Err(ValueFault::Characters);
    }
    std::str::from_utf8(value).map(Cow::Borrowed).map_err(|_| ValueFault::Utf8)
}

/// Writes a value: as it is where a header can carry it, else in the Base64 form.
pub fn encode_value(value: &str) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    let plain = bytes.iter().all(|byte| is_plain(*byte)) && trim(bytes).len() == bytes.len();
    if plain && sentinel(bytes).is_none() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("=?base64?{}?=", STANDARD.encode(bytes)))
}

/// Compares the routing headers of a modern request with its body. Notifications and answers have no header rule.
///
/// A body without `protocolVersion` or without the thing's name is not a fault here unless a header names one: those
/// are parameter faults, which the caller checks first.
///
/// # Errors
/// The first header that is missing, unreadable or different: version, method, name.
pub fn check(envelope: &Envelope, body: &[u8], headers: &Routing<'_>) -> Result<(), HeaderFault> {
    let (Kind::Request, Some((method, name))) = (envelope.kind, envelope.method) else { return Ok(()) };
    let version = envelope.meta().and_then(|meta| meta.protocol_version);
    exact(PROTOCOL_VERSION, headers.protocol_version, body, version)?;
    exact(METHOD, headers.method, body, Some(name))?;
    if let Some(named) = named_by_header(method, envelope) {
        compare(NAME, headers.name, named.map(|text| text.text(body)).as_deref())?;
    }
    Ok(())
}

/// What `Mcp-Name` has to say for this request: outer `None` when the method has no such header.
fn named_by_header(method: Method, envelope: &Envelope) -> Option<Option<Str>> {
    let params = envelope.params.as_ref();
    match method {
        Method::ToolsCall | Method::PromptsGet => Some(params.and_then(|params| params.name)),
        Method::ResourcesRead => Some(params.and_then(|params| params.uri)),
        Method::TasksGet | Method::TasksUpdate | Method::TasksCancel => Some(params.and_then(|params| params.task_id)),
        _ => None,
    }
}

/// The value that `Mcp-Name` must carry upstream for this request, still to be written with [`encode_value`].
pub fn name_value<'a>(envelope: &Envelope, body: &'a [u8]) -> Option<Cow<'a, str>> {
    named_by_header(envelope.known_method()?, envelope)?.map(|text| text.text(body))
}

// Version and method are never in Base64 form; both are compared byte for byte.
fn exact(header: &'static str, value: Option<&[u8]>, body: &[u8], wanted: Option<Str>) -> Result<(), HeaderFault> {
    let Some(value) = value.map(trim) else { return Err(HeaderFault::Missing(header.into())) };
    let wanted = wanted.map(|text| text.text(body));
    if wanted.as_ref().is_some_and(|wanted| wanted.as_bytes() == value) {
        return Ok(());
    }
    let Some(text) = std::str::from_utf8(value).ok().filter(|_| value.iter().all(|byte| is_plain(*byte))) else {
        return Err(HeaderFault::Invalid { header: header.into(), fault: ValueFault::Characters });
    };
    Err(differs(header.into(), text, wanted.as_deref()))
}

fn compare(header: &'static str, value: Option<&[u8]>, wanted: Option<&str>) -> Result<(), HeaderFault> {
    let Some(value) = value else {
        return if wanted.is_some() { Err(HeaderFault::Missing(header.into())) } else { Ok(()) };
    };
    let value = decode_value(value).map_err(|fault| HeaderFault::Invalid { header: header.into(), fault })?;
    if wanted == Some(&*value) { Ok(()) } else { Err(differs(header.into(), &value, wanted)) }
}

fn differs(header: Cow<'static, str>, value: &str, body: Option<&str>) -> HeaderFault {
    let value = value.to_owned();
    match body {
        Some(body) => HeaderFault::Mismatch { header, value, body: body.to_owned() },
        None => HeaderFault::Unexpected { header, value },
    }
}

fn is_plain(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x20..=0x7e)
}

// Optional white space around a field value is not part of it (RFC 9110, 5.5).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn sentinel(value: &[u8]) -> Option<&[u8]> {
    value.strip_prefix(OPEN)?.strip_suffix(CLOSE)
}

// === impl Cut ===

impl fmt::Display for Cut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.chars().take(64).try_for_each(|c| f.write_char(if c.is_control() { '?' } else { c }))
    }
}

#[cfg(test)]
mod tests;
