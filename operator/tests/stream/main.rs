//! Both ends of the config stream in one process: the operator's publisher and the data plane's follower, with real TLS
//! and real HTTP/2 between them. The pods are what the data plane has, but for the gateway that obeys.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod certificates;
mod following;
mod objects;
mod pod;
mod relays;
mod replica;
mod roles;
mod scale;
mod service;

/// As in the binary: what the scale test measures depends on it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
