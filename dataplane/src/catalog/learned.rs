//! Which section listed a URI that does not say so itself: learned from walks, bounded, oldest forgotten.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use foldhash::fast::RandomState;
use ringway_snapshot::ObjectName;
use tokio::time::Instant;

use super::viewer::Viewer;

/// URI → section name, per route. Two generations: the older one is dropped when the younger is full.
#[derive(Debug)]
pub(super) struct Learned {
    young: HashMap<Key, Box<str>, RandomState>,
    old: HashMap<Key, Box<str>, RandomState>,
    half: usize,
    /// When everything was walked last to learn.
    walked: HashMap<(ObjectName, Viewer), Instant, RandomState>,
}

type Key = (ObjectName, Box<str>);

// === impl Learned ===

impl Learned {
    /// Room for `capacity` URIs.
    #[must_use]
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            young: HashMap::default(),
            old: HashMap::default(),
            half: (capacity / 2).max(1),
            walked: HashMap::default(),
        }
    }

    /// The first section that lists a URI keeps it, as in the merged list.
    pub(super) fn learn(&mut self, route: &ObjectName, uri: &str, section: &str) {
        let key = (route.clone(), uri.into());
        if self.young.contains_key(&key) || self.old.contains_key(&key) {
            return;
        }
        self.insert(key, section.into());
    }

    /// The section's name.
    pub(super) fn find(&mut self, route: &ObjectName, uri: &str) -> Option<Box<str>> {
        let key = (route.clone(), uri.into());
        if let Some(section) = self.young.get(&key) {
            return Some(section.clone());
        }
        let section = self.old.remove(&key)?;
        self.insert(key, section.clone());
        Some(section)
    }

    /// Forgets what was learned of routes that are gone or changed.
    pub(super) fn retain(&mut self, keep: impl Fn(&ObjectName) -> bool) {
        self.young.retain(|(route, _), _| keep(route));
        self.old.retain(|(route, _), _| keep(route));
        self.walked.retain(|(route, _), _| keep(route));
    }

    /// May all resources be walked for an unknown URI? Not again within `rest`: unknown URIs are cheap to make up.
    pub(super) fn begins_walk(&mut self, route: &ObjectName, viewer: &Viewer, now: Instant, rest: Duration) -> bool {
        let last = self.walked.entry((route.clone(), *viewer)).or_insert(now);
        let begins = *last == now || now.saturating_duration_since(*last) >= rest;
        if begins {
            *last = now;
        }
        begins
    }

    fn insert(&mut self, key: Key, section: Box<str>) {
        if self.young.len() >= self.half {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, section);
    }
}

#[cfg(test)]
mod tests {
    use super::Learned;
    use ringway_snapshot::ObjectName;

    #[test]
    fn used_entries_stay_and_the_rest_is_bounded() {
        let route = ObjectName::new("a", "b");
        let mut learned = Learned::new(100);
        learned.learn(&route, "https://kept", "x");
        learned.learn(&route, "https://kept", "y");
        for n in 0..1_000 {
            learned.learn(&route, &format!("https://{n}"), "z");
            assert_eq!(learned.find(&route, "https://kept").as_deref(), Some("x"), "after {n}");
        }
        assert!(learned.young.len() + learned.old.len() <= 101);
        assert_eq!(learned.find(&route, "https://0"), None);
        assert_eq!(learned.find(&ObjectName::new("a", "c"), "https://kept"), None);
        learned.retain(|_| false);
        assert_eq!(learned.find(&route, "https://kept"), None);
    }
}
