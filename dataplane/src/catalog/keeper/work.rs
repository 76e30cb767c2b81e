//! The work on one view: who waits for it, what was merged of which sources, and when to merge again.

use std::sync::Arc;
use std::time::Duration;

use ringway_snapshot::BackendKey;
use tokio::time::Instant;

use super::order::Ask;
use super::{Keeper, WorkKey};
use crate::catalog::changes::KindSet;
use crate::catalog::entry::{Entry, ListState};
use crate::catalog::facts::{Hello, Presence, SectionHello};
use crate::catalog::list::{BackendList, ListKind};
use crate::catalog::merge::{Merged, Source, Terms};
use crate::catalog::seal_after;
use crate::catalog::view::View;
use crate::telemetry::labels::{Limit, MissReason};
use crate::telemetry::metrics::Operation;
use crate::upstream::LiveRoute;

/// Merges of one view that nobody waits for are at least this far apart.
const PACE: Duration = Duration::from_millis(50);

/// One view in use.
#[derive(Debug)]
pub(super) struct Work {
    pub view: Arc<View>,
    pub waiters: Vec<Waiter>,
    /// Something may have changed since the last merge.
    dirty: bool,
    /// Changes that are known without a merge.
    changed: KindSet,
    /// Changes that a server announced itself.
    announced: KindSet,
    merged_at: Option<Instant>,
    /// Merged once, dropped for want of room.
    evicted: KindSet,
    /// What the published lists were made of, by [`ListKind::slot`].
    made: [Option<Made>; 3],
}

/// Somebody who waits until a view is settled, or for so long.
#[derive(Debug)]
pub(super) struct Waiter {
    pub ask: Ask,
    pub until: Instant,
}

/// The sources of a merged list, to see whether merging again would give the same.
#[derive(Debug)]
struct Made {
    route: Arc<LiveRoute>,
    sources: Vec<Source>,
    hash: u64,
}

// === impl Work ===

impl Work {
    pub(super) fn new(view: Arc<View>) -> Self {
        Self {
            view,
            waiters: Vec::new(),
            dirty: true,
            changed: KindSet::default(),
            announced: KindSet::default(),
            merged_at: None,
            evicted: KindSet::default(),
            made: [const { None }; 3],
        }
    }

    pub(super) fn hear(&mut self, kinds: KindSet, announced: KindSet) {
        self.dirty = true;
        self.changed = self.changed.union(kinds);
        self.announced = self.announced.union(announced);
    }

    /// The configuration changed.
    pub(super) fn renew(&mut self) {
        self.dirty = true;
        self.changed = self.changed.union(super::everything());
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        let waits = self.waiters.iter().map(|waiter| waiter.until).min();
        // Before its first merge a view waits for its askers.
        let pace = self.merged_at.filter(|_| self.dirty).map(|at| at + PACE);
        [waits, pace].into_iter().flatten().min()
    }

    /// Forgets a list's bytes; it is merged again on demand.
    pub(super) fn evict(&mut self) {
        for kind in ListKind::KEPT {
            self.view.publish(kind, None);
            let made = self.made.get_mut(kind.slot()).and_then(Option::take);
            if made.is_some() {
                self.evicted = self.evicted.with(kind);
            }
        }
    }

    /// Takes out the waiters whose time has come.
    fn take_ready(&mut self, settled: KindSet, met: bool, now: Instant) -> Vec<Ask> {
        let mut ready = Vec::new();
        for waiter in std::mem::take(&mut self.waiters) {
            let due = waiter.ask.kind().map_or(met, |kind| settled.contains(kind)) || now >= waiter.until;
            match (waiter.ask.is_given_up(), due) {
                (true, _) => {}
                (false, true) => ready.push(waiter.ask),
                (false, false) => self.waiters.push(waiter),
            }
        }
        ready
    }

    fn is_merged(&self, kind: ListKind) -> bool {
        self.made.get(kind.slot()).is_some_and(Option::is_some)
    }
}

// === impl Keeper ===

