//! The golden worlds as test data; shared by the test of what comes out and the test of what must hold for any order.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The value of `${TOKEN}`, which must never show.
pub(crate) const SECRET: &str = "s3cr3t-value";

#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    pub(crate) text: String,
}

/// In the order of their names.
pub(crate) fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
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

pub(crate) fn env(name: &str) -> Option<String> {
    (name == "TOKEN").then(|| SECRET.to_owned())
}
