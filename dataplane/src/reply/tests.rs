use http::StatusCode;

use super::{Era, error_body, status_of};
use crate::fault::{Fault, Reason};

#[test]
fn a_legacy_session_gets_its_errors_at_200() {
    for (reason, modern, legacy) in [
        (Reason::Unknown, 200, 200),
        (Reason::Params, 400, 200),
        (Reason::Method, 404, 200),
        (Reason::State, 400, 200),
        (Reason::Rate, 429, 200),
        (Reason::Busy, 503, 200),
        (Reason::UpstreamConnect, 503, 200),
        (Reason::UpstreamTimeout, 200, 200),
        (Reason::Session, 404, 404),
        (Reason::Parse, 400, 400),
        (Reason::Request, 400, 400),
        (Reason::Origin, 403, 403),
        (Reason::TooLarge, 413, 413),
    ] {
        assert_eq!(status_of(reason, Era::Modern, true).as_u16(), modern, "{reason:?}");
        assert_eq!(status_of(reason, Era::Legacy, true).as_u16(), legacy, "{reason:?}");
    }
}

#[test]
fn what_never_became_a_message_keeps_its_status() {
    assert_eq!(status_of(Reason::Accept, Era::Legacy, false), StatusCode::NOT_ACCEPTABLE);
    assert_eq!(status_of(Reason::ContentType, Era::Unknown, false), StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[test]
fn the_error_says_whose_fault_it_is() {
    let fault = Fault::client(Reason::Version, "Unsupported protocol version")
        .with_data(r#"{"supported":["2026-07-28"]}"#.into());
    let body = error_body(&fault, Era::Modern, Some(b"\"a\""));
    let value: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!(value["id"], "a");
    assert_eq!(value["error"]["code"], -32022);
    assert_eq!(value["error"]["data"]["supported"][0], "2026-07-28");
    assert_eq!(value["error"]["data"]["ringway"]["source"], "client");
    assert_eq!(value["error"]["data"]["ringway"]["executed"], "no");
}

#[test]
fn an_unreadable_id_is_null_for_legacy_and_absent_for_modern() {
    let fault = Fault::client(Reason::Parse, "not JSON");
    let legacy: serde_json::Value = serde_json::from_slice(&error_body(&fault, Era::Unknown, None)).expect("JSON");
    let modern: serde_json::Value = serde_json::from_slice(&error_body(&fault, Era::Modern, None)).expect("JSON");
    assert!(legacy.get("id").is_some_and(serde_json::Value::is_null));
    assert!(modern.get("id").is_none());
}
