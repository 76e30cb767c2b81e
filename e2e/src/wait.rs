//! Polling with a deadline: the only way in which these tests wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks `look` until it has something, for at most `within`; then fails and names `what` was waited for.
/// An error of `look` ends the wait at once.
pub fn until<T>(what: &str, within: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + within;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {within:?} in vain for {what}");
        }
        thread::park_timeout(PAUSE);
    }
}
