//! Session ids: what opens, what must not, and how long they are.

use proptest::prelude::*;

use super::{BOUND, NEW, NOW, OLD, forgeries, ring, tokens, usual_binding, usual_token};
use crate::{Binding, Bound, CELL, Cursor, Label, MAX_SESSION_ID, NotAuthentic, SealError, SessionToken};

proptest! {
    #[test]
    fn opens_to_what_was_sealed_or_says_too_long(token in tokens()) {
        let ring = ring(NEW, &[]);
        match ring.seal_session(&token, BOUND) {
            Ok(text) => {
                prop_assert!(text.len() <= MAX_SESSION_ID);
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
                prop_assert_eq!(ring.open_session(&text, BOUND, NOW), Ok(token));
            }
            Err(SealError::TooLong { length, limit }) => prop_assert!(length > limit && limit == MAX_SESSION_ID),
            Err(SealError::Crypto) => prop_assert!(false, "no random bytes"),
        }
    }

    #[test]
    fn plaintext_of_every_size_reads_back(token in tokens()) {
        prop_assert_eq!(SessionToken::from_plaintext(&token.to_plaintext()), Ok(token));
    }

    #[test]
    fn cut_plaintext_is_refused(token in tokens(), cut in any::<prop::sample::Index>()) {
        let whole = token.to_plaintext();
        prop_assert_eq!(SessionToken::from_plaintext(&whole[..cut.index(whole.len())]), Err(NotAuthentic));
    }

    #[test]
    fn any_plaintext_reads_or_is_refused(content in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(token) = SessionToken::from_plaintext(&content) {
            prop_assert_eq!(SessionToken::from_plaintext(&token.to_plaintext()), Ok(token));
        }
    }

    #[test]
    fn any_text_is_refused(text in "(0\\.)?.{0,200}") {
        prop_assert_eq!(ring(NEW, &[]).open_session(&text, BOUND, NOW), Err(NotAuthentic));
    }

    #[test]
    fn no_other_caller_or_route_opens_it(route in "[a-c/]{0,4}", principal in "[a-c/]{0,4}", other in "[a-c/]{0,4}") {
        let ring = ring(NEW, &[]);
        let bound = Bound { route: &route, principal: &principal };
        let text = ring.seal_session(&usual_token(), bound).unwrap();
        let joined = format!("{route}{principal}");
        let swaps = [(other.as_str(), principal.as_str()), (&route, &other), (&principal, &route), (&joined, ""), ("", &joined)];
        for (route, principal) in swaps {
            let attempt = Bound { route, principal };
            prop_assert_eq!(ring.open_session(&text, attempt, NOW).is_ok(), attempt == bound);
        }
    }
}

#[test]
fn every_change_of_one_bit_or_character_is_refused() {
    let ring = ring(NEW, &[OLD]);
    let text = ring.seal_session(&usual_token(), BOUND).unwrap();
    let sealed = text.strip_prefix("0.").unwrap();
    let forgeries = forgeries(sealed);
    assert!(forgeries.len() > 10_000, "{}", forgeries.len());
    for forged in forgeries {
        assert_eq!(ring.open_session(&format!("0.{forged}"), BOUND, NOW), Err(NotAuthentic), "{forged}");
    }
    for head in ["", ".", "1.", "00.", "0", "0..", " 0.", "0. "] {
        assert_eq!(ring.open_session(&format!("{head}{sealed}"), BOUND, NOW), Err(NotAuthentic), "{head:?}");
    }
}

#[test]
fn two_ids_of_one_content_differ() {
    let ring = ring(NEW, &[]);
    let seal = || ring.seal_session(&usual_token(), BOUND).unwrap();
    assert_ne!(seal(), seal());
}

#[test]
fn a_cursor_is_no_session_and_a_session_no_cursor() {
    let ring = ring(NEW, &[]);
    let session = ring.seal_session(&usual_token(), BOUND).unwrap();
    let sealed = session.strip_prefix("0.").unwrap();
    assert_eq!(ring.open_cursor(sealed, BOUND), Err(NotAuthentic));
    let cursor = ring.seal_cursor(&Cursor::Walk { backend: 7, upstream: None }, BOUND).unwrap();
    assert_eq!(ring.open_session(&format!("{CELL}.{cursor}"), BOUND, NOW), Err(NotAuthentic));
}

#[test]
fn life_ends_at_the_second_named() {
    let ring = ring(NEW, &[]);
    let token = usual_token();
    let text = ring.seal_session(&token, BOUND).unwrap();
    assert_eq!(ring.open_session(&text, BOUND, token.expires_at - 1), Ok(token.clone()));
    for now in [token.expires_at, token.expires_at + 1, u64::MAX] {
        assert_eq!(ring.open_session(&text, BOUND, now), Err(NotAuthentic));
    }
}

