//! The signals that a gateway obeys.

use std::io;

#[cfg(unix)]
use tokio::signal::unix;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM, SIGINT, Ctrl-C.
    Stop,
    /// SIGHUP.
    Reload,
}

/// Signals from the moment this was made; before it they do what they do to any process.
#[derive(Debug)]
#[cfg(unix)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hangup: unix::Signal,
}

/// Ctrl-C alone: other systems have no such signals.
#[derive(Debug)]
#[cfg(not(unix))]
pub struct Signals(());

// === impl Signals ===

#[cfg(unix)]
impl Signals {
    /// Takes the signals over; needs a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
            terminate: unix::signal(unix::SignalKind::terminate())?,
            hangup: unix::signal(unix::SignalKind::hangup())?,
        })
    }

    /// The next signal. Dropping the future loses none.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    /// The next signal to stop.
    pub async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Takes Ctrl-C over; needs a runtime.
    ///
    /// # Errors
    /// Never here.
    pub fn new() -> io::Result<Self> {
        Ok(Self(()))
    }

    /// The next signal.
    pub async fn next(&mut self) -> Signal {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::Stop,
            Err(_) => std::future::pending().await,
        }
    }

    /// The next signal to stop.
    pub async fn stop(&mut self) {
        self.next().await;
    }
}
