//! What the programs that run a gateway have in common: signals, the operational log, files that change, the orderly end.
//!
//! Called by the `ringway` and `ringway-dataplane` binaries. Knows no configuration.

pub mod files;
pub mod logging;
pub mod signals;

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::app::Gateway;
use signals::Signals;

/// How a gateway ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Every call had its time.
    Drained,
    /// A second signal did not wait for them.
    Interrupted,
}

/// What the process may use: a container's quota counts.
#[must_use]
pub fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Not ready from now on, but serving for `delay`, since clients are still sent here; then lets calls end for at most
/// `grace`. A second signal waits for nothing.
///
/// # Errors
/// When no thread can be had to wait on.
pub async fn drain(
    gateway: Arc<Gateway>,
    delay: Duration,
    grace: Duration,
    signals: &mut Signals,
) -> io::Result<Ended> {
    gateway.leave();
    if !delay.is_zero() {
        tracing::info!(?delay, "leaving: not ready, still serving; a second signal ends at once");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = signals.stop() => return Ok(interrupted()),
        }
    }
    let (drained, done) = oneshot::channel();
    tracing::info!(?grace, "draining; a second signal ends at once");
    thread::Builder::new().name("drain".to_owned()).spawn(move || {
        gateway.shutdown(grace);
        if drained.send(()).is_err() {
            tracing::debug!("drained after a second signal");
        }
    })?;
    tokio::select! {
        _ = done => Ok(Ended::Drained),
        () = signals.stop() => Ok(interrupted()),
    }
}

fn interrupted() -> Ended {
    tracing::warn!("ended before every call had");
    Ended::Interrupted
}
