//! What workers read: per (route, viewer) the merged lists, facts about the servers, and a counter of changes.
//!
//! Written by the catalogue thread (`keeper`), read by every worker without a channel, a lock or an allocation beyond
//! the clone of an `Arc`. Merges nothing and speaks to nobody.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use foldhash::fast::RandomState;
use ringway_snapshot::ObjectName;
use tokio::sync::watch;
use tokio::time::Instant;

use super::facts::Hello;
use super::limits::Limits;
use super::list::ListKind;
use super::merge::{Merged, Params};
use super::viewer::Viewer;

/// Counts of changes by [`ListKind::slot`].
pub(super) type Versions = [u64; 4];

/// One route as one viewer sees it.
#[derive(Debug)]
pub(super) struct View {
    pub route: ObjectName,
    pub viewer: Viewer,
    lists: [ArcSwapOption<Merged>; 3],
    /// Survives the eviction of the list it came with: calls need it.
    params: ArcSwap<Params>,
    hello: ArcSwap<Hello>,
    /// Milliseconds of the board's clock.
    used: AtomicU64,
    stale_at: AtomicU64,
    pub(super) versions: watch::Sender<Versions>,
}

/// All views.
#[derive(Debug)]
pub(super) struct Board {
    start: Instant,
    views: ArcSwap<Views>,
    /// Held while `views` is replaced.
    writing: Mutex<()>,
}

type ByViewer = HashMap<Viewer, Arc<View>, RandomState>;
type Views = HashMap<ObjectName, ByViewer, RandomState>;

/// Limit `catalog.viewers` is reached by viewers in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit catalog.viewers reached")]
pub(super) struct TooManyViewers;

/// Never stale.
const FRESH: u64 = u64::MAX;

// === impl View ===

impl View {
    fn new(route: ObjectName, viewer: Viewer, now: u64) -> Self {
        Self {
            route,
            viewer,
            lists: [const { ArcSwapOption::const_empty() }; 3],
            params: ArcSwap::from_pointee(Params::default()),
            hello: ArcSwap::from_pointee(Hello::default()),
            used: AtomicU64::new(now),
            stale_at: AtomicU64::new(FRESH),
            versions: watch::Sender::new(Versions::default()),
        }
    }

    /// The merged list, if one is kept. Resources never are.
    #[must_use]
    pub(super) fn merged(&self, kind: ListKind) -> Option<Arc<Merged>> {
        self.lists.get(kind.slot())?.load_full()
    }

    #[must_use]
    pub(super) fn hello(&self) -> Arc<Hello> {
        self.hello.load_full()
    }

    #[must_use]
    pub(super) fn params(&self) -> Arc<Params> {
        self.params.load_full()
    }

    pub(super) fn publish(&self, kind: ListKind, merged: Option<Arc<Merged>>) {
        if let Some(merged) = merged.as_ref().filter(|_| kind == ListKind::Tools) {
            self.params.store(Arc::new(merged.params.clone()));
        }
        if let Some(list) = self.lists.get(kind.slot()) {
            list.store(merged);
        }
    }

    pub(super) fn publish_hello(&self, hello: Hello) {
        self.hello.store(Arc::new(hello));
    }

    pub(super) fn bump(&self, kinds: impl IntoIterator<Item = ListKind>) {
        let kinds: Vec<ListKind> = kinds.into_iter().collect();
        if kinds.is_empty() {
            return;
        }
        self.versions.send_modify(|versions| {
            for kind in kinds {
                if let Some(version) = versions.get_mut(kind.slot()) {
                    *version += 1;
                }
            }
        });
    }

    pub(super) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Somebody waits for changes.
    pub(super) fn is_watched(&self) -> bool {
        self.versions.receiver_count() > 0
    }

    pub(super) fn goes_stale(&self, at: Option<u64>) {
        self.stale_at.store(at.unwrap_or(FRESH), Ordering::Relaxed);
    }

    /// True for one caller once the view is stale: that one asks for fresh lists.
    pub(super) fn claims_refresh(&self, now: u64) -> bool {
        let at = self.stale_at.load(Ordering::Relaxed);
        at <= now && self.stale_at.compare_exchange(at, FRESH, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

// === impl Board ===

impl Board {
    pub(super) fn new() -> Self {
        Self { start: Instant::now(), views: ArcSwap::from_pointee(Views::default()), writing: Mutex::new(()) }
    }

    /// The clock of `used` and `stale_at`, in milliseconds.
    pub(super) fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    pub(super) fn at(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX)
    }

    /// The view, if it is there.
    pub(super) fn view(&self, route: &ObjectName, viewer: &Viewer) -> Option<Arc<View>> {
        self.views.load().get(route)?.get(viewer).cloned()
    }

    /// The view; made if need be. A new viewer may replace one that rested.
    pub(super) fn ensure(
        &self,
        route: &ObjectName,
        viewer: &Viewer,
        limits: &Limits,
    ) -> Result<Arc<View>, TooManyViewers> {
        if let Some(view) = self.view(route, viewer) {
            return Ok(view);
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut views = Views::clone(&self.views.load());
        if let Some(view) = views.get(route).and_then(|by| by.get(viewer)) {
            return Ok(Arc::clone(view));
        }
        let now = self.now();
        make_room(&mut views, viewer, now, limits)?;
        let view = Arc::new(View::new(route.clone(), *viewer, now));
        views.entry(route.clone()).or_default().insert(*viewer, Arc::clone(&view));
        self.views.store(Arc::new(views));
        Ok(view)
    }

    /// Keeps only the views that `keep` wants.
    pub(super) fn retain(&self, keep: impl Fn(&View) -> bool) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.views.load();
        if old.values().flat_map(HashMap::values).all(|view| keep(view)) {
            return;
        }
        let mut views = Views::clone(&old);
        for by in views.values_mut() {
            by.retain(|_, view| keep(view));
        }
        views.retain(|_, by| !by.is_empty());
        self.views.store(Arc::new(views));
    }

    pub(super) fn all(&self) -> Vec<Arc<View>> {
        self.views.load().values().flat_map(HashMap::values).cloned().collect()
    }
}

fn make_room(views: &mut Views, viewer: &Viewer, now: u64, limits: &Limits) -> Result<(), TooManyViewers> {
    // Last use of each viewer over all routes; one with a subscriber is in use now.
    let mut last: HashMap<Viewer, u64, RandomState> = HashMap::default();
    for view in views.values().flat_map(HashMap::values) {
        let used = if view.is_watched() { now } else { view.used() };
        last.entry(view.viewer).and_modify(|at| *at = (*at).max(used)).or_insert(used);
    }
    if last.contains_key(viewer) || last.len() < limits.viewers {
        return Ok(());
    }
    let rested = now.saturating_sub(millis(limits.viewer_rest));
    let oldest = last.into_iter().filter(|(_, at)| *at <= rested).min_by_key(|(_, at)| *at).ok_or(TooManyViewers)?;
    for by in views.values_mut() {
        by.remove(&oldest.0);
    }
    views.retain(|_, by| !by.is_empty());
    Ok(())
}

pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
