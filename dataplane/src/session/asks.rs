//! Requests that a backend put to a client and that wait for the client's answer.
//!
//! The client sees an id that names this worker; the backend's own id stays here. A worker keeps its own table; an
//! answer that arrives elsewhere travels here by mailbox.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::SessionKey;
use crate::upstream::{Server, UpstreamSession};

/// One open request to a client.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) session: SessionKey,
    pub(crate) server: Arc<Server>,
    pub(crate) upstream: UpstreamSession,
    /// The backend's id as raw JSON.
    pub(crate) id: Bytes,
    /// The call or stream it came in on: its end is the end of the request.
    pub(crate) owner: u64,
}

/// The open requests of one worker.
#[derive(Debug, Default)]
pub(crate) struct Asks {
    next: AtomicU64,
    open: Mutex<HashMap<u64, Ask>>,
}

// === impl Asks ===

impl Asks {
    /// A number that was never used on this worker: for asks, calls and streams alike.
    pub(crate) fn number(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn open(&self, ask: Ask) -> u64 {
        let number = self.number();
        self.lock().insert(number, ask);
        number
    }

    /// Takes the request that a client of `session` answers. Another session's number is as good as none.
    pub(crate) fn take(&self, number: u64, session: SessionKey) -> Option<Ask> {
        let mut open = self.lock();
        if open.get(&number)?.session != session {
            return None;
        }
        open.remove(&number)
    }

    /// The number under which a backend's own request is open, for its `notifications/cancelled`.
    pub(crate) fn number_of(&self, session: SessionKey, owner: u64, id: &[u8]) -> Option<u64> {
        self.lock()
            .iter()
            .find(|(_, a)| a.session == session && a.owner == owner && a.id == id)
            .map(|(number, _)| *number)
    }

    /// Forgets what came in on a call or stream that ended.
    pub(crate) fn close(&self, owner: u64) {
        self.lock().retain(|_, ask| ask.owner != owner);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Ask>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
