//! What the cluster holds: watches on every kind that matters, as one store with a position.
//!
//! Judges no object and writes nothing. `app` starts the watches, `reconcile` takes views and waits for changes.
//! A watch that fails retries for ever and is told of as a trouble; what is held meanwhile stays.

pub mod entry;
mod feed;
pub mod kind;
mod narrow;
mod pause;
pub mod pods;
pub mod references;
mod rights;
pub mod store;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::Client;
use kube::core::DynamicObject;
use ringway_translate::ObjectId;
use ringway_translate::install::ClusterInstall;
use tokio::sync::watch as channel;
use tokio_util::task::TaskTracker;

use kind::{Kind, Reach, Watched as _};
use narrow::Narrow;
use pods::Fleet;
use rights::Rights;
use store::{Change, Observed, Scope, Store, Trouble};

/// Count up with every change of their sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ticks {
    pub config: u64,
    pub status: u64,
}

/// The store and its watches; one per process.
pub struct Observer {
    client: Client,
    install: ClusterInstall,
    store: Mutex<Store>,
    narrow: Mutex<Narrow>,
    rights: Rights,
    ticks: channel::Sender<Ticks>,
    fleet: channel::Sender<Option<Fleet>>,
    /// Each time every watch begins anew.
    renewals: channel::Sender<()>,
    tasks: TaskTracker,
}

// === impl Observer ===

impl Observer {
    #[must_use]
    pub fn new(client: Client, install: ClusterInstall) -> Arc<Self> {
        Arc::new(Self {
            client,
            install,
            store: Mutex::default(),
            narrow: Mutex::default(),
            rights: Rights::default(),
            ticks: channel::Sender::default(),
            fleet: channel::Sender::default(),
            renewals: channel::Sender::default(),
            tasks: TaskTracker::new(),
        })
    }

    /// Starts every watch that does not depend on what others find.
    pub fn start(self: &Arc<Self>) {
        for kind in Kind::ALL {
            let scope = Scope { kind, namespace: None };
            match kind.reach() {
                Reach::Cluster => drop(self.tasks.spawn(watch::steadily(Arc::clone(self), scope))),
                Reach::Optional => drop(self.tasks.spawn(watch::when_served(Arc::clone(self), scope))),
                Reach::Narrow => {}
            }
        }
        self.tasks.spawn(pods::watch(Arc::clone(self)));
    }

    #[must_use]
    pub fn ticks(&self) -> channel::Receiver<Ticks> {
        self.ticks.subscribe()
    }

    /// The data plane's pods; `None` until the first list is in.
    #[must_use]
    pub fn fleet(&self) -> channel::Receiver<Option<Fleet>> {
        self.fleet.subscribe()
    }

    /// Everything as it is now, and the ticks that it includes.
    #[must_use]
    pub fn observed(&self) -> (Observed, Ticks) {
        let store = self.store();
        (store.observed(), *self.ticks.borrow())
    }

    /// Objects whose status was touched since the last call.
    pub fn touched(&self) -> BTreeSet<ObjectId> {
        self.store().touched()
    }

    /// Everything as it is now.
    #[must_use]
    pub fn view(&self) -> Observed {
        self.store().observed()
    }

    /// What the API server answered to a write of ours, before the watch says so.
    pub fn wrote(&self, kind: Kind, object: DynamicObject) {
        self.change(|store| store.refresh(kind, object));
    }

    /// As `observed`, after the narrow watches were brought in line with what objects name and their lists are in; not for
    /// long, since one namespace must not hold up all others.
    pub async fn settled(self: &Arc<Self>, is_first: bool) -> (Observed, Ticks) {
        narrow::settled(self, is_first).await
    }

    /// Has every watch begin anew, by a list: those that were cut off do not say what they missed.
    pub fn renew(&self) {
        self.store().await_lists();
        self.renewals.send_replace(());
    }

    /// Whether everything was listed since.
    #[must_use]
    pub fn is_renewed(&self) -> bool {
        self.store().awaited().next().is_none()
    }

    /// Kinds in namespaces that are watched because somebody names something there.
    fn narrow_watches(&self) -> usize {
        narrow::watches(self)
    }

    /// What is still waited for before the first publish.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let store = self.store();
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.reach() != Reach::Narrow);
        let unlisted = kinds.filter_map(|kind| {
            let scope = Scope { kind, namespace: None };
            if store.is_listed(&scope) {
                return None;
            }
            Some(match store.troubles().get(&scope) {
                Some(Trouble::Absent) => {
                    format!("{kind}: the API server does not serve it; install the chart ringway-crds")
                }
                Some(Trouble::Forbidden) => format!("{kind}: the operator may not list it"),
                Some(Trouble::Failing) | None => format!("{kind}: not listed yet"),
            })
        });
        let mut missing: Vec<_> = unlisted.collect();
        if self.fleet.borrow().is_none() {
            missing.push("Pod: not listed yet".to_owned());
        }
        missing
    }

    /// Watches in trouble, for metrics and logs.
    #[must_use]
    pub fn troubles(&self) -> BTreeMap<Scope, Trouble> {
        self.store().troubles().clone()
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the store and counts, under one lock, so that a view and its ticks belong together.
    fn change(&self, change: impl FnOnce(&mut Store) -> Change) {
        let mut store = self.store();
        let change = change(&mut store);
        if change > Change::Nothing {
            self.ticks.send_modify(|ticks| match change {
                Change::Config => ticks.config += 1,
                _ => ticks.status += 1,
            });
        }
        drop(store);
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("ticks", &*self.ticks.borrow()).finish_non_exhaustive()
    }
}
