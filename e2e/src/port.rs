//! Loopback ports that stay ours between two starts of a process, also while other tests run: a port is claimed by a lock on a file of its name.
//!
//! The numbers lie below the kernel's ephemeral range, so that no outgoing connection takes one in between.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};

const FIRST: u16 = 20_000;
const LAST: u16 = 29_999;

/// A claimed port on 127.0.0.1; given back on drop.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: File,
}

impl Port {
    /// Claims a port on which nothing listens.
    pub fn claim() -> Result<Self> {
        let claims = std::env::temp_dir().join("ringway-ports");
        fs::create_dir_all(&claims).with_context(|| format!("folder {}", claims.display()))?;
        // Starting points differ between processes, so that few of them meet.
        let start = FIRST + u16::try_from(std::process::id() % u32::from(LAST - FIRST))?;
        for number in (start..=LAST).chain(FIRST..start) {
            let claim = File::create(claims.join(number.to_string())).context("claim of a port")?;
            if claim.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Ok(Self { number, _claim: claim });
            }
        }
        bail!("no free port between {FIRST} and {LAST}")
    }

    pub fn number(&self) -> u16 {
        self.number
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}
