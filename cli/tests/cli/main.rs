//! The command line from outside: its client, its bundled servers, its commands. One binary, so that it links once.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod client;
mod command;
mod demo_wire;
mod gateway;
mod quirks;
