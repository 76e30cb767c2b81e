//! Every schema below a schema, with the path that users write.

use serde_json::Value;

/// A schema and where it stands: `spec.backends[].ref.name`, `spec.claimHeaders.*`.
pub(crate) struct Place<'a> {
    pub(crate) path: &'a str,
    pub(crate) schema: &'a Value,
}

pub(crate) fn visit(root: &Value, see: &mut dyn FnMut(Place<'_>)) {
    below("", root, see);
}

fn below(path: &str, schema: &Value, see: &mut dyn FnMut(Place<'_>)) {
    see(Place { path, schema });
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        below(&path, property, see);
    }
    if let Some(items) = schema.get("items") {
        below(&format!("{path}[]"), items, see);
    }
    if let Some(values) = schema.get("additionalProperties") {
        below(&format!("{path}.*"), values, see);
    }
}
