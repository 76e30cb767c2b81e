//! The copy on disk: what is written comes back, and nothing else is taken for it.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use proptest::prelude::*;
use ringway_config_stream::{Cursor, Position};
use ringway_seal::Keyring;
use ringway_snapshot::{
    Certificate, Listener, ListenerName, ListenerTls, ObjectName, OnBackendFailure, Route, Secret, Sessions, Snapshot,
};
use tempfile::TempDir;

use super::{DiskError, FORMAT, read, write};
use crate::config::keeper::Copy;

fn keyring(key: u8) -> Keyring {
    Keyring::new([key; 32], []).unwrap()
}

fn copy() -> Copy {
    let name = ObjectName::new("tools", "r");
    let route = Route {
        name: name.clone(),
        hostnames: vec![],
        path: "/r".into(),
        listeners: vec![],
        backends: vec![],
        sessions: Sessions::default(),
        allowed_origins: vec![],
        instructions: Some("two\nlines".into()),
        on_backend_failure: OnBackendFailure::Partial,
    };
    let certificate = |key: &str| Certificate { chain_pem: "chain".into(), key_pem: Secret::new(key) };
    let listener = Listener {
        name: ListenerName::new(ObjectName::new("tools", "g"), "l"),
        port: 443,
        hostname: None,
        tls: Some(ListenerTls { certificates: vec![certificate("PRIVATE-ONE"), certificate("")], client: None }),
    };
    let position = Position([("MCPRoute".to_owned(), Cursor { revision: 7, fingerprint: u64::MAX })].into());
    let mut snapshot = Snapshot { generation: 12, ..Snapshot::default() };
    snapshot.listeners.insert(listener.name.clone(), Arc::new(listener));
    snapshot.routes.insert(name, Arc::new(route));
    Copy { snapshot, position }
}

fn written(copy: &Copy) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("snapshot");
    write(&path, copy, &keyring(1)).unwrap();
    (directory, path)
}

#[test]
fn what_is_written_comes_back_with_its_secrets_which_are_nowhere_in_clear() {
    let copy = copy();
    let (directory, path) = written(&copy);
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("PRIVATE-ONE"), "{text}");
    let back = read(&path, &keyring(1)).unwrap().unwrap();
    assert_eq!((back.snapshot.generation, &back.position), (12, &copy.position));
    assert_eq!((&back.snapshot.listeners, &back.snapshot.routes), (&copy.snapshot.listeners, &copy.snapshot.routes));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no temporary file is left");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn no_file_is_no_error_and_other_keys_are_one() {
    let (directory, path) = written(&copy());
    assert!(read(&directory.path().join("other"), &keyring(1)).unwrap().is_none());
    assert!(matches!(read(&path, &keyring(2)), Err(DiskError::Sealed(_))));
    let rotated = Keyring::new([2; 32], [[1; 32]]).unwrap();
    assert!(read(&path, &rotated).unwrap().is_some());
    assert!(read(directory.path(), &keyring(1)).is_err(), "a directory");
}

#[test]
fn foreign_and_damaged_files_are_errors() {
    let (_directory, path) = written(&copy());
    let good = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    let other_format = good.replace(FORMAT, "ringway-snapshot/0");
    let swapped = good.replace("tools/g/l", "tools/g/m");
    let appended = format!("{good}{{}}\n");
    for wrong in ["", "\n", "snapshot", "{}\n", &other_format, &swapped, &appended, &lines[..2].join("\n")] {
        fs::write(&path, wrong).unwrap();
        assert!(read(&path, &keyring(1)).is_err(), "{wrong}");
    }
}

#[test]
fn a_write_that_fails_leaves_the_last_one() {
    let (directory, path) = written(&copy());
    // Nothing can be created under this name.
    fs::create_dir(directory.path().join("snapshot.new")).unwrap();
    let empty = Copy { snapshot: Snapshot::default(), position: Position::default() };
    assert!(matches!(write(&path, &empty, &keyring(1)), Err(DiskError::Io(_))));
    assert_eq!(read(&path, &keyring(1)).unwrap().unwrap().snapshot.generation, 12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_damage_panics_or_passes(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let (_directory, path) = written(&copy());
        let good = fs::read(&path).unwrap();
        let mut bytes = good.clone();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        fs::write(&path, &bytes).unwrap();
        prop_assert_eq!(read(&path, &keyring(1)).is_ok(), bytes == good);
    }
}
