//! Secrets and ConfigMaps: a watch in each namespace where an object names one, and nowhere else.
//!
//! Secrets only where the install says that the operator may read them. Called by `reconcile` through `observe` before
//! each translation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use ringway_snapshot::ObjectName;
use ringway_translate::install::ClusterInstall;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::kind::{Kind, Watched as _};
use super::references::Reference;
use super::store::{Observed, Scope};
use super::watch;
use super::{Observer, Ticks};

/// How long a translation waits for a list that a new reference asks for.
const WAIT: Duration = Duration::from_secs(1);
/// How often it is asked whether the lists are in: most are within milliseconds.
const LOOK: Duration = Duration::from_millis(5);
/// How often a namespace's list may be read anew because names were added.
const RELIST_INTERVAL: Duration = Duration::from_secs(1);

/// The running watches.
#[derive(Debug, Default)]
pub(super) struct Narrow {
    watches: BTreeMap<Scope, Running>,
}

#[derive(Debug)]
struct Running {
    names: BTreeSet<String>,
    since: Instant,
    task: JoinHandle<()>,
}

/// Everything as it is, once the lists are in of all that is named in it.
pub(super) async fn settled(observer: &Arc<Observer>, is_first: bool) -> (Observed, Ticks) {
    let deadline = (!is_first).then(|| Instant::now() + WAIT);
    loop {
        let wanted = wanted(&observer.view(), &observer.install);
        let is_whole = settle(observer, wanted.clone(), deadline).await;
        let (observed, ticks) = observer.observed();
        // What came meanwhile may name more: translated without that, it would be served as broken for a moment.
        if !is_whole || self::wanted(&observed, &observer.install) == wanted {
            return (observed, ticks);
        }
    }
}

/// Brings the watches in line with what is wanted; false: some lists were not in by the deadline.
async fn settle(observer: &Arc<Observer>, wanted: BTreeSet<Reference>, deadline: Option<Instant>) -> bool {
    let mut scopes: BTreeMap<Scope, BTreeSet<String>> = BTreeMap::new();
    for (kind, name) in &wanted {
        let scope = Scope { kind: *kind, namespace: Some(name.namespace.clone()) };
        scopes.entry(scope).or_default().insert(name.name.clone());
    }
    let waited: Vec<_> = scopes.keys().cloned().collect();
    observer.change(|store| store.want(wanted));
    adjust(observer, scopes);
    while !waited.iter().all(|scope| observer.store().is_listed(scope)) {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            tracing::warn!("a list of Secrets or ConfigMaps is slow; going on without it");
            return false;
        }
        tokio::time::sleep(LOOK).await;
    }
    true
}

/// What objects and the install name, as far as it may be read.
fn wanted(observed: &Observed, install: &ClusterInstall) -> BTreeSet<Reference> {
    let named = Kind::ALL.into_iter().flat_map(|kind| observed.of(kind)).flat_map(|(_, entry)| &entry.references);
    let mut wanted: BTreeSet<Reference> = named.cloned().collect();
    let own = |name: &String| ObjectName::new(install.namespace.as_str(), name.as_str());
    let listener = &install.default_listener;
    wanted.extend(listener.tls_secret.as_ref().map(|name| (Kind::Secret, own(name))));
    wanted.extend(listener.client_ca_config_map.as_ref().map(|name| (Kind::ConfigMap, own(name))));
    wanted.retain(|(kind, name)| *kind != Kind::Secret || install.secret_namespaces.holds(&name.namespace));
    wanted
}

/// Stops watches that nobody needs, starts new ones, and starts those anew that let a now wanted object pass by.
fn adjust(observer: &Arc<Observer>, scopes: BTreeMap<Scope, BTreeSet<String>>) {
    let mut narrow = observer.narrow.lock().unwrap_or_else(PoisonError::into_inner);
    let idle: Vec<_> = narrow.watches.keys().filter(|scope| !scopes.contains_key(*scope)).cloned().collect();
    for scope in idle {
        if let Some(running) = narrow.watches.remove(&scope) {
            running.task.abort();
        }
        observer.change(|store| store.forget(&scope));
    }
    for (scope, names) in scopes {
        let mut start = Instant::now();
        if let Some(running) = narrow.watches.get_mut(&scope) {
            if names.is_subset(&running.names) {
                running.names = names;
                continue;
            }
            running.task.abort();
            start = start.max(running.since + RELIST_INTERVAL);
        }
        observer.change(|store| {
            store.expect(&scope);
            super::Change::Nothing
        });
        let (watcher, watched) = (Arc::clone(observer), scope.clone());
        let task = observer.tasks.spawn(async move {
            tokio::time::sleep_until(start).await;
            watch::steadily(watcher, watched).await;
        });
        narrow.watches.insert(scope, Running { names, since: start, task });
    }
}
