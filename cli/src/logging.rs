//! The operational log: text on standard error.
//!
//! The access log, one line per message, is the data plane's.

use ringway_dataplane::process::logging::{self, Format, LogError};

use crate::exit::CommandError;

/// Starts it. `level`: a level or filter directives.
///
/// # Errors
/// When `level` is neither.
pub fn start(level: &str) -> Result<(), CommandError> {
    logging::start(level, Format::Text).map_err(|error| match error {
        LogError::Level(error) => CommandError::Usage(format!("--log-level: {error}")),
        LogError::Start(_) => CommandError::Failed(error.to_string()),
    })
}
