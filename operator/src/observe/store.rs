//! Everything observed, by kind and name, with how far each kind was seen.
//!
//! Takes what the watches report, tells what kind of change it was, and gives out immutable views. Sync, no I/O.

mod observed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kube::ResourceExt;
use kube::core::DynamicObject;
use ringway_snapshot::ObjectName;
use ringway_translate::ObjectId;

use super::entry::{self, Entry};
use super::kind::{Kind, Reach, Watched as _};
use super::references::Reference;

pub use observed::Observed;

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Nothing,
    /// Only what we or others wrote into a status.
    Status,
    /// What translation reads.
    Config,
}

/// Which objects of a kind a watch speaks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    pub kind: Kind,
    /// `None`: all.
    pub namespace: Option<String>,
}

/// Why a watch has nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The operator may not read there.
    Forbidden,
    /// The API server does not know the kind.
    Absent,
    /// Something that passes.
    Failing,
}

#[derive(Debug, Default)]
pub struct Store {
    observed: Observed,
    /// Watches whose first list is in.
    listed: BTreeSet<Scope>,
    /// Of these, those whose next list is waited for.
    awaited: BTreeSet<Scope>,
    troubles: BTreeMap<Scope, Trouble>,
    /// What is kept of the narrow kinds.
    wanted: BTreeSet<Reference>,
    /// Of that, what a running watch has passed by already and is asked for by itself; true: in vain so far.
    pending: BTreeMap<Reference, bool>,
    /// Of each narrow scope the last list or deletion: an answer that is older may hold what is gone.
    horizons: BTreeMap<Scope, u64>,
    /// Objects with a status of ours that changed in whatever way.
    touched: BTreeSet<ObjectId>,
}

// === impl Scope ===

impl Scope {
    /// Of the watch that speaks for an object.
    #[must_use]
    pub fn of(kind: Kind, name: &ObjectName) -> Self {
        Self { kind, namespace: (kind.reach() == Reach::Narrow).then(|| name.namespace.clone()) }
    }

    /// As the position has it.
    fn cursor(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}", self.kind),
            None => self.kind.kind().to_owned(),
        }
    }
}

// === impl Store ===

impl Store {
    #[must_use]
    pub fn observed(&self) -> Observed {
        self.observed.clone()
    }

    /// Objects with a status of ours that changed since the last call.
    pub fn touched(&mut self) -> BTreeSet<ObjectId> {
        std::mem::take(&mut self.touched)
    }

    /// An object was added or changed. An event that is older than what is held says nothing.
    pub fn apply(&mut self, kind: Kind, object: DynamicObject) -> Change {
        let name = name_of(&object);
        if kind.reach() == Reach::Narrow && !self.wanted.contains(&(kind, name.clone())) {
            return Change::Nothing;
        }
        let old = self.observed.find(kind, &name);
        let version = revision(&object);
        if old.is_some_and(|old| version != 0 && version <= old.resource_version) {
            return Change::Nothing;
        }
        self.put(kind, name, object)
    }

    /// What the API server answered to a write of a status. An object that is gone meanwhile stays gone, and one that is
    /// another by now is the watch's to tell: by the answer, all that came before would count as seen.
    pub fn refresh(&mut self, kind: Kind, object: DynamicObject) -> Change {
        let held = self.observed.find(kind, &name_of(&object));
        if held.is_some_and(|held| held.mark == entry::mark(&object.metadata)) {
            return self.apply(kind, object);
        }
        Change::Nothing
    }

    /// An object is gone; the event carries its last state.
    pub fn delete(&mut self, kind: Kind, object: &DynamicObject) -> Change {
        let (name, version) = (name_of(object), revision(object));
        self.reached(&Scope::of(kind, &name), version);
        self.remove(kind, &name, version)
    }

    /// A whole list: what it does not hold is gone from the scope. `version`: of the list, or of one before it.
    pub fn list(&mut self, scope: &Scope, version: u64, objects: Vec<DynamicObject>) -> Change {
        self.listed.insert(scope.clone());
        self.awaited.remove(scope);
        // Also when it is smaller: then an etcd was restored.
        if scope.kind.reach() == Reach::Narrow {
            self.horizons.insert(scope.clone(), version);
        }
        self.pending.retain(|(kind, name), _| Scope::of(*kind, name) != *scope);
        let mut change = if self.set_trouble(scope, None) { Change::Config } else { Change::Nothing };
        let named: BTreeSet<_> = objects.iter().map(name_of).collect();
        let gone: Vec<_> = self.in_scope(scope).filter(|name| !named.contains(*name)).cloned().collect();
        for name in gone {
            change = change.max(self.remove(scope.kind, &name, 0));
        }
        for object in objects {
            let name = name_of(&object);
            let is_wanted = scope.kind.reach() != Reach::Narrow || self.wanted.contains(&(scope.kind, name.clone()));
            // No matter how old: after a restored etcd the list is right, and what is held is not.
            let held = self.observed.find(scope.kind, &name).map(|entry| entry.resource_version);
            if is_wanted && held != Some(revision(&object)) {
                change = change.max(self.put(scope.kind, name, object));
            }
        }
        // Deletions that nobody saw are known of only by this.
        let cursor = self.observed.cursors.entry(scope.clone()).or_default();
        cursor.revision = cursor.revision.max(version);
        change
    }

