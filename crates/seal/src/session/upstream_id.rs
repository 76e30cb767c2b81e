//! Upstream session ids, packed: most servers send a UUID, with hyphens (TypeScript SDK) or without (Python SDK),
//! and 16 bytes instead of 36 keep the usual session id under 192 characters.
//!
//! Called by `session` alone.

use crate::wire::{self, Reader};

/// How an id is packed. Only text that unpacks to itself is packed: an upper-case UUID stays text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    None,
    Uuid([u8; 16]),
    Hex([u8; 16]),
    Text(&'a str),
}

const NONE: u8 = 0;
const UUID: u8 = 1;
const HEX: u8 = 2;
const TEXT: u8 = 3;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Bytes of a UUID after which its text has a hyphen (RFC 9562 section 4).
const HYPHEN_AFTER: [usize; 4] = [4, 6, 8, 10];

/// Reads what [`Form::write`] wrote; the inner `None` is an absent id.
#[expect(clippy::option_option, reason = "outside: not readable; inside: read, and there is no id")]
pub(super) fn read(code: u8, reader: &mut Reader<'_>) -> Option<Option<String>> {
    Some(match code {
        NONE => None,
        UUID => Some(unpack(reader.array()?, true)),
        HEX => Some(unpack(reader.array()?, false)),
        TEXT => Some(reader.text()?.to_owned()),
        _ => return None,
    })
}

// === impl Form ===

impl<'a> Form<'a> {
    pub(super) fn of(id: &'a str) -> Self {
        match id.len() {
            36 => pack(id, true).map_or(Self::Text(id), Self::Uuid),
            32 => pack(id, false).map_or(Self::Text(id), Self::Hex),
            _ => Self::Text(id),
        }
    }

    pub(super) const fn code(self) -> u8 {
        match self {
            Self::None => NONE,
            Self::Uuid(_) => UUID,
            Self::Hex(_) => HEX,
            Self::Text(_) => TEXT,
        }
    }

    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Uuid(bytes) | Self::Hex(bytes) => out.extend_from_slice(&bytes),
            Self::Text(text) => wire::put_text(out, text),
        }
    }
}

fn pack(id: &str, hyphens: bool) -> Option<[u8; 16]> {
    let mut characters = id.bytes();
    let mut packed = [0; 16];
    for (at, byte) in packed.iter_mut().enumerate() {
        if hyphens && HYPHEN_AFTER.contains(&at) && characters.next()? != b'-' {
            return None;
        }
        *byte = digit(characters.next()?)? << 4 | digit(characters.next()?)?;
    }
    characters.next().is_none().then_some(packed)
}

fn unpack(bytes: [u8; 16], hyphens: bool) -> String {
    let mut id = String::with_capacity(36);
    for (at, byte) in bytes.into_iter().enumerate() {
        if hyphens && HYPHEN_AFTER.contains(&at) {
            id.push('-');
        }
        id.push(char::from(DIGITS[usize::from(byte >> 4)]));
        id.push(char::from(DIGITS[usize::from(byte & 0x0f)]));
    }
    id
}

const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}
