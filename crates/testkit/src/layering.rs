//! The floors of a crate: a module imports only from floors below its own.
//!
//! Reads the source text, so it needs no build of it. Tests may import what they like. Asked by the crates that have
//! floors, each with its own; what must hold of the answer they say themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The files in which a module (first) imports another (second).
pub type Edges = BTreeMap<(String, String), BTreeSet<PathBuf>>;

/// What the source of a crate says about its floors.
#[derive(Debug)]
pub struct Layering {
    /// What `lib.rs` declares.
    pub modules: BTreeSet<String>,
    /// What has a floor.
    pub named: BTreeSet<String>,
    /// Every import of another module.
    pub edges: Edges,
    /// Those that do not go down, one a line.
    pub wrong: Vec<String>,
}

/// Reads the folder that holds `lib.rs`. `floors`: from the top.
///
/// # Errors
/// A file cannot be read.
pub fn read(source: &Path, floors: &[&[&str]]) -> io::Result<Layering> {
    let floor = |module: &str| floors.iter().position(|floor| floor.contains(&module));
    let modules = modules(source)?;
    let edges = edges(source, &modules)?;
    let mut wrong = Vec::new();
    for ((from, to), files) in &edges {
        let down = floor(from).zip(floor(to)).is_some_and(|(from, to)| from < to);
        if !down {
            wrong.push(format!("{from} -> {to} in {files:?}"));
        }
    }
    let named = floors.iter().copied().flatten().map(|module| (*module).to_owned()).collect();
    Ok(Layering { modules, named, edges, wrong })
}

fn modules(source: &Path) -> io::Result<BTreeSet<String>> {
    let text = fs::read_to_string(source.join("lib.rs"))?;
    let declared = text.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod "));
    Ok(declared.filter_map(|rest| rest.strip_suffix(';')).map(str::to_owned).collect())
}

fn edges(source: &Path, modules: &BTreeSet<String>) -> io::Result<Edges> {
    let mut edges = Edges::new();
    for module in modules {
        let mut files = vec![source.join(module).with_extension("rs")];
        files_below(&source.join(module), &mut files)?;
        for file in files {
            let text = fs::read_to_string(&file)?;
            let depth = file.with_extension("").strip_prefix(source).map_or(0, |path| path.components().count());
            for to in imports(&text, depth).into_iter().filter(|to| to != module && modules.contains(to)) {
                let short = file.strip_prefix(source).unwrap_or(&file).to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_found_in_every_form() {
        let text = "use crate::a::B;\n// use crate::no;\nuse crate::{c, d::{e, f}, g};\nfn x() { crate::h::i() }\n\
                    use super::super::j::K;\nuse super::l;\n#[cfg(test)]\nmod tests { use crate::m; }";
        let found: Vec<_> = imports(text, 2).into_iter().collect();
        assert_eq!(found, ["a", "c", "d", "g", "h", "j"]);
    }
}
