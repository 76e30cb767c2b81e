//! JSON-RPC for the demo servers: reading a request body, writing answers.

use http::StatusCode;
use ringway_mcp::error;
use serde_json::{Map, Value, json};

use super::web::{self, Refusal, Reply};

/// A message from a client.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    Request(Request),
    Notification { method: String, params: Map<String, Value> },
    Response { id: Value, outcome: Result<Value, Value> },
}

/// A request: `id` is a string or an integer.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Map<String, Value>,
}

/// Reads one message; what is none becomes the refusal to send.
pub(super) fn read(body: &[u8]) -> Result<Message, Refusal> {
    let message: Value = serde_json::from_slice(body).map_err(|problem| {
        Box::new(failed(StatusCode::BAD_REQUEST, None, error::PARSE, &format!("Parse error: {problem}")))
    })?;
    shape(message).ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "Invalid Request: not one JSON-RPC message"))
}

fn shape(message: Value) -> Option<Message> {
    let Value::Object(mut message) = message else { return None };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return None;
    }
    let id = match message.remove("id") {
        Some(id) if id.is_string() || id.is_i64() || id.is_u64() => Some(id),
        Some(_) => return None,
        None => None,
    };
    if let Some(method) = message.remove("method") {
        let Value::String(method) = method else { return None };
        let params = match message.remove("params") {
            None => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => return None,
        };
        return Some(match id {
            Some(id) => Message::Request(Request { id, method, params }),
            None => Message::Notification { method, params },
        });
    }
    let outcome = match (message.remove("result"), message.remove("error")) {
        (Some(result), None) => Ok(result),
        (None, Some(error)) => Err(error),
        _ => return None,
    };
    Some(Message::Response { id: id?, outcome })
}

pub(super) fn result(id: &Value, result: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

pub(super) fn error(id: Option<&Value>, code: i64, message: &str, data: Option<Value>) -> Value {
    let mut error = json!({ "code": code, "message": message });
    if let Some(data) = data {
        error["data"] = data;
    }
    let mut whole = json!({ "jsonrpc": "2.0", "error": error });
    if let Some(id) = id {
        whole["id"] = id.clone();
    }
    whole
}

pub(super) fn failed(status: StatusCode, id: Option<&Value>, code: i64, message: &str) -> Reply {
    web::json(status, &error(id, code, message, None))
}

/// A refusal before any message was read.
pub(super) fn refuse(status: StatusCode, message: &str) -> Refusal {
    Box::new(failed(status, None, error::INVALID_REQUEST, message))
}

/// `_meta.progressToken`, type kept.
pub(super) fn progress_token(params: &Map<String, Value>) -> Option<Value> {
    let token = params.get("_meta")?.get("progressToken")?;
    (token.is_string() || token.is_i64() || token.is_u64()).then(|| token.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(body: &str) -> Option<u16> {
        read(body.as_bytes()).err().map(|reply| reply.status().as_u16())
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for body in [
            "",
            "{",
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            r#"{"id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":3}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
        ] {
            assert_eq!(status(body), Some(400), "{body}");
        }
    }

    #[test]
    fn the_three_kinds_are_told_apart() {
        let kind = |body: &str| read(body.as_bytes()).unwrap();
        assert!(matches!(kind(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#), Message::Request(_)));
        assert!(matches!(kind(r#"{"jsonrpc":"2.0","method":"x"}"#), Message::Notification { .. }));
        assert!(matches!(kind(r#"{"jsonrpc":"2.0","id":1,"error":{}}"#), Message::Response { outcome: Err(_), .. }));
    }

    #[test]
    fn a_progress_token_keeps_its_type() {
        let token = |text: &str| progress_token(&serde_json::from_str(text).unwrap());
        assert_eq!(token(r#"{"_meta":{"progressToken":0}}"#), Some(json!(0)));
        assert_eq!(token(r#"{"_meta":{"progressToken":"0"}}"#), Some(json!("0")));
        assert_eq!(token(r#"{"_meta":{"progressToken":null}}"#), None);
        assert_eq!(token("{}"), None);
    }
}
