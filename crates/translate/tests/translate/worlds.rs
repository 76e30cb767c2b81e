//! The golden worlds as test data; shared by the tests of what comes out and the test of what must hold for any order.

use std::path::{Path, PathBuf};
use std::{fs, io};

use ringway_translate::install::ClusterInstall;
use ringway_translate::{Install, Object, Problem};
use serde_json::Value;

/// The value of `${TOKEN}`, which must never show.
pub(crate) const SECRET: &str = "s3cr3t-value";

#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) text: String,
}

/// Those of standalone mode, in the order of their names.
pub(crate) fn cases() -> Vec<Case> {
    below("tests/golden")
}

/// Those of a cluster, each with its install.
pub(crate) fn cluster_cases() -> Vec<(Case, Install)> {
    below("tests/golden-cluster")
        .into_iter()
        .map(|case| {
            let text =
                fs::read_to_string(case.directory.join("install.yaml")).expect("every cluster has an install.yaml");
            let install: ClusterInstall = serde_yaml::from_str(&text).expect("an install");
            (case, Install::Cluster(Box::new(install)))
        })
        .collect()
}

fn below(root: &str) -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(root);
    let mut directories: Vec<PathBuf> = fs::read_dir(root)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>())
        .expect("the golden worlds can be read");
    directories.sort();
    directories
        .into_iter()
        .map(|directory| {
            let text = fs::read_to_string(directory.join("in.yaml")).expect("every world has an in.yaml");
            let name = directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
            Case { name, directory, text }
        })
        .collect()
}

pub(crate) fn documents(text: &str) -> Vec<String> {
    text.split("\n---\n").map(str::to_owned).collect()
}

/// A document as an API server would send it.
pub(crate) fn object(document: &str) -> (Option<Object>, Vec<Problem>) {
    let json: Value = serde_yaml::from_str(document).expect("a document of a cluster is YAML");
    Object::from_json(&json)
}

pub(crate) fn env(name: &str) -> Option<String> {
    (name == "TOKEN").then(|| SECRET.to_owned())
}
