//! A value that never shows itself: no `Display`, a `Debug` of stars, stars in place of a serialisation.
//!
//! Where the bytes must travel (the config stream, the copy on disk) they go beside the object, in the order of
//! `secrets_mut`, and are put back after it was read.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Secret bytes. Equal by content, printed and serialised as `***`; read back it is empty until it is filled.
#[derive(Clone, PartialEq, Eq, Default)]
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
        serializer.serialize_str("***")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|_| Self::default())
    }
}
