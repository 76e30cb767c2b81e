//! The watch channel between operator and data plane, as far as it can be decided without a socket or a clock.
//!
//! Does no I/O and reads no clock: `ringway-operator` and `ringway-dataplane` stand around it.

pub mod facts;
pub mod key;
pub mod limits;
pub mod pod;
pub mod position;
pub mod wire;

pub use facts::{BackendFacts, Facts, Reach, RouteFacts};
pub use key::{Key, Kind};
pub use pod::{Pod, Rejection};
pub use position::{Comparison, Cursor, Position};
