//! Readers over raw JSON for cold paths: members, elements, one key, one path.
//!
//! For spans of a body that [`crate::scan()`] accepted. They validate as they skip, so other bytes end an iteration
//! early and never panic. Where a key occurs twice the last one counts, as for JavaScript, Python and Go receivers.
use crate::scan::{Lexer, Limits, MemberWalk, Shape, Span, Str};

static NONE: Limits = Limits::NONE;

/// One member of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The key.
    pub key: Str,
    /// From the key's quote to the end of the value.
    pub member: Span,
    /// The value.
    pub value: Span,
}

/// The JSON type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// `{}`
    Object,
    /// `[]`
    Array,
    /// `""`
    String,
    /// Any number.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Iterates over the members of an object.
#[derive(Debug)]
pub struct Members<'a> {
    lex: Lexer<'a>,
    walk: Option<MemberWalk>,
}

/// Iterates over the elements of an array.
#[derive(Debug)]
pub struct Elements<'a> {
    lex: Lexer<'a>,
    state: Place,
}

#[derive(Debug, PartialEq, Eq)]
enum Place {
    First,
    Later,
    Done,
}

/// The members of the object at `span`; none for another type.
pub fn members(body: &[u8], span: Span) -> Members<'_> {
    let mut lex = at(body, span);
    let walk = if lex.peek() == Some(b'{') { lex.open(1).ok() } else { None };
    Members { lex, walk }
}

/// The elements of the array at `span`; none for another type.
pub fn elements(body: &[u8], span: Span) -> Elements<'_> {
    let mut lex = at(body, span);
    let state = if lex.peek() == Some(b'[') { Place::First } else { Place::Done };
    lex.pos += 1;
    Elements { lex, state }
}

/// The value of `key` in the object at `span`.
pub fn find(body: &[u8], span: Span, key: &str) -> Option<Span> {
    members(body, span).filter(|member| member.key.is(body, key)).last().map(|member| member.value)
}

/// The value under a chain of keys.
pub fn pointer<S: AsRef<str>>(body: &[u8], span: Span, path: &[S]) -> Option<Span> {
    path.iter().try_fold(span, |span, key| find(body, span, key.as_ref()))
}

/// The value at `span` without the white space around it; `None` when there is no single value.
pub fn whole(body: &[u8], span: Span) -> Option<Span> {
    let mut lex = at(body, span);
    lex.space();
    let value = lex.value(0).ok()?;
    lex.space();
    (lex.pos >= lex.body.len()).then_some(value.span)
}

/// The end of the value that begins at byte `start`, exclusive.
pub fn skip(body: &[u8], start: usize) -> Option<usize> {
    let mut lex = Lexer::new(body, &NONE);
    lex.pos = start;
    lex.value(0).ok().map(|value| value.span.end as usize)
}

/// The type of the value at `span`, by its first byte.
pub fn kind(body: &[u8], span: Span) -> Option<JsonKind> {
    Some(match span.of(body).first()? {
        b'{' => JsonKind::Object,
        b'[' => JsonKind::Array,
        b'"' => JsonKind::String,
        b't' | b'f' => JsonKind::Bool,
        b'n' => JsonKind::Null,
        _ => JsonKind::Number,
    })
}

/// A boolean.
pub fn as_bool(body: &[u8], span: Span) -> Option<bool> {
    match span.of(body) {
        b"true" => Some(true),
        b"false" => Some(false),
        _ => None,
    }
}

/// A whole number written without fraction or exponent, if it fits.
pub fn as_i64(body: &[u8], span: Span) -> Option<i64> {
    std::str::from_utf8(span.of(body)).ok()?.parse().ok()
}

/// A string.
pub fn string(body: &[u8], span: Span) -> Option<Str> {
    let mut lex = at(body, span);
    let value = lex.value(0).ok()?;
    let Shape::String { .. } = value.shape else { return None };
    value.string()
}

fn at(body: &[u8], span: Span) -> Lexer<'_> {
    // Cut at the end of the span, so that a value never runs beyond it.
    let mut lex = Lexer::new(body.get(..span.end as usize).unwrap_or_default(), &NONE);
    lex.pos = span.start as usize;
    lex
}

// === impl Members ===

