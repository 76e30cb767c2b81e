//! What pods say that they serve (`GET /config`, secrets as stars), compared. Pure; called by `status` and `config`.
//!
//! Secrets do not count: all of them look alike here.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

/// The members of a configuration that hold objects by name, and what one of them is called.
const KINDS: [(&str, &str); 3] = [("listeners", "listener"), ("backends", "backend"), ("routes", "route")];
/// Differences of one pod that are said.
const SAID: usize = 5;

/// How pods compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// There is none.
    Nothing,
    /// All the same.
    Alike { pods: Pods, counts: Counts },
    /// Those that differ from what most serve.
    Differ(Vec<Odd>),
}

/// A number of pods, in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pods(pub usize);

/// How many objects a configuration holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts([usize; KINDS.len()]);

/// A pod that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    pub pod: String,
    /// A pod of those that most are like.
    pub reference: String,
    /// In words, by kind and name.
    pub differences: Vec<String>,
}

/// Compares by content; the counter of each pod's own snapshots does not count.
#[must_use]
pub fn compare(configs: &[(&str, &Value)]) -> Comparison {
    let mut groups: Vec<Vec<(&str, &Value)>> = Vec::new();
    for &(pod, config) in configs {
        let is_like = |group: &&mut Vec<(&str, &Value)>| {
            group.first().is_some_and(|(_, first)| KINDS.iter().all(|(member, _)| first[*member] == config[*member]))
        };
        match groups.iter_mut().find(is_like) {
            Some(group) => group.push((pod, config)),
            None => groups.push(vec![(pod, config)]),
        }
    }
    // Of two that are as large, the first.
    let Some(most) = groups.iter().rev().max_by_key(|group| group.len()) else { return Comparison::Nothing };
    let Some((reference, expected)) = most.first().copied() else { return Comparison::Nothing };
    if groups.len() == 1 {
        return Comparison::Alike { pods: Pods(configs.len()), counts: Counts::of(expected) };
    }
    let odd = configs.iter().filter(|(pod, _)| !most.iter().any(|(other, _)| other == pod));
    Comparison::Differ(
        odd.map(|(pod, config)| Odd {
            pod: (*pod).to_owned(),
            reference: reference.to_owned(),
            differences: differences(config, expected),
        })
        .collect(),
    )
}

fn differences(config: &Value, expected: &Value) -> Vec<String> {
    let none = Map::new();
    let mut all = Vec::new();
    for (member, kind) in KINDS {
        let (here, there) = (config[member].as_object(), expected[member].as_object());
        let (here, there) = (here.unwrap_or(&none), there.unwrap_or(&none));
        let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        for name in names {
            match (here.get(name), there.get(name)) {
                (Some(one), Some(other)) if one == other => {}
                (Some(_), Some(_)) => all.push(format!("{kind} {name} differs")),
                (Some(_), None) => all.push(format!("{kind} {name} is there alone")),
                _ => all.push(format!("{kind} {name} is missing")),
            }
        }
    }
    all
}

// === impl Odd ===

impl Odd {
    /// The first differences, and how many more there are.
    #[must_use]
    pub fn summary(&self) -> String {
        let said = self.differences.iter().take(SAID).cloned().collect::<Vec<_>>().join(", ");
        match self.differences.len().saturating_sub(SAID) {
            0 => said,
            more => format!("{said} and {more} more"),
        }
    }
}

// === impl Counts ===

impl Counts {
    /// Counts.
    #[must_use]
    pub fn of(config: &Value) -> Self {
        Self(KINDS.map(|(member, _)| config[member].as_object().map_or(0, Map::len)))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = KINDS.iter().zip(self.0).map(|((_, kind), count)| match count {
            1 => format!("1 {kind}"),
            count => format!("{count} {kind}s"),
        });
        f.write_str(&words.collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for Pods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 pod"),
            count => write!(f, "all of {count} pods"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pods_are_compared_by_what_they_serve() {
        let one =
            json!({ "generation": 7, "listeners": {}, "backends": { "t/b": { "a": 1 } }, "routes": { "t/r": {} } });
        let mut same = one.clone();
        same["generation"] = json!(3);
        let mut other = one.clone();
        other["backends"]["t/b"]["a"] = json!(2);
        other["routes"] = json!({ "t/s": {} });
        assert_eq!(compare(&[]), Comparison::Nothing);
        let Comparison::Alike { pods, counts } = compare(&[("a", &one), ("b", &same)]) else { panic!("alike") };
        assert_eq!(format!("{counts} in {pods}"), "0 listeners, 1 backend, 1 route in all of 2 pods");
        let Comparison::Differ(odd) = compare(&[("c", &other), ("a", &one), ("b", &same)]) else { panic!("differ") };
        assert_eq!((odd.len(), odd[0].pod.as_str(), odd[0].reference.as_str()), (1, "c", "a"));
        assert_eq!(odd[0].summary(), "backend t/b differs, route t/r is missing, route t/s is there alone");
    }

    #[test]
    fn many_differences_are_counted() {
        let routes: Map<String, Value> = (0..9).map(|number| (format!("t/r{number}"), json!({}))).collect();
        let (full, empty) = (json!({ "routes": routes }), json!({ "routes": {} }));
        let Comparison::Differ(odd) = compare(&[("a", &full), ("b", &full), ("c", &empty)]) else { panic!("differ") };
        assert!(odd[0].summary().ends_with("route t/r4 is missing and 4 more"), "{}", odd[0].summary());
    }
}
