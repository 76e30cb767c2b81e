//! The parameters that this client sends, in both eras.
//!
//! One type with optional members: what a request does not need is left out of the JSON.

use std::collections::BTreeMap;

use ringway_mcp::Revision;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

/// `params` of `server/discover`, `tools/list` and `tools/call`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Params<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a RawValue>,
    /// Echoed byte for byte (2026-07-28, "Multi round-trip requests").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_state: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) input_responses: BTreeMap<String, Value>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub(super) meta: Option<Meta>,
}

/// `params._meta`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Meta {
    #[serde(rename = "progressToken", skip_serializing_if = "Option::is_none")]
    pub(super) progress_token: Option<String>,
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", skip_serializing_if = "Option::is_none")]
    protocol_version: Option<&'static str>,
    #[serde(rename = "io.modelcontextprotocol/clientInfo", skip_serializing_if = "Option::is_none")]
    client_info: Option<BTreeMap<&'static str, &'static str>>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", skip_serializing_if = "Option::is_none")]
    client_capabilities: Option<Value>,
}

// === impl Meta ===

impl Meta {
    /// For a legacy request.
    pub(super) fn legacy(progress_token: String) -> Self {
        Self { progress_token: Some(progress_token), ..Self::default() }
    }

    /// For a modern request, which says who asks and what it can do every time.
    pub(super) fn modern(progress_token: Option<String>) -> Self {
        Self {
            progress_token,
            protocol_version: Some(Revision::V2026_07_28.as_str()),
            client_info: Some(client_info()),
            client_capabilities: Some(capabilities()),
        }
    }
}

/// The name and version that this client gives of itself.
pub(super) fn client_info() -> BTreeMap<&'static str, &'static str> {
    BTreeMap::from([("name", "ringway"), ("version", env!("CARGO_PKG_VERSION"))])
}

/// What a server may ask of this client. Sampling is missing: there is no model here.
pub(super) fn capabilities() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "roots": {} })
}
