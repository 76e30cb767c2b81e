//! Deleted sessions on disk, beside the keys: so that a restart does not revive them.
//!
//! Text, one line each: `<key in 32 hex digits> <end of life in Unix milliseconds>`. Appended by a thread of its own,
//! which flushes to the disk once per batch; several processes may append to one file. Read and compacted at start, and
//! again when it has grown, by whoever is alone with the file at that moment. A torn line is skipped. What is not here:
//! the set in memory, which is [`super::owner::Owner`]'s.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use crate::clock::unix_millis;

use super::owner::{SessionKey, TOMBSTONES};

/// Longest line: key, space, 20 digits, end.
const LINE: usize = 32 + 1 + 20 + 1;
/// Compacted while running beyond this: three times what the set in memory can hold, so at most every 460,000 deletions.
const COMPACT_ABOVE: u64 = 3 * (TOMBSTONES * LINE) as u64;
/// Deletions that wait for the disk; one more is refused, as a disk that slow is an error to show.
const WAITING: usize = 10_000;

/// The appending end. Ends its thread, after the last line, when dropped.
#[derive(Debug)]
pub struct Journal {
    entries: mpsc::SyncSender<Entry>,
    thread: Option<thread::JoinHandle<()>>,
}

/// What was on disk and still holds, oldest first.
pub type Loaded = Vec<(SessionKey, u64)>;

/// Why a deletion is not on disk. It holds in memory all the same.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the disk is too slow for the deletions")]
    Busy,
    #[error("the journal has ended")]
    Ended,
    #[error("cannot write")]
    Write(#[source] io::Error),
}

#[derive(Debug)]
struct Entry {
    key: SessionKey,
    expires_at: u64,
    done: oneshot::Sender<Result<(), io::ErrorKind>>,
}

/// The open file, with a shared lock for as long as it is open.
#[derive(Debug)]
struct Store {
    path: PathBuf,
    file: File,
}

// === impl Journal ===

impl Journal {
    /// Opens the file, makes it if need be, and reads what has not ended by `now` (Unix milliseconds).
    ///
    /// # Errors
    /// The file cannot be read, written or locked.
    pub fn open(path: impl Into<PathBuf>, now: u64) -> io::Result<(Self, Loaded)> {
        let mut store = Store::open(path.into())?;
        let loaded = store.read(now)?;
        store.compact(now)?;
        let (entries, waiting) = mpsc::sync_channel(WAITING);
        let thread =
            thread::Builder::new().name("ringway-tombs".to_owned()).spawn(move || append_all(&mut store, &waiting))?;
        Ok((Self { entries, thread: Some(thread) }, loaded))
    }

    /// Hands a deletion to the thread; the future is done when it is on disk. Dropping it changes nothing.
    pub fn append(
        &self,
        key: SessionKey,
        expires_at: u64,
    ) -> impl Future<Output = Result<(), JournalError>> + Send + use<> {
        let (done, ended) = oneshot::channel();
        let sent = self.entries.try_send(Entry { key, expires_at, done }).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => JournalError::Busy,
            mpsc::TrySendError::Disconnected(_) => JournalError::Ended,
        });
        async move {
            sent?;
            ended.await.map_err(|_| JournalError::Ended)?.map_err(|kind| JournalError::Write(kind.into()))
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        // The thread ends when nobody can send any more; a sender without receiver takes the place.
        self.entries = mpsc::sync_channel(0).0;
        if let Some(thread) = self.thread.take() {
            // It does not panic; were it to, there is nothing left to do.
            let _ = thread.join();
        }
    }
}

fn append_all(store: &mut Store, waiting: &mpsc::Receiver<Entry>) {
    while let Ok(first) = waiting.recv() {
        let batch: Vec<_> = [first].into_iter().chain(waiting.try_iter().take(WAITING)).collect();
        let result = store.append(&batch).map_err(|error| {
            tracing::error!(%error, path = %store.path.display(), "cannot write deleted sessions");
            error.kind()
        });
        for entry in batch {
            // Nobody may be waiting.
            let _ = entry.done.send(result);
        }
        if store.len().is_ok_and(|length| length > COMPACT_ABOVE)
            && let Err(error) = store.compact(unix_millis())
        {
            tracing::warn!(%error, path = %store.path.display(), "cannot compact deleted sessions");
        }
    }
}

// === impl Store ===

