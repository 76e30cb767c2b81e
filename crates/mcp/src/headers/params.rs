//! `x-mcp-header`: which arguments of a tool travel as `Mcp-Param-*` headers too, and that they agree.
//!
//! Reads raw schemas and bodies. A tool whose annotations break a rule is dropped by whoever lists it.
use std::borrow::Cow;

use super::{HeaderFault, decode_value, differs};
use crate::scan::Span;
use crate::value::{JsonKind, elements, find, kind, members, pointer, string, whole};

/// An argument that travels as a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamHeader {
    /// The annotation: what follows `Mcp-Param-`.
    pub name: String,
    /// The chain of property names from the arguments to the value.
    pub path: Vec<String>,
}

/// Why a tool's annotations are unusable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnnotation {
    /// The value is no RFC 9110 token.
    #[error("x-mcp-header must be a header token")]
    NotToken,
    /// Two arguments share a header name (letter case aside).
    #[error("x-mcp-header '{0}' is used twice")]
    Duplicate(String),
    /// The argument is no string, integer or boolean.
    #[error("x-mcp-header '{0}' is on a property that is no string, integer or boolean")]
    Type(String),
    /// Reached by something else than `properties`.
    #[error("x-mcp-header is only allowed on properties reached through `properties` alone")]
    Place,
    /// Schemas nested deeper than any annotation may be looked for.
    #[error("the schema is nested too deeply")]
    Depth,
    /// Not JSON.
    #[error("the schema is not JSON")]
    Json,
}

const ANNOTATION: &str = "x-mcp-header";
// Each level is read once more for its parent; a cap keeps a hostile schema from costing its size times its depth.
const MAX_DEPTH: usize = 64;

// Keywords whose value is a schema or a list of schemas, and those whose value is a map of schemas.
const SCHEMAS: [&str; 16] = [
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "contentSchema",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
];
const MAPS: [&str; 5] = ["patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions"];

struct Open {
    schema: Span,
    depth: usize,
    // The chain of properties, or `None` once something else was on the way.
    path: Option<Vec<String>>,
}

/// The annotated arguments of a tool, from its raw `inputSchema`.
///
/// # Errors
/// The first broken rule; the tool must then not be offered over HTTP.
pub fn param_headers(input_schema: &[u8]) -> Result<Vec<ParamHeader>, InvalidAnnotation> {
    // Nearly every schema has none, and then no byte of it needs a second look. An escape could hide the key.
    let may_have = memchr::memmem::find(input_schema, ANNOTATION.as_bytes()).is_some()
        || memchr::memmem::find(input_schema, b"\\u").is_some();
    if !may_have {
        return Ok(Vec::new());
    }
    let all = Span { start: 0, end: u32::try_from(input_schema.len()).map_err(|_| InvalidAnnotation::Json)? };
    let root = whole(input_schema, all).ok_or(InvalidAnnotation::Json)?;
    let mut found = Vec::new();
    let mut open = vec![Open { schema: root, depth: 0, path: Some(Vec::new()) }];
    while let Some(next) = open.pop() {
        if next.depth > MAX_DEPTH {
            return Err(InvalidAnnotation::Depth);
        }
        schema(input_schema, &next, &mut open, &mut found)?;
    }
    // Last found first, since the stack is read from its top: give them in the order of the schema.
    found.reverse();
    for (index, header) in found.iter().enumerate() {
        if found.iter().take(index).any(|other| other.name.eq_ignore_ascii_case(&header.name)) {
            return Err(InvalidAnnotation::Duplicate(header.name.clone()));
        }
    }
    Ok(found)
}

