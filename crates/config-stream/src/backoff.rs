//! How long who failed waits before the next try: both ends of the stream before they connect again, and the operator's
//! watches before they list again.
//!
//! The time is pure: the randomness is given to it.

use std::time::Duration;

/// Half to whole of a time that doubles with each failure from `first` to `longest`, so that not everybody comes back at
/// one moment. `random` is any number.
#[must_use]
pub fn pause((first, longest): (Duration, Duration), failures: u32, random: u64) -> Duration {
    let whole = first.saturating_mul(1 << failures.min(16)).min(longest);
    let half = whole / 2;
    let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
    half + Duration::from_micros(random % spread)
}

/// Without randomness it is 0: every pause is the shortest of its spread.
#[must_use]
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
