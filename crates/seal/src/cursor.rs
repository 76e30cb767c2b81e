//! List cursors: where a paged list goes on, on any pod and in any later generation of the configuration.
//!
//! Does not page: the data plane finds the place. A cursor does not expire; it holds a name or an upstream's own
//! cursor, and the lists it points into are read with the caller's rights each time.

use crate::envelope;
use crate::keyring::{Keyring, Purpose};
use crate::wire::Reader;
use crate::{Bound, NotAuthentic, SealError};

/// Longest cursor made of our own data, in characters.
pub const MAX_OWN_CURSOR: usize = 2048;

/// Longest upstream cursor that is wrapped, in bytes.
pub const MAX_UPSTREAM_CURSOR: usize = 64 * 1024;

/// Longest cursor at all, in characters: an upstream one of full length, its kind and backend, sealed.
pub const MAX_CURSOR: usize = envelope::sealed_len(MAX_UPSTREAM_CURSOR + 1 + 8);

/// Where a list goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cursor {
    /// In a list that we keep in order (the route's order of backends, then the backend's own): after this entry.
    After {
        /// Which list; the caller compares it with the method called.
        list: ListKind,
        /// Hash of the backend's `namespace/name`.
        backend: u64,
        /// The backend's own name of the last entry sent.
        name: String,
    },
    /// In the resources, which are walked backend by backend and not kept.
    Walk {
        /// Hash of the backend's `namespace/name`.
        backend: u64,
        /// The backend's own cursor, `None` at its first page.
        upstream: Option<String>,
    },
}

/// The lists that are kept in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/templates/list`
    Templates,
}

const TOOLS: u8 = 0;
const PROMPTS: u8 = 1;
const TEMPLATES: u8 = 2;
const WALK_START: u8 = 3;
const WALK_ON: u8 = 4;

// === impl Keyring ===

impl Keyring {
    /// Makes the text of `cursor`: at most [`MAX_OWN_CURSOR`] characters, or [`MAX_CURSOR`] around an upstream's.
    ///
    /// # Errors
    /// [`SealError::TooLong`] for a longer name or upstream cursor.
    pub fn seal_cursor(&self, cursor: &Cursor, bound: Bound<'_>) -> Result<String, SealError> {
        let content = cursor.to_plaintext();
        let length = envelope::sealed_len(content.len());
        let limit = cursor.limit();
        if length > limit {
            return Err(SealError::TooLong { length, limit });
        }
        self.seal(Purpose::Cursor, &[bound.route, bound.principal], &content)
    }

    /// Reads a cursor that a client sent. `text` may be anything.
    ///
    /// # Errors
    /// [`NotAuthentic`]; to the client that is an invalid parameter.
    pub fn open_cursor(&self, text: &str, bound: Bound<'_>) -> Result<Cursor, NotAuthentic> {
        if text.len() > MAX_CURSOR {
            return Err(NotAuthentic);
        }
        let content = self.open(Purpose::Cursor, &[bound.route, bound.principal], text)?;
        Cursor::from_plaintext(&content)
    }
}

// === impl Cursor ===

impl Cursor {
    const fn limit(&self) -> usize {
        match self {
            Self::After { .. } | Self::Walk { upstream: None, .. } => MAX_OWN_CURSOR,
            Self::Walk { upstream: Some(_), .. } => MAX_CURSOR,
        }
    }

    /// The packed content, before sealing. Public for fuzzing; nobody else needs it.
    #[doc(hidden)]
    #[must_use]
    pub fn to_plaintext(&self) -> Vec<u8> {
        let (code, backend, text) = match self {
            Self::After { list, backend, name } => (list.code(), backend, name.as_str()),
            Self::Walk { backend, upstream: None } => (WALK_START, backend, ""),
            Self::Walk { backend, upstream: Some(upstream) } => (WALK_ON, backend, upstream.as_str()),
        };
        let mut out = Vec::with_capacity(1 + 8 + text.len());
        out.push(code);
        out.extend_from_slice(&backend.to_be_bytes());
        out.extend_from_slice(text.as_bytes());
        out
    }

    /// Reads packed content. Public for fuzzing: **authenticates nothing**, use [`Keyring::open_cursor`].
    ///
    /// # Errors
    /// [`NotAuthentic`] for anything that [`Self::to_plaintext`] of some version did not make.
    #[doc(hidden)]
    pub fn from_plaintext(content: &[u8]) -> Result<Self, NotAuthentic> {
        Self::read(&mut Reader::new(content)).ok_or(NotAuthentic)
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let code = reader.byte()?;
        let backend = u64::from_be_bytes(reader.array()?);
        let text = reader.rest()?;
        let after = |list| Some(Self::After { list, backend, name: text.to_owned() });
        match code {
            TOOLS => after(ListKind::Tools),
            PROMPTS => after(ListKind::Prompts),
            TEMPLATES => after(ListKind::Templates),
            WALK_START if text.is_empty() => Some(Self::Walk { backend, upstream: None }),
            WALK_ON => Some(Self::Walk { backend, upstream: Some(text.to_owned()) }),
            _ => None,
        }
    }
}

// === impl ListKind ===

impl ListKind {
    const fn code(self) -> u8 {
        match self {
            Self::Tools => TOOLS,
            Self::Prompts => PROMPTS,
            Self::Templates => TEMPLATES,
        }
    }
}