#[test]
fn usual_id_stays_within_192_characters() {
    let ring = ring(NEW, &[]);
    let mut token = usual_token();
    assert_eq!((token.client_name.as_str().len(), token.client_version.as_str().len()), (32, 16));
    assert_eq!(ring.seal_session(&token, BOUND).unwrap().len(), 190);
    token.bindings[0].upstream_session = Some("0192f0c17d3e7abc8def0123456789ab".to_owned());
    assert_eq!(ring.seal_session(&token, BOUND).unwrap().len(), 190);
    // With the IPv6 address of a pod the name has 21 bytes before the id grows over the mark.
    token.bindings[0].endpoint = Some("[2001:db8:1234:5678::9]:65535".parse().unwrap());
    token.client_name = Label::cut("a-name-with-21-bytes-");
    assert_eq!(ring.seal_session(&token, BOUND).unwrap().len(), 192);
}

#[test]
fn nine_usual_bindings_fit_and_too_many_are_an_error() {
    let ring = ring(NEW, &[]);
    let mut token = usual_token();
    token.client_name = Label::cut("client");
    token.client_version = Label::cut("1.0");
    token.bindings = vec![usual_binding(); 9];
    let text = ring.seal_session(&token, BOUND).unwrap();
    assert_eq!(ring.open_session(&text, BOUND, NOW), Ok(token.clone()));
    token.bindings = vec![usual_binding(); 10];
    let refused = ring.seal_session(&token, BOUND);
    assert!(matches!(refused, Err(SealError::TooLong { length, limit: 512 }) if length > 512), "{refused:?}");
}

#[test]
fn the_limit_is_exact() {
    let ring = ring(NEW, &[]);
    let mut lengths = Vec::new();
    for length in 200..400 {
        let mut token = usual_token();
        token.bindings[0].upstream_session = Some("x".repeat(length));
        match ring.seal_session(&token, BOUND) {
            Ok(text) => {
                assert_eq!(ring.open_session(&text, BOUND, NOW), Ok(token));
                lengths.push(text.len());
            }
            Err(error) => assert!(matches!(error, SealError::TooLong { length: 513.., limit: 512 }), "{error}"),
        }
    }
    assert!(lengths.len() < 200 && lengths.iter().all(|length| *length <= 512), "{lengths:?}");
    assert!(lengths.contains(&512) || lengths.contains(&511), "{lengths:?}");
}

#[test]
fn unpacked_forms_come_back_letter_for_letter() {
    let ring = ring(NEW, &[]);
    for id in [
        "0192F0C1-7D3E-7ABC-8DEF-0123456789AB",
        "0192f0c1-7d3e-7abc-8def-0123456789aB",
        "0192f0c17d3e-7abc-8def-0123456789ab-",
        "0192f0c1_7d3e_7abc_8def_0123456789ab",
        "0192f0c17d3e7abc8def0123456789aB",
        "",
        "ü",
    ] {
        let mut token = usual_token();
        token.bindings[0].upstream_session = Some(id.to_owned());
        let text = ring.seal_session(&token, BOUND).unwrap();
        assert_eq!(ring.open_session(&text, BOUND, NOW), Ok(token), "{id}");
    }
}

#[test]
fn unknown_forms_and_trailing_bytes_are_refused() {
    let token = usual_token();
    let whole = token.to_plaintext();
    let form = whole.len() - (1 + 16 + 1 + 6 + 1);
    for code in (0..=u8::MAX).filter(|code| *code != whole[form]) {
        let mut changed = whole.clone();
        changed[form] = code;
        if let Ok(read) = SessionToken::from_plaintext(&changed) {
            assert_ne!(read, token, "form {code}");
        }
        if code >= 16 || code & 12 == 12 {
            assert_eq!(SessionToken::from_plaintext(&changed), Err(NotAuthentic), "form {code}");
        }
    }
    let mut longer = whole;
    longer.push(0);
    assert_eq!(SessionToken::from_plaintext(&longer), Err(NotAuthentic));
}

#[test]
fn a_count_without_bindings_costs_nothing() {
    let mut content = SessionToken { bindings: Vec::<Binding>::new(), ..usual_token() }.to_plaintext();
    content.pop();
    content.extend([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    assert_eq!(SessionToken::from_plaintext(&content), Err(NotAuthentic));
}

#[test]
fn slot_is_the_top_of_the_key() {
    assert_eq!(usual_token().slot(), 0xabcd);
}

#[test]
fn labels_are_cut_between_characters() {
    assert_eq!(Label::<4>::cut("abcdef").as_str(), "abcd");
    assert_eq!(Label::<4>::cut("abcü").as_str(), "abc");
    assert_eq!(Label::<4>::cut("abü").as_str(), "abü");
    assert_eq!(Label::<4>::cut("\u{1f980}\u{1f980}").as_str(), "\u{1f980}");
    assert_eq!(Label::<4>::cut("").as_str(), "");
}
