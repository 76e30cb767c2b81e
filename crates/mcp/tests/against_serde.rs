//! The scanner against serde_json: what one takes the other takes, but for the scanner's own stricter rules.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;

use proptest::prelude::*;
use ringway_mcp::scan::{Class, Kind, Limits, Reason, batch, scan};
use ringway_mcp::value;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        // serde_json reads arbitrary floats inexactly; eighths survive.
        any::<i32>().prop_map(|eighths| Value::from(f64::from(eighths) / 8.0)),
        ".{0,40}".prop_map(Value::from),
        "[a-z \"\\\\\n]{40,90}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(key(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,6}",
        prop::sample::select(vec![
            "jsonrpc",
            "id",
            "method",
            "params",
            "result",
            "error",
            "name",
            "uri",
            "_meta",
            "arguments",
            "isError",
            "progressToken",
            "ref",
            "code",
            "message",
            "content",
            "type",
            "io.modelcontextprotocol/clientInfo",
        ])
        .prop_map(str::to_owned),
    ]
}

// An object that is often a message.
fn message() -> impl Strategy<Value = Value> {
    let members = prop::collection::hash_map(key(), json(), 0..4);
    (members, json(), any::<bool>(), 0..4_u8).prop_map(|(members, params, pretty_id, kind)| {
        let mut map: serde_json::Map<String, Value> = members.into_iter().collect();
        map.insert("jsonrpc".into(), "2.0".into());
        let id: Value = if pretty_id { "a".into() } else { 7.into() };
        match kind {
            0 => drop((map.insert("method".into(), "tools/call".into()), map.insert("id".into(), id))),
            1 => drop((map.insert("result".into(), params.clone()), map.insert("id".into(), id))),
            _ => {}
        }
        if params.is_object() && kind != 1 {
            map.insert("params".into(), params);
        }
        Value::Object(map)
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let written = prop_oneof![message(), json()].prop_flat_map(|value| {
        prop_oneof![Just(serde_json::to_vec(&value).unwrap()), Just(serde_json::to_vec_pretty(&value).unwrap())]
    });
    let change = (
        any::<prop::sample::Index>(),
        0..4_u8,
        prop::sample::select(b"{}[]\",:\\ \n\x00019-.eEutfn\x80\xc3\xff".to_vec()),
    );
    (written, prop::collection::vec(change, 0..3)).prop_map(|(mut body, changes)| {
        for (at, how, byte) in changes {
            let at = at.index(body.len() + 1);
            match how {
                0 => body.insert(at, byte),
                1 if at < body.len() => body[at] = byte,
                2 if at < body.len() => drop(body.remove(at)),
                _ => body.truncate(at),
            }
        }
        body
    })
}

/// Whether serde_json takes the bytes as JSON (in UTF-8, which it does not check where it skips).
fn serde_takes(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scan_and_serde_json_agree(body in bytes()) {
        let scanned = scan(&body, &Limits::default());
        match &scanned {
            Ok(_) => prop_assert!(serde_takes(&body)),
            // A byte order mark and a double key are ours alone; the other grammar faults are serde_json's too.
            Err(error) if error.class() == Class::Parse => {
                let ours = matches!(error.reason, Reason::Bom | Reason::DuplicateKey | Reason::Depth);
                prop_assert!(ours || !serde_takes(&body), "{error}");
            }
            Err(error) => prop_assert!(serde_takes(&body), "{error}"),
        }
    }

    #[test]
    fn parts_are_what_serde_json_reads(value in message()) {
        let body = serde_json::to_vec(&value).unwrap();
        if let Ok(message) = scan(&body, &Limits::default()) {
            let read: HashMap<&str, &RawValue> = serde_json::from_slice(&body).unwrap();
            let raw = |key: &str| read.get(key).map(|raw| raw.get().as_bytes());
            prop_assert_eq!(message.id.map(|id| id.raw(&body)), raw("id"));
            prop_assert_eq!(message.params.as_ref().map(|params| params.object.span.of(&body)), raw("params"));
            prop_assert_eq!(message.result.as_ref().map(|result| result.object.span.of(&body)), raw("result"));
            prop_assert_eq!(message.error.map(|error| error.span.of(&body)), raw("error"));
            prop_assert_eq!(message.kind == Kind::Response, !value["method"].is_string());
            if let Some(params) = &message.params {
                let name = params.name.map(|name| name.text(&body).into_owned());
                prop_assert_eq!(name.as_deref(), value["params"]["name"].as_str());
                let arguments = params.arguments.map(|span| serde_json::from_slice::<Value>(span.of(&body)).unwrap());
                prop_assert_eq!(arguments.unwrap_or(Value::Null), value["params"]["arguments"].clone());
            }
        }
    }

    #[test]
    fn readers_agree_with_serde_json(value in json()) {
        let body = serde_json::to_vec_pretty(&value).unwrap();
        let all = value::whole(&body, ringway_mcp::scan::Span { start: 0, end: body.len() as u32 }).unwrap();
        let read = |span: ringway_mcp::scan::Span| serde_json::from_slice::<Value>(span.of(&body)).unwrap();
        let elements: Vec<Value> = value::elements(&body, all).map(read).collect();
        prop_assert_eq!(elements, value.as_array().cloned().unwrap_or_default());
        let members: serde_json::Map<String, Value> =
            value::members(&body, all).map(|m| (m.key.text(&body).into_owned(), read(m.value))).collect();
        prop_assert_eq!(members, value.as_object().cloned().unwrap_or_default());
        let string = value::string(&body, all).map(|text| text.text(&body).into_owned());
        prop_assert_eq!(string.as_deref(), value.as_str());
        prop_assert_eq!(value::as_bool(&body, all), value.as_bool());
        prop_assert_eq!(value::as_i64(&body, all), value.as_i64());
    }

    #[test]
    fn batches_are_what_serde_json_reads(values in prop::collection::vec(json(), 0..5)) {
        let body = serde_json::to_vec(&values).unwrap();
        let spans = batch(&body, &Limits::default()).unwrap();
        let read: Vec<Value> = spans.iter().map(|span| serde_json::from_slice(span.of(&body)).unwrap()).collect();
        prop_assert_eq!(read, values);
    }
}