impl Iterator for Members<'_> {
    type Item = Member;

    fn next(&mut self) -> Option<Member> {
        let walk = self.walk.as_mut()?;
        let read = self.lex.member(walk).ok().flatten().and_then(|key| {
            let value = self.lex.value(1).ok()?.span;
            Some(Member { key, member: Span { start: key.quoted().start, end: value.end }, value })
        });
        if read.is_none() {
            self.walk = None;
        }
        read
    }
}

// === impl Elements ===

impl Iterator for Elements<'_> {
    type Item = Span;

    fn next(&mut self) -> Option<Span> {
        if self.state == Place::Done {
            return None;
        }
        let first = std::mem::replace(&mut self.state, Place::Done) == Place::First;
        self.lex.space();
        match self.lex.peek()? {
            b']' => return None,
            b',' if !first => {
                self.lex.pos += 1;
                self.lex.space();
            }
            _ if first => {}
            _ => return None,
        }
        let value = self.lex.value(1).ok()?;
        self.state = Place::Later;
        Some(value.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Span {
        Span { start: 0, end: text.len() as u32 }
    }

    fn texts(body: &str, spans: impl Iterator<Item = Span>) -> Vec<&str> {
        spans.map(|span| std::str::from_utf8(span.of(body.as_bytes())).unwrap()).collect()
    }

    #[test]
    fn members_and_elements_read_what_is_there() {
        let body = r#"{ "a" : 1 , "b\u0063":[true, {"x":"]"} ,null],"a":"last"}"#;
        let bytes = body.as_bytes();
        let keys: Vec<_> = members(bytes, all(body)).map(|m| m.key.text(bytes).into_owned()).collect();
        assert_eq!(keys, ["a", "bc", "a"]);
        let whole = texts(body, members(bytes, all(body)).map(|m| m.member));
        assert_eq!(whole, [r#""a" : 1"#, r#""b\u0063":[true, {"x":"]"} ,null]"#, r#""a":"last""#]);
        let list = find(bytes, all(body), "bc").unwrap();
        assert_eq!(texts(body, elements(bytes, list)), ["true", r#"{"x":"]"}"#, "null"]);
        assert_eq!(find(bytes, all(body), "a").unwrap().of(bytes), br#""last""#);
    }

    #[test]
    fn pointer_follows_a_chain_and_stops_at_other_types() {
        let body = br#"{"a":{"b":{"c":42}},"s":"x"}"#;
        let span = Span { start: 0, end: body.len() as u32 };
        assert_eq!(as_i64(body, pointer(body, span, &["a", "b", "c"]).unwrap()), Some(42));
        for missing in [&["a", "x"][..], &["s", "b"], &["a", "b", "c", "d"]] {
            assert_eq!(pointer(body, span, missing), None);
        }
        assert_eq!(pointer::<&str>(body, span, &[]), Some(span));
    }

    #[test]
    fn scalars_are_read_strictly() {
        let read = |text: &str| (as_bool(text.as_bytes(), all(text)), as_i64(text.as_bytes(), all(text)));
        assert_eq!(read("true"), (Some(true), None));
        assert_eq!(read("-7"), (None, Some(-7)));
        assert_eq!(read("1e3"), (None, None));
        assert_eq!(read("9223372036854775808"), (None, None));
        assert_eq!(string(br#""a\n""#, all(r#""a\n""#)).unwrap().text(br#""a\n""#), "a\n");
        assert_eq!(string(b"1", all("1")), None);
        assert_eq!(skip(b" [1,2] x", 1), Some(6));
        assert_eq!(whole(b" {} ", all(" {} ")), Some(Span { start: 1, end: 3 }));
        assert_eq!(whole(b"1 2", all("1 2")), None);
    }

    #[test]
    fn broken_bytes_end_the_iteration() {
        for body in ["", "{", "[", "{\"a\"", "{\"a\":", "[1,", "[1 2]", "[,1]", "{\"a\":1 \"b\":2}", "[1,,2]", "7"] {
            assert!(members(body.as_bytes(), all(body)).count() <= 1, "{body}");
            assert!(elements(body.as_bytes(), all(body)).count() <= 1, "{body}");
            assert!(members(body.as_bytes(), Span { start: 90, end: 99 }).next().is_none());
            assert!(elements(body.as_bytes(), Span { start: 90, end: 99 }).next().is_none());
        }
    }
}
