//! The fields of an elicitation form: what to show, and what a typed line means. Pure.
//!
//! `requestedSchema` is a flat object of strings, numbers, booleans and choices (2025-11-25 and 2026-07-28,
//! "Elicitation"). What is neither is asked as a string: the server judges it.

use serde_json::{Map, Value, json};

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) key: String,
    title: Option<String>,
    description: Option<String>,
    required: bool,
    default: Option<Value>,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    Text { least: u64, most: Option<u64>, format: Option<String> },
    Number { integer: bool, least: Option<f64>, most: Option<f64> },
    Boolean,
    One(Vec<Choice>),
    Many { choices: Vec<Choice>, least: u64, most: Option<u64> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    value: String,
    title: String,
}

/// Reads a schema: required fields first, each group by name.
pub(super) fn fields(schema: &Value) -> Vec<Field> {
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut fields: Vec<Field> = properties
        .into_iter()
        .flatten()
        .map(|(key, property)| Field::new(key, property, required.contains(&key.as_str())))
        .collect();
    fields.sort_by_key(|field| !field.required);
    fields
}

/// The form filled with its defaults, if every required field has one.
pub(super) fn defaults(fields: &[Field]) -> Option<Map<String, Value>> {
    let mut content = Map::new();
    for field in fields {
        match &field.default {
            Some(value) => {
                content.insert(field.key.clone(), value.clone());
            }
            None if field.required => return None,
            None => {}
        }
    }
    Some(content)
}

// === impl Field ===

impl Field {
    fn new(key: &str, property: &Value, required: bool) -> Self {
        let text = |name: &str| property.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            key: key.to_owned(),
            title: text("title"),
            description: text("description"),
            required,
            default: property.get("default").filter(|value| !value.is_null()).cloned(),
            kind: Kind::of(property),
        }
    }

    pub(super) fn label(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.key)
    }

    /// Lines above the prompt: the description and the choices, numbered from 1.
    pub(super) fn help(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.description.iter().cloned().collect();
        if let Kind::One(choices) | Kind::Many { choices, .. } = &self.kind {
            lines.extend((1..).zip(choices).map(|(number, choice)| format!("{number}) {}", choice.title)));
        }
        lines
    }

    /// What may be typed, in brackets behind the label.
    pub(super) fn hint(&self) -> String {
        let mut hint = match &self.kind {
            Kind::Text { format: Some(format), .. } => format!(" ({format})"),
            Kind::Text { .. } => String::new(),
            Kind::Number { integer: true, .. } => " (whole number)".to_owned(),
            Kind::Number { .. } => " (number)".to_owned(),
            Kind::Boolean => " (y/n)".to_owned(),
            Kind::One(_) => " (number or value)".to_owned(),
            Kind::Many { .. } => " (numbers or values, with commas)".to_owned(),
        };
        if let Some(default) = &self.default {
            let shown = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            hint.push_str(&format!(" [{shown}]"));
        } else if !self.required {
            hint.push_str(" [optional]");
        }
        hint
    }

    /// The value of a typed line; `None`: the field is left out.
    pub(super) fn read(&self, typed: &str) -> Result<Option<Value>, String> {
        let typed = typed.trim();
        if typed.is_empty() {
            return match &self.default {
                Some(default) => Ok(Some(default.clone())),
                None if self.required => Err("this is needed".to_owned()),
                None => Ok(None),
            };
        }
        self.kind.read(typed).map(Some)
    }
}

// === impl Kind ===

impl Kind {
    fn of(property: &Value) -> Self {
        let whole = |name: &str| property.get(name).and_then(Value::as_u64);
        let number = |name: &str| property.get(name).and_then(Value::as_f64);
        let one = choices(property);
        match property.get("type").and_then(Value::as_str) {
            _ if !one.is_empty() => Self::One(one),
            Some("boolean") => Self::Boolean,
            Some(kind @ ("number" | "integer")) => {
                Self::Number { integer: kind == "integer", least: number("minimum"), most: number("maximum") }
            }
            Some("array") => Self::Many {
                choices: property.get("items").map(choices).unwrap_or_default(),
                least: whole("minItems").unwrap_or(0),
                most: whole("maxItems"),
            },
            _ => Self::Text {
                least: whole("minLength").unwrap_or(0),
                most: whole("maxLength"),
                format: property.get("format").and_then(Value::as_str).map(str::to_owned),
            },
        }
    }

