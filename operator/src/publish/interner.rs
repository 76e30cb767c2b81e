//! Equal findings held once: pods nearly always find out the same of the same backends, each in its own order.
//!
//! 200 pods that know 10,000 backends are two million rows; as names and findings of their own they would be a gigabyte
//! on the lease holder, shared they are two pointers each. Used by the table of pods.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use ringway_config_stream::facts::Found;
use ringway_config_stream::{BackendFacts, Facts, RouteFacts};
use ringway_snapshot::ObjectName;

/// Fewer are not worth a look for what nobody holds any more.
const SWEEP_FROM: usize = 4_096;

/// What is held somewhere, and for a while what was.
#[derive(Debug, Default)]
pub(super) struct Interner {
    names: Held<ObjectName>,
    backends: Held<BackendFacts>,
    routes: Held<RouteFacts>,
}

#[derive(Debug)]
struct Held<T> {
    all: HashSet<Arc<T>>,
    /// At this size those that nobody else holds are dropped.
    sweep_at: usize,
}

// === impl Interner ===

impl Interner {
    /// `facts` made of what is held already, as far as it is equal.
    pub(super) fn intern(&mut self, facts: Facts) -> Facts {
        let Self { names, backends, routes } = self;
        Facts { backends: interned(facts.backends, names, backends), routes: interned(facts.routes, names, routes) }
    }

    /// How many names and findings are held.
    #[cfg(test)]
    fn held(&self) -> (usize, usize) {
        (self.names.all.len(), self.backends.all.len() + self.routes.all.len())
    }
}

fn interned<T: Eq + Hash>(found: Found<T>, names: &mut Held<ObjectName>, held: &mut Held<T>) -> Found<T> {
    found.into_iter().map(|(name, found)| (names.one(name), held.one(found))).collect()
}

// === impl Held ===

impl<T: Eq + Hash> Held<T> {
    fn one(&mut self, new: Arc<T>) -> Arc<T> {
        if let Some(held) = self.all.get(&*new) {
            return Arc::clone(held);
        }
        if self.all.len() >= self.sweep_at {
            self.all.retain(|one| Arc::strong_count(one) > 1);
            self.sweep_at = SWEEP_FROM.max(self.all.len() * 2);
        }
        self.all.insert(Arc::clone(&new));
        new
    }
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self { all: HashSet::new(), sweep_at: SWEEP_FROM }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringway_config_stream::{BackendFacts, Facts, RouteFacts};
    use ringway_snapshot::ObjectName;

    use super::{Interner, SWEEP_FROM};

    fn facts(names: std::ops::Range<usize>, tools: u32) -> Facts {
        let name = |n| Arc::new(ObjectName::new("tools", format!("b{n}")));
        let (backend, route) = (BackendFacts { tools: Some(tools), ..Default::default() }, RouteFacts::default());
        Facts {
            backends: names.clone().map(|n| (name(n), Arc::new(backend.clone()))).collect(),
            routes: names.map(|n| (name(n), Arc::new(route.clone()))).collect(),
        }
    }

    #[test]
    fn what_is_equal_is_one() {
        let mut interner = Interner::default();
        let (one, other) = (interner.intern(facts(0..10, 1)), interner.intern(facts(5..15, 1)));
        assert_eq!((&one, &other), (&facts(0..10, 1), &facts(5..15, 1)));
        assert_eq!(interner.held(), (15, 2));
        let name = ObjectName::new("tools", "b7");
        let entry =
            |facts: &Facts| facts.backends.get_key_value(&name).map(|(name, found)| (name.clone(), found.clone()));
        let ((name, found), (same_name, same)) = (entry(&one).expect("there"), entry(&other).expect("there"));
        assert!(Arc::ptr_eq(&name, &same_name) && Arc::ptr_eq(&found, &same));
    }

    #[test]
    fn what_nobody_holds_is_dropped_in_time() {
        let mut interner = Interner::default();
        let kept = interner.intern(facts(0..10, 1));
        for n in 1..10 {
            interner.intern(facts(n * SWEEP_FROM..(n + 1) * SWEEP_FROM, 2));
            assert!(interner.held().0 <= 2 * SWEEP_FROM + 10, "{:?}", interner.held());
        }
        assert_eq!(kept, facts(0..10, 1));
    }
}