impl Store {
    fn open(path: PathBuf) -> io::Result<Self> {
        loop {
            let file = open_file(&path)?;
            file.lock_shared()?;
            // Another process may have put a compacted file in its place before the lock was had.
            if same_file(&file, &path)? {
                return Ok(Self { path, file });
            }
        }
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// The last [`TOMBSTONES`] that have not ended by `now`, oldest first.
    fn read(&mut self, now: u64) -> io::Result<Loaded> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::new(&self.file);
        // Position of each key's last line, for the order.
        let mut found: HashMap<SessionKey, (usize, u64), foldhash::fast::RandomState> = HashMap::default();
        let mut line = Vec::with_capacity(LINE);
        for at in 0.. {
            line.clear();
            if (&mut reader).take(LINE as u64).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            if let Some((key, expires_at)) = parse(&line).filter(|(_, expires_at)| *expires_at > now) {
                found.insert(key, (at, expires_at));
            }
        }
        let mut loaded: Vec<_> = found.into_iter().map(|(key, (at, expires_at))| (at, key, expires_at)).collect();
        loaded.sort_unstable_by_key(|(at, ..)| *at);
        let surplus = loaded.len().saturating_sub(TOMBSTONES);
        Ok(loaded.into_iter().skip(surplus).map(|(_, key, expires_at)| (key, expires_at)).collect())
    }

    fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        if !same_file(&self.file, &self.path)? {
            // Removed by somebody, or a compaction went wrong half way.
            *self = Self::open(self.path.clone())?;
        }
        let mut lines = String::with_capacity((entries.len() + 1) * LINE);
        if self.is_torn()? {
            lines.push('\n');
        }
        for entry in entries {
            line(&mut lines, entry.key, entry.expires_at);
        }
        // One write in append mode, so that two processes' lines do not mix.
        self.file.write_all(lines.as_bytes())?;
        self.file.sync_data()
    }

    /// Does the file end in the middle of a line, as after a loss of power?
    fn is_torn(&mut self) -> io::Result<bool> {
        if self.len()? == 0 {
            return Ok(false);
        }
        self.file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        self.file.read_exact(&mut last)?;
        Ok(last != *b"\n")
    }

    /// Rewrites the file without what has ended, unless another process has it open, too.
    fn compact(&mut self, now: u64) -> io::Result<()> {
        self.file.unlock()?;
        match self.file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return self.file.lock_shared(),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let result = self.rewrite(now);
        if result.is_err() {
            // Not left exclusive: other processes could not start.
            self.file.lock_shared()?;
        }
        result
    }

    /// With the exclusive lock.
    fn rewrite(&mut self, now: u64) -> io::Result<()> {
        if same_file(&self.file, &self.path)? {
            let mut lines = String::new();
            for (key, expires_at) in self.read(now)? {
                line(&mut lines, key, expires_at);
            }
            let beside = self.path.with_extension("compacting");
            let mut fresh = options().write(true).truncate(true).open(&beside)?;
            fresh.write_all(lines.as_bytes())?;
            fresh.sync_all()?;
            fs::rename(&beside, &self.path)?;
            if let Some(directory) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                File::open(directory)?.sync_all()?;
            }
        }
        // The old file, and with it the exclusive lock, lives until the new one is locked.
        *self = Self::open(self.path.clone())?;
        Ok(())
    }
}

fn options() -> fs::OpenOptions {
    let mut options = File::options();
    options.create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn open_file(path: &Path) -> io::Result<File> {
    options().read(true).append(true).open(path)
}

/// Is `file` still what the path names?
fn same_file(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let there = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        there => there?,
    };
    let here = file.metadata()?;
    Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
}

fn line(out: &mut String, key: SessionKey, expires_at: u64) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:032x} {expires_at}", u128::from_be_bytes(key.0));
}

/// A whole line; `None` for anything else.
fn parse(line: &[u8]) -> Option<(SessionKey, u64)> {
    let text = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
    let (key, expires_at) = text.split_once(' ')?;
    let hex = key.len() == 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit());
    let digits = expires_at.bytes().all(|digit| digit.is_ascii_digit());
    let key = u128::from_str_radix(key, 16).ok().filter(|_| hex && digits)?;
    Some((SessionKey(key.to_be_bytes()), expires_at.parse().ok()?))
}

#[cfg(test)]
mod tests;
