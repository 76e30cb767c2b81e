//! The JSON lexer under the scanner: strict grammar, iterative, counting as it goes.
//!
//! Knows no MCP. Works on bytes that were already checked to be UTF-8, but stays within bounds on any bytes.
use smallvec::SmallVec;

use super::text::{plain, specials};
use super::{Limits, Reason, Span, Str};

/// A refusal without the id, which the layer above adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fail {
    pub(crate) reason: Reason,
    pub(crate) at: usize,
}

/// What kind of value was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Object,
    Array,
    String { escaped: bool },
    Integer,
    Fraction,
    True,
    False,
    Null,
}

/// A value: where it is and what it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value {
    pub(crate) span: Span,
    pub(crate) shape: Shape,
}

/// A position in a body.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) pos: usize,
    pub(crate) limits: &'a Limits,
    nodes_left: u32,
}

/// Walks the members of one object whose `{` was just read.
#[derive(Debug)]
pub(crate) struct MemberWalk {
    /// Members begun so far.
    pub(crate) count: u32,
    /// Where the comma before the current member is; 0 for the first member (no comma can be at 0).
    pub(crate) before: u32,
}

// One byte of class per byte of input: what a value that starts with it is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Start {
    Bad,
    Quote,
    Number,
    Object,
    Array,
    Word,
}

static STARTS: [Start; 256] = {
    let mut table = [Start::Bad; 256];
    table[b'"' as usize] = Start::Quote;
    table[b'-' as usize] = Start::Number;
    let mut digit = b'0';
    while digit <= b'9' {
        table[digit as usize] = Start::Number;
        digit += 1;
    }
    table[b'{' as usize] = Start::Object;
    table[b'[' as usize] = Start::Array;
    table[b't' as usize] = Start::Word;
    table[b'f' as usize] = Start::Word;
    table[b'n' as usize] = Start::Word;
    table
};

// An open container: its number of entries, and the top bit for objects.
const OBJECT: u32 = 1 << 31;
// The frame under the value that was asked for.
const ROOT: u32 = OBJECT - 1;

// === impl Lexer ===

impl<'a> Lexer<'a> {
    pub(crate) fn new(body: &'a [u8], limits: &'a Limits) -> Self {
        Self { body, pos: 0, limits, nodes_left: limits.nodes }
    }

    pub(crate) fn fail<T>(&self, reason: Reason) -> Result<T, Fail> {
        Err(Fail { reason, at: self.pos })
    }

    // The fault at a byte that fits nowhere: the end is a fault of its own, since more bytes could heal it.
    #[cold]
    pub(crate) fn unexpected<T>(&self) -> Result<T, Fail> {
        self.fail(if self.pos >= self.body.len() { Reason::UnexpectedEnd } else { Reason::Syntax })
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.body.get(self.pos).copied()
    }

