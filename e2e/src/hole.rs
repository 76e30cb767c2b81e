//! Peers that are no use: one that accepts and never answers, one that drops every connection, one where nothing listens.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};

/// What a hole does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Accepts and stays silent.
    Silent,
    /// Accepts and closes.
    Drops,
}

/// A listener that answers nothing; closed on drop.
#[derive(Debug)]
pub struct Hole {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
}

impl Hole {
    pub fn open(manner: Manner) -> Result<Self> {
        Self::open_at(IpAddr::V4(Ipv4Addr::LOCALHOST), manner)
    }

    /// The same where pods of a cluster reach it.
    pub fn open_at(host: IpAddr, manner: Manner) -> Result<Self> {
        let listener = TcpListener::bind((host, 0)).context("a port for a black hole")?;
        let address = listener.local_addr().context("address of a black hole")?;
        let (stop, accepted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&accepted));
        thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                count.fetch_add(1, Ordering::AcqRel);
                if manner == Manner::Silent {
                    held.push(stream);
                }
            }
        });
        Ok(Self { address, stop, accepted })
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections taken so far: proof that someone tried.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Acquire)
    }
}

impl Drop for Hole {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // Wakes the accept; a failure means that the listener is gone already.
        drop(TcpStream::connect(self.address));
    }
}
