//! The text form of a keyring: one base64 key of 32 bytes per line, the first seals, `#` starts a comment.
//!
//! Does not read files. Called by the data plane (a mounted Secret, or a file beside a standalone gateway) and by the
//! command that makes such a file.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::{KeyError, KeyId, Keyring, SealError};

/// What is wrong with a key file. Names lines, counted from 1, and never shows a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// Nothing but blank lines and comments. There is no default key.
    #[error("the key file holds no key: it needs one base64 key of 32 bytes per line, the first seals")]
    NoKey,
    /// The line is not standard base64.
    #[error("line {line} of the key file is not base64")]
    NotBase64 {
        /// Line number.
        line: usize,
    },
    /// The line is base64 of something else.
    #[error("line {line} of the key file holds {bytes} bytes, a key has 32")]
    WrongLength {
        /// Line number.
        line: usize,
        /// Bytes that the line decodes to.
        bytes: usize,
    },
    /// One byte repeated: a placeholder that somebody meant to replace.
    #[error("line {line} of the key file is a placeholder, not a random key")]
    Placeholder {
        /// Line number.
        line: usize,
    },
    /// The same key twice (or two keys of one id, which happens once in 4 billion: make another).
    #[error("line {line} of the key file has the same key id as line {first}")]
    Repeated {
        /// Line number of the second.
        line: usize,
        /// Line number of the first.
        first: usize,
    },
    /// The library failed; the file may be in order.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// `openssl rand -base64 32` pads, other tools do not; both are taken.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

// === impl Keyring ===

impl Keyring {
    /// Reads the text of a key file.
    ///
    /// # Errors
    /// [`KeyFileError`] naming the first line in fault.
    pub fn parse(text: &str) -> Result<Self, KeyFileError> {
        let mut keys: Vec<[u8; 32]> = Vec::new();
        let mut seen: Vec<(KeyId, usize)> = Vec::new();
        for (line, content) in (1..).zip(text.lines()) {
            let content = content.split_once('#').map_or(content, |(key, _)| key).trim();
            if content.is_empty() {
                continue;
            }
            let key = parse_key(content, line)?;
            let id = KeyId::of(&key)?;
            if let Some(&(_, first)) = seen.iter().find(|(other, _)| *other == id) {
                return Err(KeyFileError::Repeated { line, first });
            }
            seen.push((id, line));
            keys.push(key);
        }
        let mut keys = keys.into_iter();
        let primary = keys.next().ok_or(KeyFileError::NoKey)?;
        Ok(Self::new(primary, keys)?)
    }
}

/// A new key file with one random key, to be written with mode 0600.
///
/// # Errors
/// [`SealError::Crypto`] when the system gives no random bytes.
pub fn generate_file_text() -> Result<String, SealError> {
    let mut key = [0; 32];
    rand::fill(&mut key).map_err(|_| SealError::Crypto)?;
    Ok(format!(
        "# Sealing keys of Ringway: one base64 key of 32 random bytes per line.\n\
         # The first seals, all open. To rotate: add the new key last on every pod, then put it first, then\n\
         # remove the old one after the longest session life.\n\
         {}\n",
        STANDARD.encode(key)
    ))
}

fn parse_key(content: &str, line: usize) -> Result<[u8; 32], KeyFileError> {
    // The decoder's own error shows the offending character, a part of the key: it goes no further.
    let bytes = BASE64.decode(content).map_err(|_| KeyFileError::NotBase64 { line })?;
    let key: [u8; 32] =
        bytes.as_slice().try_into().map_err(|_| KeyFileError::WrongLength { line, bytes: bytes.len() })?;
    if key.iter().all(|byte| *byte == key[0]) {
        return Err(KeyFileError::Placeholder { line });
    }
    Ok(key)
}
