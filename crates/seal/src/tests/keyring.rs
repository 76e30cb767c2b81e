//! Keys: rotation, ids, and that nothing shows them.

use super::{BOUND, NEW, NOW, OLD, ring, usual_token};
use crate::{Cursor, ListKind, NotAuthentic};

#[test]
fn another_key_does_not_open() {
    let text = ring(NEW, &[]).seal_session(&usual_token(), BOUND).unwrap();
    assert_eq!(ring(OLD, &[]).open_session(&text, BOUND, NOW), Err(NotAuthentic));
}

#[test]
fn rotation_loses_nothing_in_any_of_its_steps() {
    let steps = [ring(OLD, &[]), ring(OLD, &[NEW]), ring(NEW, &[OLD]), ring(NEW, &[])];
    let cursor = Cursor::Walk { backend: 7, upstream: Some("page-2".to_owned()) };
    // Pods are one step apart at most while a step spreads.
    for pair in steps.windows(2) {
        for (seals, opens) in [(&pair[0], &pair[1]), (&pair[1], &pair[0])] {
            let text = seals.seal_session(&usual_token(), BOUND).unwrap();
            let opened = opens.open_session(&text, BOUND, NOW);
            // Only dropping the old key ends what it sealed, and nothing seals with it by then.
            assert_eq!(opened, Ok(usual_token()), "{seals:?} then {opens:?}");
            let text = seals.seal_cursor(&cursor, BOUND).unwrap();
            assert_eq!(opens.open_cursor(&text, BOUND), Ok(cursor.clone()));
        }
    }
    let text = steps[1].seal_session(&usual_token(), BOUND).unwrap();
    assert_eq!(steps[3].open_session(&text, BOUND, NOW), Err(NotAuthentic));
    let text = steps[2].seal_session(&usual_token(), BOUND).unwrap();
    assert_eq!(steps[0].open_session(&text, BOUND, NOW), Err(NotAuthentic), "the new key seals after the swap");
}

#[test]
fn a_repeated_key_counts_once() {
    let ids: Vec<_> = ring(NEW, &[OLD, NEW, OLD]).key_ids().collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

/// The derivation is part of the format: a pod of another version must find the same id and subkeys. Ids and texts were
/// computed apart from this crate (by hand with Python's hmac and cryptography).
#[test]
fn derivation_does_not_change() {
    let shown = format!("{:?}", ring(NEW, &[OLD]));
    assert_eq!(shown, "Keyring [685ed3ba, 7d7a7653]");
    let sealed = "0.AWhe07oAAQIDBAUGBwgJCgv2wJ8xiaRmH2KyxpWjP8Red-bdFM2tFcK1Mg54GHabWUmIlSb3UBTDERzgGsF4vdkAVId_axkFtLzV1bkg2f1g-vJgF18UKrkWRhmRvTw6mNhXoQFXlxXpwSib6nh1b3pSWks3FV5WXkUtXi9BBCMWJQt3IC8WUKj86m0e";
    let opened = ring(NEW, &[]).open_session(sealed, BOUND, NOW);
    assert_eq!(opened, Ok(usual_token()));
    let sealed = "AWhe07oAAQIDBAUGBwgJCgu_TE9xK86E0r63zFAs2lbr6HlL3B-u6b3jnmjskAn0KjjW";
    let cursor = Cursor::After { list: ListKind::Prompts, backend: 7, name: "summarize".to_owned() };
    assert_eq!(ring(NEW, &[]).open_cursor(sealed, BOUND), Ok(cursor));
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?} {:#?}", ring(NEW, &[OLD]), ring(NEW, &[OLD]));
    for leak in ["1, 1", "2, 2", "0101", "0202", "LessSafeKey"] {
        assert!(!shown.contains(leak), "{shown}");
    }
}
