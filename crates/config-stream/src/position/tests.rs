//! Positions beside each other, one kind and several.

use super::{CURSORS, Comparison, Cursor, Position};
use crate::wire;

fn at(cursors: &[(&str, u64, u64)]) -> Position {
    Position(
        cursors
            .iter()
            .map(|&(kind, revision, fingerprint)| (kind.to_owned(), Cursor { revision, fingerprint }))
            .collect(),
    )
}

#[test]
fn the_same_objects_are_the_same_whatever_the_numbers() {
    let held = at(&[("MCPRoute", 100, 7), ("Secret", 50, 1)]);
    assert_eq!(at(&[("MCPRoute", 90, 7), ("Secret", 60, 1)]).compared_to(&held), Comparison::Same);
    assert_eq!(held.compared_to(&held), Comparison::Same);
    assert_eq!(Position::default().compared_to(&Position::default()), Comparison::Same);
}

#[test]
fn a_greater_number_is_newer_and_one_kind_behind_is_older() {
    let held = at(&[("MCPRoute", 100, 7), ("Secret", 50, 1)]);
    assert_eq!(at(&[("MCPRoute", 101, 8), ("Secret", 50, 1)]).compared_to(&held), Comparison::NotOlder);
    let mixed = at(&[("MCPRoute", 101, 8), ("Secret", 49, 2)]);
    assert_eq!(mixed.compared_to(&held), Comparison::Older(vec!["Secret".into()]));
}

#[test]
fn a_kind_that_is_not_there_is_an_empty_one() {
    let held = at(&[("MCPRoute", 100, 7)]);
    assert_eq!(Position::default().compared_to(&held), Comparison::Older(vec!["MCPRoute".into()]));
    assert_eq!(held.compared_to(&Position::default()), Comparison::NotOlder);
    // Seen, but without an object: the same as never seen.
    assert_eq!(Position::default().compared_to(&at(&[("Gateway", 9, 0)])), Comparison::Same);
}

#[test]
fn equal_objects_keep_the_greater_number() {
    let held = at(&[("MCPRoute", 100, 7)]);
    let same = at(&[("MCPRoute", 90, 7), ("Secret", 3, 3)]);
    let taken = same.taken_by(&held);
    assert_eq!(taken, at(&[("MCPRoute", 100, 7), ("Secret", 3, 3)]));
    // A third replica that stopped at 95 is behind, though it is ahead of the second.
    assert_eq!(
        at(&[("MCPRoute", 95, 6)]).compared_to(&taken),
        Comparison::Older(vec!["MCPRoute".into(), "Secret".into()])
    );
    // After a restored etcd the smaller number is the truth.
    assert_eq!(at(&[("MCPRoute", 5, 1)]).taken_by(&held), at(&[("MCPRoute", 5, 1)]));
}

#[test]
fn each_namespace_of_a_secret_is_compared_by_itself() {
    let ahead = at(&[("Secret/a", 100, 2), ("Secret/b", 101, 2)]);
    // It saw b's Secret, and not yet that of a.
    let lags = at(&[("Secret/a", 50, 1), ("Secret/b", 101, 2)]);
    assert_eq!(lags.offered_to(&ahead), Comparison::Older(vec!["Secret/a".into()]));
    assert_eq!(ahead.offered_to(&lags), Comparison::NotOlder);
}

#[test]
fn a_namespace_that_nobody_names_any_more_is_not_waited_for_and_not_forgotten() {
    let held = at(&[("MCPRoute", 100, 7), ("Secret/a", 90, 2)]);
    let without = at(&[("MCPRoute", 110, 8)]);
    assert_eq!(without.offered_to(&held), Comparison::NotOlder);
    let kind = at(&[("Secret/a", 90, 2)]);
    assert_eq!(kind.offered_to(&held), Comparison::Older(vec!["MCPRoute".into()]), "a whole kind is never left out");
    assert_eq!(without.compared_to(&held), Comparison::Older(vec!["Secret/a".into()]), "who has nothing lacks it");
    let taken = without.taken_by(&held);
    assert_eq!(taken, at(&[("MCPRoute", 110, 8), ("Secret/a", 90, 0)]));
    let stale = at(&[("MCPRoute", 110, 8), ("Secret/a", 80, 1)]);
    assert_eq!(stale.offered_to(&taken), Comparison::Older(vec!["Secret/a".into()]));
    let many = |first: usize| {
        let cursors = (first..first + CURSORS).map(|n| (format!("Secret/{n}"), Cursor { revision: 1, fingerprint: 1 }));
        Position(cursors.collect())
    };
    assert_eq!(many(CURSORS).taken_by(&many(0)), many(CURSORS), "there is room for no more");
}

#[test]
fn positions_travel() {
    let position = at(&[("MCPRoute", 100, 7), ("Secret", u64::MAX, u64::MAX)]);
    assert_eq!(Position::from_wire(position.to_wire()), Ok(position));
    let cursor = |kind: String| wire::Cursor { kind, revision: 1, fingerprint: 1 };
    let many = wire::Position { cursors: (0..1_000).map(|n| cursor(n.to_string())).collect() };
    assert!(Position::from_wire(many).is_err());
    assert!(Position::from_wire(wire::Position { cursors: vec![cursor(String::new())] }).is_err());
    assert!(Position::from_wire(wire::Position { cursors: vec![cursor("x".repeat(1_000))] }).is_err());
}