impl Keeper {
    /// Does what is due for one view.
    pub(super) fn advance(&mut self, key: &WorkKey, now: Instant) {
        let Some(mut work) = self.works.remove(key) else { return };
        if work.dirty || !work.waiters.is_empty() {
            let met = self.all_settled(key, None);
            let mut settled: KindSet =
                ListKind::KEPT.into_iter().filter(|kind| self.all_settled(key, Some(*kind))).collect();
            if met && !self.entries_of(key).flatten().any(|entry| entry.desk.is_between()) {
                settled = settled.with(ListKind::Resources);
            }
            let ready = work.take_ready(settled, met, now);
            let asked: KindSet = ready.iter().filter_map(Ask::kind).collect();
            if work.dirty {
                self.publish_hello(key, &work);
                self.note_freshness(key, &work);
            }
            let merges = work.dirty && (!asked.is_empty() || work.merged_at.is_none_or(|at| now >= at + PACE));
            if merges {
                work.dirty = false;
                work.merged_at = Some(now);
                self.merge_all(key, &mut work, settled.union(asked));
            }
            let answers = !ready.is_empty();
            for ask in ready {
                self.answer(key, &mut work, ask);
            }
            self.works.insert(key.clone(), work);
            if merges || answers {
                self.keep_budget(key);
            }
        } else {
            self.works.insert(key.clone(), work);
        }
    }

    fn all_settled(&self, key: &WorkKey, kind: Option<ListKind>) -> bool {
        self.entries_of(key).flatten().all(|entry| self.is_settled(entry, kind))
    }

    /// A backend that another viewer found down is not waited for.
    fn is_settled(&self, entry: &Entry, kind: Option<ListKind>) -> bool {
        entry.desk.is_settled(kind)
            || (entry.desk.state().presence == Presence::Unseen && self.is_known_down(entry.desk.key.0))
    }

    fn is_known_down(&self, backend: BackendKey) -> bool {
        let mut presences =
            self.entries.iter().filter(|(key, _)| key.0 == backend).map(|(_, entry)| entry.desk.state().presence);
        let (mut down, mut up) = (false, false);
        for presence in &mut presences {
            down |= presence == Presence::Down;
            up |= matches!(presence, Presence::Up | Presence::OtherEra);
        }
        down && !up
    }

    fn publish_hello(&self, key: &WorkKey, work: &Work) {
        let sections = self.entries_of(key).map(|entry| {
            let Some(entry) = entry else { return SectionHello::default() };
            let (seen, facts) = {
                let state = entry.desk.state();
                (state.presence, state.facts.clone())
            };
            let down = seen == Presence::Unseen && self.is_known_down(entry.desk.key.0);
            SectionHello { state: if down { Presence::Down } else { seen }, facts }
        });
        work.view.publish_hello(Hello { sections: sections.collect() });
    }

    pub(super) fn note_freshness(&self, key: &WorkKey, work: &Work) {
        let stale =
            self.entries_of(key).flatten().filter_map(|entry| entry.desk.state().stale_at(&self.shared.limits)).min();
        work.view.goes_stale(stale.map(|at| self.shared.board.at(at)));
    }

    fn answer(&self, key: &WorkKey, work: &mut Work, ask: Ask) {
        // Nobody may be left to hear it.
        match ask {
            Ask::List { kind, own, reply } if own.is_empty() => {
                if !work.is_merged(kind) {
                    self.merge(key, work, kind);
                }
                if let Some(merged) = work.view.merged(kind) {
                    let _ = reply.send(merged);
                }
            }
            Ask::List { kind, own, reply } => {
                let Some(live) = self.routes.get(&key.0) else { return };
                let mut sources = self.sources(key, kind);
                for (section, source) in live.compiled.sections.iter().zip(&mut sources) {
                    if let Some(own) = own.iter().find(|own| own.key == section.spec.key && own.kind == kind) {
                        source.list = Some(Arc::clone(&own.list));
                        source.missing = false;
                    }
                }
                let previous = work.view.merged(kind);
                let _ = reply.send(Arc::new(self.merged(key, live, kind, &sources, previous.as_deref())));
            }
            Ask::Hello { reply } => {
                self.publish_hello(key, work);
                let _ = reply.send(work.view.hello());
            }
            Ask::Walk { aim, reply } => self.walk(key, aim, reply),
        }
    }

    /// Merges what is settled, and what was merged before; tells subscribers what changed.
    fn merge_all(&self, key: &WorkKey, work: &mut Work, settled: KindSet) {
        let told = std::mem::take(&mut work.changed);
        let mut changed = std::mem::take(&mut work.announced);
        for kind in ListKind::KEPT {
            let differs = if work.evicted.contains(kind) {
                // Not merged again for nobody; that a source changed is news enough.
                told.contains(kind)
            } else {
                (settled.contains(kind) || work.is_merged(kind)) && self.merge(key, work, kind)
            };
            if differs {
                changed = changed.with(kind);
            }
        }
        if told.contains(ListKind::Resources) {
            changed = changed.with(ListKind::Resources);
        }
        work.view.bump(changed.iter());
    }