    /// Skips white space.
    #[inline]
    pub(crate) fn space(&mut self) {
        while let Some(&byte) = self.body.get(self.pos) {
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return;
            }
            self.pos += 1;
        }
    }

    /// Counts one value against the limit.
    #[inline]
    pub(crate) fn node(&mut self) -> Result<(), Fail> {
        let Some(left) = self.nodes_left.checked_sub(1) else { return self.fail(Reason::TooManyNodes) };
        self.nodes_left = left;
        Ok(())
    }

    /// Reads `{`, which opens level `depth`, and counts the object.
    pub(crate) fn open(&mut self, depth: usize) -> Result<MemberWalk, Fail> {
        self.node()?;
        if depth > self.limits.depth {
            return self.fail(Reason::Depth);
        }
        self.pos += 1;
        Ok(MemberWalk { count: 0, before: 0 })
    }

    /// The next key, with the position left at its value; `None` after the `}`.
    #[inline]
    pub(crate) fn member(&mut self, walk: &mut MemberWalk) -> Result<Option<Str>, Fail> {
        self.space();
        let Some(byte) = self.peek() else { return self.unexpected() };
        if byte == b'}' {
            self.pos += 1;
            return Ok(None);
        }
        if walk.count > 0 {
            if byte != b',' {
                return self.unexpected();
            }
            walk.before = self.pos as u32;
            self.pos += 1;
            self.space();
        }
        walk.count += 1;
        if walk.count > self.limits.keys_per_object {
            return self.fail(Reason::TooManyKeys);
        }
        self.key().map(Some)
    }

    /// A key and its colon; the position is left at the value.
    #[inline(always)]
    fn key(&mut self) -> Result<Str, Fail> {
        if let Some(key) = self.compact_key() {
            return Ok(key);
        }
        if self.peek() != Some(b'"') {
            return self.unexpected();
        }
        let key = self.long_key()?;
        if self.peek() != Some(b':') {
            self.space();
            if self.peek() != Some(b':') {
                return self.unexpected();
            }
        }
        self.pos += 1;
        self.space();
        Ok(key)
    }

    /// A short plain key with its colon and its value right after it, as compact JSON has them.
    #[inline(always)]
    fn compact_key(&mut self) -> Option<Str> {
        let at = self.pos;
        let chunk = self.body.get(at..)?.first_chunk::<32>()?;
        if chunk[0] != b'"' {
            return None;
        }
        let low = specials(chunk, 1);
        let bits = if low != 0 { low.trailing_zeros() } else { 64 + specials(chunk, 9).trailing_zeros() };
        let len = bits as usize / 8;
        let [b'"', b':', next] = chunk.get(len + 1..)?.first_chunk::<3>()? else { return None };
        if *next <= b' ' {
            return None;
        }
        self.pos = at + len + 3;
        Some(Str { span: Span::new(at + 1, at + 1 + len), escaped: false })
    }

    /// Any value, checked whole. `depth` is the number of containers open around it.
    #[inline(always)]
    pub(crate) fn value(&mut self, depth: usize) -> Result<Value, Fail> {
        let start = self.pos;
        let Some(&byte) = self.body.get(start) else { return self.unexpected() };
        let shape = match STARTS[byte as usize] {
            Start::Object => {
                self.nested(depth)?;
                Shape::Object
            }
            Start::Array => {
                self.nested(depth)?;
                Shape::Array
            }
            other => {
                self.node()?;
                self.scalar(other)?
            }
        };
        Ok(Value { span: Span::new(start, self.pos), shape })
    }

    #[inline(always)]
    fn scalar(&mut self, start: Start) -> Result<Shape, Fail> {
        match start {
            Start::Quote => self.string().map(|text| Shape::String { escaped: text.escaped }),
            Start::Number => self.number(),
            Start::Word => self.word(),
            Start::Bad | Start::Object | Start::Array => self.unexpected(),
        }
    }

    /// A container and all in it. No recursion: the open containers are in `stack`, the innermost in `frame`.
    fn nested(&mut self, depth: usize) -> Result<(), Fail> {
        let mut stack: SmallVec<[u32; 32]> = SmallVec::new();
        let mut frame = ROOT;
        let room = self.limits.depth.saturating_sub(depth);
        loop {
            // At a value.
            let Some(&byte) = self.body.get(self.pos) else { return self.unexpected() };
            self.node()?;
            let start = STARTS[byte as usize];
            if matches!(start, Start::Object | Start::Array) {
                if stack.len() >= room {
                    return self.fail(Reason::Depth);
                }
                stack.push(frame);
                self.pos += 1;
                self.space();
                let closed = if start == Start::Object {
                    frame = OBJECT;
                    self.peek() == Some(b'}')
                } else {
                    frame = 0;
                    self.peek() == Some(b']')
                };
                if !closed {
                    self.entry(&mut frame)?;
                    continue;
                }
            } else {
                self.scalar(start)?;
            }
            if self.close(&mut stack, &mut frame)? {
                return Ok(());
            }
        }
    }

    // Counts an entry of the innermost container and, in an object, reads its key.
    #[inline]
    fn entry(&mut self, frame: &mut u32) -> Result<(), Fail> {
        if *frame & OBJECT != 0 {
            *frame += 1;
            if *frame - OBJECT > self.limits.keys_per_object {
                return self.fail(Reason::TooManyKeys);
            }
            self.key()?;
        }
        Ok(())
    }

    // After a value: closes what ends here. True when the outermost container is closed; else at the next value.
    #[inline]
    fn close(&mut self, stack: &mut SmallVec<[u32; 32]>, frame: &mut u32) -> Result<bool, Fail> {
        loop {
            let Some(mut byte) = self.peek() else { return self.unexpected() };
            if byte <= b' ' {
                self.space();
                let Some(next) = self.peek() else { return self.unexpected() };
                byte = next;
            }
            match byte {
                b',' => {
                    self.pos += 1;
                    self.space();
                    self.entry(frame)?;
                    return Ok(false);
                }
                b'}' if *frame & OBJECT != 0 => {}
                b']' if *frame & OBJECT == 0 => {}
                _ => return self.unexpected(),
            }
            self.pos += 1;
            *frame = stack.pop().unwrap_or(ROOT);
            if *frame == ROOT {
                return Ok(true);
            }
        }
    }

    /// A string, from its opening quote. Most strings end within two words: those are read in line.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<Str, Fail> {
        let start = self.pos + 1;
        if let Some(chunk) = self.body.get(start..).and_then(|rest| rest.first_chunk::<16>()) {
            let low = specials(chunk, 0);
            let bits = if low != 0 { low.trailing_zeros() } else { 64 + specials(chunk, 8).trailing_zeros() };
            let skipped = bits as usize / 8;
            if let Some(b'"') = chunk.get(skipped) {
                let at = start + skipped;
                self.pos = at + 1;
                return Ok(Str { span: Span::new(start, at), escaped: false });
            }
        }
        self.long_string(start)
    }

    // Apart, so that the usual key stays small where it is compiled in.
    #[inline(never)]
    fn long_key(&mut self) -> Result<Str, Fail> {
        self.string()
    }

    #[inline(never)]
    fn long_string(&mut self, start: usize) -> Result<Str, Fail> {
        let mut at = plain(self.body, start);
        let mut escaped = false;
        loop {
            match self.body.get(at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    at = self.escape(at)?;
                }
                Some(_) => return Err(Fail { reason: Reason::ControlCharacter, at }),
                None => return Err(Fail { reason: Reason::UnexpectedEnd, at }),
            }
            at = plain(self.body, at);
        }
        self.pos = at + 1;
        Ok(Str { span: Span::new(start, at), escaped })
    }

    // The position after the escape at `at`.
    fn escape(&self, at: usize) -> Result<usize, Fail> {
        match self.body.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
            Some(b'u') => {
                let digits = self.body.get(at + 2..).unwrap_or_default();
                match digits.iter().take(4).take_while(|digit| digit.is_ascii_hexdigit()).count() {
                    4 => Ok(at + 6),
                    read if read == digits.len() => Err(Fail { reason: Reason::UnexpectedEnd, at: self.body.len() }),
                    _ => Err(Fail { reason: Reason::BadEscape, at }),
                }
            }
            Some(_) => Err(Fail { reason: Reason::BadEscape, at }),
            None => Err(Fail { reason: Reason::UnexpectedEnd, at: self.body.len() }),
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.pos;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.pos += 1;
        }
        self.pos - start
    }

    fn number(&mut self) -> Result<Shape, Fail> {
        let start = self.pos;
        let mut shape = Shape::Integer;
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        let leading_zero = self.peek() == Some(b'0');
        match self.digits() {
            0 => return self.bad_number(),
            1 => {}
            _ if leading_zero => return Err(Fail { reason: Reason::BadNumber, at: start }),
            _ => {}
        }
        if self.peek() == Some(b'.') {
            shape = Shape::Fraction;
            self.pos += 1;
            if self.digits() == 0 {
                return self.bad_number();
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            shape = Shape::Fraction;
            self.pos += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.pos += 1;
            }
            if self.digits() == 0 {
                return self.bad_number();
            }
        }
        if self.pos - start > self.limits.number_bytes {
            return Err(Fail { reason: Reason::NumberTooLong, at: start });
        }
        Ok(shape)
    }

    #[cold]
    fn bad_number<T>(&self) -> Result<T, Fail> {
        self.fail(if self.pos >= self.body.len() { Reason::UnexpectedEnd } else { Reason::BadNumber })
    }

    fn word(&mut self) -> Result<Shape, Fail> {
        let rest = self.body.get(self.pos..).unwrap_or_default();
        for (word, shape) in [(&b"true"[..], Shape::True), (b"false", Shape::False), (b"null", Shape::Null)] {
            if rest.starts_with(word) {
                self.pos += word.len();
                return Ok(shape);
            }
            if !rest.is_empty() && word.starts_with(rest) {
                return Err(Fail { reason: Reason::UnexpectedEnd, at: self.body.len() });
            }
        }
        self.fail(Reason::Syntax)
    }
}

// === impl Value ===

impl Value {
    /// The string, if it is one.
    pub(crate) fn string(&self) -> Option<Str> {
        let Shape::String { escaped } = self.shape else { return None };
        Some(Str { span: Span { start: self.span.start + 1, end: self.span.end - 1 }, escaped })
    }

    /// The span, unless the value is null.
    pub(crate) fn present(&self) -> Option<Span> {
        (self.shape != Shape::Null).then_some(self.span)
    }
}
