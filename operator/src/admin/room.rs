//! Seats of the admin server by remote address, so that one that opens many connections does not keep out the probes.
//!
//! Knows no sockets. Used by `admin`.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// One address needs no more at a time: a probe or a scrape is one connection, a browser opens six.
pub(super) const CONNECTIONS_PER_ADDRESS: usize = 8;

/// How many connections each address has.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    room: Room,
    address: IpAddr,
}

// === impl Room ===

impl Room {
    /// `None`: the address has as many as it may.
    pub(super) fn seat(&self, address: IpAddr) -> Option<Seat> {
        // The same client on a socket for both families.
        let address = address.to_canonical();
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(address).or_default();
        if *count >= CONNECTIONS_PER_ADDRESS {
            return None;
        }
        *count += 1;
        Some(Seat { room: self.clone(), address })
    }
}

// === impl Seat ===

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CONNECTIONS_PER_ADDRESS, Room};

    #[test]
    fn each_address_has_its_own_seats_and_gets_them_back() {
        let room = Room::default();
        let [one, other, mapped] = ["10.0.0.1", "10.0.0.2", "::ffff:10.0.0.1"].map(|text| text.parse().unwrap());
        let mut seats: Vec<_> = (0..CONNECTIONS_PER_ADDRESS).map(|_| room.seat(one).unwrap()).collect();
        assert!(room.seat(one).is_none());
        assert!(room.seat(mapped).is_none(), "the same address");
        assert!(room.seat(other).is_some());
        seats.pop();
        assert!(room.seat(mapped).is_some());
        seats.clear();
        assert!(room.0.lock().unwrap().is_empty(), "nothing is kept of who has left");
    }
}
