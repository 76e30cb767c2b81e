//! Master keys and what is derived from them.
//!
//! Does not seal: `envelope` does, with the subkeys made here. Called by the data plane when it reads the key file.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};

/// The keys that seal and open. Holds only keys derived for one purpose each, never a master key.
///
/// Immutable: rotation makes a new one. The order that loses no session is: every pod accepts the new key, then every
/// pod seals with it, then the old one goes after the longest session life.
pub struct Keyring {
    primary: Keys,
    accepted: Vec<Keys>,
}

/// The public name of a master key: four bytes derived from it, shown as eight hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

/// The cryptographic library refused to make a key (out of memory, or a restricted mode of the library).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cryptographic library failed to derive a key")]
pub struct KeyError;

/// What a text was sealed for. Each has its own subkey, so a cursor never opens as a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Session,
    Cursor,
    State,
}

/// All that is derived from one master key. The contexts are made once: their key schedule costs more than a seal.
pub(crate) struct Keys {
    id: KeyId,
    session: LessSafeKey,
    cursor: LessSafeKey,
    state: LessSafeKey,
}

/// HKDF salt. A constant is as good as none here (RFC 5869 section 3.1) and restricted modes demand one.
const SALT: &[u8] = b"ringway/v1";

// === impl Keyring ===

impl Keyring {
    /// `primary` seals and opens, `accepted` keys open only. A key that repeats an earlier one is left out.
    ///
    /// # Errors
    /// [`KeyError`] when the library cannot derive the subkeys.
    pub fn new(primary: [u8; 32], accepted: impl IntoIterator<Item = [u8; 32]>) -> Result<Self, KeyError> {
        let mut ring = Self { primary: Keys::derive(&primary)?, accepted: Vec::new() };
        for master in accepted {
            let keys = Keys::derive(&master)?;
            if ring.by_id(keys.id).is_none() {
                ring.accepted.push(keys);
            }
        }
        Ok(ring)
    }

    /// Ids of all keys, the sealing one first: what a pod reports so that a rotation can wait for it.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> + '_ {
        std::iter::once(&self.primary).chain(&self.accepted).map(|keys| keys.id)
    }

    pub(crate) fn primary(&self) -> &Keys {
        &self.primary
    }

    pub(crate) fn by_id(&self, id: KeyId) -> Option<&Keys> {
        std::iter::once(&self.primary).chain(&self.accepted).find(|keys| keys.id == id)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring ")?;
        f.debug_list().entries(self.key_ids()).finish()
    }
}

// === impl KeyId ===

impl KeyId {
    pub(crate) const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn to_bytes(self) -> [u8; 4] {
        self.0
    }

    /// The id of `master`, without deriving its other keys.
    pub(crate) fn of(master: &[u8; 32]) -> Result<Self, KeyError> {
        Self::from_prk(&extract(master))
    }

    fn from_prk(prk: &Prk) -> Result<Self, KeyError> {
        expand(prk, "ringway/v1/kid").map(Self)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl KeyError ===

impl From<Unspecified> for KeyError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

// === impl Purpose ===

impl Purpose {
    /// The HKDF info, and first part of the associated data.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Session => "ringway/v1/session",
            Self::Cursor => "ringway/v1/cursor",
            Self::State => "ringway/v1/state",
        }
    }
}

// === impl Keys ===

impl Keys {
    fn derive(master: &[u8; 32]) -> Result<Self, KeyError> {
        let prk = extract(master);
        let subkey = |purpose: Purpose| -> Result<LessSafeKey, KeyError> {
            let bytes: [u8; 32] = expand(&prk, purpose.label())?;
            Ok(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &bytes)?))
        };
        Ok(Self {
            id: KeyId::from_prk(&prk)?,
            session: subkey(Purpose::Session)?,
            cursor: subkey(Purpose::Cursor)?,
            state: subkey(Purpose::State)?,
        })
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) const fn subkey(&self, purpose: Purpose) -> &LessSafeKey {
        match purpose {
            Purpose::Session => &self.session,
            Purpose::Cursor => &self.cursor,
            Purpose::State => &self.state,
        }
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn extract(master: &[u8; 32]) -> Prk {
    Salt::new(HKDF_SHA256, SALT).extract(master)
}

fn expand<const N: usize>(prk: &Prk, info: &str) -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    prk.expand(&[info.as_bytes()], Length(N))?.fill(&mut bytes)?;
    Ok(bytes)
}
