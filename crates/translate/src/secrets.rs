//! The values of all Secrets: decoded, with `${ENV}` replaced. The only place that sees them in the clear.
//!
//! Does not know who wants a value. Called by `translate` once; its table is asked by `refs`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringway_crds::{GroupKind, kube};
use ringway_snapshot::{ObjectName, Secret};

use crate::object::Content;
use crate::path::FieldPath;
use crate::problem::{Problem, Reason};
use crate::scope::Scope;
use crate::text;
use crate::world::World;

/// The environment as the caller has it.
pub(crate) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Keys of Secrets; `None`: the key is there, and has a problem of its own.
#[derive(Debug, Default)]
pub(crate) struct Secrets(BTreeMap<ObjectName, BTreeMap<String, Option<Secret>>>);

/// Why a `${...}` was not replaced.
enum Unfilled<'a> {
    Malformed,
    Unset(&'a str),
}

// === impl Secrets ===

impl Secrets {
    pub(crate) fn read(world: &World, env: Env<'_>) -> (Self, Vec<Problem>) {
        let mut secrets = Self::default();
        let mut problems = Vec::new();
        for object in world.unique(GroupKind::Secret) {
            let Content::Secret(secret) = &object.content else { continue };
            let mut scope = Scope::new(object);
            secrets.0.insert(object.id.name.clone(), values(&mut scope, secret, env));
            problems.append(&mut scope.into_problems());
        }
        (secrets, problems)
    }

    /// `None`: the key is not there.
    pub(crate) fn value(&self, name: &ObjectName, key: &str) -> Option<&Option<Secret>> {
        self.0.get(name)?.get(key)
    }
}

fn values(scope: &mut Scope<'_>, secret: &kube::Secret, env: Env<'_>) -> BTreeMap<String, Option<Secret>> {
    let mut values = BTreeMap::new();
    for (key, text) in &secret.data {
        // Line breaks inside are what `base64` prints and YAML blocks keep.
        let packed: String = text.expose().split_ascii_whitespace().collect();
        let value = STANDARD.decode(packed).ok().map(Secret::new);
        if value.is_none() {
            let field = FieldPath::of("data").key(key);
            scope.error(&field, Reason::InvalidValue, "is not base64; plain text and ${ENV} go into stringData");
        }
        values.insert(key.clone(), value);
    }
    for (key, text) in &secret.string_data {
        let value = match filled(text.expose(), env) {
            Ok(value) => Some(Secret::new(value)),
            Err(unfilled) => {
                let field = FieldPath::of("stringData").key(key);
                match unfilled {
                    Unfilled::Malformed => {
                        let message = "`${` begins the name of an environment variable, as in ${TOKEN}; write `$${` for the text itself";
                        scope.error(&field, Reason::InvalidValue, message);
                    }
                    Unfilled::Unset(name) => {
                        let message = format!("the environment variable {} is not set", text::cut(name));
                        scope.error(&field, Reason::RefNotFound, message);
                    }
                }
                None
            }
        };
        values.insert(key.clone(), value);
    }
    values
}

/// Replaces `${NAME}`; `$${` stands for `${`.
fn filled<'a>(text: &'a str, env: Env<'_>) -> Result<String, Unfilled<'a>> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = after;
            continue;
        }
        out.push_str(before);
        let (name, after) = after.split_once('}').ok_or(Unfilled::Malformed)?;
        if !is_variable(name) {
            return Err(Unfilled::Malformed);
        }
        out.push_str(&env(name).ok_or(Unfilled::Unset(name))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::{Unfilled, filled};

    #[test]
    fn variables_are_replaced_once_and_can_be_escaped() {
        let env = |name: &str| (name == "A").then(|| "${B}".to_owned());
        let fill = |text: &str| match filled(text, &env) {
            Ok(text) => text,
            Err(Unfilled::Malformed) => "malformed".to_owned(),
            Err(Unfilled::Unset(name)) => format!("unset {name}"),
        };
        for (text, expected) in [
            ("x ${A} y", "x ${B} y"),
            ("$${A}", "${A}"),
            ("$A $", "$A $"),
            ("${C}", "unset C"),
            ("${A", "malformed"),
            ("${}", "malformed"),
            ("${1}", "malformed"),
            ("${A:-x}", "malformed"),
            ("", ""),
        ] {
            assert_eq!(fill(text), expected, "{text}");
        }
    }
}
