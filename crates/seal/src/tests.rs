//! Tests of the crate through its public face, and what they share: two keys, one caller, generators.

mod cursor;
mod key_file;
mod keyring;
mod session;
mod state;
mod wire;

use std::net::{IpAddr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use crate::{Binding, Bound, Cursor, Keyring, Label, ListKind, SessionToken};

pub(crate) const OLD: [u8; 32] = [1; 32];
pub(crate) const NEW: [u8; 32] = [2; 32];
pub(crate) const BOUND: Bound<'_> = Bound { route: "team-a/tools", principal: "https://issuer.example alice" };
pub(crate) const NOW: u64 = 1_795_000_000;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn ring(primary: [u8; 32], accepted: &[[u8; 32]]) -> Keyring {
    Keyring::new(primary, accepted.iter().copied()).expect("keys derive")
}

/// One binding with a UUID and the longest client name and version: the largest of the usual kind.
pub(crate) fn usual_token() -> SessionToken {
    SessionToken {
        key: *b"\xab\xcd0123456789abcd",
        expires_at: NOW + 86_400,
        revision: 4,
        capabilities: 0x0107,
        client_name: Label::cut("a-client-with-a-name-of-32-bytes"),
        client_version: Label::cut("1.2.3-alpha.4567"),
        bindings: vec![usual_binding()],
    }
}

pub(crate) fn usual_binding() -> Binding {
    Binding {
        backend: 0xfeed_f00d_dead_beef,
        upstream_session: Some("0192f0c1-7d3e-7abc-8def-0123456789ab".to_owned()),
        revision: 3,
        endpoint: Some(SocketAddr::from(([10, 244, 3, 17], 8080))),
        server_capabilities: 0b1011,
    }
}

pub(crate) fn tokens() -> impl Strategy<Value = SessionToken> {
    let head = (any::<[u8; 16]>(), (NOW + 1).., any::<u8>(), any::<u16>());
    (head, ".{0,40}", ".{0,20}", prop::collection::vec(bindings(), 0..12)).prop_map(
        |(head, name, version, bindings)| {
            let (key, expires_at, revision, capabilities) = head;
            SessionToken {
                key,
                expires_at,
                revision,
                capabilities,
                client_name: Label::cut(&name),
                client_version: Label::cut(&version),
                bindings,
            }
        },
    )
}

fn bindings() -> impl Strategy<Value = Binding> {
    let upstream = prop_oneof![
        Just(None),
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".prop_map(Some),
        "[0-9a-f]{32}".prop_map(Some),
        // Near misses of the packed forms, then anything.
        "[0-9a-fA-F-]{32,36}".prop_map(Some),
        "[!-~]{0,64}".prop_map(Some),
    ];
    let endpoint = prop::option::of((any::<IpAddr>(), any::<u16>()).prop_map(SocketAddr::from));
    (any::<u64>(), upstream, any::<u8>(), endpoint, any::<u8>()).prop_map(
        |(backend, upstream_session, revision, endpoint, server_capabilities)| Binding {
            backend,
            upstream_session,
            revision,
            endpoint,
            server_capabilities,
        },
    )
}

pub(crate) fn cursors() -> impl Strategy<Value = Cursor> {
    let list = prop_oneof![Just(ListKind::Tools), Just(ListKind::Prompts), Just(ListKind::Templates)];
    prop_oneof![
        (list, any::<u64>(), ".{0,64}").prop_map(|(list, backend, name)| Cursor::After { list, backend, name }),
        (any::<u64>(), prop::option::of(".{0,300}")).prop_map(|(backend, upstream)| Cursor::Walk { backend, upstream }),
    ]
}

/// Every text that differs from the sealed part of `text` in one bit of what it encodes, or in one character, or that
/// is a proper start of it, or is longer by one character.
pub(crate) fn forgeries(sealed: &str) -> Vec<String> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed).expect("own output");
    let mut all = Vec::new();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        all.push(URL_SAFE_NO_PAD.encode(flipped));
    }
    let characters = sealed.as_bytes();
    for at in 0..characters.len() {
        for other in ALPHABET.iter().chain(b"=+/ \n\0").filter(|other| **other != characters[at]) {
            let mut changed = characters.to_vec();
            changed[at] = *other;
            all.push(String::from_utf8(changed).expect("ASCII"));
        }
        all.push(String::from_utf8(characters[..at].to_vec()).expect("ASCII"));
    }
    all.extend(ALPHABET.iter().chain(b"=. \n").map(|more| format!("{sealed}{}", char::from(*more))));
    all
}
