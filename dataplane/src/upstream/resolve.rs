//! The addresses of an HTTP backend: an IP literal, a Service's endpoints, or DNS with a short cache.
//!
//! DNS is asked only when a connection must be opened, by one caller at a time; the last known addresses serve to find
//! idle connections and to go on while DNS fails.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::Instant;

use super::server::lock;

/// An answer of DNS is used this long (the system's resolver hides the record's own TTL).
const TTL: Duration = Duration::from_secs(5);
/// Addresses beyond this are ignored.
const MAX_ADDRESSES: usize = 64;

pub(super) type Addresses = SmallVec<[SocketAddr; 4]>;

/// Turns one host name into addresses.
#[derive(Debug)]
pub(super) struct Resolver {
    host: String,
    port: u16,
    literal: Option<SocketAddr>,
    known: Mutex<Known>,
    /// One question at a time.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    addresses: Arc<[SocketAddr]>,
    until: Option<Instant>,
}

// === impl Resolver ===

impl Resolver {
    pub(super) fn new(host: &str, port: u16) -> Self {
        let literal = host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port));
        Self {
            host: host.to_owned(),
            port,
            literal,
            known: Mutex::new(Known::default()),
            asking: tokio::sync::Mutex::new(()),
        }
    }

    /// What is known without asking; possibly nothing, possibly old.
    pub(super) fn known(&self) -> Addresses {
        match self.literal {
            Some(address) => SmallVec::from_slice(&[address]),
            None => SmallVec::from_slice(&lock(&self.known).addresses),
        }
    }

    /// Addresses not older than the cache allows. An error is a text for the log.
    pub(super) async fn fresh(&self) -> Result<Addresses, String> {
        if self.literal.is_some() || self.is_fresh() {
            return Ok(self.known());
        }
        let _alone = self.asking.lock().await;
        if self.is_fresh() {
            return Ok(self.known());
        }
        match tokio::net::lookup_host((self.host.as_str(), self.port)).await {
            Ok(found) => {
                let addresses: Addresses = found.take(MAX_ADDRESSES).collect();
                if addresses.is_empty() {
                    return Err(format!("{} has no address", self.host));
                }
                *lock(&self.known) =
                    Known { addresses: addresses.as_slice().into(), until: Some(Instant::now() + TTL) };
                Ok(addresses)
            }
            Err(error) => {
                let old = self.known();
                if old.is_empty() { Err(format!("{}: {error}", self.host)) } else { Ok(old) }
            }
        }
    }

    fn is_fresh(&self) -> bool {
        lock(&self.known).until.is_some_and(|until| Instant::now() < until)
    }
}
