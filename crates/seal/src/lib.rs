//! What Ringway hands out and takes back: session ids and list cursors; and what a pod seals for itself.
//!
//! A client keeps these strings for us and returns them to any pod, so each one is sealed: AES-256-GCM-SIV under a
//! key that all pods share ([`Keyring`]), tied to the route and the principal it was made for ([`Bound`]).
//!
//! ```text
//! version(1) ‖ key id(4) ‖ nonce(12) ‖ ciphertext ‖ tag(16)      base64url without padding
//! ```
//!
//! Does no I/O, reads no clock and keeps no state: the data plane passes the time in, watches the key file and swaps
//! keyrings. Does not know of deleted sessions: a tombstone is the data plane's matter.

mod cursor;
mod envelope;
mod key_file;
mod keyring;
mod session;
mod state;
mod wire;

#[cfg(test)]
mod tests;

pub use cursor::{Cursor, ListKind, MAX_CURSOR, MAX_OWN_CURSOR, MAX_UPSTREAM_CURSOR};
pub use key_file::{KeyFileError, generate_file_text};
pub use keyring::{KeyError, KeyId, Keyring};
pub use session::{Binding, CELL, Label, MAX_SESSION_ID, SessionToken};
pub use state::MAX_STATE;

/// What a sealed text is tied to, as associated data: it opens for exactly this pair and no other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound<'a> {
    /// The route as `namespace/name`.
    pub route: &'a str,
    /// Who the caller is: issuer and subject, never the token, so that a renewed token still opens the session.
    /// The caller of this crate joins the two so that no two principals give the same text.
    pub principal: &'a str,
}

/// The text was not sealed by an accepted key for this purpose, route and principal, or its life is over.
///
/// There is one such error and it says no more, so that a stranger learns nothing from trying.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not sealed by this gateway for this caller and route, or expired")]
pub struct NotAuthentic;

/// Why nothing was sealed. Never the client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The content does not fit. For a session: keep some bindings in a record instead and seal the rest.
    #[error("sealed text would be {length} characters, more than {limit}")]
    TooLong {
        /// Characters that the text would have.
        length: usize,
        /// Characters that it may have.
        limit: usize,
    },
    /// The system gave no random bytes or the library refused to encrypt; trying again may help.
    #[error("the cryptographic library failed")]
    Crypto,
}
