//! Every rewrite of an accepted message is accepted again and changes only what it names.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ringway_mcp::scan::{Limits, MetaKey, scan};
use ringway_mcp::splice::Edits;
use ringway_mcp::walk;

const META: [MetaKey; 12] = [
    MetaKey::ProgressToken,
    MetaKey::ProtocolVersion,
    MetaKey::ClientCapabilities,
    MetaKey::ClientInfo,
    MetaKey::LogLevel,
    MetaKey::SubscriptionId,
    MetaKey::ServerInfo,
    MetaKey::RelatedTask,
    MetaKey::ModelImmediateResponse,
    MetaKey::Traceparent,
    MetaKey::Tracestate,
    MetaKey::Baggage,
];

fuzz_target!(|input: &[u8]| {
    let Some((&[low, high], body)) = input.split_first_chunk::<2>() else { return };
    let remove = u16::from_le_bytes([low, high]);
    let Ok(message) = scan(body, &Limits::default()) else { return };
    let mut edits = Edits::new();
    if let Some(id) = message.id {
        edits.replace(id.span, b"\"new\"");
    }
    if let Some(name) = message.params.as_ref().and_then(|params| params.name) {
        edits.replace_string(name.quoted(), "x");
    }
    if let Some(meta) = message.meta() {
        for (bit, key) in META.into_iter().enumerate() {
            if let Some(field) = meta.field(key).filter(|_| remove & (1 << bit) != 0) {
                edits.remove_member(meta.object, field);
            }
        }
        for n in 0..remove >> 14 {
            edits.append_member(meta.object, &format!("new/{n}"), b"{}");
        }
    }
    if let Some(result) = &message.result {
        for pattern in [&walk::CALL_RESULT_URIS, &walk::PROMPT_RESULT_URIS, &walk::READ_RESULT_URIS] {
            walk::strings(body, result.object.span, pattern, &mut |text| {
                assert!(serde_json::from_slice::<serde::de::IgnoredAny>(text.quoted().of(body)).is_ok());
            });
        }
    }
    let out = edits.apply(body).expect("edits of different parts");
    let chunks = edits.apply_chunks(&Bytes::copy_from_slice(body)).expect("edits of different parts");
    assert_eq!(chunks.concat(), out);
    match scan(&out, &Limits::default()) {
        Ok(again) => {
            assert_eq!(again.kind, message.kind);
            assert_eq!(again.object.members, message.object.members);
            if let (Some(old), Some(new)) = (message.meta(), again.meta()) {
                for (bit, key) in META.into_iter().enumerate() {
                    let kept = old.field(key).filter(|_| remove & (1 << bit) == 0);
                    assert_eq!(
                        kept.map(|field| field.value.of(body)),
                        new.field(key).map(|field| field.value.of(&out))
                    );
                }
            }
        }
        // The new keys may be there already.
        Err(error) => assert_eq!(error.reason.as_str(), "duplicate_key"),
    }
});
