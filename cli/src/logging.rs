//! The operational log: text on standard error.
//!
//! The access log, one line per message, is the data plane's.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::exit::CommandError;

/// Starts it. `level`: a level or filter directives.
///
/// # Errors
/// When `level` is neither.
pub fn start(level: &str) -> Result<(), CommandError> {
    let filter = EnvFilter::try_new(level).map_err(|error| CommandError::Usage(format!("--log-level: {error}")))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
        .with_target(false)
        .with_timer(SystemTime)
        .try_init()
        .map_err(|error| CommandError::Failed(format!("the log cannot be started: {error}")))
}