// Reads one schema: its annotation, and which schemas are inside.
fn schema(
    body: &[u8],
    this: &Open,
    open: &mut Vec<Open>,
    found: &mut Vec<ParamHeader>,
) -> Result<(), InvalidAnnotation> {
    let inside = |schema, path| Open { schema, depth: this.depth + 1, path };
    for member in members(body, this.schema) {
        let key = member.key.text(body);
        if key == ANNOTATION {
            found.push(annotation(body, this, member.value)?);
        } else if key == "properties" {
            for property in members(body, member.value) {
                let path = this.path.as_ref().map(|path| {
                    let mut path = path.clone();
                    path.push(property.key.text(body).into_owned());
                    path
                });
                open.push(inside(property.value, path));
            }
        } else if MAPS.contains(&&*key) {
            open.extend(members(body, member.value).map(|entry| inside(entry.value, None)));
        } else if SCHEMAS.contains(&&*key) {
            open.push(inside(member.value, None));
            open.extend(elements(body, member.value).map(|element| inside(element, None)));
        }
    }
    Ok(())
}

fn annotation(body: &[u8], this: &Open, value: Span) -> Result<ParamHeader, InvalidAnnotation> {
    let name = string(body, value).ok_or(InvalidAnnotation::NotToken)?.text(body).into_owned();
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(InvalidAnnotation::NotToken);
    }
    let path = this.path.as_ref().filter(|path| !path.is_empty()).ok_or(InvalidAnnotation::Place)?;
    let of_type = find(body, this.schema, "type").and_then(|value| string(body, value));
    let fits = of_type.is_some_and(|kind| ["string", "integer", "boolean"].iter().any(|one| kind.is(body, one)));
    if !fits {
        return Err(InvalidAnnotation::Type(name));
    }
    Ok(ParamHeader { name, path: path.clone() })
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Compares one `Mcp-Param-*` header with the argument it stands for. `arguments` is the span of `params.arguments`.
///
/// # Errors
/// Missing while the argument is there, there while the argument is missing or null, unreadable, or different.
pub fn check_param(
    value: Option<&[u8]>,
    body: &[u8],
    arguments: Option<Span>,
    param: &ParamHeader,
) -> Result<(), HeaderFault> {
    let header = || Cow::Owned(format!("{}{}", super::PARAM_PREFIX, param.name));
    let argument = arguments
        .and_then(|arguments| pointer(body, arguments, &param.path))
        .filter(|argument| kind(body, *argument) != Some(JsonKind::Null));
    let (value, argument) = match (value, argument) {
        (None, None) => return Ok(()),
        (None, Some(_)) => return Err(HeaderFault::Missing(header())),
        (Some(value), argument) => (value, argument),
    };
    let value = decode_value(value).map_err(|fault| HeaderFault::Invalid { header: header(), fault })?;
    let Some(argument) = argument else { return Err(differs(header(), &value, None)) };
    let wanted = written(body, argument);
    let same = value == wanted || (kind(body, argument) == Some(JsonKind::Number) && same_number(&value, &wanted));
    if same { Ok(()) } else { Err(differs(header(), &value, Some(&wanted))) }
}

/// The value that the header of `param` must carry, still to be written with [`super::encode_value`]; `None` when the
/// argument is absent or null (then there must be no header).
pub fn param_value<'a>(body: &'a [u8], arguments: Option<Span>, param: &ParamHeader) -> Option<Cow<'a, str>> {
    let argument = pointer(body, arguments?, &param.path)?;
    (kind(body, argument) != Some(JsonKind::Null)).then(|| written(body, argument))
}

// Strings as they are, booleans and numbers as written.
fn written(body: &[u8], argument: Span) -> Cow<'_, str> {
    match string(body, argument) {
        Some(text) => text.text(body),
        None => String::from_utf8_lossy(argument.of(body)),
    }
}

// Annotated numbers are integers within 2^53, which f64 holds exactly; beyond that only equal digits are equal.
fn same_number(value: &str, wanted: &str) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let read = |text: &str| {
        let all = Span { start: 0, end: text.len() as u32 };
        let number = whole(text.as_bytes(), all) == Some(all) && kind(text.as_bytes(), all) == Some(JsonKind::Number);
        number.then(|| text.parse::<f64>().ok()).flatten().filter(|number| number.abs() < EXACT)
    };
    read(value).is_some_and(|value| read(wanted) == Some(value))
}
