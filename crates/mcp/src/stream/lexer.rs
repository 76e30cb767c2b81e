//! A JSON lexer that can stop after any byte: one step at a time, with what that step meant.
//!
//! Keeps no text. Strings that are passed through are skipped as fast as whole-body scanning does.
use crate::scan::{Reason, plain};

/// What a step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// White space, a comma, a colon, or more of a token.
    Inside,
    /// `{`
    OpenObject,
    /// `[`
    OpenArray,
    /// `}` or `]`
    Close,
    /// The first byte of a key.
    Key,
    /// The last byte of a key.
    EndKey,
    /// The first byte of a string, number or word.
    Scalar,
    /// A scalar is over: with its last byte, or (numbers) before the next one.
    EndScalar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Value,
    // After `[`: a value or `]`.
    FirstElement,
    // After `{`: a key or `}`.
    FirstKey,
    // After a comma in an object.
    NextKey,
    Colon,
    // After a value.
    After,
    Text { key: bool, escape: Escape },
    Number(Number),
    Word { word: &'static [u8], read: usize },
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    None,
    Backslash,
    // Hexadecimal digits still to come.
    Hex(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Minus,
    Zero,
    Integer,
    Dot,
    Fraction,
    E,
    ESign,
    Exponent,
}

/// The lexer's whole memory.
#[derive(Debug)]
pub(super) struct Lexer {
    state: State,
    // True for each open object, false for each open array.
    open: Vec<bool>,
    number_bytes: usize,
    longest_number: usize,
    // A character cut by the end of a chunk.
    cut: [u8; 4],
    cut_len: usize,
}

type Fault = (Reason, usize);

// === impl Lexer ===

impl Lexer {
    pub(super) fn new(longest_number: usize) -> Self {
        Self { state: State::Value, open: Vec::new(), number_bytes: 0, longest_number, cut: [0; 4], cut_len: 0 }
    }

    /// True after the one value and with no character cut.
    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done && self.cut_len == 0
    }

    /// Checks the next chunk to be UTF-8; a character may be cut by its end.
    pub(super) fn check_utf8(&mut self, mut chunk: &[u8]) -> Result<(), Reason> {
        while self.cut_len > 0 {
            let Some((&byte, rest)) = chunk.split_first() else { return Ok(()) };
            chunk = rest;
            let Some(slot) = self.cut.get_mut(self.cut_len) else { return Err(Reason::Utf8) };
            *slot = byte;
            self.cut_len += 1;
            match std::str::from_utf8(self.cut.get(..self.cut_len).unwrap_or_default()) {
                Ok(_) => self.cut_len = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Reason::Utf8),
            }
        }
        if let Err(error) = simdutf8::compat::from_utf8(chunk) {
            if error.error_len().is_some() {
                return Err(Reason::Utf8);
            }
            for &byte in chunk.get(error.valid_up_to()..).unwrap_or_default() {
                let Some(slot) = self.cut.get_mut(self.cut_len) else { return Err(Reason::Utf8) };
                *slot = byte;
                self.cut_len += 1;
            }
        }
        Ok(())
    }

    /// Goes on from `pos`, which is inside `chunk`; the position after the step and what it was.
    pub(super) fn step(&mut self, chunk: &[u8], pos: usize) -> Result<(usize, Step), Fault> {
        let Some(&byte) = chunk.get(pos) else { return Err((Reason::UnexpectedEnd, pos)) };
        let fault = Err((if self.state == State::Done { Reason::TrailingData } else { Reason::Syntax }, pos));
        match self.state {
            State::Text { key, escape } => return self.text(chunk, pos, key, escape),
            State::Number(number) => return self.number(number, byte, pos),
            State::Word { word, read } => {
                if word.get(read) != Some(&byte) {
                    return fault;
                }
                let done = read + 1 == word.len();
                self.state = if done { State::After } else { State::Word { word, read: read + 1 } };
                return Ok((pos + 1, if done { Step::EndScalar } else { Step::Inside }));
            }
            _ if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => return Ok((pos + 1, Step::Inside)),
            _ => {}
        }
        let step = match (self.state, byte) {
            (State::FirstElement, b']') | (State::FirstKey, b'}') => self.close(),
            (State::Value | State::FirstElement, _) => match self.value(byte) {
                Some(step) => step,
                None => return fault,
            },
            (State::FirstKey | State::NextKey, b'"') => {
                self.state = State::Text { key: true, escape: Escape::None };
                Step::Key
            }
            (State::Colon, b':') => {
                self.state = State::Value;
                Step::Inside
            }
            (State::After, b',') => {
                self.state = if self.open.last() == Some(&true) { State::NextKey } else { State::Value };
                Step::Inside
            }
            (State::After, b'}') if self.open.last() == Some(&true) => self.close(),
            (State::After, b']') if self.open.last() == Some(&false) => self.close(),
            _ => return fault,
        };
        Ok((pos + 1, step))
    }

    fn close(&mut self) -> Step {
        self.open.pop();
        self.state = if self.open.is_empty() { State::Done } else { State::After };
        Step::Close
    }

    fn value(&mut self, byte: u8) -> Option<Step> {
        self.number_bytes = 1;
        self.state = match byte {
            b'{' | b'[' => {
                let object = byte == b'{';
                self.open.push(object);
                self.state = if object { State::FirstKey } else { State::FirstElement };
                return Some(if object { Step::OpenObject } else { Step::OpenArray });
            }
            b'"' => State::Text { key: false, escape: Escape::None },
            b'-' => State::Number(Number::Minus),
            b'0' => State::Number(Number::Zero),
            b'1'..=b'9' => State::Number(Number::Integer),
            b't' => State::Word { word: b"true", read: 1 },
            b'f' => State::Word { word: b"false", read: 1 },
            b'n' => State::Word { word: b"null", read: 1 },
            _ => return None,
        };
        Some(Step::Scalar)
    }

    fn text(&mut self, chunk: &[u8], pos: usize, key: bool, escape: Escape) -> Result<(usize, Step), Fault> {
        let at = if escape == Escape::None { plain(chunk, pos) } else { pos };
        let Some(&byte) = chunk.get(at) else { return Ok((at, Step::Inside)) };
        let escape = match (escape, byte) {
            (Escape::None, b'"') => {
                self.state = if key { State::Colon } else { State::After };
                return Ok((at + 1, if key { Step::EndKey } else { Step::EndScalar }));
            }
            (Escape::None, b'\\') => Escape::Backslash,
            (Escape::None, _) => return Err((Reason::ControlCharacter, at)),
            (Escape::Backslash, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Escape::None,
            (Escape::Backslash, b'u') => Escape::Hex(4),
            (Escape::Hex(1), digit) if digit.is_ascii_hexdigit() => Escape::None,
            (Escape::Hex(left), digit) if digit.is_ascii_hexdigit() => Escape::Hex(left - 1),
            _ => return Err((Reason::BadEscape, at)),
        };
        self.state = State::Text { key, escape };
        Ok((at + 1, Step::Inside))
    }

    fn number(&mut self, number: Number, byte: u8, pos: usize) -> Result<(usize, Step), Fault> {
        use Number as N;
        let next = match (number, byte) {
            (N::Minus, b'0') => N::Zero,
            (N::Minus, b'1'..=b'9') => N::Integer,
            (N::Integer, b'0'..=b'9') => N::Integer,
            (N::Zero | N::Integer, b'.') => N::Dot,
            (N::Dot | N::Fraction, b'0'..=b'9') => N::Fraction,
            (N::Zero | N::Integer | N::Fraction, b'e' | b'E') => N::E,
            (N::E, b'+' | b'-') => N::ESign,
            (N::E | N::ESign | N::Exponent, b'0'..=b'9') => N::Exponent,
            (N::Zero, b'0'..=b'9') | (N::Minus | N::Dot | N::E | N::ESign, _) => return Err((Reason::BadNumber, pos)),
            (N::Zero | N::Integer | N::Fraction | N::Exponent, _) => {
                self.state = State::After;
                return Ok((pos, Step::EndScalar));
            }
        };
        self.number_bytes += 1;
        if self.number_bytes > self.longest_number {
            return Err((Reason::NumberTooLong, pos));
        }
        self.state = State::Number(next);
        Ok((pos + 1, Step::Inside))
    }
}
