//! The scanner against serde_json's typed envelope with raw values, on three bodies; with a count of allocations.
//!
//! Bar: 221-byte call <= 200 ns, 64 KiB of small rows <= 70 us, one 64 KiB string <= 2 us, no allocation.
#![expect(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::hint::black_box;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{AllocProfiler, Bencher};
use ringway_mcp::scan::{Limits, scan};
use ringway_mcp::sse::{Decoder, SseLimits};
use ringway_mcp::stream::{ResponseSplicer, StreamLimits};
use ringway_mcp::walk;
use serde::Deserialize;
use serde_json::value::RawValue;

#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

const BODIES: [&str; 4] = ["call_221", "modern_call", "rows_64k", "string_64k"];

fn main() {
    divan::main();
}

fn body(name: &str) -> String {
    let text = match name {
        "call_221" => {
            let head = r#"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"get_weather_forecast","arguments":{"city":"Amsterdam","days":5,"units":"metric","#;
            let tail = r#"},"_meta":{"progressToken":42}}}"#;
            let note = 221 - head.len() - tail.len() - 9;
            format!(r#"{head}"note":"{}"{tail}"#, "n".repeat(note))
        }
        "modern_call" => concat!(
            r#"{"jsonrpc":"2.0","id":"a1b2","method":"tools/call","params":{"name":"get_weather","arguments":{"city":"Amsterdam"},"#,
            r#""_meta":{"progressToken":7,"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
            r#""io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0"},"#,
            r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}}},"#,
            r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}}"#
        )
        .to_owned(),
        "rows_64k" => {
            let rows: Vec<String> =
                (0..1150).map(|i| format!(r#"{{"id":{i},"name":"row no {i}","ok":true,"score":{}.25}}"#, i % 97)).collect();
            call(&format!("[{}]", rows.join(",")))
        }
        _ => call(&format!("\"{}\"", "lorem ipsum dolor sit amet ".repeat(2428))),
    };
    assert_eq!(text.len() == 221, name == "call_221");
    text
}

fn call(value: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"put","arguments":{{"v":{value}}}}}}}"#)
}

#[divan::bench(args = BODIES, sample_count = 100, sample_size = 100)]
fn ringway_scan(bencher: Bencher<'_, '_>, name: &str) {
    let body = body(name);
    let limits = Limits::default();
    bencher.counter(BytesCount::of_str(&body)).bench(|| scan(black_box(body.as_bytes()), &limits).is_ok());
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    jsonrpc: &'a str,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<TypedParams<'a>>,
}

#[derive(Deserialize)]
struct TypedParams<'a> {
    name: Option<&'a str>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    _meta: Option<&'a RawValue>,
}

#[divan::bench(args = BODIES, sample_count = 100, sample_size = 100)]
fn serde_typed_raw(bencher: Bencher<'_, '_>, name: &str) {
    let body = body(name);
    bencher.counter(BytesCount::of_str(&body)).bench(|| {
        let read: Typed<'_> = serde_json::from_slice(black_box(body.as_bytes())).unwrap();
        let params = read.params.as_ref();
        black_box((read.jsonrpc, read.id, read.method, params.map(|p| (p.name, p.arguments)))).0.len()
    });
}

/// The same bodies as results, in chunks of 16 KiB.
#[divan::bench(args = BODIES, sample_count = 100, sample_size = 100)]
fn stream_splice(bencher: Bencher<'_, '_>, name: &str) {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{}]}}}}"#, body(name));
    let chunks: Vec<Bytes> = body.as_bytes().chunks(16 << 10).map(Bytes::copy_from_slice).collect();
    bencher.counter(BytesCount::of_str(&body)).bench(|| {
        let limits = StreamLimits::default();
        let mut splicer = ResponseSplicer::new(b"1", limits, &walk::CALL_RESULT_URIS, Box::new(|_| None));
        let mut out = Vec::with_capacity(16);
        for chunk in &chunks {
            splicer.push(chunk.clone(), &mut out).unwrap();
        }
        splicer.finish().unwrap();
        out
    });
}

/// The same bodies as SSE events, in chunks of 16 KiB.
#[divan::bench(args = BODIES, sample_count = 100, sample_size = 100)]
fn sse_decode(bencher: Bencher<'_, '_>, name: &str) {
    let event = format!("event: message\nid: 12\ndata: {}\n\n", body(name));
    bencher.counter(BytesCount::of_str(&event)).bench(|| {
        let mut decoder = Decoder::new(SseLimits::default());
        let mut read = 0;
        for chunk in event.as_bytes().chunks(16 << 10) {
            decoder.push(chunk);
            while decoder.next().unwrap().is_some() {
                read += 1;
            }
        }
        assert_eq!(read, 1);
    });
}
