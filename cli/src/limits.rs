//! Limits on the command line, as the data plane reads them: `NAME=VALUE`.
//!
//! Called by `args` (reading) and `run` (applying).

pub use ringway_dataplane::app::limit_setting::{Limit, parse, settings};
