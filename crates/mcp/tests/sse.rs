//! SSE framing: tables from the standard, and that neither cuts nor line ends matter.
use proptest::prelude::*;
use ringway_mcp::sse::{Decoder, Event, Frame, SseError, SseLimits, encode_bare, encode_comment, encode_event};

fn frames(chunks: &[&[u8]], limits: SseLimits) -> (Vec<Frame>, Option<SseError>) {
    let mut decoder = Decoder::new(limits);
    let mut out = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        loop {
            match decoder.next() {
                Ok(Some(frame)) => out.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(decoder.next(), Err(error));
                    return (out, Some(error));
                }
            }
        }
    }
    (out, None)
}

fn all(stream: &[u8]) -> Vec<Frame> {
    let (frames, error) = frames(&[stream], SseLimits::default());
    assert_eq!(error, None);
    frames
}

fn event(data: &str) -> Event {
    Event { data: data.to_owned().into(), has_data: true, ..Event::default() }
}

#[test]
fn events_are_read_as_the_standard_says() {
    for (stream, wanted) in [
        ("data: x\n\n", vec![event("x")]),
        ("data:x\n\ndata\n\n", vec![event("x"), event("")]),
        ("data:  x\n\n", vec![event(" x")]),
        ("data: a\ndata: b\ndata:\n\n", vec![event("a\nb\n")]),
        ("data: x\r\n\r\ndata: y\r\rdata: z\n\n", vec![event("x"), event("y"), event("z")]),
        ("\u{feff}data: x\n\n", vec![event("x")]),
        ("data: x\n\n\u{feff}data: y\n\n", vec![event("x")]),
        ("unknown: y\nDATA: z\n\ndata: x\n\n", vec![event("x")]),
        ("\n\n\r\n\rdata: x\n\n\n", vec![event("x")]),
        ("data: x\n", vec![]),
        ("data: {\"a\":\"b: c\"}\n\n", vec![event("{\"a\":\"b: c\"}")]),
        ("event: message\ndata: x\nevent: ping\n\n", vec![Event { kind: Some("ping".into()), ..event("x") }]),
        ("id: 7\nretry: 2000\ndata:\n\n", vec![Event { id: Some("7".into()), retry: Some(2000), ..event("") }]),
        ("id: a\0b\ndata: x\n\n", vec![event("x")]),
        ("id\ndata: x\n\n", vec![Event { id: Some("".into()), ..event("x") }]),
        ("retry: 5x\nretry:\nretry: -1\ndata: x\n\n", vec![event("x")]),
        ("retry: 99999999999999999999\n\n", vec![Event { retry: Some(u64::MAX), ..Event::default() }]),
        ("id: 9\n\n", vec![Event { id: Some("9".into()), ..Event::default() }]),
    ] {
        let wanted: Vec<Frame> = wanted.into_iter().map(Frame::Event).collect();
        assert_eq!(all(stream.as_bytes()), wanted, "{stream:?}");
    }
}

#[test]
fn comments_are_told_apart() {
    assert_eq!(all(b": keep-alive\n\n:\n"), [Frame::Comment, Frame::Comment]);
    assert_eq!(all(b"data: a\n: in between\ndata: b\n\n"), [Frame::Comment, Frame::Event(event("a\nb"))]);
    let mut out = Vec::new();
    encode_comment(&mut out);
    assert_eq!(all(&out), [Frame::Comment]);
    let mut out = Vec::new();
    encode_bare(&mut out, None, Some(3));
    assert_eq!(all(&out), [Frame::Event(Event { retry: Some(3), ..Event::default() })]);
}

#[test]
fn limits_hold_and_end_the_stream() {
    let limits = SseLimits { event_bytes: 24, line_bytes: 12 };
    let read = |stream: &str| frames(&[stream.as_bytes()], limits);
    assert_eq!(read("data: 345678\n\n").1, None);
    assert_eq!(read("data: 3456789\n\n").1, Some(SseError::LineTooLong));
    assert_eq!(read("data: 3456789").1, Some(SseError::LineTooLong));
    assert_eq!(read("data: x\n\ndata: 345678\ndata: 34567\n\n").1, None);
    assert_eq!(
        read("data: x\n\ndata: 345678\ndata: 345678\n\n"),
        (vec![Frame::Event(event("x"))], Some(SseError::EventTooLong))
    );
    assert_eq!(read("data: 345678\n: 3456\n: 3456\n").1, Some(SseError::EventTooLong));
    // Comments outside an event cost nothing, however many.
    assert_eq!(read(&": 3456\n".repeat(100)).0.len(), 100);
}

#[test]
fn idle_means_between_events() {
    let mut decoder = Decoder::new(SseLimits::default());
    assert!(decoder.is_idle());
    for (chunk, idle) in [("da", false), ("ta: x\n", false), ("\n", true), (": c", false), ("\n", true)] {
        decoder.push(chunk.as_bytes());
        while decoder.next().unwrap().is_some() {}
        assert_eq!(decoder.is_idle(), idle, "{chunk:?}");
    }
}

#[test]
fn nothing_in_a_value_can_start_a_field() {
    let mut out = Vec::new();
    encode_event(&mut out, Some("a\ndata: no"), Some(b"1\rid: 2"), None, b"x\rid: 3\r\nevent: y\n\n\nretry: 1");
    assert_eq!(all(&out), [Frame::Event(event("x\nid: 3\nevent: y\n\n\nretry: 1"))]);
    let mut out = Vec::new();
    encode_event(&mut out, None, Some(b"a\0b"), None, "\u{85}\u{2028}".as_bytes());
    assert_eq!(all(&out), [Frame::Event(event("\u{85}\u{2028}"))]);
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "data: ",
        "data",
        "id: ",
        "event:",
        "retry: 1",
        ":",
        "\n",
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "x",
        "\0",
        " ",
        "\u{feff}",
        "{\"a\":1}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn cuts_do_not_matter(stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8), small in any::<bool>()) {
        let limits = if small { SseLimits { event_bytes: 20, line_bytes: 9 } } else { SseLimits::default() };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
        cuts.sort_unstable();
        let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        let whole = frames(&[&stream], limits);
        prop_assert_eq!(&frames(&chunks, limits), &whole);
        prop_assert_eq!(&frames(&single, limits), &whole);
    }

    #[test]
    fn what_is_encoded_reads_back(
        data in "[^\r]{0,60}",
        kind in prop::option::of("[^\r\n\0]{0,9}"),
        id in prop::option::of("[^\r\n\0]{0,9}"),
        retry in any::<Option<u64>>(),
    ) {
        let mut out = Vec::new();
        encode_event(&mut out, kind.as_deref(), id.as_ref().map(|id| id.as_bytes()), retry, data.as_bytes());
        let wanted = Event { id: id.map(Into::into), kind: kind.map(Into::into), retry, ..event(&data) };
        prop_assert_eq!(all(&out), vec![Frame::Event(wanted)]);
    }
}
