//! The key file: what is read, what is refused, and what the errors show.

use proptest::prelude::*;

use super::{BOUND, NOW, usual_token};
use crate::{KeyFileError, Keyring, NotAuthentic, generate_file_text};

const A: &str = "Y2FuYXJ5LWEtY2FuYXJ5LWEtY2FuYXJ5LWEtY2FuYXI=";
const B: &str = "Y2FuYXJ5LWItY2FuYXJ5LWItY2FuYXJ5LWItY2FuYXI=";

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_showing_it(text in "(?s).{0,200}") {
        if let Err(error) = Keyring::parse(&text) {
            prop_assert!(error.to_string().is_ascii());
        }
    }
}

fn ids(text: &str) -> Vec<String> {
    Keyring::parse(text).unwrap().key_ids().map(|id| id.to_string()).collect()
}

#[test]
fn first_line_seals_and_all_open() {
    let both = Keyring::parse(&format!("# first seals\n\n  {A}  # since Monday\r\n\t{B}\n# end")).unwrap();
    let first = Keyring::parse(A).unwrap();
    let second = Keyring::parse(B).unwrap();
    let text = both.seal_session(&usual_token(), BOUND).unwrap();
    assert!(first.open_session(&text, BOUND, NOW).is_ok());
    assert_eq!(second.open_session(&text, BOUND, NOW), Err(NotAuthentic));
    let text = second.seal_session(&usual_token(), BOUND).unwrap();
    assert!(both.open_session(&text, BOUND, NOW).is_ok());
}

#[test]
fn padding_may_be_left_out() {
    assert_eq!(ids(A), ids(A.trim_end_matches('=')));
}

#[test]
fn errors_name_the_line_and_never_the_key() {
    let short = "Y2FuYXJ5LWEtY2FuYXJ5";
    let placeholder = format!("{}=", "A".repeat(43));
    let cases = [
        (String::new(), KeyFileError::NoKey),
        ("# nothing\n\n".to_owned(), KeyFileError::NoKey),
        (format!("# one\n{A}\nY2FuYXJ5!"), KeyFileError::NotBase64 { line: 3 }),
        (format!("{A} {B}"), KeyFileError::NotBase64 { line: 1 }),
        (format!("{}_=", A.trim_end_matches("I=")), KeyFileError::NotBase64 { line: 1 }),
        (format!("{A}\n{short}\n"), KeyFileError::WrongLength { line: 2, bytes: 15 }),
        (format!("{A}{}", "A".repeat(4)), KeyFileError::NotBase64 { line: 1 }),
        (format!("\n{placeholder}"), KeyFileError::Placeholder { line: 2 }),
        (format!("{A}\n{B}\n\n{A}"), KeyFileError::Repeated { line: 4, first: 1 }),
    ];
    for (text, expected) in cases {
        let error = Keyring::parse(&text).unwrap_err();
        assert_eq!(error, expected, "{text}");
        for shown in [error.to_string(), format!("{error:?}")] {
            assert!(!shown.contains("Y2Fu") && !shown.contains("canary") && !shown.contains("AAAA"), "{shown}");
        }
    }
}

#[test]
fn a_generated_file_reads_back_and_is_new_each_time() {
    let (one, two) = (generate_file_text().unwrap(), generate_file_text().unwrap());
    assert_eq!(ids(&one).len(), 1);
    assert_ne!(ids(&one), ids(&two));
    assert_eq!(ids(&format!("{one}{two}")), [ids(&one), ids(&two)].concat());
}
