//! `manifests/*.yaml` are what the types say, and keep to the rules of all Ringway's kinds.
//!
//! `UPDATE=1 cargo test -p ringway-crds manifests` rewrites them; read the difference before it is committed.

use std::fs;
use std::path::{Path, PathBuf};

use ringway_crds::manifest;
use serde_json::Value;

use super::walk::{Place, visit};
use super::{KINDS, schema_of};

/// As docs/crds.md has it. Client-side apply keeps the whole object in an annotation, and all annotations have 256 KiB.
const MAX_APPLIED_BYTES: usize = 40 << 10;
/// What kubectl's parser takes for a boolean.
const BOOLEANS: [&str; 8] = ["y", "yes", "on", "true", "n", "no", "off", "false"];

fn file(plural: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests").join(format!("{plural}.yaml"))
}

#[test]
fn the_manifests_are_what_the_types_say() {
    let mut differing = Vec::new();
    for kind in KINDS {
        let made = manifest::of(kind).expect("one of ours");
        let yaml = serde_yaml::to_string(&made).expect("plain data");
        let text = format!("# Made from the types of crate ringway-crds; do not edit.\n{yaml}");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(file(kind.plural()), &text).expect("a manifest can be written");
        } else if fs::read_to_string(file(kind.plural())).unwrap_or_default() != text {
            differing.push(kind.plural());
        }
        // What is written must be read as the same: a folded line or a date is easily something else.
        let read: Value = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(read, made, "{kind}");
    }
    assert!(differing.is_empty(), "differing, see UPDATE=1: {differing:?}");
}

#[test]
fn a_manifest_is_small_enough_for_client_side_apply() {
    for kind in KINDS {
        let bytes = serde_json::to_string(&manifest::of(kind).expect("one of ours")).expect("plain data").len();
        assert!(bytes < MAX_APPLIED_BYTES, "{kind}: {bytes}");
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/crds.md");
    let page = fs::read_to_string(page).expect("docs/crds.md");
    assert!(page.contains(&format!("below {} KiB", MAX_APPLIED_BYTES >> 10)), "docs/crds.md has another bound");
}

#[test]
fn every_list_text_and_map_has_a_bound() {
    for kind in KINDS {
        visit(&schema_of(kind), &mut |Place { path, schema }| {
            if path == "apiVersion" || path == "kind" || path == "metadata" {
                return;
            }
            let has = |keyword: &str| schema.get(keyword).is_some();
            let is_free = has("x-kubernetes-preserve-unknown-fields");
            let is_bounded = match schema.get("type").and_then(Value::as_str) {
                Some("string") => has("enum") || has("maxLength"),
                Some("array") => has("maxItems") && has("items"),
                Some("integer") => has("minimum"),
                Some("object") => is_free || has("properties") || has("maxProperties"),
                Some("boolean") => true,
                _ => is_free || has("x-kubernetes-int-or-string") && has("maxLength"),
            };
            assert!(is_bounded, "{kind}: {path}: {schema}");
            // Two ways to say that a field is not there would mean two things some day.
            assert!(!has("nullable") && !has("anyOf") && !has("oneOf") && !has("$ref"), "{kind}: {path}");
        });
    }
}

#[test]
fn no_enum_has_a_word_that_yaml_1_1_reads_as_a_boolean() {
    let mut words = 0;
    for kind in KINDS {
        visit(&schema_of(kind), &mut |Place { path, schema }| {
            // A condition's status is metav1's, and written by programs.
            if path.ends_with("conditions[].status") {
                return;
            }
            for word in schema.get("enum").and_then(Value::as_array).into_iter().flatten() {
                let word = word.as_str().expect("a text");
                assert!(!BOOLEANS.contains(&word.to_lowercase().as_str()), "{kind}: {path}: {word}");
                words += 1;
            }
        });
    }
    assert!(words > 100, "the enums are gone");
}
