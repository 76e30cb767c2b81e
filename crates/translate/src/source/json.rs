//! An object as an API server sends it, read by the same rules as a YAML document.
//!
//! What only the server writes (status, managed fields and the rest of `metadata`) is passed over: its schema is not
//! ours. There are no lines to point at.

use std::sync::Arc;

use serde_json::Value as Json;

use super::node::{Entry, Node, Position, Value};
use super::{Draft, MAX_DEPTH};
use crate::object::{Object, Origin};
use crate::path::FieldPath;
use crate::problem::{Problem, Reason};

/// Stands where a file name would.
const SOURCE: &str = "cluster";
/// What is read of `metadata`.
const METADATA: [&str; 5] = ["name", "namespace", "labels", "annotations", "creationTimestamp"];
/// What a number may not be, in words.
pub(super) const NUMBER: &str = "the number does not fit into 64 bits; quote it";

// === impl Object ===

impl Object {
    /// Reads an object of an API server. As with `parse_documents`, one that is wrong but has a name is returned, too.
    #[must_use]
    pub fn from_json(json: &Json) -> (Option<Self>, Vec<Problem>) {
        let mut builder = Builder { faults: Vec::new(), depth: 0 };
        let root = builder.object(json);
        let origin = Origin { file: Arc::from(SOURCE), root: Node::empty() };
        let mut draft = Draft { is_cluster: true, ..Draft::new(origin, &root) };
        for (field, message) in builder.faults {
            draft.error(field, Reason::InvalidValue, message);
        }
        let object = draft.object();
        (object, draft.problems)
    }
}

struct Builder {
    faults: Vec<(FieldPath, String)>,
    depth: usize,
}

// === impl Builder ===

impl Builder {
    fn object(&mut self, json: &Json) -> Node {
        let Json::Object(fields) = json else { return self.node(json, &FieldPath::default()) };
        let entries = fields.iter().filter(|(key, _)| *key != "status").map(|(key, value)| {
            let path = FieldPath::default().key(key);
            let node = match (key.as_str(), value) {
                ("metadata", Json::Object(meta)) => {
                    let known = METADATA.iter().filter_map(|key| meta.get_key_value(*key));
                    plain(Value::Map(known.map(|(key, value)| self.entry(key, value, &path)).collect()))
                }
                _ => self.below(value, &path),
            };
            Entry { key: key.clone(), position: Position::default(), node }
        });
        plain(Value::Map(entries.collect()))
    }

    fn entry(&mut self, key: &str, value: &Json, path: &FieldPath) -> Entry {
        let node = self.below(value, &path.key(key));
        Entry { key: key.to_owned(), position: Position::default(), node }
    }

    fn below(&mut self, json: &Json, path: &FieldPath) -> Node {
        if self.depth == MAX_DEPTH {
            self.faults.push((path.clone(), format!("is too deep: at most {MAX_DEPTH} levels")));
            return Node::empty();
        }
        self.depth += 1;
        let node = self.node(json, path);
        self.depth -= 1;
        node
    }

    fn node(&mut self, json: &Json, path: &FieldPath) -> Node {
        plain(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value, String::new()),
            Json::Number(number) => {
                let value = match (number.as_u64(), number.as_i64()) {
                    (Some(value), _) => Value::unsigned(value),
                    (_, Some(value)) => Some(Value::Signed(value)),
                    _ => number.as_f64().and_then(Value::float),
                };
                value.unwrap_or_else(|| {
                    self.faults.push((path.clone(), NUMBER.to_owned()));
                    Value::Unsigned(0)
                })
            }
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(
                items.iter().enumerate().map(|(index, item)| self.below(item, &path.index(index))).collect(),
            ),
            Json::Object(fields) => {
                Value::Map(fields.iter().map(|(key, value)| self.entry(key, value, path)).collect())
            }
        })
    }
}

fn plain(value: Value) -> Node {
    Node { position: Position::default(), value }
}
