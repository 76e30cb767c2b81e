//! Spans as a collector sees them: what records become, what a collector that misbehaves costs, and the traces of calls
//! through a whole gateway.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod export;
mod gateway;
mod receiver;
