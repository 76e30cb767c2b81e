//! The watch channel between operator and data plane, as far as it can be decided without a socket or a clock.
//!
//! ```text
//! operator replica                                             pod
//! Snapshot -> Catalogue -> Offer -> parts  == gRPC, mTLS ==>  Assembler -> Fence -> Store -> Snapshot
//!                                          <== hello, acks, facts ==
//! ```
//!
//! A replica encodes each object once ([`resource`]), keeps what it publishes with a log of what changed
//! ([`catalogue`]), and answers a pod with the difference to what the pod holds. The pod puts the parts of an update
//! together ([`assembler`]), asks whether the replica is behind ([`fence`], by [`position`]), and takes the whole or
//! nothing ([`store`]). Does no I/O and reads no clock: `ringway-operator` and `ringway-dataplane` stand around it.

pub mod assembler;
pub mod backoff;
pub mod catalogue;
pub mod facts;
pub mod fence;
pub mod key;
pub mod limits;
pub mod link;
pub mod pod;
pub mod position;
pub mod resource;
pub mod store;
pub mod wire;

pub use facts::{BackendFacts, Facts, Reach, RouteFacts};
pub use key::{Key, Kind};
pub use pod::{Pod, Rejection};
pub use position::{Comparison, Cursor, Position};
