//! The table of pods: from where a pod is known, and how changes are told.

use std::sync::Arc;
use std::time::Duration;

use ringway_config_stream::{BackendFacts, Facts, Key, Kind, Pod};
use ringway_snapshot::ObjectName;
use tokio::time::{advance, timeout};

use super::{FORGET_AFTER, GATHER, PodState, Pods, Source, Table};

fn state(name: &str, node: &str) -> PodState {
    let pod = Pod { namespace: "system".into(), name: name.into(), node: node.into(), ..Pod::default() };
    PodState { pod, is_connected: true, ..PodState::default() }
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("system", name)
}

/// What is told next.
async fn told(table: &Table) -> Arc<Pods> {
    let mut all = table.all();
    timeout(GATHER * 2, all.changed()).await.expect("it is told").expect("the table is there");
    let pods = all.borrow_and_update();
    Arc::clone(&pods)
}

#[tokio::test(start_paused = true)]
async fn changes_at_one_time_are_told_once() {
    let table = Table::new();
    let mut all = table.all();
    let rows: Vec<_> = (0..200).map(|n| table.join(Source::Own, state(&format!("p{n}"), "n"))).collect();
    for row in &rows {
        assert!(table.change(row, |state| state.position = Some(Default::default())));
    }
    all.changed().await.expect("told");
    assert_eq!(all.borrow_and_update().len(), 200);
    assert!(timeout(Duration::from_secs(5), all.changed()).await.is_err(), "told twice");
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_known_from_where_it_is_connected() {
    let table = Table::new();
    let here = table.join(Source::Own, state("p", "here"));
    table.leave(&here);
    let there = table.join(Source::Relay(1), state("p", "there"));
    let pods = told(&table).await;
    assert_eq!((pods.len(), pods[&name("p")].pod.node.as_str()), (1, "there"));
    table.leave(&there);
    advance(Duration::from_millis(1)).await;
    table.join(Source::Own, state("p", "back"));
    assert_eq!(told(&table).await[&name("p")].pod.node, "back");
    // Of a relay that ends nothing is left.
    table.join(Source::Relay(1), state("q", "there"));
    assert_eq!(told(&table).await.len(), 2);
    table.forget_all(Source::Relay(1));
    assert_eq!(told(&table).await.keys().cloned().collect::<Vec<_>>(), [name("p")]);
}

#[tokio::test(start_paused = true)]
async fn an_earlier_stream_of_a_pod_has_no_say() {
    let table = Table::new();
    let first = table.join(Source::Own, state("p", "first"));
    let second = table.join(Source::Own, state("p", "second"));
    assert!(!table.change(&first, |state| state.pod.node = "wrong".into()));
    table.leave(&first);
    let pods = told(&table).await;
    assert!(pods[&name("p")].is_connected);
    assert_eq!(pods[&name("p")].pod.node, "second");
    assert!(table.change(&second, |_| {}));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_left_is_forgotten_in_time() {
    let table = Table::new();
    let row = table.join(Source::Own, state("p", "n"));
    table.leave(&row);
    assert!(!told(&table).await[&name("p")].is_connected);
    advance(FORGET_AFTER).await;
    table.join(Source::Own, state("q", "n"));
    assert_eq!(told(&table).await.keys().cloned().collect::<Vec<_>>(), [name("q")]);
}

#[tokio::test(start_paused = true)]
async fn the_same_facts_are_held_once() {
    let table = Table::new();
    let facts = |tools| {
        let facts = BackendFacts { tools: Some(tools), ..BackendFacts::default() };
        Facts { backends: [(ObjectName::new("tools", "b").into(), facts.into())].into(), ..Facts::default() }
    };
    let rows: Vec<_> = (0..3).map(|n| table.join(Source::Own, state(&format!("p{n}"), "n"))).collect();
    for (row, tools) in rows.iter().zip([1, 2, 1]) {
        table.learn(row, facts(tools), &[]);
    }
    let pods = told(&table).await;
    let of = |pods: &Pods, n| Arc::clone(&pods[&name(&format!("p{n}"))].facts);
    assert!(Arc::ptr_eq(&of(&pods, 0), &of(&pods, 2)) && *of(&pods, 1) == facts(2));
    // A change of one is no change of the other.
    table.learn(&rows[0], facts(2), &[]);
    let pods = told(&table).await;
    assert!(Arc::ptr_eq(&of(&pods, 0), &of(&pods, 1)) && *of(&pods, 2) == facts(1));
    // Nor is what one knows no longer forgotten of the other.
    table.learn(&rows[0], Facts::default(), &[Key::new(Kind::Backend, "tools/b")]);
    let pods = told(&table).await;
    assert!(of(&pods, 0).is_empty() && *of(&pods, 1) == facts(2));
}
