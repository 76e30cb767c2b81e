//! Peers for tests: upstreams that answer by a script, down to the bytes and where they are cut, and a client that sends
//! and reads exact bytes; the plain data that a gateway is started with; and the check of a crate's floors.
//!
//! Plain threads and blocking sockets, so that nothing here shares code, runtime or a misunderstanding with what it
//! tests. Every wait ends: a socket that says nothing for [`PATIENCE`] is an error. For tests only; panics freely.
#![expect(clippy::expect_used, clippy::panic, reason = "a peer of a test fails by panicking")]

pub mod ask;
pub mod bell;
pub mod client;
pub mod friendly;
pub mod layering;
pub mod objects;
pub mod raw;
pub mod sse;
pub mod upstream;
pub mod wire;

use std::time::Duration;

/// How long a peer waits for the other side before it gives the test up.
pub const PATIENCE: Duration = Duration::from_secs(20);
