use proptest::prelude::*;

use super::*;

fn key(n: u128) -> SessionKey {
    SessionKey(n.to_be_bytes())
}

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("tombstones")
}

#[tokio::test]
async fn what_was_deleted_is_read_back_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, loaded) = Journal::open(path(&dir), 0).unwrap();
    assert_eq!(loaded, []);
    for (n, end) in [(3, 100), (1, 50), (2, 200), (3, 300)] {
        journal.append(key(n), end).await.unwrap();
    }
    drop(journal);
    let (journal, loaded) = Journal::open(path(&dir), 50).unwrap();
    assert_eq!(loaded, [(key(2), 200), (key(3), 300)]);
    drop(journal);
    let text = fs::read_to_string(path(&dir)).unwrap();
    assert_eq!(text, format!("{:032x} 200\n{:032x} 300\n", 2, 3), "compacted");
}

#[tokio::test]
async fn a_torn_line_costs_itself_alone() {
    let dir = tempfile::tempdir().unwrap();
    let good = format!("{:032x} 900\n", 5);
    // Garbage before, a line without its end after.
    fs::write(path(&dir), format!("\u{0}\u{0}{}\n\n{good}{:032x} 90", "x".repeat(500), 6)).unwrap();
    // Another process keeps the torn line from being compacted away.
    let other = Store::open(path(&dir)).unwrap();
    let (journal, loaded) = Journal::open(path(&dir), 1).unwrap();
    assert_eq!(loaded, [(key(5), 900)]);
    journal.append(key(7), 700).await.unwrap();
    drop((journal, other));
    let (_journal, loaded) = Journal::open(path(&dir), 1).unwrap();
    // The torn line ended up whole, but with fewer digits: a tombstone that ends early, never a wrong key.
    assert_eq!(loaded, [(key(5), 900), (key(6), 90), (key(7), 700)]);
}

#[tokio::test]
async fn two_processes_share_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let (one, _) = Journal::open(path(&dir), 0).unwrap();
    let (two, _) = Journal::open(path(&dir), 0).unwrap();
    let writes = (0..200u128).map(|n| if n % 2 == 0 { &one } else { &two }.append(key(n), 1_000));
    for result in futures::future::join_all(writes).await {
        result.unwrap();
    }
    // The second was not alone, so it left the file in place; the first alone compacts it, and neither loses a line.
    drop(one);
    let (three, mut loaded) = Journal::open(path(&dir), 1).unwrap();
    loaded.sort();
    assert_eq!(loaded, (0..200).map(|n| (key(n), 1_000)).collect::<Vec<_>>());
    two.append(key(300), 1_000).await.unwrap();
    three.append(key(301), 1_000).await.unwrap();
    drop((two, three));
    let (_journal, loaded) = Journal::open(path(&dir), 1).unwrap();
    assert_eq!(loaded.len(), 202);
}

#[test]
fn a_process_that_opened_the_old_file_moves_to_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut alone = Store::open(path(&dir)).unwrap();
    let old = open_file(&path(&dir)).unwrap();
    alone.compact(0).unwrap();
    assert!(!same_file(&old, &path(&dir)).unwrap());
    let late = Store::open(path(&dir)).unwrap();
    assert!(same_file(&late.file, &path(&dir)).unwrap() && same_file(&alone.file, &path(&dir)).unwrap());
}

#[tokio::test]
async fn a_file_that_grew_is_compacted_while_running() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    while u64::try_from(text.len()).unwrap() <= COMPACT_ABOVE {
        let n = text.len() as u128;
        line(&mut text, key(n), 5);
    }
    let (journal, _) = Journal::open(path(&dir), 0).unwrap();
    fs::write(path(&dir), text).unwrap();
    let end = unix_millis() + 1_000_000;
    journal.append(key(1), end).await.unwrap();
    // The answer goes out before the compaction; the end of the thread is after it.
    drop(journal);
    assert_eq!(fs::read_to_string(path(&dir)).unwrap(), format!("{:032x} {end}\n", 1));
}

#[tokio::test]
async fn only_the_newest_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mut text = String::new();
    for n in 0..TOMBSTONES + 3 {
        line(&mut text, key(n as u128), 5);
    }
    fs::write(path(&dir), text).unwrap();
    let (_journal, loaded) = Journal::open(path(&dir), 1).unwrap();
    assert_eq!((loaded.len(), loaded.first()), (TOMBSTONES, Some(&(key(3), 5))));
}

#[tokio::test]
async fn a_removed_file_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(path(&dir), 0).unwrap();
    journal.append(key(1), 10).await.unwrap();
    fs::remove_file(path(&dir)).unwrap();
    journal.append(key(2), 10).await.unwrap();
    assert_eq!(fs::read_to_string(path(&dir)).unwrap(), format!("{:032x} 10\n", 2));
    fs::remove_dir_all(dir.path()).unwrap();
    assert!(matches!(journal.append(key(3), 10).await, Err(JournalError::Write(_))));
}

#[test]
fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    drop(Journal::open(path(&dir), 0).unwrap());
    assert_eq!(fs::metadata(path(&dir)).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(Journal::open(dir.path().join("missing/tombstones"), 0).is_err());
}

proptest! {
    #[test]
    fn lines_read_back(n: u128, end: u64) {
        let mut text = String::new();
        line(&mut text, key(n), end);
        prop_assert!(text.len() <= LINE);
        prop_assert_eq!(parse(text.as_bytes()), Some((key(n), end)));
        prop_assert_eq!(parse(text.trim_end().as_bytes()), None);
    }

    #[test]
    fn anything_can_be_parsed(line in proptest::collection::vec(any::<u8>(), 0..60)) {
        let _ = parse(&line);
    }
}
