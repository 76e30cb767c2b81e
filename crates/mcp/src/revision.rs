//! Protocol revisions, in their order of age.
//!
//! Says nothing about negotiation: the data plane's session code chooses a revision, this module only names them.
use std::fmt;

/// A published revision of MCP. Older sorts before newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Revision {
    /// HTTP+SSE, batching unspecified.
    V2024_11_05,
    /// Streamable HTTP; the only revision with batches.
    V2025_03_26,
    /// Elicitation, structured output, `MCP-Protocol-Version` header.
    V2025_06_18,
    /// Tasks (experimental), URL elicitation, priming events.
    V2025_11_25,
    /// Stateless: per-request `_meta`, `server/discover`, routing headers.
    V2026_07_28,
}

// === impl Revision ===

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: &[Self] =
        &[Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The revisions with `initialize` and sessions, oldest first.
    pub const LEGACY: &[Self] = &[Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25];

    /// Reads the exact date string; anything else is `None`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"2024-11-05" => Self::V2024_11_05,
            b"2025-03-26" => Self::V2025_03_26,
            b"2025-06-18" => Self::V2025_06_18,
            b"2025-11-25" => Self::V2025_11_25,
            b"2026-07-28" => Self::V2026_07_28,
            _ => return None,
        })
    }

    /// The date string of the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// True for the stateless era.
    pub const fn is_modern(self) -> bool {
        matches!(self, Self::V2026_07_28)
    }

    /// True where one POST may carry an array of messages (2025-03-26 alone says so).
    pub const fn allows_batch(self) -> bool {
        matches!(self, Self::V2025_03_26)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_revision_reads_back_and_sorts_by_age() {
        for &revision in Revision::ALL {
            assert_eq!(Revision::parse(revision.as_str().as_bytes()), Some(revision));
        }
        assert!(Revision::ALL.is_sorted());
        assert_eq!(Revision::LEGACY.len() + 1, Revision::ALL.len());
        assert!(Revision::LEGACY.iter().all(|revision| !revision.is_modern()));
    }

    #[test]
    fn only_the_exact_string_is_a_revision() {
        for text in ["", "2025-11-2", "2025-11-25 ", "2025-11-251", "DRAFT-2026-v1", "2025-12-11"] {
            assert_eq!(Revision::parse(text.as_bytes()), None, "{text}");
        }
    }
}
