//! Members of a JSON object as raw bytes: what a script needs to choose its answer, of texts that no value type keeps
//! (lone surrogates, numbers beyond every range, repeated keys).

/// The raw value of the first member with that key; `None` when there is none, or the text is no object.
#[must_use]
pub fn member<'a>(object: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    let mut rest = object.trim_ascii_start().strip_prefix(b"{")?;
    loop {
        rest = rest.trim_ascii_start();
        rest = rest.strip_prefix(b",").unwrap_or(rest).trim_ascii_start();
        let (key, after) = value(rest)?;
        let (found, after) = value(after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start())?;
        if text(key) == wanted {
            return Some(found);
        }
        rest = after;
    }
}

/// A JSON string without its quotes and escapes; a lone surrogate becomes U+FFFD.
#[must_use]
pub fn text(raw: &[u8]) -> String {
    let raw = String::from_utf8_lossy(raw);
    let inside = raw.strip_prefix('"').and_then(|raw| raw.strip_suffix('"')).unwrap_or(&raw);
    let mut out = Vec::new();
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        }
        let unit = match chars.next() {
            Some('u') => {
                let digits: String = chars.by_ref().take(4).collect();
                u16::from_str_radix(&digits, 16).unwrap_or(0xfffd)
            }
            Some('n') => 0x0a,
            Some('t') => 0x09,
            Some('r') => 0x0d,
            Some('b') => 0x08,
            Some('f') => 0x0c,
            Some(other) => u16::try_from(u32::from(other)).unwrap_or(0xfffd),
            None => break,
        };
        out.push(unit);
    }
    String::from_utf16_lossy(&out)
}

/// The value at the front, and what follows it. Strings and nesting are followed; the rest is not checked.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        if quoted {
            (quoted, escaped) = (escaped || *byte != b'"', !escaped && *byte == b'\\');
            if !quoted && depth == 0 {
                return Some(text.split_at(at + 1));
            }
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return Some(text.split_at(at + 1)),
            b',' | b'}' | b']' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => {
                return (at > 0).then(|| text.split_at(at));
            }
            _ => {}
        }
    }
    (!text.is_empty() && depth == 0 && !quoted).then_some((text, &[]))
}

#[cfg(test)]
mod tests {
    use super::{member, text};

    #[test]
    fn members_are_found_in_texts_that_parsers_refuse() {
        let object = br#" { "\ud800" : [1e400, {"id": "no"}] , "m\u0065thod":"a\/\u0062\"","id" :-1 } "#;
        assert_eq!(member(object, "method").map(text).as_deref(), Some("a/b\""));
        assert_eq!(member(object, "id"), Some(&b"-1"[..]));
        assert_eq!(member(object, "params"), None);
        assert_eq!(member(b"[1]", "id"), None);
        assert_eq!(member(b"{", "id"), None);
    }
}
