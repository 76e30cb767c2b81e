//! What becomes of a copy that the disk does not take.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ringway_config_stream::{Facts, Position, Rejection};
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;
use tempfile::TempDir;
use tokio::time::{Duration, Instant, sleep};

use super::{Copy, Keeper};
use crate::config::{Obey, disk};
use crate::telemetry::metrics::StreamMetrics;

/// Has keys, and nothing else to do.
struct Keys(Arc<Keyring>);

impl Obey for Keys {
    fn apply(&self, _: Snapshot) -> Vec<Rejection> {
        vec![]
    }

    fn facts(&self) -> Arc<Facts> {
        Arc::default()
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::clone(&self.0)
    }

    fn metrics(&self) -> Arc<StreamMetrics> {
        Arc::default()
    }

    fn unreachable(&self, _: &str) {}
}

fn keeper(directory: &TempDir) -> (Keeper, Arc<Keyring>) {
    let keys = Arc::new(Keyring::new([1; 32], []).unwrap());
    (Keeper::start(directory.path().join("snapshot"), Arc::new(Keys(Arc::clone(&keys)))), keys)
}

fn copy(generation: u64) -> Copy {
    Copy { snapshot: Snapshot { generation, ..Snapshot::default() }, position: Position::default() }
}

/// The generation that the disk has, once it is `expected`.
async fn comes_to_hold(path: &Path, keys: &Keyring, expected: u64) {
    let began = Instant::now();
    loop {
        let held = disk::read(path, keys).unwrap().map(|copy| copy.snapshot.generation);
        if held == Some(expected) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{held:?}, and not {expected}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_failed_is_tried_again_until_the_disk_takes_it() {
    let directory = tempfile::tempdir().unwrap();
    let (path, obstacle) = (directory.path().join("snapshot"), directory.path().join("snapshot.new"));
    let (keeper, keys) = keeper(&directory);
    keeper.keep(copy(1));
    comes_to_hold(&path, &keys, 1).await;
    // Nothing can be created under this name: as with a full disk.
    fs::create_dir(&obstacle).unwrap();
    keeper.keep(copy(2));
    sleep(Duration::from_secs(30)).await;
    comes_to_hold(&path, &keys, 1).await;
    fs::remove_dir(&obstacle).unwrap();
    comes_to_hold(&path, &keys, 2).await;
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn at_the_end_it_is_tried_once_more() {
    let directory = tempfile::tempdir().unwrap();
    let (path, obstacle) = (directory.path().join("snapshot"), directory.path().join("snapshot.new"));
    let (keeper, keys) = keeper(&directory);
    fs::create_dir(&obstacle).unwrap();
    keeper.keep(copy(3));
    sleep(Duration::from_secs(7)).await;
    fs::remove_dir(&obstacle).unwrap();
    keeper.end().await;
    comes_to_hold(&path, &keys, 3).await;
}
