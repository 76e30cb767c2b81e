//! The insides of JSON strings: finding where plain text ends, and undoing escapes.
//!
//! Works on any bytes; used by the lexers of whole bodies and of streams.

const ONES: u64 = 0x0101_0101_0101_0101;

/// The high bit of each byte of the word at `from` that is a quote, a backslash or a control character. Bits above the
/// lowest one may be wrong.
#[inline(always)]
pub(super) fn specials<const N: usize>(bytes: &[u8; N], from: usize) -> u64 {
    let Some(chunk) = bytes.get(from..).and_then(|rest| rest.first_chunk::<8>()) else { return 0 };
    let word = u64::from_le_bytes(*chunk);
    // Swapping 0x20 and 0x22 puts the quote next to the controls: one comparison with 0x21 finds both. False hits of
    // the subtraction lie above a true one only.
    let low = word ^ (ONES * 0x02);
    let backslash = word ^ (ONES * b'\\' as u64);
    ((low.wrapping_sub(ONES * 0x21) & !low) | (backslash.wrapping_sub(ONES) & !backslash)) & (ONES << 7)
}

/// The position of the first byte at or after `at` that is a quote, a backslash or a control character; the length of
/// the body if there is none. Eight bytes a step for the usual short string, then memchr and a check for controls.
#[inline]
pub(crate) fn plain(body: &[u8], mut at: usize) -> usize {
    for _ in 0..6 {
        let Some(chunk) = body.get(at..).and_then(|rest| rest.first_chunk::<8>()) else { return plain_tail(body, at) };
        let hits = specials(chunk, 0);
        if hits != 0 {
            return at + (hits.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    plain_long(body, at)
}

fn plain_tail(body: &[u8], at: usize) -> usize {
    let rest = body.get(at..).unwrap_or_default();
    at + rest.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\').unwrap_or(rest.len())
}

fn plain_long(body: &[u8], mut at: usize) -> usize {
    // Block by block, so that the second look finds the bytes in the nearest cache.
    const BLOCK: usize = 8 << 10;
    for block in body.get(at..).unwrap_or_default().chunks(BLOCK) {
        let end = memchr::memchr2(b'"', b'\\', block).unwrap_or(block.len());
        let run = block.get(..end).unwrap_or_default();
        // The minimum of all bytes is one vector instruction per 16 of them; a search would stop and branch at each.
        if run.iter().fold(u8::MAX, |least, &byte| least.min(byte)) < 0x20 {
            return at + run.iter().position(|&byte| byte < 0x20).unwrap_or(end);
        }
        at += end;
        if end < block.len() {
            break;
        }
    }
    at
}

/// The text of a string body with escapes. Lone surrogates and bad escapes become U+FFFD.
pub(super) fn unescape(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match rest.next() {
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => unicode_escape(&mut rest),
            Some(c @ ('"' | '\\' | '/')) => c,
            _ => char::REPLACEMENT_CHARACTER,
        });
    }
    out
}

// The character of `\u` and the four digits that follow, or of a pair of such escapes.
fn unicode_escape(rest: &mut std::str::Chars<'_>) -> char {
    let Some(first) = hex4(rest) else { return char::REPLACEMENT_CHARACTER };
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    // A high surrogate: joined with a low one if that follows, else alone, and what follows is read anew.
    let mut ahead = rest.clone();
    if ahead.next() == Some('\\')
        && ahead.next() == Some('u')
        && let Some(second @ 0xdc00..0xe000) = hex4(&mut ahead)
    {
        *rest = ahead;
        let scalar = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    char::REPLACEMENT_CHARACTER
}

fn hex4(rest: &mut std::str::Chars<'_>) -> Option<u32> {
    (0..4).try_fold(0, |value, _| Some(value * 16 + rest.next()?.to_digit(16)?))
}
