//! The sealing keys of a standalone gateway: a file that only its owner reads, made at the first start.
//!
//! There is no default key. What the file holds is read by `ringway_seal`. Called by `run`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ringway_seal::{KeyFileError, Keyring, SealError};

/// Beside the configuration: what a gateway keeps between two starts.
const STATE_DIRECTORY: &str = ".ringway";
const KEY_FILE: &str = "keys";
/// Thousands of keys; anything larger is another file by mistake.
const MAX_KEY_FILE: u64 = 1 << 20;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// From the system.
        source: io::Error,
    },
    /// Others could read the keys, or write theirs into the file.
    #[error(
        "{}: mode {mode:04o} lets other users at the keys; make it private: chmod 600 {}",
        path.display(),
        path.display()
    )]
    NotPrivate {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file holds no keys.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Which line, and why.
        source: KeyFileError,
    },
    /// No key could be made.
    #[error("no key could be made: {0}")]
    Generate(SealError),
}

/// The directory beside the configuration where a gateway keeps what must survive a restart.
#[must_use]
pub fn state_directory(config: &Path) -> PathBuf {
    if config.is_dir() {
        return config.join(STATE_DIRECTORY);
    }
    config.parent().unwrap_or_else(|| Path::new("")).join(STATE_DIRECTORY)
}

/// The key file in a state directory.
#[must_use]
pub fn default_file(state_directory: &Path) -> PathBuf {
    state_directory.join(KEY_FILE)
}

/// Reads a key file that must be there.
///
/// # Errors
/// [`KeysError`]; a file that its group or others may touch is refused.
pub fn load(path: &Path) -> Result<Keyring, KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    check_private(path, &file)?;
    let mut text = String::new();
    file.take(MAX_KEY_FILE).read_to_string(&mut text).map_err(failed)?;
    Keyring::parse(&text).map_err(|source| KeysError::Content { path: path.to_owned(), source })
}

/// Reads a key file, or makes it with one random key.
///
/// # Errors
/// [`KeysError`].
pub fn load_or_generate(path: &Path) -> Result<Keyring, KeysError> {
    match load(path) {
        Err(KeysError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            generate(path)?;
            tracing::info!(file = %path.display(), "made a new sealing key");
            load(path)
        }
        loaded => loaded,
    }
}

/// Writes the file whole or not at all; another process that was faster wins, and its key is used.
fn generate(path: &Path) -> Result<(), KeysError> {
    let failed = |source| KeysError::Io { path: path.to_owned(), source };
    let text = ringway_seal::generate_file_text().map_err(KeysError::Generate)?;
    let directory = path.parent().unwrap_or_else(|| Path::new("."));
    if !directory.as_os_str().is_empty() {
        create_private_directory(directory).map_err(failed)?;
    }
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    let written = write_private(&draft, &text).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    written.and(removed).map_err(failed)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

#[cfg(unix)]
fn check_private(path: &Path, file: &File) -> Result<(), KeysError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|source| KeysError::Io { path: path.to_owned(), source })?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeysError::NotPrivate { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Other systems have no such bits: the file inherits what its directory says.
#[cfg(not(unix))]
fn check_private(_: &Path, _: &File) -> Result<(), KeysError> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn ids(keys: &Keyring) -> Vec<String> {
        keys.key_ids().map(|id| format!("{id:?}")).collect()
    }

    #[test]
    fn a_key_is_made_once_and_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = default_file(&state_directory(directory.path()));
        let first = load_or_generate(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(ids(&load_or_generate(&path).unwrap()), ids(&first));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no draft stays behind");
        let other = load_or_generate(&directory.path().join("other")).unwrap();
        assert_ne!(ids(&other), ids(&first));
    }

    #[test]
    fn a_file_that_others_may_touch_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        load_or_generate(&path).unwrap();
        for bits in [0o640, 0o604, 0o620, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(bits)).unwrap();
            let text = load_or_generate(&path).unwrap_err().to_string();
            assert!(text.contains("chmod 600") && text.contains(&format!("{bits:04o}")), "{text}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        load(&path).unwrap();
    }

    #[test]
    fn a_broken_file_is_never_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        write_private(&path, "# nothing\n").unwrap();
        let text = load_or_generate(&path).unwrap_err().to_string();
        assert!(text.contains("holds no key"), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "# nothing\n");
    }

    #[test]
    fn keys_stand_beside_the_configuration() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(state_directory(directory.path()), directory.path().join(".ringway"));
        assert_eq!(state_directory(&directory.path().join("one.yaml")), directory.path().join(".ringway"));
        assert_eq!(default_file(&state_directory(Path::new("one.yaml"))), Path::new(".ringway/keys"));
    }
}
