//! Cuts never change the frames, and what is encoded reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringway_mcp::sse::{Decoder, Event, Frame, SseError, SseLimits, encode_event};

fn frames<'a>(chunks: impl Iterator<Item = &'a [u8]>, limits: SseLimits) -> (Vec<Frame>, Option<SseError>) {
    let mut decoder = Decoder::new(limits);
    let mut out = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => out.push(frame),
                Ok(None) => break,
                Err(error) => return (out, Some(error)),
            }
        }
    }
    (out, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&head, stream)) = input.split_first() else { return };
    let limits = if head & 1 == 0 { SseLimits::default() } else { SseLimits { event_bytes: 64, line_bytes: 24 } };
    let whole = frames(std::iter::once(stream), limits);
    assert_eq!(frames(stream.chunks(1), limits), whole);
    assert_eq!(frames(stream.chunks(usize::from(head >> 1) + 2), limits), whole);

    let mut out = Vec::new();
    encode_event(&mut out, Some("message"), Some(b"1"), None, stream);
    // CR is a line end like LF, so it reads back as one.
    let mut data = Vec::new();
    for (index, byte) in stream.iter().enumerate() {
        match byte {
            b'\r' => data.push(b'\n'),
            b'\n' if index > 0 && stream[index - 1] == b'\r' => {}
            byte => data.push(*byte),
        }
    }
    let wanted =
        Event { id: Some("1".into()), kind: Some("message".into()), data: data.into(), retry: None, has_data: true };
    let unlimited = SseLimits { event_bytes: usize::MAX, line_bytes: usize::MAX };
    assert_eq!(frames(std::iter::once(&out[..]), unlimited), (vec![Frame::Event(wanted)], None));
});
