//! The streamed rewrite against the buffered one: same bytes out, same verdict, wherever the response is cut.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use proptest::prelude::*;
use ringway_mcp::scan::{Id, IdKind, Kind, Limits, Reason, scan};
use ringway_mcp::splice::Edits;
use ringway_mcp::stream::{Answer, ResponseSplicer, StreamError, StreamLimits};
use ringway_mcp::walk::{self, Pattern};
use serde_json::{Value, json};

fn map(uri: &str) -> Option<String> {
    (!uri.starts_with("http")).then(|| format!("gh+{uri}"))
}

fn stream(chunks: &[&[u8]], pattern: &'static Pattern, limits: StreamLimits) -> Result<(Vec<u8>, Answer), StreamError> {
    let mut splicer = ResponseSplicer::new(b"7", limits, pattern, Box::new(map)).reply_with(b"\"c\"");
    let mut out = Vec::new();
    for chunk in chunks {
        splicer.push(Bytes::copy_from_slice(chunk), &mut out)?;
    }
    Ok((out.concat(), splicer.finish()?))
}

/// The same by scanning the whole and editing it.
fn buffered(body: &[u8], pattern: &'static Pattern) -> Option<(Vec<u8>, Answer)> {
    let message = scan(body, &Limits::default()).ok()?;
    if message.kind != Kind::Response {
        return None;
    }
    let mut edits = Edits::new();
    match message.id {
        Some(Id { span, kind }) if kind == IdKind::Null || span.of(body) == b"7" => edits.replace(span, b"\"c\""),
        Some(_) => return None,
        None => edits.append_member(message.object, "id", b"\"c\""),
    }
    let mut answer = Answer::default();
    if let Some(result) = &message.result {
        if result.is_object {
            walk::strings(body, result.object.span, pattern, &mut |text| {
                if let Some(new) = map(&text.text(body)) {
                    edits.replace_string(text.quoted(), &new);
                }
            });
        }
        answer.is_error = result.is_error;
        answer.result_type = result.result_type.map(|text| text.text(body).into_owned());
    }
    if let Some(error) = &message.error {
        answer.error_code = error.code.or_else(|| String::from_utf8_lossy(body).contains("\"code\"").then_some(0));
    }
    Some((edits.apply(body).unwrap().to_vec(), answer))
}

fn whole(body: &str, pattern: &'static Pattern) -> Result<(String, Answer), StreamError> {
    let (out, answer) = stream(&[body.as_bytes()], pattern, StreamLimits::default())?;
    Ok((String::from_utf8(out).unwrap(), answer))
}

#[test]
fn ids_and_uris_change_and_nothing_else() {
    let body = r#" {"jsonrpc":"2.0", "id":7 ,"result":{"content":[{"uri":"a\u0031:x","name":"n","type":"resource_link"},
        {"type":"resource_link","uri":"http://x"},{"type":"text","text":"a:x","uri":"a:y"},{"uri":"a:z","type":"new"},{"uri":"a:q"},
        {"type":"resource","resource":{"text":"é\ud83d","uri":"b:x"}}],"structuredContent":{"uri":"c:x"},"isError":true,
        "resultType":"complete","n":1.50e+2}} "#;
    let (out, answer) = whole(body, &walk::CALL_RESULT_URIS).unwrap();
    let wanted = body.replace("\"id\":7", "\"id\":\"c\"").replace(r"a\u0031:x", "gh+a1:x").replace("b:x", "gh+b:x");
    assert_eq!(out, wanted);
    assert_eq!(answer, Answer { is_error: true, error_code: None, result_type: Some("complete".into()) });
}

#[test]
fn errors_get_the_id_even_if_they_have_none() {
    for (body, wanted) in [
        (
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"m"}}"#,
            r#"{"jsonrpc":"2.0","id":"c","error":{"code":-32000,"message":"m"}}"#,
        ),
        (
            r#"{"jsonrpc":"2.0","error":{"message":"m","code":-32000} }"#,
            r#"{"jsonrpc":"2.0","error":{"message":"m","code":-32000} ,"id":"c"}"#,
        ),
    ] {
        let (out, answer) = whole(body, &walk::NOTHING).unwrap();
        assert_eq!((out.as_str(), answer.error_code), (wanted, Some(-32_000)));
    }
}

