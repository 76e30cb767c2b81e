//! The gateway in one process, between a client and upstreams that send exact bytes. One binary, so that it links once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod bounds;
mod cases;
mod draining;
mod endpoints;
mod facts;
mod faults;
mod fidelity;
mod large;
mod limits;
mod listeners;
mod lists;
mod params;
mod pod;
mod refusals;
mod resumption;
mod secure;
mod sessions;
mod sizes;
mod speaker;
mod stage;
mod texts;
mod transport;
