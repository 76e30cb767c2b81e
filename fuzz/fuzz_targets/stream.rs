//! The streamed rewrite gives the same bytes however the response is cut, and never takes what serde_json refuses.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ringway_mcp::scan::{Kind, Limits, Reason, scan};
use ringway_mcp::stream::{Answer, ResponseSplicer, StreamError, StreamLimits};
use ringway_mcp::walk::{self, Pattern};
use serde::de::IgnoredAny;

fn stream<'a>(
    chunks: impl Iterator<Item = &'a [u8]>,
    pattern: &'static Pattern,
) -> Result<(Vec<u8>, Answer), StreamError> {
    let map = Box::new(|uri: &str| (!uri.starts_with("http")).then(|| format!("p+{uri}")));
    let mut splicer = ResponseSplicer::new(b"7", StreamLimits::default(), pattern, map).reply_with(b"\"c\"");
    let mut out = Vec::new();
    for chunk in chunks {
        splicer.push(Bytes::copy_from_slice(chunk), &mut out)?;
    }
    Ok((out.concat(), splicer.finish()?))
}

fuzz_target!(|input: &[u8]| {
    let Some((&head, body)) = input.split_first() else { return };
    let pattern = match head & 3 {
        0 => &walk::CALL_RESULT_URIS,
        1 => &walk::PROMPT_RESULT_URIS,
        2 => &walk::READ_RESULT_URIS,
        _ => &walk::NOTHING,
    };
    let whole = stream(std::iter::once(body), pattern);
    let cut = stream(body.chunks(usize::from(head >> 2) + 1), pattern);
    assert_eq!(whole.as_ref().ok(), cut.as_ref().ok());
    let scanned = scan(body, &Limits::default());
    match whole {
        Ok((out, _)) => {
            assert!(serde_json::from_slice::<IgnoredAny>(body).is_ok());
            assert!(serde_json::from_slice::<IgnoredAny>(&out).is_ok());
            if let Ok(message) = scanned {
                assert_eq!(message.kind, Kind::Response);
                let again = scan(&out, &Limits::default()).expect("still a message");
                assert_eq!(again.id.map(|id| id.raw(&out)), Some(&b"\"c\""[..]));
            }
        }
        Err(StreamError::Refused { reason: Reason::DuplicateKey, .. }) => {}
        Err(_) => {
            let ours = scanned.is_ok_and(|message| {
                message.kind == Kind::Response && message.id.is_none_or(|id| id.raw(body) == b"7")
            });
            assert!(!ours || body.len() > 200, "refused a good response");
        }
    }
});
