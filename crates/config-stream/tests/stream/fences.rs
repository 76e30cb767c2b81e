//! Three replicas at their own pace, and a pod between them: never back, of any kind, while the fence holds.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use ringway_config_stream::fence::{Fence, Judgement};
use ringway_config_stream::limits::HOLD;
use ringway_config_stream::{Cursor, Position};

const KINDS: [&str; 2] = ["MCPRoute", "Secret"];

#[derive(Debug, Clone)]
enum Step {
    /// An object of the kind changes.
    Change(usize),
    /// A replica sees the kind's next change.
    See { replica: usize, kind: usize },
    /// A replica starts anew: its lists are served by an apiserver that may lag.
    Restart { replica: usize, lag: u64 },
    /// The pod is offered what a replica has.
    Offer { replica: usize, after: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..KINDS.len()).prop_map(Step::Change),
        3 => (0_usize..3, 0..KINDS.len()).prop_map(|(replica, kind)| Step::See { replica, kind }),
        1 => (0_usize..3, 0_u64..4).prop_map(|(replica, lag)| Step::Restart { replica, lag }),
        4 => (0_usize..3, 0_u64..12).prop_map(|(replica, after)| Step::Offer { replica, after }),
    ];
    prop::collection::vec(step, 1..120)
}

/// The history of one kind: the revision of each change, the first being of the empty set.
#[derive(Clone)]
struct History(Vec<u64>);

impl History {
    /// State number `index`, known to have held up to `seen`.
    fn cursor(&self, index: usize, seen: u64) -> Cursor {
        Cursor { revision: seen.max(self.0[index]), fingerprint: index as u64 }
    }
}

#[derive(Clone, Default)]
struct Replica {
    /// For each kind the state that is seen, and the revision of the list that it came from.
    seen: [(usize, u64); KINDS.len()],
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    #[test]
    fn no_interleaving_takes_an_older_state_of_any_kind(steps in steps()) {
        let mut history = vec![History(vec![0]); KINDS.len()];
        let mut revision = 10;
        let mut replicas: [Replica; 3] = Default::default();
        let (mut fence, mut served, mut now) = (Fence::default(), Position::default(), Instant::now());
        let mut states: BTreeMap<usize, usize> = BTreeMap::new();
        let mut older_since: Option<Instant> = None;
        for step in steps {
            match step {
                Step::Change(kind) => {
                    revision += 3;
                    history[kind].0.push(revision);
                }
                Step::See { replica, kind } => {
                    let (state, _) = &mut replicas[replica].seen[kind];
                    *state = (*state + 1).min(history[kind].0.len() - 1);
                }
                Step::Restart { replica, lag } => {
                    let listed = revision.saturating_sub(3 * lag).max(1);
                    for (kind, seen) in replicas[replica].seen.iter_mut().enumerate() {
                        let state = history[kind].0.iter().filter(|change| **change <= listed).count().max(1) - 1;
                        *seen = (state, listed);
                    }
                }
                Step::Offer { replica, after } => {
                    now += Duration::from_secs(after);
                    let seen = replicas[replica].seen;
                    let cursor = |kind: usize| (KINDS[kind].to_owned(), history[kind].cursor(seen[kind].0, seen[kind].1));
                    let offered = Position((0..KINDS.len()).map(cursor).collect());
                    let is_older = (0..KINDS.len()).any(|kind| seen[kind].0 < states.get(&kind).copied().unwrap_or(0));
                    let judgement = fence.judge(&offered, &served, now);
                    match &judgement {
                        Judgement::Take => prop_assert!(!is_older, "took {offered:?} while serving {served:?}"),
                        Judgement::Hold { .. } => {
                            older_since.get_or_insert(now);
                        }
                        Judgement::TakeOlder { .. } => {
                            prop_assert!(older_since.is_some_and(|since| now - since >= HOLD));
                        }
                    }
                    if !matches!(judgement, Judgement::Hold { .. }) {
                        older_since = None;
                        served = offered.taken_by(&served);
                        states = (0..KINDS.len()).map(|kind| (kind, seen[kind].0)).collect();
                    }
                }
            }
        }
    }
}
