//! The messages and the service as `proto/config.proto` defines them, generated (see `tests/generated.rs`).
//!
//! Only what speaks gRPC uses these; everything else has the types of the other modules, which are made from them with
//! their bounds checked.

#![allow(
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::needless_pass_by_value,
    clippy::too_many_lines,
    clippy::use_self,
    missing_debug_implementations,
    unreachable_pub,
    unused_qualifications,
    reason = "generated"
)]

use std::fmt;

include!("wire/generated.rs");

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resource")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("hash", &self.hash)
            .field("body", &self.body)
            .field("secrets", &self.secrets.len())
            .finish()
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update")
            .field("version", &self.version)
            .field("is_whole", &self.is_whole)
            .field("is_last", &self.is_last)
            .field("position", &self.position)
            .field("changed", &self.changed.len())
            .field("removed", &self.removed)
            .finish()
    }
}
