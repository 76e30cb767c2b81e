//! The JSON-RPC error in an error answer's body, if there is one.
//!
//! Servers send HTML, plain text, nothing, bodies without `jsonrpc`, and (Java) an exception with its stack trace that
//! holds the error under `jsonRpcError`. Only an object of `code` and `message` leaves this file.

use bytes::Bytes;
use ringway_mcp::scan::Span;
use ringway_mcp::value::{self, JsonKind};

/// The raw error object of a body.
pub(super) fn json_rpc_error(body: &Bytes) -> Option<Bytes> {
    let all = Span { start: 0, end: u32::try_from(body.len()).ok()? };
    let whole = value::whole(body, all)?;
    std::str::from_utf8(whole.of(body)).ok()?;
    let found = ["error", "jsonRpcError"].into_iter().filter_map(|key| value::find(body, whole, key));
    let error = found.into_iter().find(|span| is_error(body, *span))?;
    Some(body.slice(error.range()))
}

fn is_error(body: &[u8], span: Span) -> bool {
    let code = value::find(body, span, "code").and_then(|code| value::as_i64(body, code));
    let message = value::find(body, span, "message").and_then(|message| value::kind(body, message));
    let trace = value::find(body, span, "stackTrace");
    code.is_some() && message == Some(JsonKind::String) && trace.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(body: &'static str) -> Option<String> {
        json_rpc_error(&Bytes::from_static(body.as_bytes())).map(|b| String::from_utf8_lossy(&b).into_owned())
    }

    #[test]
    fn an_error_is_found_and_nothing_else_leaves() {
        let error = r#"{"code":-32000,"message":"no"}"#;
        for body in [
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32000,"message":"no"}}"#,
            r#" {"error":{"code":-32000,"message":"no"},"id":null,"jsonrpc":"2.0"} "#,
            r#"{"error":{"code":-32000,"message":"no"}}"#,
            r#"{"stackTrace":[{"className":"X"}],"jsonRpcError":{"code":-32000,"message":"no"},"message":"no"}"#,
        ] {
            assert_eq!(found(body).as_deref(), Some(error), "{body}");
        }
        for body in [
            "",
            "<html>error</html>",
            "null",
            r#"{"error":"invalid_token"}"#,
            r#"{"error":{"message":"no code"}}"#,
            r#"{"error":{"code":1,"message":"m","stackTrace":[]}}"#,
            r#"{"error":{"code":1,"message":"m"}} trailing"#,
            r#"{"error":{"code":1,"message":"m"}"#,
            r#"[{"error":{"code":1,"message":"m"}}]"#,
        ] {
            assert_eq!(found(body), None, "{body}");
        }
    }
}