    /// What a running watch has passed by already: to be asked for with `pending`, until it is `answered`.
    pub fn ask(&mut self, scope: &Scope, names: impl Iterator<Item = String>) -> bool {
        let is_listed = self.listed.contains(scope);
        let namespace = scope.namespace.clone().unwrap_or_default();
        for name in names.filter(|_| is_listed) {
            self.pending.insert((scope.kind, ObjectName::new(namespace.as_str(), name)), false);
        }
        is_listed
    }

    #[must_use]
    pub fn pending(&self, scope: &Scope) -> BTreeSet<String> {
        let of_scope = self.pending.keys().filter(|(kind, name)| Scope::of(*kind, name) == *scope);
        of_scope.map(|(_, name)| name.name.clone()).collect()
    }

    /// The answer about `names`, at `version`. Asked too early, it counts for nothing, and they stay pending.
    pub fn answered(
        &mut self,
        scope: &Scope,
        version: u64,
        names: &BTreeSet<String>,
        objects: Vec<DynamicObject>,
    ) -> Change {
        if self.horizons.get(scope).is_some_and(|horizon| version < *horizon) {
            return Change::Nothing;
        }
        let mut change = Change::Nothing;
        for object in objects.into_iter().filter(|object| names.contains(&object.name_any())) {
            change = change.max(self.apply(scope.kind, object));
        }
        let namespace = scope.namespace.clone().unwrap_or_default();
        for name in names {
            let reference = (scope.kind, ObjectName::new(namespace.as_str(), name.as_str()));
            // One that was waited for in vain is translated without: whatever came of it, that is over.
            if self.pending.remove(&reference) == Some(true) {
                change = Change::Config;
            }
        }
        let cursor = self.observed.cursors.entry(scope.clone()).or_default();
        cursor.revision = cursor.revision.max(version);
        change
    }

    /// `names` could not be asked for; they are not waited for any more.
    pub fn unanswered(&mut self, scope: &Scope) {
        let of_scope = self.pending.iter_mut().filter(|((kind, name), _)| Scope::of(*kind, name) == *scope);
        of_scope.for_each(|(_, is_vain)| *is_vain = true);
    }

    /// A watch cannot read. What is held stays, but for a kind that is no more, and Secrets that may not be read.
    pub fn trouble(&mut self, scope: &Scope, trouble: Trouble) -> Change {
        if trouble == Trouble::Forbidden && scope.kind.reach() == Reach::Narrow {
            let was_forbidden = self.observed.forbidden.contains(scope);
            let change = self.forget(scope);
            self.expect(scope);
            self.set_trouble(scope, Some(trouble));
            return if was_forbidden { change } else { Change::Config };
        }
        let mut change = if self.set_trouble(scope, Some(trouble)) { Change::Config } else { Change::Nothing };
        if trouble == Trouble::Absent && scope.kind.reach() == Reach::Optional {
            self.listed.insert(scope.clone());
            self.awaited.remove(scope);
            change = change.max(self.clear(scope));
        }
        change
    }

    /// No watch speaks for the scope any more.
    pub fn forget(&mut self, scope: &Scope) -> Change {
        self.listed.remove(scope);
        self.awaited.remove(scope);
        self.set_trouble(scope, None);
        self.horizons.remove(scope);
        self.pending.retain(|(kind, name), _| Scope::of(*kind, name) != *scope);
        let change = self.clear(scope);
        self.observed.cursors.remove(scope);
        change
    }

    /// Namespaces that are named and not read.
    pub fn beyond(&mut self, beyond: BTreeSet<Scope>) -> Change {
        let differs = self.observed.beyond != beyond;
        self.observed.beyond = beyond;
        if differs { Change::Config } else { Change::Nothing }
    }

    /// What is kept of the narrow kinds from now on; objects that are no longer named go.
    pub fn want(&mut self, wanted: BTreeSet<Reference>) -> Change {
        let mut change = Change::Nothing;
        for (kind, name) in self.wanted.difference(&wanted).cloned().collect::<Vec<_>>() {
            change = change.max(self.remove(kind, &name, 0));
        }
        self.pending.retain(|reference, _| wanted.contains(reference));
        self.wanted = wanted;
        change
    }

