//! The scanner against serde_json: a body that one takes the other takes, but for the scanner's own rules.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use ringway_mcp::scan::{Class, Limits, Reason, batch, scan};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

fn serde_takes(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fuzz_target!(|body: &[u8]| {
    let limits = Limits { number_bytes: usize::MAX, ..Limits::default() };
    match scan(body, &limits) {
        Ok(message) => {
            assert!(serde_takes(body));
            // serde_json refuses lone surrogates in keys that it has to read.
            let Ok(read) = serde_json::from_slice::<HashMap<String, &RawValue>>(body) else { return };
            let raw = |key: &str| read.get(key).map(|raw| raw.get().as_bytes());
            assert_eq!(message.id.map(|id| id.raw(body)), raw("id"));
            assert_eq!(message.params.map(|params| params.object.span.of(body)), raw("params"));
            assert_eq!(message.result.map(|result| result.object.span.of(body)), raw("result"));
            if let Some((_, name)) = message.method {
                let wanted: serde_json::Result<String> = serde_json::from_slice(raw("method").expect("there"));
                assert!(wanted.map_or(true, |wanted| wanted == name.text(body)));
            }
        }
        Err(error) if error.class() == Class::Parse => {
            let ours = matches!(error.reason, Reason::Bom | Reason::DuplicateKey | Reason::Depth);
            assert!(ours || !serde_takes(body), "{error}");
        }
        Err(error) if error.class() == Class::TooBig => {}
        Err(error) => assert!(serde_takes(body), "{error}"),
    }
    if let Ok(spans) = batch(body, &limits) {
        let read: Vec<&RawValue> = serde_json::from_slice(body).expect("serde_json takes it too");
        assert!(read.iter().map(|raw| raw.get().as_bytes()).eq(spans.iter().map(|span| span.of(body))));
    }
});
