//! What the gateway remembers of client sessions beside their sealed ids.

pub mod owner;
pub mod tombstones;
