//! The floors of the operator: a module imports only from floors below its own.
//!
//! Reads the source text, so it needs no build of it. Tests may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// From the top. Cargo has no say inside a crate, so this does.
const FLOORS: &[&[&str]] = &[
    &["app"],
    &["reconcile"],
    &["status"],
    &["events"],
    &["publish", "observe"],
    &["certificates"],
    &["lease", "admin"],
    &["metrics", "config"],
    &["testing"],
];

type Edges = BTreeMap<(String, String), BTreeSet<PathBuf>>;

#[test]
fn every_import_goes_down() -> io::Result<()> {
    let floor = |module: &str| FLOORS.iter().position(|floor| floor.contains(&module));
    let edges = edges()?;
    let mut wrong = Vec::new();
    for ((from, to), files) in &edges {
        let down = floor(from).zip(floor(to)).is_some_and(|(from, to)| from < to);
        if !down {
            wrong.push(format!("{from} -> {to} in {files:?}"));
        }
    }
    assert!(wrong.is_empty(), "imports against the floors:\n{}", wrong.join("\n"));
    assert!(edges.len() > 15, "the imports were not found: {edges:?}");
    Ok(())
}

#[test]
fn every_module_has_a_floor() -> io::Result<()> {
    let named: BTreeSet<_> = FLOORS.iter().copied().flatten().map(|module| (*module).to_owned()).collect();
    assert_eq!(modules()?, named);
    Ok(())
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// What `lib.rs` declares.
fn modules() -> io::Result<BTreeSet<String>> {
    let text = fs::read_to_string(source().join("lib.rs"))?;
    let declared = text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    Ok(declared.filter_map(|rest| rest.strip_suffix(';')).map(str::to_owned).collect())
}

fn edges() -> io::Result<Edges> {
    let (root, modules) = (source(), modules()?);
    let mut edges = Edges::new();
    for module in &modules {
        let mut files = vec![root.join(module).with_extension("rs")];
        files_below(&root.join(module), &mut files)?;
        for file in files {
            let text = fs::read_to_string(&file)?;
            let depth = file.with_extension("").strip_prefix(&root).map_or(0, |path| path.components().count());
            for to in imports(&text, depth).into_iter().filter(|to| to != module && modules.contains(to)) {
                let short = file.strip_prefix(&root).unwrap_or(&file).to_owned();
                edges.entry((module.clone(), to)).or_default().insert(short);
            }
        }
    }
    Ok(edges)
}

/// Files of a module, without its tests.
fn files_below(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    if !directory.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        match path.file_stem().and_then(|stem| stem.to_str()) {
            Some("tests") => {}
            _ if path.is_dir() => files_below(&path, files)?,
            _ => files.push(path),
        }
    }
    Ok(())
}

/// The names behind `crate::`, single or in braces, and behind a chain of `super::` that leads as far.
fn imports(text: &str, depth: usize) -> BTreeSet<String> {
    let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or(text);
    let code: String =
        product.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for prefix in ["crate::".to_owned(), "super::".repeat(depth.max(1))] {
        for after in code.split(&prefix).skip(1) {
            match after.strip_prefix('{') {
                Some(group) => found.extend(members(group)),
                None => found.extend([name(after)]),
            }
        }
    }
    found
}

/// The first names of a brace group, which may hold groups itself.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut found, mut start) = (0_usize, Vec::new(), true);
    for (at, char) in group.char_indices() {
        if start && (char.is_ascii_alphabetic() || char == '_') {
            found.push(name(group.get(at..).unwrap_or_default()));
            start = false;
        }
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ => {}
        }
    }
    found
}

fn name(text: &str) -> String {
    text.chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_').collect()
}

#[test]
fn imports_are_found_in_every_form() {
    let text = "use crate::a::B;\n// use crate::no;\nuse crate::{c, d::{e, f}, g};\nfn x() { crate::h::i() }\n\
                use super::super::j::K;\nuse super::l;\n#[cfg(test)]\nmod tests { use crate::m; }";
    let found: Vec<_> = imports(text, 2).into_iter().collect();
    assert_eq!(found, ["a", "c", "d", "g", "h", "j"]);
}
