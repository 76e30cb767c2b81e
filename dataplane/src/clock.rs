//! Wall-clock time, in one place: ends of life of sealed ids. Durations are measured with tokio's monotonic clock.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[must_use]
pub(crate) fn unix_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Seconds since the Unix epoch.
#[must_use]
pub(crate) fn unix_seconds() -> u64 {
    unix_millis() / 1_000
}
