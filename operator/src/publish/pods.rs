//! The table of pods: what each one serves, refuses and found out, own and relayed.
//!
//! Written by the tasks of the streams, read as a whole by the operator. A pod is known from where it is connected; while
//! it moves from one replica to another, from where it said something last.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, btree_map};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ringway_config_stream::facts::Found;
use ringway_config_stream::{Facts, Key, Pod, Position, Rejection};
use ringway_snapshot::ObjectName;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{Instant, sleep};
use xxhash_rust::xxh3::Xxh3;

use super::interner::Interner;

/// By namespace and name of the pod.
pub type Pods = BTreeMap<ObjectName, Arc<PodState>>;

/// What is known of a pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PodState {
    pub pod: Pod,
    /// It has a stream, here or at the replica that relays it.
    pub is_connected: bool,
    /// Of the configuration that it serves. `None`: it has none.
    pub position: Option<Position>,
    /// What it cannot use of that configuration.
    pub rejections: Vec<Rejection>,
    /// There are more than are named.
    pub has_more_rejections: bool,
    pub facts: Arc<Facts>,
}

/// Pods that are kept in mind after their stream ended: they may come back, and their facts hold until then.
const FORGET_AFTER: Duration = Duration::from_secs(300);
/// More are not kept; the oldest without a stream go first.
const MOST: usize = 4_096;
/// Changes of the table within this time are told as one: 200 pods acknowledge one change.
const GATHER: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Table {
    inner: Mutex<Inner>,
    /// Not needed for a look at the rows.
    interner: Mutex<Interner>,
    all: Sender<Arc<Pods>>,
    own: Sender<Arc<Pods>>,
}

/// From whom something is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    Own,
    /// The relay stream of this number.
    Relay(u64),
}

/// One stream's right to write a pod's row, until a later stream of the same pod takes it.
#[derive(Debug, Clone)]
pub(super) struct Row {
    source: Source,
    name: ObjectName,
    session: u64,
}

#[derive(Debug, Default)]
struct Inner {
    rows: BTreeMap<(Source, ObjectName), Entry>,
    sessions: u64,
    is_gathering: bool,
}

#[derive(Debug)]
struct Entry {
    state: Arc<PodState>,
    /// Of the facts, since they were looked at last.
    facts: Option<u64>,
    session: u64,
    changed: Instant,
}

// === impl Table ===

impl Table {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(super) fn all(&self) -> Receiver<Arc<Pods>> {
        self.all.subscribe()
    }

    /// Those with a stream here, for the relay.
    pub(super) fn own(&self) -> Receiver<Arc<Pods>> {
        self.own.subscribe()
    }

    /// A pod said hello. What an earlier stream of it says from now on does not count.
    pub(super) fn join(self: &Arc<Self>, source: Source, state: PodState) -> Row {
        let mut inner = self.inner();
        inner.sessions += 1;
        let name = ObjectName::new(&state.pod.namespace, &state.pod.name);
        let row = Row { source, name, session: inner.sessions };
        let entry = Entry { state: Arc::new(state), facts: None, session: row.session, changed: Instant::now() };
        inner.rows.insert((source, row.name.clone()), entry);
        self.gather(inner);
        row
    }

    /// Changes a row, but for its facts. False: it belongs to a later stream of the pod, or is gone.
    pub(super) fn change(self: &Arc<Self>, row: &Row, change: impl FnOnce(&mut PodState)) -> bool {
        let mut inner = self.inner();
        let Some(entry) = inner.entry(row) else { return false };
        change(Arc::make_mut(&mut entry.state));
        entry.changed = Instant::now();
        self.gather(inner);
        true
    }

    /// The pod of a row found out `facts`, and knows nothing any more of what is `forgotten`. False: as with
    /// [`Self::change`].
    pub(super) fn learn(self: &Arc<Self>, row: &Row, facts: Facts, forgotten: &[Key]) -> bool {
        let facts = self.interner.lock().unwrap_or_else(PoisonError::into_inner).intern(facts);
        let mut inner = self.inner();
        let Some(entry) = inner.entry(row) else { return false };
        if facts.is_empty() && forgotten.is_empty() {
            return true;
        }
        let known = Arc::make_mut(&mut Arc::make_mut(&mut entry.state).facts);
        known.merge(facts);
        for key in forgotten {
            known.forget(key);
        }
        entry.facts = None;
        entry.changed = Instant::now();
        self.gather(inner);
        true
    }

