//! The signals that a gateway obeys: the data plane's own, under a shorter name.

pub use ringway_dataplane::process::signals::{Signal, Signals};
