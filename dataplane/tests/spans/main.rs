//! Spans as a collector sees them: what records become, what a collector that misbehaves costs, and the traces of calls
//! through a whole gateway.

mod export;
mod gateway;
mod receiver;