    /// Merges a list unless its sources are what they were. True when clients see another list now.
    fn merge(&self, key: &WorkKey, work: &mut Work, kind: ListKind) -> bool {
        let Some(live) = self.routes.get(&key.0) else { return false };
        let sources = self.sources(key, kind);
        let Some(slot) = work.made.get_mut(kind.slot()) else { return false };
        if slot.as_ref().is_some_and(|made| made.is_same(live, &sources)) {
            return false;
        }
        let previous = work.view.merged(kind);
        let merged = self.merged(key, live, kind, &sources, previous.as_deref());
        let hash = merged.hash;
        self.report(&merged, live, previous.as_deref());
        work.view.publish(kind, Some(Arc::new(merged)));
        work.evicted = work.evicted.without(kind);
        let before = slot.replace(Made { route: Arc::clone(live), sources, hash });
        before.is_some_and(|before| before.hash != hash)
    }

    fn merged(
        &self,
        key: &WorkKey,
        live: &LiveRoute,
        kind: ListKind,
        sources: &[Source],
        previous: Option<&Merged>,
    ) -> Merged {
        let seal = |backend: BackendKey, name: &str| {
            seal_after(&self.shared.keyring(), &live.compiled.label, kind, backend, name)
        };
        let terms = Terms { modern: key.1.revision.is_modern(), limits: &self.shared.limits, seal: &seal };
        Merged::new(&live.compiled, kind, sources, previous, &terms)
    }

    /// What each section brings.
    fn sources(&self, key: &WorkKey, kind: ListKind) -> Vec<Source> {
        self.entries_of(key)
            .map(|entry| {
                let Some(entry) = entry else { return Source { missing: true, ..Source::default() } };
                let state = entry.desk.state();
                let list = state.lists.get(kind.slot()).cloned().unwrap_or_default();
                let absent = matches!(list, ListState::Absent);
                let whole = state.presence == Presence::Up && matches!(list, ListState::Read { .. });
                let told = state.facts.as_ref().is_some_and(|facts| facts.list_changed(kind));
                Source {
                    list: list.list().cloned(),
                    missing: !absent && !whole,
                    trust_scope: state.server.backend.trust.cache_scope,
                    watched: state.watched && told,
                }
            })
            .collect()
    }

    fn report(&self, merged: &Merged, live: &LiveRoute, previous: Option<&Merged>) {
        let route = self.shared.metrics.route(&live.compiled.label);
        if merged.kind == ListKind::Tools {
            route.list_conflicts.set(i64::try_from(merged.conflicts.len()).unwrap_or(i64::MAX));
        }
        for conflict in merged.conflicts.iter().filter(|new| previous.is_none_or(|old| !old.conflicts.contains(new))) {
            tracing::warn!(route = %live.compiled.label, name = %conflict.visible, sections = ?conflict.sections, "a name is claimed by several backends and served by none");
        }
        for (section, dropped) in
            merged.dropped.iter().filter(|new| previous.is_none_or(|old| !old.dropped.contains(new))).take(64)
        {
            tracing::warn!(route = %live.compiled.label, %section, name = %dropped.own, why = dropped.why.as_str(), "left out of a list");
            if let Some(limit) = dropped.why.limit() {
                self.shared.metrics.limit_hit(limit);
            }
        }
        for name in &merged.missing {
            let Some(section) = live.compiled.sections.iter().find(|section| *section.spec.section == **name) else {
                continue;
            };
            let backend = self.shared.metrics.backend(&section.spec.backend.to_string());
            let miss = self
                .entries
                .iter()
                .find(|(key, _)| key.0 == section.spec.key)
                .map(|(_, entry)| entry.desk.state().miss);
            if miss == Some(MissReason::Timeout) {
                self.shared.metrics.limit_hit(Limit::ListDeadline);
            }
            if let Some(miss) = miss {
                route.fanout_miss(&backend, Operation::Rpc(merged.kind.method()), miss);
            }
        }
    }
}

// === impl Made ===

impl Made {
    fn is_same(&self, route: &Arc<LiveRoute>, sources: &[Source]) -> bool {
        let same_list = |a: &Option<Arc<BackendList>>, b: &Option<Arc<BackendList>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        Arc::ptr_eq(&self.route, route)
            && self.sources.len() == sources.len()
            && self.sources.iter().zip(sources).all(|(a, b)| {
                same_list(&a.list, &b.list)
                    && (a.missing, a.trust_scope, a.watched) == (b.missing, b.trust_scope, b.watched)
            })
    }
}
