//! The examples of the documentation: each is served whole, without a problem, and every page's YAML is one of them.

use std::path::{Path, PathBuf};
use std::{fs, io};

use ringway_translate::{Install, World, parse_documents, translate};

fn files(directory: &str, extension: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(directory);
    let mut files: Vec<PathBuf> = fs::read_dir(root)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>())
        .expect("the documentation can be read");
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    files
}

/// Problems of a text as they are shown; whatever variable is asked for is set.
fn problems(name: &str, text: &str) -> Vec<String> {
    let (objects, mut problems) = parse_documents(name, text);
    assert!(!objects.is_empty(), "{name} holds no object");
    problems
        .extend(translate(&World::from_objects(objects), &Install::Standalone, &|_| Some("value".to_owned())).problems);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn every_example_is_served_without_a_problem() {
    let files = files("examples", "yaml");
    assert!(files.len() >= 5, "the examples are gone");
    for file in files {
        let text = fs::read_to_string(&file).expect("an example can be read");
        assert_eq!(problems(&file.display().to_string(), &text), Vec::<String>::new());
    }
}

#[test]
fn every_block_of_yaml_on_a_page_is_served_without_a_problem() {
    for file in files("resources", "md") {
        let page = fs::read_to_string(&file).expect("a page can be read");
        let blocks: Vec<&str> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("\n```").next()).collect();
        assert!(!blocks.is_empty(), "{} shows no example", file.display());
        for block in blocks {
            assert_eq!(problems(&file.display().to_string(), block), Vec::<String>::new(), "{block}");
        }
    }
}

/// The tables name every field that the kind knows, served or not.
#[test]
fn every_field_is_on_its_page() {
    for (kind, page) in [("MCPBackend", "mcpbackend.md"), ("MCPRoute", "mcproute.md")] {
        let text =
            format!("apiVersion: ringway.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: x}}\nspec: {{nonsense: 1}}\n");
        let (_, problems) = parse_documents("x.yaml", &text);
        let fields =
            problems.iter().find_map(|p| p.message.split_once("expected one of ")).expect("the fields are listed").1;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/resources").join(page);
        let page = fs::read_to_string(root).expect("the page can be read");
        for field in fields.split(", ") {
            assert!(
                page.contains(&format!("`{field}`")) || page.contains(&format!("`{field}.")),
                "{kind}: {field} is not on its page"
            );
        }
    }
}
