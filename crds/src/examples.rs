//! The examples of `crds/examples`, and what a real API server says of them.
//!
//! For tests only, behind the feature `examples`: this crate's tests compare them with the manifests, the end-to-end
//! tests run them on a cluster whose CustomResourceDefinitions are the manifests. Layout: see `examples/README.md`.

mod largest;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Which kubectl, and which cluster.
#[derive(Debug, Clone)]
pub struct Kubectl {
    pub program: PathBuf,
    pub kubeconfig: PathBuf,
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

// === impl Example ===

impl Example {
    /// Asks the API server, which stores nothing.
    ///
    /// # Errors
    /// A sentence: what the server said, and what it should have.
    pub fn check(&self, kubectl: &Kubectl) -> Result<(), String> {
        let answer =
            kubectl.dry_run("apply", &self.yaml).map_err(|error| format!("{}: kubectl: {error}", self.place))?;
        let causes = match (&answer, self.refusals.is_empty()) {
            (Ok(()), true) => return Ok(()),
            (Err(said), false) => causes(said),
            (Ok(()), false) => return Err(format!("{}: accepted, not refused for {:?}", self.place, self.refusals)),
            (Err(said), true) => return Err(format!("{}: refused: {said}", self.place)),
        };
        let missing: Vec<_> =
            self.refusals.iter().filter(|refusal| !causes.iter().any(|cause| is_said(refusal, cause))).collect();
        if missing.is_empty() && causes.len() == self.refusals.len() {
            return Ok(());
        }
        Err(format!("{}: refused, but not for {missing:?} alone: {causes:#?}", self.place))
    }
}

/// What the API server adds when the types alone refuse an object.
const SKIPPED: &str = "some validation rules were not checked";

/// The causes in kubectl's words: one on the line of the object, or a list.
fn causes(said: &str) -> Vec<String> {
    let said = said.split_once(" is invalid: ").map_or(said, |(_, causes)| causes);
    let list: Vec<_> = said.split("\n* ").map(str::trim).filter(|cause| !cause.is_empty()).collect();
    list.into_iter()
        .map(|cause| cause.trim_start_matches("* ").to_owned())
        .filter(|cause| !cause.contains(SKIPPED))
        .collect()
}

/// `FIELD: MESSAGE`, or a text that stands anywhere.
fn is_said(refusal: &str, cause: &str) -> bool {
    match refusal.split_once(": ") {
        Some((field, message)) if field.starts_with("spec") => cause
            .strip_prefix(field)
            .and_then(|rest| rest.strip_prefix(": "))
            .is_some_and(|rest| rest.contains(message)),
        _ => cause.contains(refusal),
    }
}

// === impl Kubectl ===

impl Kubectl {
    /// `kubectl VERB --dry-run=server`; `Err` inside: what kubectl wrote when it was refused.
    ///
    /// # Errors
    /// kubectl cannot be run.
    pub fn dry_run(&self, verb: &str, yaml: &str) -> io::Result<Result<(), String>> {
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["--namespace", "default", verb, "--dry-run=server", "--filename", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(yaml.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(Ok(()));
        }
        Ok(Err(String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}
