//! Cursors: what opens, what must not, and how long they are.

use proptest::prelude::*;

use super::{BOUND, NEW, OLD, cursors, forgeries, ring};
use crate::{
    Bound, Cursor, ListKind, MAX_CURSOR, MAX_OWN_CURSOR, MAX_UPSTREAM_CURSOR, NotAuthentic, SealError, SessionToken,
};

proptest! {
    #[test]
    fn opens_to_what_was_sealed(cursor in cursors()) {
        let ring = ring(NEW, &[]);
        let text = ring.seal_cursor(&cursor, BOUND).unwrap();
        prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{}", text);
        prop_assert_eq!(ring.open_cursor(&text, BOUND), Ok(cursor));
    }

    #[test]
    fn any_plaintext_reads_or_is_refused(content in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(cursor) = Cursor::from_plaintext(&content) {
            prop_assert_eq!(cursor.to_plaintext(), content);
        }
    }

    #[test]
    fn any_text_is_refused(text in ".{0,200}") {
        prop_assert_eq!(ring(NEW, &[]).open_cursor(&text, BOUND), Err(NotAuthentic));
    }
}

fn after(name: String) -> Cursor {
    Cursor::After { list: ListKind::Tools, backend: 7, name }
}

fn walk(upstream: String) -> Cursor {
    Cursor::Walk { backend: 7, upstream: Some(upstream) }
}

#[test]
fn every_change_of_one_bit_or_character_is_refused() {
    let ring = ring(NEW, &[OLD]);
    let text = ring.seal_cursor(&after("create_issue".to_owned()), BOUND).unwrap();
    for forged in forgeries(&text) {
        assert_eq!(ring.open_cursor(&forged, BOUND), Err(NotAuthentic), "{forged}");
    }
}

#[test]
fn no_other_caller_or_route_opens_it() {
    let ring = ring(NEW, &[]);
    let text = ring.seal_cursor(&after("create_issue".to_owned()), BOUND).unwrap();
    let others = [
        Bound { route: "team-b/tools", ..BOUND },
        Bound { principal: "https://issuer.example bob", ..BOUND },
        Bound { route: BOUND.principal, principal: BOUND.route },
        Bound { route: "team-a/tool", principal: "shttps://issuer.example alice" },
    ];
    for other in others {
        assert_eq!(ring.open_cursor(&text, other), Err(NotAuthentic), "{other:?}");
    }
}

#[test]
fn our_own_data_stays_within_2_kib() {
    let ring = ring(NEW, &[]);
    // 2048 characters hold 1536 bytes, of which 33 are the seal and 9 the kind and the backend.
    let fits = ring.seal_cursor(&after("n".repeat(1494)), BOUND).unwrap();
    assert_eq!(fits.len(), MAX_OWN_CURSOR);
    assert_eq!(
        ring.seal_cursor(&after("n".repeat(1495)), BOUND),
        Err(SealError::TooLong { length: MAX_OWN_CURSOR + 2, limit: MAX_OWN_CURSOR })
    );
}

#[test]
fn an_upstream_cursor_is_wrapped_up_to_64_kib() {
    let ring = ring(NEW, &[]);
    let cursor = walk("u".repeat(MAX_UPSTREAM_CURSOR));
    let text = ring.seal_cursor(&cursor, BOUND).unwrap();
    assert_eq!(text.len(), MAX_CURSOR);
    assert_eq!(ring.open_cursor(&text, BOUND), Ok(cursor));
    let longer = ring.seal_cursor(&walk("u".repeat(MAX_UPSTREAM_CURSOR + 1)), BOUND);
    assert!(matches!(longer, Err(SealError::TooLong { limit: MAX_CURSOR, .. })), "{longer:?}");
    assert_eq!(ring.open_cursor(&format!("{text}A"), BOUND), Err(NotAuthentic));
}

#[test]
fn a_first_page_and_an_empty_upstream_cursor_differ() {
    let ring = ring(NEW, &[]);
    for cursor in [walk(String::new()), Cursor::Walk { backend: 7, upstream: None }] {
        let text = ring.seal_cursor(&cursor, BOUND).unwrap();
        assert_eq!(ring.open_cursor(&text, BOUND), Ok(cursor));
    }
}

#[test]
fn kinds_of_plaintext_are_told_apart() {
    assert_eq!(SessionToken::from_plaintext(&after("x".to_owned()).to_plaintext()), Err(NotAuthentic));
    for code in 0..=u8::MAX {
        let content = [&[code][..], &[0; 8]].concat();
        assert_eq!(Cursor::from_plaintext(&content).is_ok(), code <= 4, "kind {code}");
    }
    let first_page_with_text = [&[3][..], &[0; 8], b"page-2"].concat();
    assert_eq!(Cursor::from_plaintext(&first_page_with_text), Err(NotAuthentic));
}
