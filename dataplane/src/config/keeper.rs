//! Keeps the copy on disk current: the newest state, written by a blocking thread, never two at a time.
//!
//! While a write runs, states pass by unwritten; and the disk is left alone for nine times as long as a write took, so
//! that a large configuration that changes all the time costs a tenth of a processor at most.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ringway_config_stream::Position;
use ringway_config_stream::store::Store;
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep};

use super::{Obey, disk};

/// The longest pause between two writes.
const PAUSE: Duration = Duration::from_secs(5);
/// How often is asked whether there are other keys to seal with, since the old ones will not open for ever; and how soon a
/// write that failed is tried again.
const KEYS: Duration = Duration::from_secs(5);

/// A state as it goes to the disk.
#[derive(Debug, Clone)]
pub(super) struct Copy {
    pub snapshot: Snapshot,
    pub position: Position,
}

#[derive(Debug)]
pub(super) struct Keeper {
    newest: watch::Sender<Option<Copy>>,
    task: JoinHandle<()>,
}

struct Writer {
    path: PathBuf,
    obey: Arc<dyn Obey>,
    newest: watch::Receiver<Option<Copy>>,
    /// With which keys the last write sealed.
    sealed_with: Option<Arc<Keyring>>,
    /// The last write failed. Said once, not for each try.
    is_failing: bool,
}

// === impl Copy ===

impl Copy {
    pub(super) fn of(store: &Store) -> Self {
        Self { snapshot: store.snapshot().clone(), position: store.position().clone() }
    }
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn start(path: PathBuf, obey: Arc<dyn Obey>) -> Self {
        let (newest, receiver) = watch::channel(None);
        let writer = Writer { path, obey, newest: receiver, sealed_with: None, is_failing: false };
        Self { newest, task: tokio::spawn(writer.run()) }
    }

    pub(super) fn keep(&self, copy: Copy) {
        self.newest.send_replace(Some(copy));
    }

    /// Writes what is not written yet.
    pub(super) async fn end(self) {
        drop(self.newest);
        // It was said what failed.
        let _ = self.task.await;
    }
}

// === impl Writer ===

impl Writer {
    async fn run(mut self) {
        loop {
            let is_open = tokio::select! {
                changed = self.newest.changed() => changed.is_ok(),
                () = sleep(KEYS) => {
                    let is_sealed = self.sealed_with.as_ref().is_none_or(|keys| Arc::ptr_eq(keys, &self.obey.keyring()));
                    if is_sealed && !self.is_failing {
                        continue;
                    }
                    true
                }
            };
            if !is_open {
                if self.is_failing {
                    self.write().await;
                }
                return;
            }
            let began = Instant::now();
            self.write().await;
            let pause = began.elapsed().saturating_mul(9).min(PAUSE);
            tokio::select! {
                () = sleep(pause) => {}
                () = closed(&self.newest) => {}
            }
        }
    }

    async fn write(&mut self) {
        let Some(copy) = self.newest.borrow_and_update().clone() else { return };
        let (path, keyring) = (self.path.clone(), self.obey.keyring());
        let sealed_with = Arc::clone(&keyring);
        let written = spawn_blocking(move || disk::write(&path, &copy, &keyring)).await;
        let error = match written {
            Ok(Ok(())) => {
                self.sealed_with = Some(sealed_with);
                self.is_failing = false;
                return;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(&mut self.is_failing, true) {
            tracing::warn!(path = %self.path.display(), %error, "the snapshot cannot be written to disk");
        }
    }
}

/// The sender is gone.
async fn closed(newest: &watch::Receiver<Option<Copy>>) {
    let mut newest = newest.clone();
    while newest.changed().await.is_ok() {}
}