    fn read(&self, typed: &str) -> Result<Value, String> {
        match self {
            Self::Text { least, most, .. } => {
                bounded(typed.chars().count(), *least, *most, "characters").map(|()| json!(typed))
            }
            Self::Number { integer, least, most } => read_number(typed, *integer, *least, *most),
            Self::Boolean => match typed.to_ascii_lowercase().as_str() {
                "y" | "yes" | "true" => Ok(json!(true)),
                "n" | "no" | "false" => Ok(json!(false)),
                _ => Err("y or n".to_owned()),
            },
            Self::One(choices) => choose(choices, typed).map(Value::from),
            Self::Many { choices, least, most } => {
                let parts = typed.split(',').map(str::trim).filter(|part| !part.is_empty());
                let picked = parts.map(|part| choose(choices, part)).collect::<Result<Vec<_>, _>>()?;
                bounded(picked.len(), *least, *most, "values").map(|()| json!(picked))
            }
        }
    }
}

/// `enum` (with the older `enumNames`), `oneOf` or `anyOf` of constants.
fn choices(property: &Value) -> Vec<Choice> {
    if let Some(values) = property.get("enum").and_then(Value::as_array) {
        let title = |index: usize| property.get("enumNames").and_then(|names| names.get(index)).and_then(Value::as_str);
        let numbered = values.iter().filter_map(Value::as_str).enumerate();
        return numbered
            .map(|(index, value)| Choice {
                value: value.to_owned(),
                title: title(index).map_or_else(|| value.to_owned(), |title| format!("{title} ({value})")),
            })
            .collect();
    }
    let list = property.get("oneOf").or_else(|| property.get("anyOf")).and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|one| {
            let value = one.get("const")?.as_str()?.to_owned();
            let title = one.get("title").and_then(Value::as_str);
            let title = title.map_or_else(|| value.clone(), |title| format!("{title} ({value})"));
            Some(Choice { value, title })
        })
        .collect()
}

/// A value by itself, or by its number.
fn choose(choices: &[Choice], typed: &str) -> Result<String, String> {
    if choices.is_empty() {
        return Ok(typed.to_owned());
    }
    if let Some(choice) = choices.iter().find(|choice| choice.value == typed) {
        return Ok(choice.value.clone());
    }
    let number = typed.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let chosen = number.and_then(|index| choices.get(index));
    chosen.map(|choice| choice.value.clone()).ok_or_else(|| format!("one of 1 to {}, or a value", choices.len()))
}

fn read_number(typed: &str, integer: bool, least: Option<f64>, most: Option<f64>) -> Result<Value, String> {
    let value = if integer {
        typed.parse::<i64>().ok().map(Value::from)
    } else {
        typed.parse::<f64>().ok().filter(|number| number.is_finite()).map(Value::from)
    };
    let value = value.ok_or_else(|| (if integer { "a whole number" } else { "a number" }).to_owned())?;
    let size = value.as_f64().unwrap_or_default();
    if least.is_some_and(|least| size < least) || most.is_some_and(|most| size > most) {
        let shown = |bound: Option<f64>| bound.map_or_else(|| "…".to_owned(), |bound| bound.to_string());
        return Err(format!("from {} to {}", shown(least), shown(most)));
    }
    Ok(value)
}

