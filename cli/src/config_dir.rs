//! The configuration files of a standalone gateway: read them, and notice when they change.
//!
//! A directory's `*.yaml` and `*.yml` (not its subdirectories, no hidden files), or one file. Content is compared, not
//! times: editors, `git checkout` and mounted ConfigMaps all count, and a touched file does not. Polled, because
//! notification APIs miss network file systems and replaced directories. Called by `run` and `validate`.

mod settle;

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;

use settle::{Settle, Step};

/// A configuration is text that people write; an OpenAPI document is the largest of it.
const MAX_FILE: u64 = 16 << 20;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TextFile {
    /// As a message names it.
    pub name: String,
    /// The content.
    pub text: String,
}

/// Why files could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system said no.
    #[error("{}: {source}", path.display())]
    Io {
        /// File or directory.
        path: PathBuf,
        /// From the system.
        source: io::Error,
    },
    /// Not a text.
    #[error("{}: not UTF-8 text", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
    },
    /// Larger than a configuration can be.
    #[error("{}: larger than {MAX_FILE} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A directory without configuration is a wrong path more often than a wish.
    #[error("{}: no *.yaml or *.yml file in this directory", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
}

/// A thread that looks at the files; dropped, it ends.
#[derive(Debug)]
pub struct Watch {
    asks: Sender<Ask>,
}

#[derive(Debug)]
enum Ask {
    Reload,
}

/// Reads all files, in the order of their names.
///
/// # Errors
/// The first [`ReadError`].
pub fn read(path: &Path) -> Result<Vec<TextFile>, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(failed)?.is_dir() {
        return Ok(vec![read_file(path)?]);
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let found = entry.map_err(failed)?.path();
        if is_configuration(&found) {
            paths.push(found);
        }
    }
    if paths.is_empty() {
        return Err(ReadError::Empty { path: path.to_owned() });
    }
    paths.sort();
    paths.iter().map(|path| read_file(path)).collect()
}

fn is_configuration(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    // A broken link is a file that cannot be read, and is said to be one.
    !hidden && yaml && !path.is_dir()
}

fn read_file(path: &Path) -> Result<TextFile, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_FILE) {
        return Err(ReadError::TooLarge { path: path.to_owned() });
    }
    let text = String::from_utf8(bytes).map_err(|_| ReadError::NotText { path: path.to_owned() })?;
    Ok(TextFile { name: path.display().to_string(), text })
}

/// Watches files from the state `known` on. `changed` runs on the watching thread, once per settled change and once per
/// [`Watch::reload`].
///
/// # Errors
/// When no thread can be had.
pub fn watch(
    path: PathBuf,
    known: &[TextFile],
    mut changed: impl FnMut(Result<Vec<TextFile>, ReadError>) + Send + 'static,
) -> io::Result<Watch> {
    let (asks, asked) = mpsc::channel();
    let mut settle = Settle::new(digest(&Ok(known)));
    thread::Builder::new().name("config".to_owned()).spawn(move || {
        let mut wait = settle::POLL;
        loop {
            let forced = match asked.recv_timeout(wait) {
                Ok(Ask::Reload) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let files = read(&path);
            let seen = digest(&files.as_deref());
            let step = if forced { settle.accept(seen) } else { settle.observe(seen) };
            wait = step.wait();
            if step == Step::Apply {
                changed(files);
            }
        }
    })?;
    Ok(Watch { asks })
}

/// Equal content and names, equal digest; errors differ by their text.
fn digest(files: &Result<&[TextFile], &ReadError>) -> u64 {
    let mut hasher = DefaultHasher::new();
    match files {
        Ok(files) => files.hash(&mut hasher),
        Err(error) => error.to_string().hash(&mut hasher),
    }
    hasher.finish()
}

// === impl Watch ===

impl Watch {
    /// Reads again now, changed or not.
    pub fn reload(&self) {
        // A thread that has ended takes the whole program with it elsewhere.
        drop(self.asks.send(Ask::Reload));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::Receiver;
    use std::time::Duration;

    use super::*;

    type Change = Result<Vec<TextFile>, ReadError>;

    fn names(directory: &Path) -> Vec<String> {
        let strip = |file: TextFile| Path::new(&file.name).file_name().unwrap().to_string_lossy().into_owned();
        read(directory).unwrap().into_iter().map(strip).collect()
    }

    #[test]
    fn only_visible_yaml_files_count_in_the_order_of_names() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.yml", "a.yaml", "c.json", ".hidden.yaml", "d.yaml.bak"] {
            fs::write(directory.path().join(name), name).unwrap();
        }
        fs::create_dir(directory.path().join("sub.yaml")).unwrap();
        assert_eq!(names(directory.path()), ["a.yaml", "b.yml"]);
        let one = read(&directory.path().join("c.json")).unwrap();
        assert_eq!(one[0].text, "c.json", "a file that is named is read whatever its name");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let text = |path: &Path| read(path).unwrap_err().to_string();
        assert!(text(directory.path()).contains("no *.yaml"));
        assert!(text(&directory.path().join("gone")).contains("gone"));
        fs::write(directory.path().join("bad.yaml"), [0xff]).unwrap();
        assert!(text(directory.path()).ends_with("bad.yaml: not UTF-8 text"));
    }

    fn start(path: &Path) -> (Watch, Receiver<Change>) {
        let (sender, changes) = mpsc::channel();
        let known = read(path).unwrap();
        let watch = watch(path.to_owned(), &known, move |change| sender.send(change).unwrap()).unwrap();
        (watch, changes)
    }

    #[test]
    fn a_change_is_seen_once_and_a_touch_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.yaml");
        fs::write(&file, "one").unwrap();
        let (watch, changes) = start(directory.path());
        // Compared by content: a poll in between, or none, sees the same.
        let seen = || digest(&Ok(read(directory.path()).unwrap().as_slice()));
        let before = seen();
        fs::write(&file, "one").unwrap();
        fs::write(directory.path().join("note.txt"), "x").unwrap();
        assert_eq!(seen(), before, "a file that was touched, and one that is no configuration");
        fs::write(&file, "two").unwrap();
        let next = || changes.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(next().unwrap()[0].text, "two");
        watch.reload();
        assert_eq!(next().unwrap()[0].text, "two", "asked for");
        fs::remove_file(&file).unwrap();
        assert!(matches!(next(), Err(ReadError::Empty { .. })));
        fs::write(&file, "three").unwrap();
        assert_eq!(next().unwrap()[0].text, "three");
        drop(watch);
        assert!(changes.recv().is_err(), "the thread ends with its handle");
    }
}
