//! The words in which the types say what their schemas bound: lists, numbers, durations, sizes, CEL rules.
//!
//! Each word is a schemars transform that stands at a field or type. Texts are in [`text`], the pass that makes a
//! schema structural for Kubernetes in [`structural`]. No kinds are known here.

pub(crate) mod structural;
pub(crate) mod text;

use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Value, json};

/// The CEL rules of a schema, in the order written.
const RULES: &str = "x-kubernetes-validations";
/// Fields that the schema does not name are kept.
const FREE: &str = "x-kubernetes-preserve-unknown-fields";
/// Where a default stands until [`structural`] has removed those that serde's attributes brought.
const DEFAULT: &str = "x-ringway-default";

/// A list with the least and most entries that it may have.
pub(crate) fn list(least: u32, most: u32) -> impl FnMut(&mut Schema) {
    move |schema| {
        if least > 0 {
            schema.insert("minItems".into(), least.into());
        }
        schema.insert("maxItems".into(), most.into());
    }
}

/// A [`list`] of texts, each of the shape.
pub(crate) fn texts(least: u32, most: u32, shape: fn(&mut Schema)) -> impl FnMut(&mut Schema) {
    move |schema| {
        list(least, most)(schema);
        below(schema, "items").into_iter().for_each(shape);
    }
}

/// [`texts`] that stand once each; server-side apply may own single ones.
pub(crate) fn set(least: u32, most: u32, shape: fn(&mut Schema)) -> impl FnMut(&mut Schema) {
    move |schema| {
        texts(least, most, shape)(schema);
        schema.insert("x-kubernetes-list-type".into(), "set".into());
    }
}

/// A [`list`] whose entries are known by one of their fields.
pub(crate) fn keyed(key: &'static str, least: u32, most: u32) -> impl FnMut(&mut Schema) {
    move |schema| {
        list(least, most)(schema);
        schema.insert("x-kubernetes-list-type".into(), "map".into());
        schema.insert("x-kubernetes-list-map-keys".into(), json!([key]));
    }
}

/// A mapping with free keys to texts, each of the shape.
pub(crate) fn map(least: u32, most: u32, shape: fn(&mut Schema)) -> impl FnMut(&mut Schema) {
    move |schema| {
        entries(least, most)(schema);
        below(schema, "additionalProperties").into_iter().for_each(shape);
    }
}

/// A mapping with free keys to [`set`]s that are not empty.
pub(crate) fn value_lists(most: u32, values: u32, shape: fn(&mut Schema)) -> impl FnMut(&mut Schema) {
    move |schema| {
        entries(1, most)(schema);
        if let Some(inner) = below(schema, "additionalProperties") {
            set(1, values, shape)(inner);
        }
    }
}

/// How many fields or keys a mapping may have.
pub(crate) fn entries(least: u32, most: u32) -> impl FnMut(&mut Schema) {
    move |schema| {
        if least > 0 {
            schema.insert("minProperties".into(), least.into());
        }
        if most > 0 {
            schema.insert("maxProperties".into(), most.into());
        }
    }
}

/// A whole number, both ends included.
pub(crate) fn range(least: i64, most: i64) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("minimum".into(), least.into());
        schema.insert("maximum".into(), most.into());
    }
}

/// A whole number that has no end worth to be named.
pub(crate) fn at_least(least: i64) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("minimum".into(), least.into());
    }
}

/// A duration, both ends included.
pub(crate) fn span(least: &'static str, most: &'static str) -> impl FnMut(&mut Schema) {
    let test = format!("duration(self) >= duration('{least}') && duration(self) <= duration('{most}')");
    let message = format!("must be from {least} to {most}");
    move |schema| push_rule(schema, &test, &message)
}

/// A [`crate::Quantity`], both ends included.
pub(crate) fn bytes(least: &'static str, most: &'static str) -> impl FnMut(&mut Schema) {
    let compared = |sign, end| format!("quantity(string(self)).compareTo(quantity('{end}')) {sign} 0");
    let test = format!("{} && {}", compared(">=", least), compared("<=", most));
    let message = format!("must be from {least} to {most}");
    move |schema| push_rule(schema, &test, &message)
}

/// A CEL rule, with the message of who breaks it.
pub(crate) fn rule(test: &'static str, message: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| push_rule(schema, test, message)
}

/// A default that the API server fills in and everyone sees.
pub(crate) fn default(value: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert(DEFAULT.into(), value.into());
    }
}

/// A reference to one of these kinds (`A | B`) of one group; the first is the default.
pub(crate) fn kinds(group: &'static str, kinds: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        let kinds: Vec<_> = kinds.split(" | ").collect();
        let Some(Value::Object(properties)) = schema.get_mut("properties") else { return };
        properties.insert("group".into(), json!({ "type": "string", "enum": [group] }));
        properties.insert(
            "kind".into(),
            json!({
                "description": format!("Default: {}.", kinds.first().copied().unwrap_or_default()),
                "type": "string",
                "enum": kinds,
            }),
        );
    }
}

/// The same word for each entry of a list.
pub(crate) fn each(mut word: impl FnMut(&mut Schema)) -> impl FnMut(&mut Schema) {
    move |schema| {
        below(schema, "items").into_iter().for_each(&mut word);
    }
}

/// Anything at all, as it is written.
pub(crate) fn anything(schema: &mut Schema) {
    replace(schema, json!({ FREE: true }));
}

/// An object of any fields, which a rule refuses or a type outside of the schema reads.
pub(crate) fn free_object(schema: &mut Schema) {
    replace(schema, json!({ "type": "object", FREE: true }));
}

/// A JSON Schema of an object: free, and one piece to server-side apply.
pub(crate) fn object_schema(schema: &mut Schema) {
    replace(
        schema,
        json!({
            "type": "object",
            "required": ["type"],
            "properties": { "type": { "type": "string", "enum": ["object"] } },
            "x-kubernetes-map-type": "atomic",
            FREE: true,
        }),
    );
}

/// Annotations of a tool: MCP's own have their types, others are free.
pub(crate) fn annotations(schema: &mut Schema) {
    let mut title = json_schema!({ "type": "string" });
    text::title(&mut title);
    replace(
        schema,
        json!({
            "type": "object",
            "maxProperties": 32,
            "properties": {
                "title": title,
                "readOnlyHint": { "type": "boolean" },
                "destructiveHint": { "type": "boolean" },
                "idempotentHint": { "type": "boolean" },
                "openWorldHint": { "type": "boolean" },
            },
            FREE: true,
        }),
    );
}

/// The schema of a whole type, structural.
pub(crate) fn of<T: JsonSchema>() -> Value {
    let mut generator = schemars::generate::SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator();
    let mut schema = T::json_schema(&mut generator).to_value();
    structural::make(&mut schema);
    schema
}

fn push_rule(schema: &mut Schema, test: &str, message: &str) {
    let rule = json!({ "rule": test, "message": message });
    match schema.get_mut(RULES) {
        Some(Value::Array(rules)) => rules.push(rule),
        _ => {
            schema.insert(RULES.into(), json!([rule]));
        }
    }
}

/// Another schema under the same description.
fn replace(schema: &mut Schema, new: Value) {
    let description = schema.get("description").cloned();
    let Ok(new) = Schema::try_from(new) else { return };
    *schema = new;
    if let Some(description) = description {
        schema.insert("description".into(), description);
    }
}

/// The schema under a keyword.
fn below<'a>(schema: &'a mut Schema, keyword: &str) -> Option<&'a mut Schema> {
    schema.get_mut(keyword).and_then(|inner| inner.try_into().ok())
}
