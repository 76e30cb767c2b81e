//! JSON-RPC error codes: those of JSON-RPC and MCP, and Ringway's own.
//!
//! Only numbers. Which situation gets which code, HTTP status and text is decided in the data plane's reply module.
//! Range policy (2026-07-28, Error Codes): -32000..=-32019 is a legacy free-for-all, -32020..=-32099 belongs to the
//! specification, own codes lie outside -32768..=-32000.

/// Not JSON.
pub const PARSE: i64 = -32_700;
/// JSON, but no legal single message.
pub const INVALID_REQUEST: i64 = -32_600;
/// Unknown or not allowed method.
pub const METHOD_NOT_FOUND: i64 = -32_601;
/// Wrong parameters; unknown tool, prompt, cursor, and (modern) resource.
pub const INVALID_PARAMS: i64 = -32_602;
/// The receiver failed.
pub const INTERNAL: i64 = -32_603;
/// Legacy only: resource not found, `data:{uri}`. Never emitted to modern peers.
pub const RESOURCE_NOT_FOUND: i64 = -32_002;
/// Modern: a routing header is missing or differs from the body.
pub const HEADER_MISMATCH: i64 = -32_020;
/// Modern: `data:{requiredCapabilities}`.
pub const MISSING_CLIENT_CAPABILITY: i64 = -32_021;
/// Modern: `data:{supported,requested}`.
pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32_022;
/// 2025-11-25 only: `data:{elicitations}`.
pub const URL_ELICITATION_REQUIRED: i64 = -32_042;
/// A client's answer to `sampling/createMessage`: the user said no.
pub const USER_REJECTED: i64 = -1;

/// First and last code reserved for Ringway itself.
pub const RINGWAY: std::ops::RangeInclusive<i64> = -31_099..=-31_000;
/// Refused by policy, or scopes missing.
pub const DENIED: i64 = -31_001;
/// No or bad credential.
pub const UNAUTHENTICATED: i64 = -31_002;
/// Over quota.
pub const RATE_LIMITED: i64 = -31_003;
/// Shed, draining or out of memory.
pub const BUSY: i64 = -31_004;
/// A parked call or its pod is gone; whether the tool ran is unknown.
pub const CALL_LOST: i64 = -31_005;
/// No connection to the backend; nothing was sent.
pub const UPSTREAM_UNREACHABLE: i64 = -31_006;
/// The backend broke the protocol.
pub const UPSTREAM_INVALID: i64 = -31_007;
/// The backend was too slow.
pub const UPSTREAM_TIMEOUT: i64 = -31_008;

/// True for a code that the 2026-07-28 revision reserves for itself.
pub const fn is_reserved_by_spec(code: i64) -> bool {
    code >= -32_099 && code <= -32_020
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_codes_stay_in_our_range_and_outside_the_reserved_ones() {
        let own = [
            DENIED,
            UNAUTHENTICATED,
            RATE_LIMITED,
            BUSY,
            CALL_LOST,
            UPSTREAM_UNREACHABLE,
            UPSTREAM_INVALID,
            UPSTREAM_TIMEOUT,
        ];
        for code in own {
            assert!(RINGWAY.contains(&code), "{code}");
            assert!(!(-32_768..=-32_000).contains(&code), "{code}");
        }
        assert!(is_reserved_by_spec(HEADER_MISMATCH) && !is_reserved_by_spec(RESOURCE_NOT_FOUND));
    }
}
