//! What a resource of the stream is called: its kind and its name.

use std::fmt;

use crate::limits::NAME_BYTES;
use crate::wire;

/// What the data plane obeys comes in these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Listener,
    Backend,
    Route,
}

/// A resource by kind and name (`namespace/name`, of a listener `namespace/gateway/listener`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub kind: Kind,
    pub name: String,
}

/// A kind that this version does not know, or a name that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a resource of unknown kind {kind}, or without a usable name")]
pub struct KeyError {
    kind: i32,
}

// === impl Kind ===

impl Kind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Backend => "backend",
            Self::Route => "route",
        }
    }

    /// The kind that [`Self::as_str`] gives `text` for.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        [Self::Listener, Self::Backend, Self::Route].into_iter().find(|kind| kind.as_str() == text)
    }

    #[must_use]
    pub const fn to_wire(self) -> i32 {
        match self {
            Self::Listener => wire::Kind::Listener as i32,
            Self::Backend => wire::Kind::Backend as i32,
            Self::Route => wire::Kind::Route as i32,
        }
    }

    /// `None` for a kind of a later version.
    #[must_use]
    pub fn from_wire(kind: i32) -> Option<Self> {
        match wire::Kind::try_from(kind).ok()? {
            wire::Kind::Unspecified => None,
            wire::Kind::Listener => Some(Self::Listener),
            wire::Kind::Backend => Some(Self::Backend),
            wire::Kind::Route => Some(Self::Route),
        }
    }
}

// === impl Key ===

impl Key {
    #[must_use]
    pub fn new(kind: Kind, name: impl fmt::Display) -> Self {
        Self { kind, name: name.to_string() }
    }

    /// # Errors
    /// [`KeyError`].
    pub fn from_wire(kind: i32, name: String) -> Result<Self, KeyError> {
        match Kind::from_wire(kind) {
            Some(kind) if !name.is_empty() && name.len() <= NAME_BYTES => Ok(Self { kind, name }),
            _ => Err(KeyError { kind }),
        }
    }

    #[must_use]
    pub fn to_gone(&self) -> wire::Gone {
        wire::Gone { kind: self.kind.to_wire(), name: self.name.clone() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.as_str(), self.name)
    }
}
