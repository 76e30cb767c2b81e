//! What schemars makes, turned into a structural schema as Kubernetes wants it.
//!
//! One type a field, no null, no references, no unions but in rules. Knows nothing of kinds.

use serde_json::{Map, Value};

use super::{DEFAULT, RULES};

/// Keywords whose value is one schema.
const SINGLE: [&str; 2] = ["items", "additionalProperties"];

/// Rewrites a schema and all below it.
pub(crate) fn make(schema: &mut Value) {
    let Value::Object(schema) = schema else { return };
    unite_null(schema);
    unite_enum(schema);
    for keyword in ["$schema", "title", "format", "default"] {
        schema.remove(keyword);
    }
    if let Some(default) = schema.remove(DEFAULT) {
        if let Some(Value::Array(words)) = schema.get_mut("enum") {
            // Variants with a description come last otherwise.
            words.sort_by_key(|word| *word != default);
        }
        schema.insert("default".into(), default);
    }
    // Unknown fields are pruned, or refused by strict field validation, without this keyword.
    if schema.get("additionalProperties").is_some_and(Value::is_boolean) {
        schema.remove("additionalProperties");
    }
    for keyword in SINGLE {
        schema.get_mut(keyword).into_iter().for_each(make);
    }
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.values_mut().for_each(make);
    }
}

/// An optional field is one that may be left out: none of ours may be null.
fn unite_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let is_null = |branch: &Value| branch.get("type").is_some_and(|name| name == "null");
    if let Some(Value::Array(branches)) = schema.get_mut("anyOf") {
        branches.retain(|branch| !is_null(branch));
        if branches.len() == 1
            && let Some(Value::Object(inner)) = branches.pop()
        {
            schema.remove("anyOf");
            take_in(schema, inner);
        }
    }
}

/// What the outer schema says wins; rules add up, the inner ones first.
fn take_in(schema: &mut Map<String, Value>, inner: Map<String, Value>) {
    for (keyword, value) in inner {
        match (schema.get_mut(&keyword), value) {
            (Some(Value::Array(outer)), Value::Array(mut rules)) if keyword == RULES => {
                rules.append(outer);
                *outer = rules;
            }
            (Some(_), _) => {}
            (None, value) => {
                schema.insert(keyword, value);
            }
        }
    }
    // A union may have been inside.
    unite_null(schema);
}

/// An enum whose variants have descriptions comes as `oneOf`: one list of words, and the descriptions as a text.
fn unite_enum(schema: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = schema.get("oneOf") else { return };
    let mut words = Vec::new();
    let mut lines = Vec::new();
    for variant in variants {
        let named =
            variant.get("const").into_iter().chain(variant.get("enum").and_then(Value::as_array).into_iter().flatten());
        for word in named {
            if let (Some(word), Some(description)) = (word.as_str(), variant.get("description").and_then(Value::as_str))
            {
                lines.push(format!("{word}: {description}"));
            }
            words.push(word.clone());
        }
    }
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), Value::Array(words));
    if !lines.is_empty() {
        let own = schema.get("description").and_then(Value::as_str).map(|own| format!("{own}\n")).unwrap_or_default();
        schema.insert("description".into(), format!("{own}{}", lines.join("\n")).into());
    }
}
