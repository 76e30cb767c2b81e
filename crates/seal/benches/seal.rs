//! Cost of sealing and opening. Opening a session happens on every request of a legacy client: target under 1 µs.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run should say so and stop")]

use std::net::SocketAddr;

use divan::{Bencher, black_box};
use ringway_seal::{Binding, Bound, Cursor, Keyring, Label, ListKind, SessionToken};

const BOUND: Bound<'_> = Bound { route: "team-a/tools", principal: "https://issuer.example/realms/x alice" };
const NOW: u64 = 1_795_000_000;

fn main() {
    divan::main();
}

fn ring() -> Keyring {
    Keyring::new([1; 32], [[2; 32], [3; 32]]).expect("keys derive")
}

/// 1 binding: a text of 190 characters; 8: of nearly 512.
fn token(bindings: usize) -> SessionToken {
    let binding = Binding {
        backend: 0xfeed_f00d_dead_beef,
        upstream_session: Some("0192f0c1-7d3e-7abc-8def-0123456789ab".to_owned()),
        revision: 3,
        endpoint: Some(SocketAddr::from(([10, 244, 3, 17], 8080))),
        server_capabilities: 0b1011,
    };
    SessionToken {
        key: *b"0123456789abcdef",
        expires_at: NOW + 86_400,
        revision: 4,
        capabilities: 0x0107,
        client_name: Label::cut("a-client-with-a-name-of-32-bytes"),
        client_version: Label::cut("1.2.3-alpha.4567"),
        bindings: vec![binding; bindings],
    }
}

#[divan::bench(args = [1, 4, 8])]
fn seal_session(bencher: Bencher<'_, '_>, bindings: usize) {
    let (ring, token) = (ring(), token(bindings));
    bencher.bench(|| ring.seal_session(black_box(&token), black_box(BOUND)));
}

#[divan::bench(args = [1, 4, 8])]
fn open_session(bencher: Bencher<'_, '_>, bindings: usize) {
    let ring = ring();
    let text = ring.seal_session(&token(bindings), BOUND).expect("fits");
    bencher.bench(|| ring.open_session(black_box(&text), black_box(BOUND), NOW));
}

/// What a stranger's guess costs: the key id is right, the tag is not.
#[divan::bench]
fn refuse_session(bencher: Bencher<'_, '_>) {
    let ring = ring();
    let text = ring.seal_session(&token(1), BOUND).expect("fits");
    let other = Bound { principal: "mallory", ..BOUND };
    bencher.bench(|| ring.open_session(black_box(&text), black_box(other), NOW));
}

#[divan::bench]
fn open_cursor(bencher: Bencher<'_, '_>) {
    let ring = ring();
    let cursor = Cursor::After { list: ListKind::Tools, backend: 7, name: "create_issue".to_owned() };
    let text = ring.seal_cursor(&cursor, BOUND).expect("fits");
    bencher.bench(|| ring.open_cursor(black_box(&text), black_box(BOUND)));
}
