//! What is reported: each thing once, what pods serve before what they found out.

use std::sync::Arc;

use ringway_config_stream::limits::FACTS_PER_MESSAGE;
use ringway_config_stream::{BackendFacts, Cursor, Facts, Pod, Position, wire};
use ringway_snapshot::ObjectName;

use super::reports;
use crate::publish::{PodState, Pods};

fn position(revision: u64) -> Position {
    Position([("MCPRoute".to_owned(), Cursor { revision, fingerprint: revision })].into())
}

fn facts(backends: std::ops::Range<usize>) -> Arc<Facts> {
    let name = |n| Arc::new(ObjectName::new("tools", format!("b{n}")));
    let backends = backends.map(|n| (name(n), Arc::new(BackendFacts::default()))).collect();
    Arc::new(Facts { backends, ..Facts::default() })
}

fn put(pods: &mut Pods, name: &str, revision: u64, facts: &Arc<Facts>) {
    let pod = Pod { namespace: "system".into(), name: name.into(), ..Pod::default() };
    let state = PodState { pod, position: Some(position(revision)), facts: Arc::clone(facts), ..PodState::default() };
    pods.insert(ObjectName::new("system", name), Arc::new(state));
}

/// The pod, whether it is gone, how much was found out, how much forgotten.
fn told(before: &Pods, now: &Pods) -> Vec<(String, bool, usize, usize)> {
    let told = |report: wire::PodReport| {
        let found = report.facts.map_or(0, |facts| facts.backends.len());
        assert!(report.is_gone || report.position.is_some(), "all but the facts is in each report");
        (report.pod.unwrap_or_default().name, report.is_gone, found, report.forgotten.len())
    };
    reports(before, now).map(told).collect()
}

fn of(name: &str, found: usize, forgotten: usize) -> (String, bool, usize, usize) {
    (name.to_owned(), false, found, forgotten)
}

#[test]
fn what_pods_serve_comes_before_what_they_found_out() {
    let (many, mut now) = (facts(0..FACTS_PER_MESSAGE + 1), Pods::new());
    put(&mut now, "a", 1, &many);
    put(&mut now, "b", 1, &many);
    let whole = FACTS_PER_MESSAGE;
    assert_eq!(
        told(&Pods::new(), &now),
        [of("a", 0, 0), of("b", 0, 0), of("a", whole, 0), of("a", 1, 0), of("b", whole, 0), of("b", 1, 0)]
    );
    assert_eq!(told(&now, &now), []);
}

#[test]
fn only_what_is_new_is_told() {
    let (few, mut before) = (facts(0..10), Pods::new());
    for name in ["a", "b", "c", "gone"] {
        put(&mut before, name, 1, &few);
    }
    let mut now = before.clone();
    now.remove(&ObjectName::new("system", "gone"));
    put(&mut now, "a", 2, &few);
    put(&mut now, "b", 1, &facts(4..12));
    // The same again, in another allocation.
    put(&mut now, "c", 1, &facts(0..10));
    assert_eq!(told(&before, &now), [("gone".to_owned(), true, 0, 0), of("a", 0, 0), of("b", 0, 4), of("b", 2, 0)]);
}
