//! A [`Node`] read into serde types, with errors that name the field and never print a value.
//!
//! Knows no kinds. A null counts as absent here; whether it may stand there is `source`'s question. Called by
//! `source` for `metadata`, specs and the Kubernetes kinds.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Node, Value};
use crate::path::Step;

/// What does not fit, and where below the node that was read.
#[derive(Debug)]
pub(crate) struct Misfit {
    /// Innermost first while unwinding; `path` turns it round.
    reversed: Vec<Step>,
    pub(crate) kind: MisfitKind,
}

#[derive(Debug)]
pub(crate) enum MisfitKind {
    UnknownField {
        expected: &'static [&'static str],
    },
    MissingField,
    UnknownVariant {
        found: String,
        expected: &'static [&'static str],
    },
    /// A sentence.
    Invalid(String),
}

/// Reads a typed value out of a tree.
///
/// # Errors
/// The first thing that does not fit.
pub(crate) fn read<'de, T: de::Deserialize<'de>>(node: &'de Node) -> Result<T, Misfit> {
    T::deserialize(NodeReader(node))
}

#[derive(Clone, Copy)]
struct NodeReader<'de>(&'de Node);

struct ListReader<'de> {
    items: std::slice::Iter<'de, Node>,
    index: usize,
}

struct MapReader<'de> {
    entries: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

// === impl Misfit ===

impl Misfit {
    fn new(kind: MisfitKind) -> Self {
        Self { reversed: Vec::new(), kind }
    }

    fn under(mut self, step: Step) -> Self {
        self.reversed.push(step);
        self
    }

    /// From the node that was read down to the field.
    pub(crate) fn path(&self) -> Vec<Step> {
        self.reversed.iter().rev().cloned().collect()
    }

    pub(crate) fn message(&self) -> String {
        match &self.kind {
            MisfitKind::UnknownField { expected: [] } => "unknown field; none may stand here".to_owned(),
            MisfitKind::UnknownField { expected } => format!("unknown field, expected one of {}", expected.join(", ")),
            MisfitKind::MissingField => "must be set".to_owned(),
            MisfitKind::UnknownVariant { found, expected } => {
                format!("`{found}` is none of {}", expected.join(", "))
            }
            MisfitKind::Invalid(message) => message.clone(),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message())
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(MisfitKind::Invalid(message.to_string()))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Bool(_) => "a boolean",
            de::Unexpected::Unsigned(_) | de::Unexpected::Signed(_) | de::Unexpected::Float(_) => "a number",
            de::Unexpected::Str(_) => "a string",
            de::Unexpected::Unit | de::Unexpected::Option => "nothing",
            de::Unexpected::Seq => "a list",
            de::Unexpected::Map => "a mapping",
            _ => "something else",
        };
        Self::new(MisfitKind::Invalid(format!("expected {}, found {found}", in_words(&expected.to_string()))))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(MisfitKind::Invalid(format!("expected {}", in_words(&expected.to_string()))))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let found = found.chars().take(64).collect();
        Self::new(MisfitKind::UnknownVariant { found, expected })
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(MisfitKind::UnknownField { expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(MisfitKind::MissingField).under(Step::Key(field.to_owned()))
    }
}

/// serde's names of Rust types in a user's words.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "a sequence" => "a list",
        "a map" => "a mapping",
        words if words.starts_with("struct ") => "a mapping",
        words => words,
    }
}

// === impl NodeReader ===

impl<'de> NodeReader<'de> {
    /// Which message helps who wrote the wrong type.
    fn misfit(self, expected: &str) -> Misfit {
        let found = match &self.0.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value, written) if *written == value.to_string() || written.is_empty() => {
                format!("the boolean {value}")
            }
            Value::Bool(value, written) => format!("`{written}`, which YAML 1.1 reads as the boolean {value}"),
            Value::Signed(_) | Value::Unsigned(_) | Value::Float(_) => "a number".to_owned(),
            Value::Text(_) => "a string".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        };
        let advice = match (&self.0.value, expected) {
            (Value::Bool(..) | Value::Signed(_) | Value::Unsigned(_) | Value::Float(_), "a string") => "; quote it",
            _ => "",
        };
        Misfit::new(MisfitKind::Invalid(format!("expected {expected}, found {found}{advice}")))
    }
}

impl<'de> Deserializer<'de> for NodeReader<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value, _) => visitor.visit_bool(*value),
            Value::Signed(value) => visitor.visit_i64(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(ListReader { items: items.iter(), index: 0 }),
            Value::Map(entries) => visitor.visit_map(MapReader { entries: entries.iter(), current: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match &self.0.value {
            Value::Text(text) => visitor.visit_borrowed_str(text),
            _ => Err(self.misfit("a string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.value {
            Value::Bool(value, _) => visitor.visit_bool(value),
            _ => Err(self.misfit("true or false")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.value {
            Value::List(_) => self.deserialize_any(visitor),
            _ => Err(self.misfit("a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.0.value {
            Value::Map(_) => self.deserialize_any(visitor),
            _ => Err(self.misfit("a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        match &self.0.value {
            Value::Text(text) => visitor.visit_enum(text.as_str().into_deserializer()),
            _ => {
                let mut misfit = self.misfit("a string");
                if let MisfitKind::Invalid(message) = &mut misfit.kind {
                    message.push_str(": one of ");
                    message.push_str(&variants.join(", "));
                }
                Err(misfit)
            }
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct
        identifier
    }
}

// === impl ListReader ===

impl<'de> de::SeqAccess<'de> for ListReader<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(NodeReader(item)).map(Some).map_err(|misfit| misfit.under(Step::Index(index)))
    }
}

// === impl MapReader ===

impl<'de> de::MapAccess<'de> for MapReader<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        self.current = self.entries.find(|entry| !matches!(entry.node.value, Value::Null));
        let Some(entry) = self.current else { return Ok(None) };
        let key = entry.key.as_str();
        seed.deserialize(key.into_deserializer())
            .map(Some)
            .map_err(|misfit: Misfit| misfit.under(Step::Key(key.to_owned())))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let entry = self.current.ok_or_else(|| <Misfit as de::Error>::custom("a value without a key"))?;
        seed.deserialize(NodeReader(&entry.node)).map_err(|misfit| misfit.under(Step::Key(entry.key.clone())))
    }
}
