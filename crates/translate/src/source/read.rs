//! One YAML document into a [`Node`], with everything that is wrong with it as YAML.
//!
//! Scalars are resolved as kubectl resolves them (YAML 1.1: `Off` is a boolean, `010` is eight). Knows no kinds.
//! Called by `source` for each document.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde_yaml::Spanned;

use super::node::{Entry, Node, Position, Value};
use crate::path::{FieldPath, Step};

/// Why a document has no tree, or only a part of one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Syntax {
        position: Option<Position>,
        message: String,
    },
    DuplicateKey {
        position: Position,
        path: FieldPath,
    },
    /// A whole number that no one can hold, silently a float in other parsers; or infinity.
    HugeNumber {
        position: Position,
        path: FieldPath,
    },
    /// `on: x`, which kubectl reads as the key `true`.
    BooleanKey {
        position: Position,
        path: FieldPath,
        written: String,
    },
}

// One document of configuration is small: Secrets and ConfigMaps are bounded by etcd's 1 MiB, and 20,000 values are
// more than any object needs. An alias bomb ends here, too.
const MAX_NODES: usize = 20_000;
pub(super) const MAX_DEPTH: usize = 64;

/// Reads one document. The faults are all there are in it; with any fault but none of syntax the tree is still whole
/// enough to look on.
pub(crate) fn read(text: &str, lines_before: u64) -> (Option<Node>, Vec<Fault>) {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! { max_nodes: MAX_NODES, max_depth: MAX_DEPTH, max_documents: 2 },
        duplicate_keys: serde_yaml::options::DuplicateKeyPolicy::PassThrough,
        legacy_octal_numbers: true,
        strict_booleans: false,
        // A snippet would print the lines around an error, and with them secrets.
        with_snippet: false,
    };
    match serde_yaml::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => {
            let mut builder = Builder { text, lines_before, faults: Vec::new(), path: Vec::new() };
            let node = builder.node(raw);
            (Some(node), builder.faults)
        }
        Err(error) => {
            let position = error.location().map(|at| Position { line: at.line() + lines_before, column: at.column() });
            (None, vec![Fault::Syntax { position, message: parser_words(&error.to_string()) }])
        }
    }
}

/// The parser's message without its own position and its advice to programmers.
fn parser_words(message: &str) -> String {
    if message.starts_with("budget breached") {
        return format!("the document is too large: at most {MAX_NODES} values, {MAX_DEPTH} levels deep");
    }
    let words = message.split_once(" at line ").map_or(message, |(words, _)| words);
    let words = words.split_once("; use from_str_multiple").map_or(words, |(words, _)| words);
    words.to_owned()
}

/// What the parser hands over, each value with its location.
enum Raw {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<Key>, Spanned<Self>)>),
}

struct Key(String);

struct Builder<'a> {
    text: &'a str,
    lines_before: u64,
    faults: Vec<Fault>,
    path: Vec<Step>,
}

// === impl Builder ===

impl Builder<'_> {
    fn node(&mut self, raw: Spanned<Raw>) -> Node {
        let location = raw.referenced;
        let position = self.position(location);
        let value = match raw.value {
            Raw::Null => Value::Null,
            Raw::Bool(value) => {
                let written = self.written(raw.defined);
                // `tRue` is a text to kubectl, and a boolean to the parser.
                if is_boolean_word(&written) && !is_boolean(&written) {
                    Value::Text(written)
                } else {
                    Value::Bool(value, written)
                }
            }
            Raw::Signed(value) => u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned),
            Raw::Unsigned(value) => Value::unsigned(value).unwrap_or_else(|| self.huge(position)),
            Raw::Float(value) => Value::float(value).unwrap_or_else(|| self.huge(position)),
            Raw::Text(text) => match underscored(&text).filter(|_| self.written(raw.defined) == text) {
                Some(value) => Value::float(value).unwrap_or_else(|| self.huge(position)),
                None => Value::Text(text),
            },
            Raw::List(items) => Value::List(
                items.into_iter().enumerate().map(|(index, item)| self.below(Step::Index(index), item)).collect(),
            ),
            Raw::Map(entries) => Value::Map(self.entries(entries)),
        };
        Node { position, value }
    }

    fn huge(&mut self, position: Position) -> Value {
        self.faults.push(Fault::HugeNumber { position, path: self.path.clone().into() });
        Value::Unsigned(0)
    }

    fn entries(&mut self, raw: Vec<(Spanned<Key>, Spanned<Raw>)>) -> Vec<Entry> {
        let mut seen = HashSet::new();
        let mut entries = Vec::with_capacity(raw.len());
        for (key, value) in raw {
            let position = self.position(key.referenced);
            let written = self.written(key.defined);
            let name = key.value.0;
            if is_boolean(&written) {
                let path = self.path_to(&name);
                self.faults.push(Fault::BooleanKey { position, path, written });
            }
            if !seen.insert(name.clone()) {
                let path = self.path_to(&name);
                self.faults.push(Fault::DuplicateKey { position, path });
                continue;
            }
            let node = self.below(Step::Key(name.clone()), value);
            entries.push(Entry { key: name, position, node });
        }
        entries
    }

    fn below(&mut self, step: Step, raw: Spanned<Raw>) -> Node {
        self.path.push(step);
        let node = self.node(raw);
        self.path.pop();
        node
    }

    fn path_to(&self, key: &str) -> FieldPath {
        FieldPath::from(self.path.clone()).key(key)
    }

    fn position(&self, location: serde_yaml::Location) -> Position {
        Position { line: location.line() + self.lines_before, column: location.column() }
    }

    /// The scalar as it stands in the text.
    fn written(&self, location: serde_yaml::Location) -> String {
        let span = location.span();
        let range = span.byte_offset().zip(span.byte_len()).and_then(|(offset, length)| {
            let start = usize::try_from(offset).ok()?;
            Some(start..start.checked_add(usize::try_from(length).ok()?)?)
        });
        range.and_then(|range| self.text.get(range)).unwrap_or_default().to_owned()
    }
}

/// A plain scalar that YAML 1.1 takes for a boolean: lower case, upper case or capitalised.
fn is_boolean(written: &str) -> bool {
    let lower = written.to_ascii_lowercase();
    if !is_boolean_word(written) {
        return false;
    }
    let mut rest = written.chars();
    let first_is_upper = rest.next().is_some_and(|c| c.is_ascii_uppercase());
    written == lower
        || written == lower.to_ascii_uppercase()
        || (first_is_upper && rest.all(|c| c.is_ascii_lowercase()))
}

/// The same in any mix of cases.
fn is_boolean_word(written: &str) -> bool {
    ["y", "yes", "on", "true", "n", "no", "off", "false"].iter().any(|word| word.eq_ignore_ascii_case(written))
}

/// A decimal number with `_` between its digits, which YAML 1.1 has and the parser knows of whole numbers only.
fn underscored(text: &str) -> Option<f64> {
    if !text.contains('_') || !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-')) {
        return None;
    }
    let plain = text.replace('_', "");
    let is_decimal = plain.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    plain.parse().ok().filter(|_| is_decimal)
}

// === impl Raw, Key ===

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> de::Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Signed(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Unsigned(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(Self)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}
