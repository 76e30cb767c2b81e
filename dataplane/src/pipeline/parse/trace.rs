//! The trace that a message belongs to: its `_meta` decides, else the HTTP headers, else it starts here.
//!
//! Source: W3C Trace Context level 2; SEP-414 for the keys in `_meta`.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use ringway_mcp::scan::Envelope;

use crate::telemetry::record::Record;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Most of a `tracestate` that is passed on: what every implementation must be able to carry (section 3.3.1.5).
const STATE: usize = 512;

/// Is this a header (lower case) that the gateway sends itself, so that configuration need not forward it?
pub(in crate::pipeline) fn owns(header: &str) -> bool {
    header == TRACEPARENT.as_str() || header == TRACESTATE.as_str()
}

/// Continues the trace that the request's headers name.
pub(in crate::pipeline) fn of_headers(record: &mut Record, headers: &HeaderMap) {
    let mut all = headers.get_all(TRACEPARENT).iter();
    // Two are two opinions, and so none (section 3.2.1).
    if let (Some(only), None) = (all.next(), all.next()) {
        record.continue_trace(None, Some(only.as_bytes()));
    }
}

/// Continues the trace that the message's `_meta` names, if it does. What comes back goes on as `tracestate`: it belongs
/// to the `traceparent` that was followed.
pub(super) fn of_message(
    record: &mut Record,
    envelope: &Envelope,
    body: &[u8],
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    if let Some(meta) = envelope.meta()
        && let Some(parent) = meta.traceparent
        && record.continue_trace(Some(parent.text(body).as_bytes()), None)
    {
        let state = meta.tracestate?.text(body);
        return if state.len() <= STATE { HeaderValue::from_str(&state).ok() } else { None };
    }
    record.trace().parent?;
    let mut all = headers.get_all(TRACESTATE).iter();
    let first = all.next()?;
    let Some(second) = all.next() else { return (first.len() <= STATE).then(|| first.clone()) };
    let all = [first, second].into_iter().chain(all).map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b',');
    if all.len() <= STATE { HeaderValue::from_bytes(&all).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use ringway_mcp::scan::{Limits, scan};

    use super::*;
    use crate::telemetry::Telemetry;
    use crate::telemetry::metrics::Operation;

    const HEADER: &str = "00-11111111111111111111111111111111-2222222222222222-00";
    const META: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    /// The parent that is followed, and the state that goes on.
    fn followed(meta: &str, headers: &[(&HeaderName, &str)]) -> (Option<u64>, Option<String>) {
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","_meta":{meta}}}}}"#);
        let envelope = scan(body.as_bytes(), &Limits::default()).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).unwrap());
        }
        let mut record = Record::start(&Telemetry::silent(), Operation::Rpc(ringway_mcp::Method::ToolsCall));
        of_headers(&mut record, &map);
        let state = of_message(&mut record, &envelope, body.as_bytes(), &map);
        (record.trace().parent, state.map(|state| state.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_body_decides_and_each_parent_keeps_its_own_state() {
        let (of_header, of_meta) = (Some(0x2222_2222_2222_2222), Some(0x00f0_67aa_0ba9_02b7));
        let both = [(&TRACEPARENT, HEADER), (&TRACESTATE, "h=1")];
        let with_state = format!(r#"{{"traceparent":"{META}","tracestate":"m=1"}}"#);
        let without = format!(r#"{{"traceparent":"{META}"}}"#);
        let escaped = format!(r#"{{"traceparent":"\u0030{}"}}"#, META.strip_prefix('0').unwrap());
        for (meta, headers, parent, state) in [
            ("{}", &[][..], None, None),
            ("{}", &both[..], of_header, Some("h=1")),
            ("{}", &both[1..], None, None),
            (&with_state, &[], of_meta, Some("m=1")),
            (&with_state, &both, of_meta, Some("m=1")),
            (&without, &both, of_meta, None),
            (&escaped, &both, of_meta, None),
            (r#"{"traceparent":"nonsense","tracestate":"m=1"}"#, &both, of_header, Some("h=1")),
            ("{}", &[both[0], both[0]], None, None),
            ("{}", &[both[0], (&TRACESTATE, "a=1"), (&TRACESTATE, "b=2")], of_header, Some("a=1,b=2")),
        ] {
            assert_eq!(followed(meta, headers), (parent, state.map(str::to_owned)), "{meta} {headers:?}");
        }
    }

    #[test]
    fn a_state_is_passed_on_to_the_limit() {
        for (len, passes) in [(STATE, true), (STATE + 1, false)] {
            let state = format!("a={}", "x".repeat(len - 2));
            let headers = [(&TRACEPARENT, HEADER), (&TRACESTATE, state.as_str())];
            assert_eq!(followed("{}", &headers).1.is_some(), passes, "{len}");
            let meta = format!(r#"{{"traceparent":"{META}","tracestate":"{state}"}}"#);
            assert_eq!(followed(&meta, &[]).1.is_some(), passes, "{len}");
        }
    }
}
