//! Files that are replaced while the process runs, as the kubelet does with mounted Secrets: by the swap of a symbolic
//! link, so that no watch on the file itself would hear of it. They are read now and then, and compared by content.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_128;

/// Thousands of keys or certificates; anything larger is another file by mistake.
const MOST_BYTES: u64 = 1 << 20;

/// A file that is read again and again.
#[derive(Debug)]
pub struct Watched {
    path: PathBuf,
    /// Of what was read last: the content itself may be secret and is not kept.
    hash: Option<u128>,
}

// === impl Watched ===

impl Watched {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), hash: None }
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds, if that is not what it held at the last look.
    ///
    /// # Errors
    /// It cannot be read, or is larger than any such file.
    pub fn changed(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        File::open(&self.path)?.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 1 MiB"));
        }
        let hash = xxh3_128(&bytes);
        let is_new = self.hash.replace(hash) != Some(hash);
        Ok(is_new.then_some(bytes))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::Watched;

    #[test]
    fn a_swapped_link_is_seen_and_the_same_content_is_no_news() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        for (version, text) in [("one", "a"), ("two", "a"), ("three", "b")] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("keys"), text).unwrap();
        }
        let swap = |version: &str| {
            symlink(version, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        };
        swap("one");
        symlink("..data/keys", at("keys")).unwrap();
        let mut watched = Watched::new(at("keys"));
        assert_eq!(watched.changed().unwrap().as_deref(), Some(&b"a"[..]));
        assert_eq!(watched.changed().unwrap(), None);
        swap("two");
        assert_eq!(watched.changed().unwrap(), None);
        swap("three");
        assert_eq!(watched.changed().unwrap().as_deref(), Some(&b"b"[..]));
        fs::remove_file(at("keys")).unwrap();
        watched.changed().unwrap_err();
        fs::write(at("keys"), vec![b'x'; (1 << 20) + 1]).unwrap();
        watched.changed().unwrap_err();
    }
}
