//! Secrets and ConfigMaps: a watch in each namespace where an object names one that it may refer to, and nowhere else.
//!
//! A namespace is that of the object itself, or one where a ReferenceGrant lets it: so it exists, and somebody there wants
//! it. Whether the operator may read there is the API server's to say. Called by `reconcile` through `observe` before each
//! translation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ringway_config_stream::limits::NARROW_CURSORS;
use ringway_snapshot::ObjectName;
use ringway_translate::World;
use ringway_translate::install::ClusterInstall;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::entry::Detail;
use super::kind::{Kind, Watched as _};
use super::references::Reference;
use super::store::{Observed, Scope};
use super::watch;
use super::{Observer, Ticks};

/// How long a translation waits for a list that a new reference asks for; once, and not for one that is in trouble.
const WAIT: Duration = Duration::from_secs(1);
/// How long the first one waits, for those in trouble, too: what a pod has is not to be called gone at once.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// How often it is asked whether the lists are in: most are within milliseconds.
const LOOK: Duration = Duration::from_millis(5);

/// The running watches.
#[derive(Debug, Default)]
pub(super) struct Narrow {
    watches: BTreeMap<Scope, Running>,
    /// Waited for in vain.
    late: BTreeSet<Scope>,
}

#[derive(Debug)]
struct Running {
    names: BTreeSet<String>,
    /// Names came that the watch has passed by.
    added: Arc<Notify>,
    tasks: [JoinHandle<()>; 2],
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Wanted {
    references: BTreeSet<Reference>,
    /// Namespaces too many.
    beyond: BTreeSet<Scope>,
}

/// Everything as it is, once the lists are in of all that is named in it.
pub(super) async fn settled(observer: &Arc<Observer>, is_first: bool) -> (Observed, Ticks) {
    let deadline = Instant::now() + if is_first { FIRST_WAIT } else { WAIT };
    loop {
        let wanted = wanted(&observer.view(), &observer.install, NARROW_CURSORS);
        settle(observer, wanted.clone(), deadline, !is_first).await;
        let (observed, ticks) = observer.observed();
        // What came meanwhile may name more: translated without that, it would be served as broken for a moment.
        if self::wanted(&observed, &observer.install, NARROW_CURSORS) == wanted {
            return (observed, ticks);
        }
    }
}

/// Brings the watches in line with what is wanted, and waits for their lists.
async fn settle(observer: &Arc<Observer>, wanted: Wanted, deadline: Instant, gives_up: bool) {
    let mut scopes: BTreeMap<Scope, BTreeSet<String>> = BTreeMap::new();
    for (kind, name) in &wanted.references {
        scopes.entry(Scope::of(*kind, name)).or_default().insert(name.name.clone());
    }
    let waited: Vec<_> = scopes.keys().cloned().collect();
    observer.change(|store| store.beyond(wanted.beyond).max(store.want(wanted.references)));
    adjust(observer, scopes);
    loop {
        let late = observer.narrow.lock().unwrap_or_else(PoisonError::into_inner).late.clone();
        let open: Vec<_> = {
            let store = observer.store();
            let is_open = |scope: &&Scope| !store.is_settled(scope, gives_up) && !late.contains(*scope);
            waited.iter().filter(is_open).cloned().collect()
        };
        if open.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            tracing::warn!(namespaces = open.len(), "lists of Secrets or ConfigMaps are slow; going on without them");
            for scope in &open {
                observer.store().unanswered(scope);
            }
            observer.narrow.lock().unwrap_or_else(PoisonError::into_inner).late.extend(open);
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What objects and the install name and may refer to, in at most `limit` namespaces of a kind.
fn wanted(observed: &Observed, install: &ClusterInstall, limit: usize) -> Wanted {
    let grants = World::from_objects(observed.of(Kind::ReferenceGrant).filter_map(|(_, entry)| entry.object.clone()));
    let mut references = BTreeSet::new();
    for kind in Kind::ALL {
        for (from, entry) in observed.of(kind) {
            let permitted =
                entry.references.iter().filter(|(to, name)| grants.permits((kind, &from.namespace), *to, name));
            references.extend(permitted.cloned());
        }
    }
    let own = |name: &String| ObjectName::new(install.namespace.as_str(), name.as_str());
    let listener = &install.default_listener;
    references.extend(listener.tls_secret.as_ref().map(|name| (Kind::Secret, own(name))));
    references.extend(listener.client_ca_config_map.as_ref().map(|name| (Kind::ConfigMap, own(name))));
    let scopes: BTreeSet<Scope> = references.iter().map(|(kind, name)| Scope::of(*kind, name)).collect();
    if scopes.len() <= limit {
        return Wanted { references, beyond: BTreeSet::new() };
    }
    let mut scopes: Vec<_> = scopes.into_iter().collect();
    // The same on every replica, and no newcomer takes the place of somebody else.
    scopes.sort_by_key(|scope| age(observed, install, scope));
    let beyond: BTreeSet<Scope> = scopes.split_off(limit).into_iter().collect();
    references.retain(|(kind, name)| !beyond.contains(&Scope::of(*kind, name)));
    Wanted { references, beyond }
}

/// The install's own namespace before all others.
fn age(observed: &Observed, install: &ClusterInstall, scope: &Scope) -> (bool, i64, Scope) {
    let name = scope.namespace.as_deref().unwrap_or_default();
    let created = observed.find(Kind::Namespace, &ObjectName::new("", name)).map(|entry| &entry.detail);
    let created = if let Some(Detail::Namespace { created }) = created { *created } else { i64::MAX };
    (name != install.namespace, created, scope.clone())
}

/// How many are watched.
pub(super) fn watches(observer: &Observer) -> usize {
    observer.narrow.lock().unwrap_or_else(PoisonError::into_inner).watches.len()
}

/// Stops watches that nobody needs, starts new ones, and asks for what was named since a watch began.
fn adjust(observer: &Arc<Observer>, scopes: BTreeMap<Scope, BTreeSet<String>>) {
    let mut narrow = observer.narrow.lock().unwrap_or_else(PoisonError::into_inner);
    let idle: Vec<_> = narrow.watches.keys().filter(|scope| !scopes.contains_key(*scope)).cloned().collect();
    for scope in idle {
        if let Some(running) = narrow.watches.remove(&scope) {
            running.tasks.iter().for_each(JoinHandle::abort);
        }
        narrow.late.remove(&scope);
        observer.change(|store| store.forget(&scope));
    }
    narrow.late.retain(|scope| !observer.store().is_settled(scope, false));
    for (scope, names) in scopes {
        if let Some(running) = narrow.watches.get_mut(&scope) {
            // Before its first list is in, a watch passes nothing by that is wanted.
            if observer.store().ask(&scope, names.difference(&running.names).cloned()) {
                running.added.notify_one();
            }
            running.names = names;
            continue;
        }
        observer.store().expect(&scope);
        let added = Arc::new(Notify::new());
        let ask = watch::ask(Arc::clone(observer), scope.clone(), Arc::clone(&added));
        let tasks = [
            observer.tasks.spawn(watch::where_permitted(Arc::clone(observer), scope.clone())),
            observer.tasks.spawn(ask),
        ];
        narrow.watches.insert(scope, Running { names, added, tasks });
    }
}

#[cfg(test)]
mod tests;
