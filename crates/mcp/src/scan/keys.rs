//! Keys of the objects the scanner looks into: duplicates, look-alikes, and where known members lie.
//!
//! Comparison is by decoded key. Used by the walkers of envelope, params, `_meta` and result only: objects below are
//! the receiver's business.
use std::borrow::Cow;
use std::collections::HashSet;

use smallvec::SmallVec;

use super::lex::MemberWalk;
use super::{Span, Str};

/// An object: where it is and how many members it has, so that a member can be added with the right comma.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object {
    /// With the braces.
    pub span: Span,
    /// Number of members.
    pub members: u32,
}

/// Where a known member lies in its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<K> {
    /// Which member.
    pub key: K,
    /// From the key's quote to the end of the value.
    pub member: Span,
    /// The value alone.
    pub value: Span,
    /// Where the comma before the member is; 0 when it is the first of its object.
    pub comma: u32,
}

/// The known members of one object, in the order of the wire. A real message has at most `N`; more cost an allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields<K, const N: usize>(SmallVec<[Field<K>; N]>);

// Unknown keys compared pairwise; real messages have none or one.
const FEW: usize = 8;

/// The keys met so far in one object.
#[derive(Debug, Default)]
pub(super) struct Seen<'a> {
    known: u32,
    few: SmallVec<[Str; FEW]>,
    many: Option<HashSet<Cow<'a, str>>>,
}

// === impl Fields ===

impl<K: Copy + PartialEq, const N: usize> Fields<K, N> {
    pub(super) fn new() -> Self {
        Self(SmallVec::new())
    }

    pub(super) fn push(&mut self, key: K, walk: &MemberWalk, name: Str, value: Span) {
        let member = Span { start: name.quoted().start, end: value.end };
        self.0.push(Field { key, member, value, comma: walk.before });
    }

    /// The member with that key.
    pub fn field(&self, key: K) -> Option<&Field<K>> {
        self.0.iter().find(|field| field.key == key)
    }
}

// === impl Seen ===

impl<'a> Seen<'a> {
    /// Notes the known key with that number (below 32); true when it was there before.
    #[inline]
    pub(super) fn known(&mut self, number: u8) -> bool {
        let bit = 1_u32 << number;
        let again = self.known & bit != 0;
        self.known |= bit;
        again
    }

    /// Notes an unknown key; true when it was there before.
    pub(super) fn unknown(&mut self, body: &'a [u8], key: Str) -> bool {
        if let Some(many) = &mut self.many {
            return !many.insert(key.text(body));
        }
        // Pairwise comparison is for a few plain keys: with more it would be quadratic in the sender's hands, and an
        // escaped key would be decoded once for each other one.
        if key.escaped || self.few.len() == FEW {
            let mut many: HashSet<Cow<'a, str>> = self.few.iter().map(|old| old.text(body)).collect();
            let new = many.insert(key.text(body));
            self.many = Some(many);
            return !new;
        }
        let again = self.few.iter().any(|old| old.raw(body) == key.raw(body));
        self.few.push(key);
        again
    }
}

/// The key's known meaning by decoded text. `read` gets the bytes.
#[inline(always)]
pub(super) fn decoded<K>(body: &[u8], key: Str, read: impl Fn(&[u8]) -> Option<K>) -> Option<K> {
    if key.escaped { unescaped(body, key, &read) } else { read(key.raw(body)) }
}

// Apart and through a pointer, so that `read` has one direct call and is compiled into its caller.
#[cold]
fn unescaped<K>(body: &[u8], key: Str, read: &dyn Fn(&[u8]) -> Option<K>) -> Option<K> {
    read(key.text(body).as_bytes())
}

/// Whether a lenient parser could take `key`, which is none of `known`, for one of them: Unicode simple case folding
/// (Go's encoding/json), dotted and dotless i (Java's equalsIgnoreCase), and NUL bytes (C strings).
pub(super) fn folds_to(body: &[u8], key: Str, known: &[&str]) -> bool {
    folds(&key.text(body), known)
}

/// The same for a decoded key of the envelope.
pub(crate) fn folds_to_envelope_key(key: &str) -> bool {
    folds(key, &super::message::KEYS)
}

fn folds(key: &str, known: &[&str]) -> bool {
    const LONGEST: usize = 16;
    let mut folded = [0_u8; LONGEST];
    let mut len = 0;
    // A folded letter is at most six bytes on the wire (an escape), plus NULs, which may be any number.
    for c in key.chars() {
        let letter = match c {
            '\0' => continue,
            '\u{17f}' => b's',
            '\u{212a}' => b'k',
            '\u{130}' | '\u{131}' => b'i',
            c if c.is_ascii() => (c as u8).to_ascii_lowercase(),
            _ => return false,
        };
        let Some(slot) = folded.get_mut(len) else { return false };
        *slot = letter;
        len += 1;
    }
    let folded = folded.get(..len).unwrap_or_default();
    known.iter().any(|known| folded.eq_ignore_ascii_case(known.as_bytes()))
}