#[test]
fn what_is_no_such_response_is_refused() {
    let fault = |body: &str| whole(body, &walk::READ_RESULT_URIS).unwrap_err();
    let reason = |body: &str| match fault(body) {
        StreamError::Refused { reason, .. } => reason,
        other => panic!("{other} for {body}"),
    };
    for body in [
        r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":7}"#,
        r#"[{"jsonrpc":"2.0","id":7,"result":{}}]"#,
        "7",
        "\"x\"",
    ] {
        assert_eq!(fault(body), StreamError::NotResponse, "{body}");
    }
    for id in ["8", "\"7\"", "7.0", "true"] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
        assert_eq!(fault(&body), StreamError::WrongId, "{body}");
    }
    for (body, wanted) in [
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, Reason::ResultWithError),
        (r#"{"jsonrpc":"2.0","id":7,"error":1}"#, Reason::ErrorType),
        (r#"{"jsonrpc":"2.0","id":7,"error":[]}"#, Reason::ErrorType),
        (r#"{"jsonrpc":"2.0","id":{},"result":{}}"#, Reason::IdType),
        (r#"{"jsonrpc":"2.0","id":null,"result":{}}"#, Reason::NullId),
        (r#"{"jsonrpc":"2.0","result":{}}"#, Reason::NoId),
        (r#"{"jsonrpc":"2.1","id":7,"result":{}}"#, Reason::Version),
        (r#"{"jsonrpc":[],"id":7,"result":{}}"#, Reason::Version),
        (r#"{"id":7,"result":{}}"#, Reason::Version),
        (r#"{"jsonrpc":"2.0","id":7,"id":7,"result":{}}"#, Reason::DuplicateKey),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"r\u0065sult":{}}"#, Reason::DuplicateKey),
        (r#"{"jsonrpc":"2.0","id":7,"Result":{},"result":{}}"#, Reason::FoldedKey),
        (r#"{"jsonrpc":"2.0","id":7,"result":{}} x"#, Reason::TrailingData),
        (r#"{"jsonrpc":"2.0","id":7,"result":{}"#, Reason::UnexpectedEnd),
        (r#"{"jsonrpc":"2.0","id":7,"result":{"a":01}}"#, Reason::BadNumber),
    ] {
        assert_eq!(reason(body), wanted, "{body}");
    }
    let deep = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{}{}}}"#, "[".repeat(127), "]".repeat(127));
    assert!(whole(&deep, &walk::NOTHING).is_ok());
    let deep = format!(r#"{{"jsonrpc":"2.0","id":7,"result":{}{}}}"#, "[".repeat(128), "]".repeat(128));
    assert_eq!(reason(&deep), Reason::Depth);
}

#[test]
fn memory_is_bounded() {
    let limits = StreamLimits { held: 100, bytes: 5000, ..StreamLimits::default() };
    let read = |body: String| stream(&[body.as_bytes()], &walk::CALL_RESULT_URIS, limits).map(drop);
    let content = |item: &str| format!(r#"{{"jsonrpc":"2.0","id":7,"result":{{"content":[{item}]}}}}"#);
    let long = "x".repeat(200);
    assert_eq!(read(content(&format!(r#"{{"type":"text","text":"{long}"}}"#))), Ok(()));
    assert_eq!(read(content(&format!(r#"{{"type":"resource_link","uri":"{long}"}}"#))), Err(StreamError::TooLong));
    assert_eq!(read(content(&format!(r#"{{"uri":"a","text":"{long}","type":"x"}}"#))), Err(StreamError::TooLong));
    assert_eq!(read(format!(r#"{{"{}":1}}"#, "k".repeat(300))), Err(StreamError::TooLong));
    assert_eq!(read(content(&format!(r#"{{"{}":1}}"#, "k".repeat(300)))), Ok(()));
    assert!(matches!(read(" ".repeat(5001)), Err(StreamError::Refused { reason: Reason::BodyTooBig, at: 0 })));
}

#[test]
fn a_fault_is_final() {
    let mut splicer = ResponseSplicer::new(b"7", StreamLimits::default(), &walk::NOTHING, Box::new(|_| None));
    let mut out = Vec::new();
    let fault = splicer.push(Bytes::from_static(b"{]"), &mut out).unwrap_err();
    assert_eq!(splicer.push(Bytes::from_static(b"}"), &mut out), Err(fault));
    assert_eq!(splicer.finish(), Err(fault));
}

fn item() -> impl Strategy<Value = Value> {
    let uri = prop::sample::select(vec!["a:1", "http://x", "", "\u{1f600}:\"", "b:\\"]);
    let kind = prop::sample::select(vec!["resource_link", "resource", "text", "x"]);
    (uri, kind, any::<i16>(), 0..6_u8).prop_map(|(uri, kind, number, shape)| match shape {
        0 => json!({"type": kind, "uri": uri}),
        1 => json!({"uri": uri, "a": [number, {"uri": uri}], "type": kind}),
        2 => json!({"type": kind, "resource": {"uri": uri, "text": "é"}, "uri": number}),
        3 => json!({"uri": uri, "resource": {"uri": uri}}),
        4 => json!({"content": {"type": kind, "uri": uri}, "uri": uri}),
        _ => json!([uri, {"content": [{"uri": uri, "type": kind}]}, null]),
    })
}

fn response() -> impl Strategy<Value = Vec<u8>> {
    let list = prop::sample::select(vec!["content", "contents", "messages", "other"]);
    let more = prop::sample::subsequence(vec!["isError", "resultType", "_meta"], 0..=3);
    (prop::collection::vec(item(), 0..5), list, more, any::<bool>(), 0..9_u8).prop_map(
        |(items, list, more, pretty, shape)| {
            let mut result = serde_json::Map::new();
            result.insert(list.into(), items.into());
            for key in more {
                result.insert(key.into(), if key == "isError" { true.into() } else { json!("task") });
            }
            let message = match shape {
                0 => json!({"jsonrpc":"2.0","id":8,"result":result}),
                1 => json!({"jsonrpc":"2.0","id":7,"error":{"code":5,"data":result}}),
                2 => json!({"jsonrpc":"2.0","id":null,"error":{"code":1.5}}),
                3 => json!({"jsonrpc":"2.0","id":7,"result":[result]}),
                _ => json!({"jsonrpc":"2.0","x":items_of(&result),"id":7,"result":result}),
            };
            if pretty { serde_json::to_vec_pretty(&message) } else { serde_json::to_vec(&message) }.unwrap()
        },
    )
}

fn items_of(result: &serde_json::Map<String, Value>) -> Value {
    Value::Object(result.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn streamed_is_buffered(
        body in response(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        change in prop::option::of((any::<prop::sample::Index>(), prop::sample::select(b"{}[]\",:\\ 0e\xc3".to_vec()))),
        pattern in prop::sample::select(vec![&walk::CALL_RESULT_URIS, &walk::PROMPT_RESULT_URIS, &walk::READ_RESULT_URIS, &walk::NOTHING]),
    ) {
        let mut body = body;
        if let Some((at, byte)) = change {
            let at = at.index(body.len());
            body[at] = byte;
        }
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).chain([0, body.len()]).collect();
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
        let single: Vec<&[u8]> = body.chunks(1).collect();
        let wanted = buffered(&body, pattern);
        for chunks in [chunks, single] {
            match (stream(&chunks, pattern, StreamLimits::default()), &wanted) {
                (Ok((out, answer)), Some((wanted, wanted_answer))) => {
                    prop_assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(wanted));
                    prop_assert_eq!(&answer, wanted_answer);
                }
                (Err(_), None) => {}
                // Rules that only one of them has: the scanner's double unknown and `_meta` keys; the stream's double
                // keys at the places of the pattern.
                (Ok(_), None) => {
                    let reason = scan(&body, &Limits::default()).unwrap_err().reason;
                    prop_assert!(matches!(reason, Reason::DuplicateKey | Reason::MetaType), "{}", reason);
                }
                (Err(error), Some(_)) => {
                    let double = matches!(error, StreamError::Refused { reason: Reason::DuplicateKey, .. });
                    prop_assert!(double, "{}", error);
                }
            }
        }
    }
}