fn bounded(count: usize, least: u64, most: Option<u64>, what: &str) -> Result<(), String> {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    match most {
        _ if count < least => Err(format!("at least {least} {what}")),
        Some(most) if count > most => Err(format!("at most {most} {what}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(property: &Value) -> Field {
        Field::new("f", property, true)
    }

    #[test]
    fn typed_lines_become_values_or_advice() {
        let colours = json!({ "type": "string", "enum": ["r", "g"], "enumNames": ["Red", "Green"] });
        let titled = json!({ "type": "string", "oneOf": [{ "const": "r", "title": "Red" }, { "const": "2" }] });
        let many = json!({ "type": "array", "minItems": 1, "maxItems": 2, "items": { "anyOf": [{ "const": "a" }, { "const": "b" }, { "const": "c" }] } });
        for (property, typed, expected) in [
            (json!({ "type": "string" }), " Ada ", Ok(json!("Ada"))),
            (json!({ "type": "string", "minLength": 3 }), "Zo", Err("at least 3 characters")),
            (json!({ "type": "string", "maxLength": 3 }), "Zoë!", Err("at most 3 characters")),
            (json!({ "type": "integer", "minimum": 1 }), "7", Ok(json!(7))),
            (json!({ "type": "integer", "minimum": 1 }), "0", Err("from 1 to …")),
            (json!({ "type": "integer" }), "1.5", Err("a whole number")),
            (json!({ "type": "number" }), "1.5", Ok(json!(1.5))),
            (json!({ "type": "number" }), "inf", Err("a number")),
            (json!({ "type": "boolean" }), "Yes", Ok(json!(true))),
            (json!({ "type": "boolean" }), "maybe", Err("y or n")),
            (colours.clone(), "2", Ok(json!("g"))),
            (colours.clone(), "r", Ok(json!("r"))),
            (colours, "0", Err("one of 1 to 2, or a value")),
            (titled.clone(), "2", Ok(json!("2"))),
            (titled, "1", Ok(json!("r"))),
            (many.clone(), "1, c", Ok(json!(["a", "c"]))),
            (many.clone(), "1,2,3", Err("at most 2 values")),
            (many, ",", Err("at least 1 values")),
            (json!({ "type": "string" }), "", Err("this is needed")),
            (json!({ "type": "string", "default": "x" }), "", Ok(json!("x"))),
            (json!(true), "odd schema", Ok(json!("odd schema"))),
        ] {
            let read = field(&property).read(typed).map(Option::unwrap);
            assert_eq!(
                read.as_ref().map_err(String::as_str),
                expected.as_ref().map_err(|text| *text),
                "{property} {typed}"
            );
        }
        assert_eq!(Field::new("f", &json!({ "type": "string" }), false).read(""), Ok(None));
    }

    #[test]
    fn required_fields_come_first_and_defaults_must_cover_them() {
        let properties = json!({ "a": { "type": "string" }, "z": { "type": "integer", "default": 3 } });
        let form =
            |required: Value| fields(&json!({ "type": "object", "properties": properties, "required": required }));
        let keys: Vec<_> = form(json!(["z"])).into_iter().map(|field| field.key).collect();
        assert_eq!(keys, ["z", "a"]);
        assert_eq!(defaults(&form(json!(["z"]))).map(Value::Object), Some(json!({ "z": 3 })));
        assert_eq!(defaults(&form(json!(["a"]))), None);
        assert!(fields(&json!({ "properties": 3 })).is_empty());
    }

    #[test]
    fn a_person_sees_what_may_be_typed() {
        let choice =
            field(&json!({ "type": "string", "title": "Colour", "description": "Of the car", "enum": ["r", "g"] }));
        assert_eq!(choice.label(), "Colour");
        assert_eq!(choice.help(), ["Of the car", "1) r", "2) g"]);
        let number = Field::new("n", &json!({ "type": "integer" }), false);
        assert_eq!((number.label(), number.hint().as_str()), ("n", " (whole number) [optional]"));
        let mail = field(&json!({ "type": "string", "format": "email", "default": "a@b" }));
        assert_eq!(mail.hint(), " (email) [a@b]");
    }
}
