//! What a gateway is started with, and why it may not start.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use ringway_seal::Keyring;

use super::LimitSettings;
use crate::listen::{TlsError, TlsFiles};
use crate::telemetry;
use crate::telemetry::log::LogTarget;
use crate::telemetry::spans::TraceSettings;

/// What a gateway is started with.
#[derive(Debug)]
pub struct Settings {
    pub listen: Listen,
    pub admin: Option<SocketAddr>,
    /// Where the applied configuration can be looked at: a loopback address.
    pub debug: Option<SocketAddr>,
    /// Threads that serve connections.
    pub workers: usize,
    pub keyring: Keyring,
    /// Where revoked sessions are remembered across a restart.
    pub tombstone_file: Option<PathBuf>,
    pub access_log: LogTarget,
    /// `None`: no spans.
    pub traces: Option<TraceSettings>,
    pub limits: LimitSettings,
}

/// Where clients connect.
#[derive(Debug, Clone)]
pub enum Listen {
    /// One address for every route, with the certificate of files: a gateway on its own.
    Own { address: SocketAddr, tls: Option<TlsFiles> },
    /// By port of the snapshot's listeners, the socket of the process: a pod of a cluster.
    Ports(BTreeMap<u16, SocketAddr>),
}

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0} is in use by another program")]
    AddressInUse(SocketAddr),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("there is no port to listen on")]
    NoPort,
    #[error("TLS: {0}")]
    Tls(#[from] TlsError),
    #[error("cannot open {what}: {error}")]
    File { what: String, error: io::Error },
    #[error(transparent)]
    Spans(#[from] telemetry::spans::StartError),
    #[error("the system gives no randomness")]
    Random,
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}

// === impl Listen ===

impl Listen {
    /// Every route on one plain socket.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self::Own { address, tls: None }
    }
}
