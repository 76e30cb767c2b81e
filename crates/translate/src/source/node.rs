//! A YAML document as a tree in which every value knows its line and column.
//!
//! Made by `read`; holds no types of ours, `typed` reads it into those.

use std::fmt;

use crate::path::{FieldPath, Step};

/// Where a value stands in its file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Position {
    pub line: u64,
    pub column: u64,
}

#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) value: Value,
}

#[derive(Clone)]
pub(crate) enum Value {
    Null,
    /// With the text as written, for the message to who meant a string.
    Bool(bool, String),
    /// Negative numbers.
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) position: Position,
    pub(crate) node: Node,
}

// === impl Value ===

impl Value {
    /// `None`: an API server holds no whole number beyond `i64`.
    pub(crate) fn unsigned(value: u64) -> Option<Self> {
        i64::try_from(value).is_ok().then_some(Self::Unsigned(value))
    }

    /// A whole float is an integer, as it is for Go's JSON; `None`: infinite, no number, or beyond `i64`.
    pub(crate) fn float(value: f64) -> Option<Self> {
        // 2^63, exactly; what is near it was rounded, and may have been beyond.
        const MOST: f64 = 9_223_372_036_854_775_808.0;
        let is_held = value.abs() < MOST;
        if !is_held {
            return None;
        }
        if value.fract() != 0.0 {
            return Some(Self::Float(value));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        let whole = value as i64;
        Some(u64::try_from(whole).map_or(Self::Signed(whole), Self::Unsigned))
    }
}

// === impl Node ===

impl Node {
    /// A null that stands nowhere.
    pub(crate) fn empty() -> Self {
        Self { position: Position::default(), value: Value::Null }
    }

    /// Where a field stands; for one that is not there, the nearest parent.
    pub(crate) fn locate(&self, path: &FieldPath) -> Position {
        let mut node = self;
        let mut found = self.position;
        for step in path.steps() {
            match (step, &node.value) {
                (Step::Key(key), Value::Map(entries)) => {
                    let Some(entry) = entries.iter().find(|entry| entry.key == *key) else { break };
                    found = entry.position;
                    node = &entry.node;
                }
                (Step::Index(index), Value::List(items)) => {
                    let Some(item) = items.get(*index) else { break };
                    found = item.position;
                    node = item;
                }
                _ => break,
            }
        }
        found
    }

    pub(crate) fn child(&self, key: &str) -> Option<&Self> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Takes out the innermost mapping entry on the way to `path`. False: there was none.
    pub(crate) fn remove(&mut self, path: &[Step]) -> bool {
        let Some((step, rest)) = path.split_first() else { return false };
        match (step, &mut self.value) {
            (Step::Key(key), Value::Map(entries)) => {
                let Some(at) = entries.iter().position(|entry| entry.key == *key) else { return false };
                if !entries.get_mut(at).is_some_and(|entry| entry.node.remove(rest)) {
                    entries.remove(at);
                }
                true
            }
            (Step::Index(index), Value::List(items)) => items.get_mut(*index).is_some_and(|item| item.remove(rest)),
            _ => false,
        }
    }

    /// The same tree without its scalars: what positions need, and no secrets.
    pub(crate) fn skeleton(&self) -> Self {
        let value = match &self.value {
            Value::List(items) => Value::List(items.iter().map(Self::skeleton).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|e| Entry { key: e.key.clone(), position: e.position, node: e.node.skeleton() })
                    .collect(),
            ),
            _ => Value::Null,
        };
        Self { position: self.position, value }
    }

    /// Every null below, as a path.
    pub(crate) fn nulls(&self) -> Vec<FieldPath> {
        fn walk(node: &Node, at: &mut Vec<Step>, found: &mut Vec<FieldPath>) {
            match &node.value {
                Value::Null => found.push(at.clone().into()),
                Value::List(items) => {
                    for (index, item) in items.iter().enumerate() {
                        at.push(Step::Index(index));
                        walk(item, at, found);
                        at.pop();
                    }
                }
                Value::Map(entries) => {
                    for entry in entries {
                        at.push(Step::Key(entry.key.clone()));
                        walk(&entry.node, at, found);
                        at.pop();
                    }
                }
                _ => {}
            }
        }
        let mut found = Vec::new();
        walk(self, &mut Vec::new(), &mut found);
        found
    }
}

impl fmt::Debug for Node {
    /// Never the values: they may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({}:{})", self.position.line, self.position.column)
    }
}
