//! The operational log: on standard error, as text or as JSON.
//!
//! The access log, one line per message, is `telemetry`'s.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::time::SystemTime;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// One object per line
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("{0}")]
    Level(#[from] ParseError),
    #[error("the log cannot be started: {0}")]
    Start(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Starts it, once per process. `level`: a level or filter directives.
///
/// # Errors
/// See [`LogError`].
pub fn start(level: &str, format: Format) -> Result<(), LogError> {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(level)?)
        .with_writer(std::io::stderr)
        .with_ansi(colour && format == Format::Text)
        .with_target(false)
        .with_timer(SystemTime);
    match format {
        Format::Text => log.try_init(),
        Format::Json => log.json().flatten_event(true).try_init(),
    }
    .map_err(LogError::Start)
}
