//! Short text copied from the wire into a fixed buffer, cut at a character.
//!
//! A record holds several of these so that a call allocates nothing for them. Escapes nothing: that is the log
//! line's duty.

use std::fmt;

/// At most `N` bytes of text (`N` ≤ 255).
#[derive(Clone, Copy)]
pub struct Inline<const N: usize> {
    bytes: [u8; N],
    len: u8,
}

// === impl Inline ===

impl<const N: usize> Inline<N> {
    const FITS: () = assert!(N <= u8::MAX as usize);

    /// No text.
    #[must_use]
    pub const fn new() -> Self {
        let () = Self::FITS;
        Self { bytes: [0; N], len: 0 }
    }

    /// Replaces the text by the longest prefix of `text` that fits.
    pub fn set(&mut self, text: &str) {
        let end = text.floor_char_boundary(N);
        if let (Some(to), Some(from)) = (self.bytes.get_mut(..end), text.as_bytes().get(..end)) {
            to.copy_from_slice(from);
            self.len = u8::try_from(end).unwrap_or(0);
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only `set` writes, and it cuts at characters.
        self.bytes.get(..usize::from(self.len)).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<const N: usize> Default for Inline<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for Inline<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_a_character() {
        let mut text = Inline::<5>::new();
        assert!(text.is_empty());
        for (given, kept) in [("abc", "abc"), ("abcdef", "abcde"), ("abcdé", "abcd"), ("ééé", "éé"), ("", "")] {
            text.set(given);
            assert_eq!(text.as_str(), kept);
        }
    }
}