    /// The stream ended; the pod is kept in mind.
    pub(super) fn leave(self: &Arc<Self>, row: &Row) {
        self.change(row, |state| state.is_connected = false);
    }

    /// Nothing of the pod is known from there any more.
    pub(super) fn forget(self: &Arc<Self>, source: Source, name: &ObjectName) {
        let mut inner = self.inner();
        inner.rows.remove(&(source, name.clone()));
        self.gather(inner);
    }

    /// A relay ended.
    pub(super) fn forget_all(self: &Arc<Self>, source: Source) {
        let mut inner = self.inner();
        inner.rows.retain(|(of, _), _| *of != source);
        self.gather(inner);
    }

    /// Has the change told in a moment, with all that comes until then.
    fn gather(self: &Arc<Self>, mut inner: MutexGuard<'_, Inner>) {
        if std::mem::replace(&mut inner.is_gathering, true) {
            return;
        }
        drop(inner);
        let table = Arc::clone(self);
        tokio::spawn(async move {
            sleep(GATHER).await;
            table.tell();
        });
    }

    fn tell(&self) {
        let mut inner = self.inner();
        inner.is_gathering = false;
        inner.forget_old(Instant::now());
        inner.share_facts();
        let (all, own) = (Arc::new(inner.all()), Arc::new(inner.own()));
        drop(inner);
        self.all.send_replace(all);
        self.own.send_replace(own);
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inner ===

impl Inner {
    fn entry(&mut self, row: &Row) -> Option<&mut Entry> {
        let entry = self.rows.get_mut(&(row.source, row.name.clone()))?;
        (entry.session == row.session).then_some(entry)
    }

    fn forget_old(&mut self, now: Instant) {
        self.rows.retain(|_, entry| entry.state.is_connected || now - entry.changed < FORGET_AFTER);
        while self.rows.len() > MOST {
            let ended = self.rows.iter().filter(|(_, entry)| !entry.state.is_connected);
            let Some(oldest) = ended.min_by_key(|(_, entry)| entry.changed).map(|(key, _)| key.clone()) else { break };
            self.rows.remove(&oldest);
        }
    }

    /// Pods that found out all the same are one voice. What they know is interned: it is compared by its pointers.
    fn share_facts(&mut self) {
        let mut known: HashMap<u64, Arc<Facts>> = HashMap::new();
        for entry in self.rows.values_mut() {
            let hash = *entry.facts.get_or_insert_with(|| hash(&entry.state.facts));
            let same = known.entry(hash).or_insert_with(|| Arc::clone(&entry.state.facts));
            if !Arc::ptr_eq(same, &entry.state.facts) && same == &entry.state.facts {
                Arc::make_mut(&mut entry.state).facts = Arc::clone(same);
            }
        }
    }

    fn all(&self) -> Pods {
        let mut best: BTreeMap<&ObjectName, &Entry> = BTreeMap::new();
        for ((_, name), entry) in &self.rows {
            match best.entry(name) {
                btree_map::Entry::Vacant(vacant) => {
                    vacant.insert(entry);
                }
                btree_map::Entry::Occupied(mut occupied) => {
                    let rank = |entry: &Entry| (entry.state.is_connected, entry.changed);
                    if rank(entry) > rank(occupied.get()) {
                        occupied.insert(entry);
                    }
                }
            }
        }
        best.into_iter().map(|(name, entry)| (name.clone(), Arc::clone(&entry.state))).collect()
    }

    fn own(&self) -> Pods {
        let own = self.rows.iter().filter(|((source, _), _)| *source == Source::Own);
        own.map(|((_, name), entry)| (name.clone(), Arc::clone(&entry.state))).collect()
    }
}

/// Of the pointers.
fn hash(facts: &Facts) -> u64 {
    fn add<T>(found: &Found<T>, hasher: &mut Xxh3) {
        for (name, found) in found {
            (Arc::as_ptr(name), Arc::as_ptr(found)).hash(hasher);
        }
    }
    let mut hasher = Xxh3::new();
    add(&facts.backends, &mut hasher);
    add(&facts.routes, &mut hasher);
    hasher.finish()
}
