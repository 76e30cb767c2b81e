//! The sealed form itself: header, nonce, ciphertext, tag.
//!
//! Knows nothing of what is inside. Called by `session` and `cursor`.

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::keyring::{KeyId, Keyring, Purpose};
use crate::{NotAuthentic, SealError};

/// Version of the form; the readers of an old one may go when its last session has ended.
pub(crate) const VERSION: u8 = 1;

const KEY_ID_LEN: usize = 4;
const TAG_LEN: usize = 16;
const NONCE_AT: usize = 1 + KEY_ID_LEN;
const CONTENT_AT: usize = NONCE_AT + NONCE_LEN;
const OVERHEAD: usize = CONTENT_AT + TAG_LEN;

/// Characters of the sealed text for `content` bytes: base64 without padding is ⌈4n/3⌉.
pub(crate) const fn sealed_len(content: usize) -> usize {
    (content + OVERHEAD).saturating_mul(4).div_ceil(3)
}

// === impl Keyring ===

impl Keyring {
    /// Seals with the primary key and a random 96-bit nonce. GCM would be bounded to 2^32 such messages per key
    /// (SP 800-38D section 8.3) and break at a repeat; with GCM-SIV a repeat shows only whether two contents for the
    /// same caller and route are equal (RFC 8452 section 9).
    pub(crate) fn seal(&self, purpose: Purpose, context: &[&str], content: &[u8]) -> Result<String, SealError> {
        let keys = self.primary();
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| SealError::Crypto)?;
        let aad = associated_data(purpose, keys.id(), context);

        let mut sealed = Vec::with_capacity(content.len() + OVERHEAD);
        sealed.push(VERSION);
        sealed.extend_from_slice(&keys.id().to_bytes());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(content);
        let (_, in_out) = sealed.split_at_mut(CONTENT_AT);
        let tag = keys
            .subkey(purpose)
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(aad), in_out)
            .map_err(|_| SealError::Crypto)?;
        sealed.extend_from_slice(tag.as_ref());
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens with the one key that the text names. The caller has bounded the length of `text`.
    pub(crate) fn open(&self, purpose: Purpose, context: &[&str], text: &str) -> Result<Vec<u8>, NotAuthentic> {
        // The strict decoder refuses padding and stray low bits: one content has one text.
        let mut sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotAuthentic)?;
        let (&[version], rest) = sealed.split_first_chunk().ok_or(NotAuthentic)?;
        let (&id, rest) = rest.split_first_chunk::<KEY_ID_LEN>().ok_or(NotAuthentic)?;
        let (&nonce, rest) = rest.split_first_chunk::<NONCE_LEN>().ok_or(NotAuthentic)?;
        let content = rest.len().checked_sub(TAG_LEN).ok_or(NotAuthentic)?;
        if version != VERSION {
            return Err(NotAuthentic);
        }
        let keys = self.by_id(KeyId::from_bytes(id)).ok_or(NotAuthentic)?;
        let aad = associated_data(purpose, keys.id(), context);
        keys.subkey(purpose)
            .open_within(Nonce::assume_unique_for_key(nonce), Aad::from(aad), &mut sealed, CONTENT_AT..)
            .map_err(|_| NotAuthentic)?;
        sealed.truncate(content);
        Ok(sealed)
    }
}

/// Version, key id, then purpose and context, each with its length before it, so that no two lists give the same bytes.
fn associated_data(purpose: Purpose, id: KeyId, context: &[&str]) -> Vec<u8> {
    let parts = || std::iter::once(purpose.label()).chain(context.iter().copied());
    let length = parts().map(|part| size_of::<u64>() + part.len()).sum::<usize>();
    let mut aad = Vec::with_capacity(1 + KEY_ID_LEN + length);
    aad.push(VERSION);
    aad.extend_from_slice(&id.to_bytes());
    for part in parts() {
        aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}
