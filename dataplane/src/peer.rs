//! Addresses of what hangs on a socket, and the messages that travel to it.
//!
//! An upstream call, a client's stream and a stdio child live on one worker. Replies, cancellations and notices arrive
//! on other connections, so on other workers: they go there by a bounded mailbox. Another worker is a peer without a
//! network. Sent by `pipeline`, received by `worker`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use ringway_snapshot::BackendKey;
use tokio::sync::mpsc;

/// What waits in one worker's mailbox at most. Beyond it the sender waits.
const MAILBOX: usize = 4_096;

/// The 16 random bytes inside a session id (its top 16 bits are the slot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey(pub [u8; 16]);

/// Names one thing on one worker of one life of a process. On the wire: `rw-INCARNATION-WORKER-NUMBER` in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) incarnation: u64,
    pub(crate) worker: u16,
    pub(crate) number: u64,
}

/// What one worker tells another.
#[derive(Debug)]
pub(crate) enum Message {
    /// A new client connection, from the acceptor.
    Connection { stream: std::net::TcpStream, remote: SocketAddr, socket: Socket },
    /// A client's answer to a request that was put to it by the call or stream at `number`.
    Answer { number: u64, session: SessionKey, body: Bytes },
    /// `notifications/cancelled` for a call that any worker may hold.
    Cancel { session: SessionKey, request: Bytes, body: Bytes },
    /// A session was bound to one more backend: the worker that holds its GET stream listens there, too.
    Bound { session: SessionKey, backend: BackendKey },
    /// The session ended, or another connection took its GET stream over.
    EndStream { session: SessionKey },
}

/// Which listening socket a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Socket {
    /// The process's own.
    Own,
    /// Of the ports that the process was told, the one at this place.
    Port(u16),
}

/// The way to every worker.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    boxes: Vec<Mailbox>,
}

#[derive(Debug)]
struct Mailbox {
    sender: mpsc::Sender<Message>,
    connections: AtomicUsize,
}

// === impl SessionKey ===

impl Hash for SessionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // All but the slot is random, so half of it is as good as the whole.
        let [.., a, b, c, d, e, f, g, h] = self.0;
        state.write_u64(u64::from_le_bytes([a, b, c, d, e, f, g, h]));
    }
}

// === impl Address ===

impl Address {
    /// Reads the id of a request that this gateway put to a client: the raw JSON id, quotes included.
    pub(crate) fn of_raw_id(raw: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(raw).ok()?.strip_prefix("\"rw-")?.strip_suffix('"')?;
        let mut parts = text.split('-');
        let address = Self {
            incarnation: u64::from_str_radix(parts.next()?, 16).ok()?,
            worker: u16::from_str_radix(parts.next()?, 16).ok()?,
            number: u64::from_str_radix(parts.next()?, 16).ok()?,
        };
        parts.next().is_none().then_some(address)
    }

    /// The raw JSON id for a request to a client.
    pub(crate) fn raw_id(self) -> String {
        format!("\"{self}\"")
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rw-{:x}-{:x}-{:x}", self.incarnation, self.worker, self.number)
    }
}

// === impl Mailboxes ===

impl Mailboxes {
    /// Mailboxes for `workers` workers and their receiving ends, in order.
    pub(crate) fn new(workers: usize) -> (Self, Vec<mpsc::Receiver<Message>>) {
        let (boxes, receivers) = (0..workers)
            .map(|_| {
                let (sender, receiver) = mpsc::channel(MAILBOX);
                (Mailbox { sender, connections: AtomicUsize::new(0) }, receiver)
            })
            .unzip();
        (Self { boxes }, receivers)
    }

    /// Waits for room. False: that worker is gone.
    pub(crate) async fn send(&self, worker: u16, message: Message) -> bool {
        match self.boxes.get(usize::from(worker)) {
            Some(mailbox) => mailbox.sender.send(message).await.is_ok(),
            None => false,
        }
    }

    /// To every worker, `make` called for each.
    pub(crate) async fn broadcast(&self, make: impl Fn() -> Message) {
        for mailbox in &self.boxes {
            // A worker that is gone holds nothing any more.
            let _gone = mailbox.sender.send(make()).await;
        }
    }

    /// The worker with the fewest connections; it counts as having one more from now on.
    pub(crate) fn least_loaded(&self) -> u16 {
        let chosen = self
            .boxes
            .iter()
            .enumerate()
            .min_by_key(|(_, m)| m.connections.load(Ordering::Relaxed))
            .map_or(0, |(index, _)| index);
        if let Some(mailbox) = self.boxes.get(chosen) {
            mailbox.connections.fetch_add(1, Ordering::Relaxed);
        }
        u16::try_from(chosen).unwrap_or(0)
    }

    pub(crate) fn connection_closed(&self, worker: u16) {
        if let Some(mailbox) = self.boxes.get(usize::from(worker)) {
            mailbox.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn connections(&self) -> usize {
        self.boxes.iter().map(|m| m.connections.load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn an_address_reads_back_from_its_id_and_nothing_else_does() {
        let address = Address { incarnation: 0xfeed, worker: 3, number: 77 };
        assert_eq!(Address::of_raw_id(address.raw_id().as_bytes()), Some(address));
        for raw in ["1", "\"rw-1-2\"", "\"rw-1-2-3-4\"", "\"rw-x-2-3\"", "rw-1-2-3", "\"\""] {
            assert_eq!(Address::of_raw_id(raw.as_bytes()), None, "{raw}");
        }
    }
}
