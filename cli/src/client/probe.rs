//! Which era a server speaks, from its answer to `server/discover`. Pure.
//!
//! Source: 2026-07-28 "Versioning", and what real servers answer. A server that refuses the caller, fails or is silent has
//! shown nothing: that is an error, not a verdict.

use http::StatusCode;
use ringway_mcp::{Revision, error};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ClientError;
use super::message::RpcError;
use super::reply::Refusal;
use super::{Implementation, ServerInfo};

/// What a server speaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// 2026-07-28.
    Modern(ServerInfo),
    /// Something older.
    Legacy,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Discovered {
    supported_versions: Vec<String>,
    instructions: Option<String>,
    #[serde(rename = "_meta")]
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/serverInfo")]
    server_info: Option<Implementation>,
}

#[derive(Deserialize)]
struct Unsupported {
    supported: Vec<String>,
}

/// Judges a result.
pub(super) fn judge_result(result: &RawValue) -> Verdict {
    match serde_json::from_str::<Discovered>(result.get()) {
        Ok(found) if holds_modern(&found.supported_versions) => {
            let who = found.meta.and_then(|meta| meta.server_info).unwrap_or_default();
            modern(who, found.instructions)
        }
        _ => Verdict::Legacy,
    }
}

/// Judges a JSON-RPC error that came with a 2xx status.
pub(super) fn judge_error(error: &RpcError) -> Verdict {
    let claims_modern = match error.code {
        error::HEADER_MISMATCH | error::MISSING_CLIENT_CAPABILITY => true,
        error::UNSUPPORTED_PROTOCOL_VERSION => error
            .data
            .as_ref()
            .and_then(|data| serde_json::from_str::<Unsupported>(data.get()).ok())
            .is_some_and(|data| holds_modern(&data.supported)),
        _ => false,
    };
    if claims_modern { modern(Implementation::default(), None) } else { Verdict::Legacy }
}

/// Judges a refusal.
///
/// # Errors
/// The refusal itself when it is no evidence: 401, 403, 5xx, or a status that is no 4xx at all.
pub(super) fn judge_refusal(refusal: Refusal) -> Result<Verdict, ClientError> {
    let mute = matches!(refusal.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
    if mute || !refusal.status.is_client_error() {
        return Err(refusal.into_error());
    }
    Ok(refusal.error.as_ref().map_or(Verdict::Legacy, judge_error))
}

fn holds_modern(versions: &[String]) -> bool {
    versions.iter().any(|version| version == Revision::V2026_07_28.as_str())
}

fn modern(who: Implementation, instructions: Option<String>) -> Verdict {
    let revision = Revision::V2026_07_28.as_str().to_owned();
    Verdict::Modern(ServerInfo { name: who.name, version: who.version, revision, instructions })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn is_modern(verdict: &Verdict) -> bool {
        matches!(verdict, Verdict::Modern(_))
    }

    #[test]
    fn only_a_list_with_the_modern_revision_is_modern() {
        for (text, expected) in [
            (r#"{"supportedVersions":["2025-11-25","2026-07-28"]}"#, true),
            (r#"{"supportedVersions":["2025-11-25"]}"#, false),
            (r#"{"supportedVersions":["2026-07-28-rc1"]}"#, false),
            (r#"{"supportedVersions":"2026-07-28"}"#, false),
            ("{}", false),
            ("[]", false),
        ] {
            assert_eq!(is_modern(&judge_result(&raw(text))), expected, "{text}");
        }
    }

    #[test]
    fn who_the_server_is_comes_from_meta() {
        let text = r#"{"supportedVersions":["2026-07-28"],"instructions":"be kind",
            "_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"1"}}}"#;
        let Verdict::Modern(info) = judge_result(&raw(text)) else { panic!("modern") };
        assert_eq!((info.name.as_deref(), info.version.as_deref()), (Some("s"), Some("1")));
        assert_eq!(info.instructions.as_deref(), Some("be kind"));
    }

    #[test]
    fn errors_of_legacy_servers_are_legacy_and_modern_ones_modern() {
        for (code, data, expected) in [
            (-32601, None, false),
            (-32602, None, false),
            (-32600, None, false),
            (-32000, None, false),
            (-32020, None, true),
            (-32021, Some(r#"{"requiredCapabilities":{}}"#), true),
            (-32022, Some(r#"{"supported":["2026-07-28"],"requested":"x"}"#), true),
            (-32022, Some(r#"{"supported":["2025-11-25"],"requested":"2026-07-28"}"#), false),
            (-32022, None, false),
        ] {
            let error = RpcError { code, message: String::new(), data: data.map(raw) };
            assert_eq!(is_modern(&judge_error(&error)), expected, "{code} {data:?}");
        }
    }

    #[test]
    fn refusals_of_the_caller_and_failures_show_nothing() {
        for (status, evidence) in [
            (400, true),
            (404, true),
            (405, true),
            (406, true),
            (401, false),
            (403, false),
            (500, false),
            (503, false),
            (302, false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let refusal = Refusal { status, error: None, detail: String::new(), challenge: None };
            assert_eq!(judge_refusal(refusal).is_ok(), evidence, "{status}");
        }
    }
}
