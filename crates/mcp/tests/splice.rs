//! Edits change what they name and nothing else.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use proptest::prelude::*;
use ringway_mcp::scan::{Limits, MetaKey, Object, ParamsKey, Span, scan};
use ringway_mcp::splice::{Edits, SpliceError, write_json_string};
use serde_json::{Map, Value};

fn both(edits: &Edits, body: &[u8]) -> String {
    let one = edits.apply(body).unwrap();
    let chunks = edits.clone().apply_chunks(&Bytes::copy_from_slice(body)).unwrap();
    assert_eq!(chunks.concat(), one);
    String::from_utf8(one.to_vec()).unwrap()
}

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{ "name" : "gh_x", "_meta":{"progressToken":7 , "a/b":[1e400], "traceparent":"00"}}}"#;

#[test]
fn a_call_is_rewritten_in_place() {
    let body = CALL.as_bytes();
    let message = scan(body, &Limits::default()).unwrap();
    let params = message.params.as_ref().unwrap();
    let meta = params.meta.as_ref().unwrap();
    let mut edits = Edits::new();
    assert!(edits.is_empty());
    edits.replace(message.id.unwrap().span, br#""u-1""#);
    edits.replace_string(params.name.unwrap().quoted(), "x\"\n");
    edits.set_member(meta.object, meta.field(MetaKey::ProgressToken), "progressToken", b"99");
    edits.remove_member(meta.object, meta.field(MetaKey::Traceparent).unwrap());
    edits.set_member(meta.object, meta.field(MetaKey::LogLevel), "io.modelcontextprotocol/logLevel", b"\"info\"");
    edits.set_member(params.object, params.field(ParamsKey::RequestState), "requestState", b"\"s\"");
    assert_eq!(
        both(&edits, body),
        r#"{"jsonrpc":"2.0","id":"u-1","method":"tools/call","params":{ "name" : "x\"\n", "_meta":{"progressToken":99 , "a/b":[1e400],"io.modelcontextprotocol/logLevel":"info"},"requestState":"s"}}"#
    );
}

#[test]
fn edits_that_cannot_be_are_refused() {
    let span = |start, end| Span { start, end };
    let mut edits = Edits::new();
    edits.replace(span(1, 4), b"x");
    edits.replace(span(3, 5), b"y");
    assert_eq!(edits.apply(b"0123456789"), Err(SpliceError::Overlap(3)));
    for (start, end) in [(8, 11), (11, 12), (5, 4)] {
        let mut edits = Edits::new();
        edits.replace(span(start, end), b"");
        assert_eq!(edits.apply(b"0123456789"), Err(SpliceError::OutOfRange(start)));
    }
    let mut edits = Edits::new();
    edits.insert(2, b"a");
    edits.insert(2, b"b");
    edits.replace(span(2, 3), b"c");
    edits.insert(0, b"<");
    edits.insert(10, b">");
    assert_eq!(both(&edits, b"0123456789"), "<01abc3456789>");
}

fn object() -> impl Strategy<Value = Map<String, Value>> {
    let keys = ["progressToken", "traceparent", "tracestate", "baggage", "x", "y"];
    prop::sample::subsequence(keys.to_vec(), 0..=6).prop_shuffle().prop_map(|keys| {
        keys.into_iter()
            .map(|key| (key.to_owned(), Value::from(if key == "progressToken" { "7" } else { "v,}" })))
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn members_come_and_go_with_their_commas(
        meta in object(), spaced in any::<bool>(), gone in any::<[bool; 4]>(), added in 0..3_usize,
    ) {
        let message = serde_json::json!({"jsonrpc":"2.0","id":1,"method":"m","params":{"_meta":meta}});
        let body = if spaced { serde_json::to_vec_pretty(&message) } else { serde_json::to_vec(&message) }.unwrap();
        let scanned = scan(&body, &Limits::default()).unwrap();
        let parsed = scanned.meta().unwrap();
        let mut wanted = meta;
        let mut edits = Edits::new();
        // Added before and after the removals, to show that the order of the calls does not matter.
        let keys = [MetaKey::Baggage, MetaKey::Tracestate, MetaKey::Traceparent, MetaKey::ProgressToken];
        for n in 0..added {
            edits.append_member(parsed.object, &format!("new{n}"), n.to_string().as_bytes());
            wanted.insert(format!("new{n}"), n.into());
        }
        for (key, _) in keys.into_iter().zip(gone).filter(|(_, gone)| *gone) {
            if let Some(field) = parsed.field(key) {
                edits.remove_member(parsed.object, field);
                wanted.remove(key.as_str());
            }
        }
        let out = both(&edits, &body);
        let read: Value = serde_json::from_str(&out).unwrap();
        prop_assert_eq!(&read["params"]["_meta"], &Value::Object(wanted));
        prop_assert!(scan(out.as_bytes(), &Limits::default()).is_ok());
    }

    #[test]
    fn outside_the_edits_nothing_changes(
        body in prop::collection::vec(any::<u8>(), 0..60),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..6_usize, prop::collection::vec(any::<u8>(), 0..5)), 0..5),
    ) {
        let mut noted = Edits::new();
        let mut done = 0;
        let mut expected = Vec::new();
        let mut sorted: Vec<_> = edits.iter().map(|(at, len, text)| (at.index(body.len() + 1), *len, text)).collect();
        sorted.sort_by_key(|edit| edit.0);
        let mut kept: Vec<(Span, &Vec<u8>)> = Vec::new();
        for (start, len, text) in sorted {
            let end = (start + len).min(body.len());
            if start < done || kept.iter().any(|(span, _)| span.start as usize == start) {
                continue;
            }
            expected.extend_from_slice(&body[done..start]);
            expected.extend_from_slice(text);
            kept.push((Span { start: start as u32, end: end as u32 }, text));
            done = end.max(start);
        }
        expected.extend_from_slice(&body[done..]);
        for (span, text) in kept.iter().rev() {
            noted.replace(*span, text);
        }
        if let Ok(out) = noted.apply(&body) {
            prop_assert_eq!(&out[..], &expected[..]);
            prop_assert_eq!(noted.apply_chunks(&Bytes::from(body.clone())).unwrap().concat(), expected);
        } else {
            prop_assert!(false, "sorted edits do not overlap");
        }
    }

    #[test]
    fn strings_are_written_as_json(text in any::<String>()) {
        let mut out = Vec::new();
        write_json_string(&mut out, &text);
        prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
    }
}

#[test]
fn an_empty_object_takes_members() {
    let body = b"{ }";
    let object = Object { span: Span { start: 0, end: 3 }, members: 0 };
    let mut edits = Edits::new();
    edits.append_member(object, "a", b"1");
    edits.append_member(object, "b", b"{}");
    assert_eq!(both(&edits, body), r#"{ "a":1,"b":{}}"#);
}
