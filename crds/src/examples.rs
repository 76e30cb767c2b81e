//! The examples of `crds/examples`, and what an API server must say of them.
//!
//! For tests only, behind the feature `examples`: this crate's tests compare them with the manifests, those of
//! `ringway-translate` with its own rules, and the end-to-end tests ask an API server. Layout: see `examples/README.md`.

mod largest;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use largest::largest;

/// One document of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// File and the number of the document in it, for messages.
    pub place: String,
    /// The directory: the kind in lower case.
    pub kind: String,
    pub yaml: String,
    /// `FIELD: MESSAGE` each; none: it is accepted.
    pub refusals: Vec<String>,
}

/// All of them, in the order of kind, file and document.
///
/// # Errors
/// A file or directory that cannot be read; a document that is refused for no reason, or accepted with one.
pub fn read() -> io::Result<Vec<Example>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut examples = Vec::new();
    for kind in sorted(&root)?.iter().filter(|path| path.is_dir()) {
        for outcome in ["accepted", "refused"] {
            for file in sorted(&kind.join(outcome))? {
                let text = fs::read_to_string(&file)?;
                for (index, yaml) in text.split("\n---\n").enumerate() {
                    let name = file.strip_prefix(&root).unwrap_or(&file).display();
                    let example = Example {
                        place: format!("{name} #{}", index + 1),
                        kind: kind.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                        yaml: yaml.to_owned(),
                        refusals: yaml
                            .lines()
                            .filter_map(|line| line.strip_prefix("# refused: "))
                            .map(str::to_owned)
                            .collect(),
                    };
                    if example.refusals.is_empty() != (outcome == "accepted") {
                        return Err(io::Error::other(format!(
                            "{}: `# refused:` stands in the wrong place",
                            example.place
                        )));
                    }
                    examples.push(example);
                }
            }
        }
    }
    Ok(examples)
}

fn sorted(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths =
        fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
