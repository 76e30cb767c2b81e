use ringway_mcp::Method;

use super::*;
use crate::fault::Executed;
use crate::telemetry::Telemetry;

fn record() -> Record {
    Record::start(&Telemetry::silent(), Operation::Rpc(Method::ToolsCall))
}

#[test]
fn upstream_time_is_the_union_of_overlapping_tries() {
    let mut record = record();
    let backend = record.telemetry.metrics.backend("b");
    let base = Instant::now();
    let at = |start: u64, end: u64| Try {
        backend: Arc::clone(&backend),
        server: None,
        revision: None,
        span_id: 1,
        started: base + Duration::from_millis(start),
        duration: Duration::from_millis(end - start),
        outcome: Outcome::Ok,
        rpc_code: None,
        reason: None,
    };
    for (tries, sum) in [
        (vec![], 0),
        (vec![at(0, 10)], 10),
        (vec![at(5, 15), at(0, 10)], 15),
        (vec![at(0, 100), at(10, 20), at(90, 110)], 110),
        (vec![at(30, 40), at(0, 10)], 20),
    ] {
        record.finished.tries = tries.into();
        assert_eq!(time_in(&mut record.finished.tries), Duration::from_millis(sum));
    }
}

#[test]
fn faults_become_outcomes() {
    for (source, reason, outcome) in [
        (Source::Policy, Reason::Rate, Outcome::Limited),
        (Source::Gateway, Reason::Busy, Outcome::Limited),
        (Source::Policy, Reason::Origin, Outcome::Denied),
        (Source::Client, Reason::Parse, Outcome::ClientError),
        (Source::Client, Reason::ClientTimeout, Outcome::ClientError),
        (Source::Client, Reason::Cancelled, Outcome::Cancelled),
        (Source::Upstream, Reason::UpstreamTimeout, Outcome::Timeout),
        (Source::Upstream, Reason::UpstreamBad, Outcome::UpstreamError),
        (Source::Gateway, Reason::Lost, Outcome::GatewayError),
    ] {
        let mut record = record();
        record.fail(&Fault::new(source, reason, "x").executed(Executed::Unknown), Some(-31000));
        assert_eq!(record.finished.outcome, outcome, "{source:?} {reason:?}");
        assert_eq!((record.finished.reason, record.finished.rpc_code), (Some(reason), Some(-31000)));
    }
}

#[test]
fn the_cause_is_the_whole_chain_and_is_cut() {
    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);
    let mut record = record();
    let inner = std::io::Error::other("é".repeat(CAUSE));
    record.fail(&Fault::internal("x").caused_by(Outer(inner)), None);
    let cause = record.finished.cause.as_deref().unwrap();
    assert!(cause.starts_with("outer: éé"), "{cause}");
    assert!(cause.len() <= CAUSE && cause.len() > CAUSE - 2);
}

#[test]
fn meta_context_wins_over_the_header() {
    let mut record = record();
    let root = record.trace().trace_id;
    assert!(!record.continue_trace(Some(b"nonsense"), None));
    assert_eq!(record.trace().trace_id, root);
    let meta = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let header = b"00-11111111111111111111111111111111-2222222222222222-00";
    assert!(record.continue_trace(Some(meta), Some(header)));
    assert_eq!(record.trace().parent, Some(0x00f0_67aa_0ba9_02b7));

    let ours = TraceContext::below(&record.child_traceparent()).unwrap();
    assert_eq!((ours.trace_id, ours.parent), (record.trace().trace_id, Some(record.trace().span_id)));
}

#[test]
fn resources_lose_what_may_be_secret() {
    let mut record = record();
    for (uri, kept) in [
        ("file:///a/b", "file:///a/b"),
        ("gh+repo://x/y?token=1", "gh+repo://x/y"),
        ("https://u:p@h/a/b#c", "https://h/a/b"),
        ("mailto:someone@example.org", "mailto:someone@example.org"),
        ("http://h/a@b", "http://h/a@b"),
        ("", ""),
    ] {
        record.set_resource(uri);
        assert_eq!(record.finished.name.as_str(), kept);
    }
}

#[test]
fn a_panic_is_our_fault() {
    let telemetry = Telemetry::silent();
    let inner = Arc::clone(&telemetry);
    let run = move || {
        let _record = Record::start(&inner, Operation::Rpc(Method::ToolsList));
        panic!("told to");
    };
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err());
    assert!(telemetry.metrics.render(true).unwrap().contains(r#"outcome="gateway_error""#));
}

#[test]
fn a_record_stays_small_enough_to_move() {
    // It lives in the future of each call; half of it are the inline texts.
    assert!(size_of::<Record>() <= 640, "{}", size_of::<Record>());
}
