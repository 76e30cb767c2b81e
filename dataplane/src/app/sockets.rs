//! The sockets of a gateway: its own one, or one for each port of the snapshot's listeners.

use std::net::{SocketAddr, TcpListener};

use super::cannot_listen;
use super::settings::{Listen, StartError};
use crate::listen;
use crate::peer::Socket;

/// Where a gateway listens.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) first: SocketAddr,
    /// The ports of listeners that there is a socket for, in the order of the sockets.
    pub(super) numbers: Vec<u16>,
    addresses: Vec<SocketAddr>,
    own: Option<SocketAddr>,
}

/// Binds what is asked for, all or nothing. A port of zero asks the system for a free one.
pub(super) fn bind(listen: &Listen) -> Result<(Bound, Vec<(Socket, TcpListener)>), StartError> {
    let mut listeners = Vec::new();
    match listen {
        Listen::Own { address, .. } => {
            let (listener, local) = bind_one(*address)?;
            listeners.push((Socket::Own, listener));
            Ok((Bound { first: local, numbers: Vec::new(), addresses: Vec::new(), own: Some(local) }, listeners))
        }
        Listen::Ports(ports) => {
            let (mut numbers, mut addresses) = (Vec::new(), Vec::new());
            for (socket, (number, address)) in (0_u16..).zip(ports) {
                let (listener, local) = bind_one(*address)?;
                listeners.push((Socket::Port(socket), listener));
                numbers.push(*number);
                addresses.push(local);
            }
            let first = addresses.first().copied().ok_or(StartError::NoPort)?;
            Ok((Bound { first, numbers, addresses, own: None }, listeners))
        }
    }
}

fn bind_one(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = listen::bind(address).map_err(cannot_listen(address))?;
    let local = listener.local_addr().map_err(|error| StartError::Listen { address, error })?;
    Ok((listener, local))
}

// === impl Bound ===

impl Bound {
    pub(super) fn port(&self, number: u16) -> Option<SocketAddr> {
        let at = self.numbers.iter().position(|known| *known == number)?;
        self.addresses.get(at).copied()
    }

    /// Only loopback names may stand in Host there.
    pub(super) fn is_own_loopback(&self) -> bool {
        self.own.is_some_and(|own| own.ip().is_loopback())
    }
}