    /// From now on, every watch that reads anything is to list it anew.
    pub fn await_lists(&mut self) {
        let is_read = |scope: &&Scope| self.troubles.get(scope) != Some(&Trouble::Absent);
        self.awaited = self.listed.iter().filter(is_read).cloned().collect();
    }

    /// Whose list is not in since.
    pub fn awaited(&self) -> impl Iterator<Item = &Scope> {
        self.awaited.iter()
    }

    /// Whether anything is held of the scope.
    #[must_use]
    pub fn holds(&self, scope: &Scope) -> bool {
        self.in_scope(scope).next().is_some()
    }

    /// A watch begins: what a pod has of the scope is not to be taken from it before the list is in.
    pub fn expect(&mut self, scope: &Scope) {
        self.observed.cursors.entry(scope.clone()).or_default();
    }

    /// Whether nothing is to be waited for: the list is in, and what was asked for since. Who `gives_up` waits for nothing
    /// that is in trouble.
    #[must_use]
    pub fn is_settled(&self, scope: &Scope, gives_up: bool) -> bool {
        let is_in = self.is_listed(scope) || (gives_up && self.troubles.contains_key(scope));
        is_in && !self.pending.iter().any(|((kind, name), is_vain)| !is_vain && Scope::of(*kind, name) == *scope)
    }

    /// Whether the first list is in, or can never come.
    #[must_use]
    pub fn is_listed(&self, scope: &Scope) -> bool {
        self.listed.contains(scope)
            || (scope.kind.reach() == Reach::Narrow && self.troubles.get(scope) == Some(&Trouble::Forbidden))
    }

    #[must_use]
    pub fn troubles(&self) -> &BTreeMap<Scope, Trouble> {
        &self.troubles
    }

    /// Whether what translation says may differ.
    fn set_trouble(&mut self, scope: &Scope, trouble: Option<Trouble>) -> bool {
        match trouble {
            Some(trouble) => self.troubles.insert(scope.clone(), trouble),
            None => self.troubles.remove(scope),
        };
        let is_forbidden = trouble == Some(Trouble::Forbidden) && scope.kind.reach() == Reach::Narrow;
        if is_forbidden { self.observed.forbidden.insert(scope.clone()) } else { self.observed.forbidden.remove(scope) }
    }

    fn reached(&mut self, scope: &Scope, version: u64) {
        if scope.kind.reach() == Reach::Narrow {
            let horizon = self.horizons.entry(scope.clone()).or_default();
            *horizon = version.max(*horizon);
        }
    }

    fn in_scope<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a ObjectName> {
        let names = self.observed.of(scope.kind).map(|(name, _)| name);
        names.filter(|name| scope.namespace.as_ref().is_none_or(|namespace| *namespace == name.namespace))
    }

    fn clear(&mut self, scope: &Scope) -> Change {
        let names: Vec<_> = self.in_scope(scope).cloned().collect();
        names.into_iter().map(|name| self.remove(scope.kind, &name, 0)).max().unwrap_or(Change::Nothing)
    }

    fn put(&mut self, kind: Kind, name: ObjectName, object: DynamicObject) -> Change {
        let objects = Arc::make_mut(self.observed.objects.entry(kind).or_default());
        let old = objects.get(&name);
        let entry = Entry::new(kind, object, old.map(AsRef::as_ref));
        let was = old.map(|old| old.mark);
        let change = match was {
            Some(mark) if mark == entry.mark => Change::Status,
            _ => Change::Config,
        };
        if change == Change::Config {
            let cursor = self.observed.cursors.entry(Scope::of(kind, &name)).or_default();
            cursor.fingerprint ^= was.unwrap_or(0) ^ entry.mark;
            cursor.revision = cursor.revision.max(entry.resource_version);
        }
        if kind.has_status() {
            self.touched.insert(ObjectId { kind, name: name.clone() });
        }
        objects.insert(name, Arc::new(entry));
        change
    }

    /// `version`: of the deletion, 0 when it is not known.
    fn remove(&mut self, kind: Kind, name: &ObjectName, version: u64) -> Change {
        let Some(objects) = self.observed.objects.get_mut(&kind) else { return Change::Nothing };
        let Some(entry) = Arc::make_mut(objects).remove(name) else { return Change::Nothing };
        let cursor = self.observed.cursors.entry(Scope::of(kind, name)).or_default();
        cursor.fingerprint ^= entry.mark;
        cursor.revision = cursor.revision.max(version);
        Change::Config
    }
}

fn name_of(object: &DynamicObject) -> ObjectName {
    ObjectName::new(object.namespace().unwrap_or_default(), object.name_any())
}

fn revision(object: &DynamicObject) -> u64 {
    entry::revision(object.metadata.resource_version.as_deref())
}

#[cfg(test)]
mod tests;
