//! Secrets at rest: they open under their own name, with a key that is still accepted, and nowhere else.

use proptest::prelude::*;

use super::{NEW, OLD, ring};
use crate::state::MAX_STATE;
use crate::{NotAuthentic, SealError};

proptest! {
    #[test]
    fn what_was_sealed_opens_under_its_name(content in prop::collection::vec(any::<u8>(), 0..200), name in ".{0,40}") {
        let sealed = ring(OLD, &[]).seal_state(&name, &content).expect("it is short");
        prop_assert_eq!(ring(NEW, &[OLD]).open_state(&name, &sealed), Ok(content));
        prop_assert_eq!(ring(NEW, &[]).open_state(&name, &sealed), Err(NotAuthentic));
        prop_assert_eq!(ring(OLD, &[]).open_state(&format!("{name}x"), &sealed), Err(NotAuthentic));
    }

    #[test]
    fn no_text_panics(text in ".{0,200}") {
        prop_assert_eq!(ring(OLD, &[]).open_state("backend tools/a", &text), Err(NotAuthentic));
    }
}

#[test]
fn it_is_not_a_cursor_and_bounded() {
    let ring = ring(OLD, &[]);
    let sealed = ring.seal_state("a", b"secret").expect("it is short");
    assert!(!sealed.contains("secret"));
    assert!(ring.open_cursor(&sealed, super::BOUND).is_err());
    assert!(matches!(ring.seal_state("a", &vec![0; MAX_STATE + 1]), Err(SealError::TooLong { .. })));
}
