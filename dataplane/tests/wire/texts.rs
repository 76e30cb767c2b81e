//! JSON texts as bytes: everything that a sender may write and no value type keeps.
//!
//! A text is built from a tape of choices that the property test generates and shrinks: an exhausted tape always chooses
//! the plainest. What the gateway may change is a [`Slot`]; the rest of a text is raw.

/// A place in a message that the gateway may rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The name of a tool or prompt, with its quotes.
    Name,
    /// The message's id.
    Id,
    /// One of [`URIS`], with its quotes.
    Uri(usize),
    /// Before the closing brace of `params`, when `arguments` is absent.
    Arguments,
}

/// URIs of a backend and what a client sees of them behind the prefix `gh`.
pub(crate) const URIS: [(&str, &str); 4] = [
    ("file:///a%20b", "gh+file:///a%20b"),
    ("ui://panel/1", "ui://gh+panel/1"),
    ("https://example.test/x", "https://example.test/x"),
    ("memo:x", "gh+memo:x"),
];

/// Choices.
#[derive(Debug)]
pub(crate) struct Tape<'a> {
    choices: &'a [u8],
    names: usize,
}

/// A text with slots.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text {
    parts: Vec<Piece>,
}

#[derive(Debug, Clone)]
enum Piece {
    Raw(Vec<u8>),
    Slot(Slot),
}

const GAPS: [&str; 10] = ["", "", "", "", " ", "\n", "\t", "\r\n  ", "  \n\n", "\r"];
const CHARACTERS: [&str; 22] = [
    "a",
    "tool",
    r#"\""#,
    r"\\",
    r"\/",
    r"\b\f\n\r\t",
    r"\u0000",
    r"\u001F",
    r"\ud800",
    r"\uDFFF",
    r"\ud83d\ude00",
    r"\u00e9",
    "é",
    "日本",
    "😀",
    "\u{7f}",
    "\u{2028}",
    "data: x",
    r#"{\"id\":9}"#,
    ":",
    "</script>",
    " ",
];
const NUMBERS: [&str; 12] = [
    "0",
    "-0",
    "1e400",
    "-1E-400",
    "1.0e+00",
    "9007199254740993",
    "1234567890123456789012345678901234567890",
    "-9999999999999999999999999999999999999999.50",
    "0.10000000000000000000000000000000000001",
    "-9223372036854775809",
    "18446744073709551616",
    "1.7976931348623157e309",
];
/// Below the envelope these may repeat, and look like what the gateway reads elsewhere.
const KEYS: [&str; 14] = [
    r#""a""#,
    r#""a""#,
    r#""""#,
    r#""\u0061""#,
    r#""id""#,
    r#""method""#,
    r#""jsonrpc""#,
    r#""name""#,
    r#""params""#,
    r#""_meta""#,
    r#""result""#,
    r#""METHOD""#,
    r#""\ud800""#,
    r#""__proto__""#,
];
pub(crate) const IDS: [&str; 14] = [
    "1",
    "0",
    "-1",
    "-0",
    r#""""#,
    r#""a""#,
    r#""1""#,
    "123456789012345678901234567890",
    "-999999999999999999999999999999",
    r#""\u0000""#,
    r#""\ud800""#,
    "9007199254740993",
    r#""é😀 \/""#,
    r#""rw-1-2-3""#,
];

// === impl Text ===

impl Text {
    pub(crate) fn raw(text: impl AsRef<[u8]>) -> Self {
        Self { parts: vec![Piece::Raw(text.as_ref().to_vec())] }
    }

    pub(crate) fn slot(slot: Slot) -> Self {
        Self { parts: vec![Piece::Slot(slot)] }
    }

    fn push(&mut self, text: impl AsRef<[u8]>) {
        self.parts.push(Piece::Raw(text.as_ref().to_vec()));
    }

    fn append(&mut self, other: Self) {
        self.parts.extend(other.parts);
    }

    /// The bytes with each slot filled.
    pub(crate) fn fill(&self, with: impl Fn(Slot) -> String) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Piece::Raw(bytes) => out.extend_from_slice(bytes),
                Piece::Slot(slot) => out.extend_from_slice(with(*slot).as_bytes()),
            }
        }
        out
    }

    /// The bytes before and after the only slot `at`, the other slots filled.
    pub(crate) fn around(&self, at: Slot, with: impl Fn(Slot) -> String) -> (Vec<u8>, Vec<u8>) {
        let is_at = |part: &Piece| matches!(part, Piece::Slot(slot) if *slot == at);
        let place = self.parts.iter().position(is_at).unwrap();
        let side = |parts: &[Piece]| Self { parts: parts.to_vec() }.fill(&with);
        (side(&self.parts[..place]), side(&self.parts[place + 1..]))
    }
}

