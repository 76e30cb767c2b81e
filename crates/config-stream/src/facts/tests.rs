//! Facts: differences, merging and bounds.

use std::sync::Arc;

use ringway_snapshot::ObjectName;

use super::{BackendFacts, Facts, Reach, RouteFacts};
use crate::key::{Key, Kind};
use crate::limits::{FACTS_PER_MESSAGE, SENTENCE_BYTES};
use crate::wire;

fn facts(backends: &[(&str, u32)]) -> Facts {
    let backend = |&(name, tools): &(&str, u32)| {
        let facts = BackendFacts { reach: Reach::Reached, tools: Some(tools), ..BackendFacts::default() };
        (ObjectName::new("tools", name).into(), facts.into())
    };
    Facts { backends: backends.iter().map(backend).collect(), ..Facts::default() }
}

#[test]
fn only_what_changed_is_said() {
    let (said, now) = (facts(&[("a", 1), ("b", 2), ("c", 3)]), facts(&[("a", 1), ("b", 5), ("d", 4)]));
    assert_eq!(now.since(&said), facts(&[("b", 5), ("d", 4)]));
    assert_eq!(now.forgotten(&said).collect::<Vec<_>>(), [Key::new(Kind::Backend, "tools/c")]);
    assert!(now.since(&now).is_empty());
    let mut known = said;
    known.merge(facts(&[("b", 5), ("d", 4)]));
    assert!(known.forget(&Key::new(Kind::Backend, "tools/c")));
    assert!(!known.forget(&Key::new(Kind::Route, "tools/a")));
    assert_eq!(known, now);
}

#[test]
fn facts_travel_in_pieces() {
    let names: Vec<String> = (0..2 * FACTS_PER_MESSAGE + 1).map(|n| format!("b{n}")).collect();
    let pairs: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 3)).collect();
    let mut all = facts(&pairs);
    let route = RouteFacts { tools: Some(9), clashes: vec!["search".into()] };
    all.routes.insert(Arc::new(ObjectName::new("tools", "r")), Arc::new(route));
    let pieces: Vec<Facts> = all.clone().into_pieces().collect();
    let sizes: Vec<usize> = pieces.iter().map(|piece| piece.backends.len() + piece.routes.len()).collect();
    assert_eq!(sizes, [FACTS_PER_MESSAGE, FACTS_PER_MESSAGE, 2]);
    let mut read = Facts::default();
    for piece in pieces {
        read.merge(Facts::from_wire(piece.to_wire()));
    }
    assert_eq!(read, all);
}

#[test]
fn texts_of_a_pod_are_cut() {
    let backend = wire::BackendFacts {
        name: "tools/a".into(),
        message: "ä".repeat(SENTENCE_BYTES),
        reach: 77,
        protocol_versions: vec!["x".repeat(5_000); 500],
        ..wire::BackendFacts::default()
    };
    let nameless = wire::BackendFacts { name: "no-namespace".into(), ..wire::BackendFacts::default() };
    let read = Facts::from_wire(wire::Facts { backends: vec![backend, nameless], routes: vec![] });
    assert_eq!(read.backends.len(), 1);
    let backend = &read.backends[&ObjectName::new("tools", "a")];
    assert_eq!((backend.message.len(), backend.reach), (SENTENCE_BYTES, Reach::Unknown));
    assert_eq!((backend.protocol_versions.len(), backend.protocol_versions[0].len()), (16, 256));
}

#[test]
fn what_was_cut_is_not_said_again() {
    let mut long = facts(&[("a", 1)]);
    let backend = Arc::make_mut(long.backends.get_mut(&ObjectName::new("tools", "a")).expect("it is there"));
    *backend = BackendFacts { message: "x".repeat(SENTENCE_BYTES + 1), ..backend.clone() }.bounded();
    let mut said = Facts::from_wire(long.to_wire());
    assert!(long.since(&said).is_empty());
    said.keep_only(&Facts::default());
    assert!(said.is_empty());
}
