//! JSON-RPC messages as this client reads them.
//!
//! Ids, results and data stay raw: they are echoed or shown as the server wrote them.

use std::fmt;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::error::ClientError;

/// A message from the server, whatever its kind.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Message {
    pub(super) id: Option<Box<RawValue>>,
    pub(super) method: Option<String>,
    pub(super) params: Option<Box<RawValue>>,
    pub(super) result: Option<Box<RawValue>>,
    pub(super) error: Option<RpcError>,
}

/// An `error` object.
#[derive(Debug, Clone, Deserialize)]
pub struct RpcError {
    /// JSON-RPC or MCP code.
    pub code: i64,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// Whatever the server added.
    pub data: Option<Box<RawValue>>,
}

/// What a message is.
#[derive(Debug)]
pub(super) enum Kind {
    Response(Result<Box<RawValue>, RpcError>),
    Request { id: Box<RawValue>, method: String, params: Option<Box<RawValue>> },
    Notification { method: String, params: Option<Box<RawValue>> },
}

// === impl Message ===

impl Message {
    /// True for a response to `id`. Servers answer what they could not read with `null`, no id or `"server-error"`, so an
    /// error counts for the one request of its exchange when `alone`.
    pub(super) fn answers(&self, id: u64, alone: bool) -> bool {
        if self.method.is_some() || (self.result.is_none() && self.error.is_none()) {
            return false;
        }
        match &self.id {
            Some(raw) if raw.get() == id.to_string() => true,
            Some(raw) => alone && self.error.is_some() && raw.get() == "\"server-error\"",
            None => alone && self.error.is_some(),
        }
    }

    pub(super) fn into_kind(self) -> Option<Kind> {
        match (self.method, self.id, self.result, self.error) {
            (Some(method), Some(id), None, None) => Some(Kind::Request { id, method, params: self.params }),
            (Some(method), None, None, None) => Some(Kind::Notification { method, params: self.params }),
            (None, _, Some(result), None) => Some(Kind::Response(Ok(result))),
            (None, _, None, Some(error)) => Some(Kind::Response(Err(error))),
            _ => None,
        }
    }
}

// === impl RpcError ===

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}: {}", self.code, self.message)?;
        self.data.as_ref().map_or(Ok(()), |data| write!(f, " {}", data.get()))
    }
}

/// Reads one message, or the batch that a 2025-03-26 server may send.
pub(super) fn parse(text: &[u8]) -> Result<Vec<Message>, ClientError> {
    let batch = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
    let parsed =
        if batch { serde_json::from_slice(text) } else { serde_json::from_slice(text).map(|message| vec![message]) };
    parsed.map_err(|error| ClientError::Protocol(format!("the server sent no JSON-RPC message: {error}")))
}

/// Reads a result into a type.
pub(super) fn read_result<T: DeserializeOwned>(raw: &RawValue, method: &str) -> Result<T, ClientError> {
    serde_json::from_str(raw.get())
        .map_err(|error| ClientError::Protocol(format!("the server's answer to {method} has the wrong shape: {error}")))
}

/// A request or notification as bytes; `id` absent: a notification.
pub(super) fn write<P: serde::Serialize>(id: Option<u64>, method: &str, params: &P) -> Result<Vec<u8>, ClientError> {
    #[derive(serde::Serialize)]
    struct Outgoing<'a, P> {
        jsonrpc: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
        method: &'a str,
        params: &'a P,
    }
    serde_json::to_vec(&Outgoing { jsonrpc: "2.0", id, method, params })
        .map_err(|error| ClientError::Protocol(format!("{method} cannot be written: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Message {
        parse(text.as_bytes()).unwrap().remove(0)
    }

    #[test]
    fn an_error_without_a_usable_id_belongs_to_the_request_of_its_exchange() {
        for text in [
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"x"}}"#,
        ] {
            assert!(one(text).answers(7, true), "{text}");
            assert!(!one(text).answers(7, false), "{text}");
        }
        assert!(one(r#"{"id":7,"result":{}}"#).answers(7, false));
        assert!(!one(r#"{"id":"7","result":{}}"#).answers(7, true), "an id keeps its type");
        assert!(!one(r#"{"id":8,"error":{"code":1,"message":""}}"#).answers(7, true));
        assert!(!one(r#"{"id":7,"method":"ping"}"#).answers(7, true));
    }

    #[test]
    fn batches_are_read_and_other_shapes_refused() {
        assert_eq!(parse(br#" [{"id":1,"result":{}},{"method":"notifications/x"}]"#).unwrap().len(), 2);
        for text in ["", "3", "<html>", "{\"id\":1", "[3]"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(one(r#"{"id":1,"result":{},"error":{"code":1,"message":""}}"#).into_kind().is_none());
    }

    #[test]
    fn an_error_shows_code_text_and_data() {
        let error = one(r#"{"id":1,"error":{"code":-32022,"message":"no","data":{"supported":["a"]}}}"#).error.unwrap();
        assert_eq!(error.to_string(), r#"error -32022: no {"supported":["a"]}"#);
    }
}