// === impl Tape ===

impl<'a> Tape<'a> {
    pub(crate) fn new(choices: &'a [u8]) -> Self {
        Self { choices, names: 0 }
    }

    /// A number below `count`; 0 when the tape is at its end.
    pub(crate) fn pick(&mut self, count: usize) -> usize {
        let Some((first, rest)) = self.choices.split_first() else { return 0 };
        self.choices = rest;
        usize::from(*first) % count
    }

    pub(crate) fn often(&mut self) -> bool {
        self.pick(2) == 1
    }

    pub(crate) fn seldom(&mut self) -> bool {
        self.pick(8) == 7
    }

    pub(crate) fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.pick(of.len())]
    }

    fn gap(&mut self, out: &mut Text) {
        let gap = self.one_of(&GAPS);
        out.push(gap);
    }

    pub(crate) fn string(&mut self) -> String {
        let mut out = String::from("\"");
        for _ in 0..self.pick(6) {
            out.push_str(self.one_of(&CHARACTERS));
        }
        out.push('"');
        out
    }

    /// A string in quotes, now and then with one character escaped: the same text in other bytes.
    pub(crate) fn spelled(&mut self, text: &str) -> String {
        let mut out = String::from("\"");
        let escaped = if self.seldom() { self.pick(text.len()) } else { usize::MAX };
        for (at, c) in text.char_indices() {
            if at == escaped {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            } else {
                out.push(c);
            }
        }
        out.push('"');
        out
    }

    /// Any JSON value.
    pub(crate) fn value(&mut self, depth: usize) -> Text {
        match self.pick(if depth == 0 { 6 } else { 10 }) {
            0 => Text::raw("null"),
            1 => Text::raw("true"),
            2 => Text::raw("false"),
            3 => Text::raw(self.one_of(&NUMBERS)),
            4 | 5 => Text::raw(self.string()),
            6 => {
                let items = (0..self.pick(5)).map(|_| self.value(depth - 1)).collect();
                self.array(items)
            }
            _ => self.free_object(depth - 1),
        }
    }

    /// An object of any keys, also the same one twice.
    pub(crate) fn free_object(&mut self, depth: usize) -> Text {
        let members = (0..self.pick(5)).map(|_| (self.one_of(&KEYS).to_owned(), self.value(depth))).collect();
        self.members(members, None)
    }

    pub(crate) fn array(&mut self, items: Vec<Text>) -> Text {
        let mut out = Text::raw("[");
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                out.push(",");
            }
            self.gap(&mut out);
            out.append(item);
            self.gap(&mut out);
        }
        out.push("]");
        out
    }

    /// An object of these members and some unknown ones, in any order. `end` stands before the closing brace.
    pub(crate) fn object(&mut self, known: Vec<(&str, Text)>, end: Option<Slot>) -> Text {
        let mut members: Vec<(String, Text)> =
            known.into_iter().map(|(key, value)| (self.spelled(key), value)).collect();
        for _ in 0..self.pick(4) {
            self.names += 1;
            let end = self.one_of(&CHARACTERS);
            let key = format!("\"x-{}{end}\"", self.names);
            members.push((key, self.value(3)));
        }
        for at in (1..members.len()).rev() {
            let other = self.pick(at + 1);
            members.swap(at, other);
        }
        self.members(members, end)
    }

    fn members(&mut self, members: Vec<(String, Text)>, end: Option<Slot>) -> Text {
        let mut out = Text::raw("{");
        for (at, (key, value)) in members.into_iter().enumerate() {
            if at > 0 {
                out.push(",");
            }
            self.gap(&mut out);
            out.push(key);
            self.gap(&mut out);
            out.push(":");
            self.gap(&mut out);
            out.append(value);
            self.gap(&mut out);
        }
        if let Some(end) = end {
            out.append(Text::slot(end));
        }
        out.push("}");
        out
    }

    /// A whole message: white space around the object.
    pub(crate) fn message(&mut self, mut known: Vec<(&str, Text)>) -> Text {
        let version = Text::raw(self.spelled("2.0"));
        known.push(("jsonrpc", version));
        let object = self.object(known, None);
        let mut out = Text::default();
        self.gap(&mut out);
        out.append(object);
        self.gap(&mut out);
        out
    }
}
