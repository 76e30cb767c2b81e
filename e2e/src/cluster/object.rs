//! Reading what the API server says of an object: fields and conditions.

use std::fmt;

use serde_json::Value;

/// A condition as a status has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub is_true: bool,
    pub reason: String,
    pub message: String,
    pub observed_generation: Option<i64>,
}

/// A text at a JSON pointer.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer).and_then(Value::as_str)
}

/// A number at a JSON pointer.
#[must_use]
pub fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// What the condition of a type says of an object whose conditions have no generation, such as a pod or a node: `True`, `False` or `Unknown`.
#[must_use]
pub fn says<'a>(object: &'a Value, kind: &str) -> Option<&'a str> {
    text(find(object.pointer("/status/conditions")?, kind)?, "/status")
}

/// The condition of a type at the top of a status, for the object as it is now: one of an older generation is none.
#[must_use]
pub fn condition(object: &Value, kind: &str) -> Option<Condition> {
    current(object, object.pointer("/status/conditions")?, kind)
}

/// The same of the first parent of a route, or the first ancestor of a policy.
#[must_use]
pub fn parent_condition(object: &Value, kind: &str) -> Option<Condition> {
    let list =
        object.pointer("/status/parents/0/conditions").or_else(|| object.pointer("/status/ancestors/0/conditions"));
    current(object, list?, kind)
}

/// The same of a Gateway's listener.
#[must_use]
pub fn listener_condition(object: &Value, listener: &str, kind: &str) -> Option<Condition> {
    let listeners = object.pointer("/status/listeners")?.as_array()?;
    let listener = listeners.iter().find(|entry| text(entry, "/name") == Some(listener))?;
    current(object, listener.get("conditions")?, kind)
}

/// For a message: without what nobody reads.
#[must_use]
pub fn shown(object: &Value) -> String {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("annotations");
    }
    format!("{object:#}")
}

fn find<'a>(list: &'a Value, kind: &str) -> Option<&'a Value> {
    list.as_array()?.iter().find(|entry| text(entry, "/type") == Some(kind))
}

fn current(object: &Value, list: &Value, kind: &str) -> Option<Condition> {
    let found = find(list, kind)?;
    let observed_generation = number(found, "/observedGeneration");
    (observed_generation == number(object, "/metadata/generation")).then(|| Condition {
        is_true: text(found, "/status") == Some("True"),
        reason: text(found, "/reason").unwrap_or_default().to_owned(),
        message: text(found, "/message").unwrap_or_default().to_owned(),
        observed_generation,
    })
}

impl fmt::Display for Condition {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.is_true, self.reason, self.message)
    }
}
