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

use super::Observer;
use super::kind::{Kind, Watched as _};
use super::references::Reference;
use super::store::{Observed, Scope};
use super::watch;

/// How long a translation waits for a list that a new reference asks for.
const WAIT: Duration = Duration::from_secs(1);
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

pub(super) async fn settle(observer: &Arc<Observer>, is_first: bool) {
    let wanted = wanted(&observer.view(), &observer.install);
    let mut scopes: BTreeMap<Scope, BTreeSet<String>> = BTreeMap::new();
    for (kind, name) in &wanted {
        let scope = Scope { kind: *kind, namespace: Some(name.namespace.clone()) };
        scopes.entry(scope).or_default().insert(name.name.clone());
    }
    let waited: Vec<_> = scopes.keys().cloned().collect();
    observer.change(|store| store.want(wanted));
    adjust(observer, scopes);
    let mut ticks = observer.ticks();
    let deadline = Instant::now() + WAIT;
    loop {
        ticks.mark_unchanged();
        if waited.iter().all(|scope| observer.store().is_listed(scope)) {
            return;
        }
        // An empty list changes nothing that is counted, so the ticks alone would be slept through.
        let pause = tokio::time::sleep(Duration::from_millis(50));
        tokio::select! {
            _ = ticks.changed() => {}
            () = pause => {}
            () = tokio::time::sleep_until(deadline), if !is_first => {
                tracing::warn!("a list of Secrets or ConfigMaps is slow; going on without it");
                return;
            }
        }
    }
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
