//! Secrets at rest: what a pod keeps on its own disk, so that it can start while the operator is down.
//!
//! Sealed to the name that it stands under, so that one object's secrets do not open in another's place. Called by the
//! data plane.

use crate::envelope;
use crate::keyring::{Keyring, Purpose};
use crate::{NotAuthentic, SealError};

/// Longest content, in bytes: all secrets of one object.
pub const MAX_STATE: usize = 17 << 20;

// === impl Keyring ===

impl Keyring {
    /// Seals `content` to stand under `name`.
    ///
    /// # Errors
    /// [`SealError::TooLong`] beyond [`MAX_STATE`].
    pub fn seal_state(&self, name: &str, content: &[u8]) -> Result<String, SealError> {
        if content.len() > MAX_STATE {
            let limit = envelope::sealed_len(MAX_STATE);
            return Err(SealError::TooLong { length: envelope::sealed_len(content.len()), limit });
        }
        self.seal(Purpose::State, &[name], content)
    }

    /// Opens what was sealed to stand under `name`. `text` may be anything.
    ///
    /// # Errors
    /// [`NotAuthentic`]: other keys, another name, or damaged.
    pub fn open_state(&self, name: &str, text: &str) -> Result<Vec<u8>, NotAuthentic> {
        if text.len() > envelope::sealed_len(MAX_STATE) {
            return Err(NotAuthentic);
        }
        self.open(Purpose::State, &[name], text)
    }
}
