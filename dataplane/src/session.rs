//! Legacy sessions: what a sealed id says, who is bound to what, and requests that were put to clients.
//!
//! Knows no routes and reads no bodies. Called by `pipeline`; the mutable part lives in [`owner`], behind the seam
//! where the ring comes in.

pub(crate) mod asks;
pub(crate) mod bind;
pub mod owner;
pub mod tombstones;

use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;
use ringway_seal::{Bound, Keyring, NotAuthentic, SessionToken};

pub use owner::SessionKey;

/// An authentic session id, opened.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) token: SessionToken,
    pub(crate) revision: Revision,
    pub(crate) capabilities: ClientCapabilities,
}

// === impl Session ===

impl Session {
    /// Opens the id of a request. Not authentic, expired, of another route or principal: one and the same error.
    pub(crate) fn open(keyring: &Keyring, id: &str, bound: Bound<'_>, now: u64) -> Result<Self, NotAuthentic> {
        let token = keyring.open_session(id, bound, now)?;
        Self::from_token(token).ok_or(NotAuthentic)
    }

    pub(crate) fn from_token(token: SessionToken) -> Option<Self> {
        let revision = revision_of(token.revision)?;
        Some(Self { revision, capabilities: ClientCapabilities(token.capabilities), token })
    }

    pub(crate) fn key(&self) -> SessionKey {
        SessionKey(self.token.key)
    }
}

/// The code of a revision inside sealed ids.
pub(crate) fn revision_code(revision: Revision) -> u8 {
    match revision {
        Revision::V2024_11_05 => 1,
        Revision::V2025_03_26 => 2,
        Revision::V2025_06_18 => 3,
        Revision::V2025_11_25 => 4,
        Revision::V2026_07_28 => 5,
    }
}

/// The legacy revision behind a code.
pub(crate) fn revision_of(code: u8) -> Option<Revision> {
    Revision::LEGACY.iter().copied().find(|revision| revision_code(*revision) == code)
}
