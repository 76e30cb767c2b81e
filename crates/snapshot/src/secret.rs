//! A value that never shows itself: no `Display`, a `Debug` of stars, a digest in place of a serialisation.

use std::fmt;

use serde::{Serialize, Serializer};

/// Secret bytes. Equal by content, hashed into snapshots by digest, printed as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

// === impl Secret ===

impl Secret {
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves, for the one place that sends them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Not reversible, and enough to see that a secret changed.
        serializer.serialize_str(&format!("xxh3:{:016x}", xxhash_rust::xxh3::xxh3_64(&self.0)))
    }
}
