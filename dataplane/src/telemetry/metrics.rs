//! Everything that is counted, as arrays over closed sets.
//!
//! A route or backend fetches its handle ([`Metrics::route`], [`Metrics::backend`]) when configuration is compiled;
//! afterwards a count is an array position and an atomic add; by the name of a tool or prompt, a look-up under a lock
//! besides. What a method, outcome or name never used costs nothing:
//! its cells are made at first use. Rendered by `render` at scrape time.

mod operation;
mod process;
mod render;
mod stream;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use ringway_mcp::{Method, Revision};

use super::cells::{Counter, Gauge, Histogram, OPERATION_BOUNDS, OVERHEAD_BOUNDS};
use super::labels::{Limit, MissReason, Outcome, SessionEvent, Signal, StreamKind, TaskName};
use super::record::{Finished, Target};
pub use operation::Operation;
pub use stream::StreamMetrics;

/// Route label of what reached no route.
const NO_ROUTE: &str = "_NONE";
/// Name label of what no catalogue knows, or what the budget has no room for.
const OTHER: &str = "_OTHER";
/// Tools or prompts with a series of their own, per route and method.
const NAMES_PER_ROUTE: usize = 200;
/// The same for the process: with one outcome each a name is 17 series, so this is about 10,000 series.
const NAMES: usize = 600;
/// `None` and the five revisions.
const REVISIONS: usize = 6;

/// All counters of one gateway.
#[derive(Debug)]
pub struct Metrics {
    routes: Mutex<BTreeMap<Arc<str>, Arc<RouteMetrics>>>,
    backends: Mutex<BTreeMap<Arc<str>, Arc<BackendMetrics>>>,
    unrouted: Arc<RouteMetrics>,
    budget: Arc<NameBudget>,
    overhead: [OnceLock<Histogram>; Operation::COUNT],
    limits: [Counter; Limit::COUNT],
    session_events: [Counter; SessionEvent::COUNT],
    dropped: [Counter; Signal::COUNT],
    panics: [Counter; TaskName::COUNT],
    tasks: [Gauge; TaskName::COUNT],
    streams: [Gauge; StreamKind::COUNT],
    /// Session records held.
    pub sessions: Gauge,
    /// Calls in flight.
    pub inflight: Gauge,
    pub config_generation: Gauge,
    pub config_rejections: Counter,
    pub stream: Arc<StreamMetrics>,
    /// Tombstones dropped for want of room, and what else the session owner forgets early.
    pub tombstones_dropped: Counter,
}

/// The counters of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    label: Arc<str>,
    ops: [OnceLock<Box<RouteOp>>; Operation::COUNT],
    misses: Mutex<BTreeMap<Miss, u64>>,
    budget: Arc<NameBudget>,
    /// Visible names that several backends claim.
    pub list_conflicts: Gauge,
}

/// Backend, operation and reason of a gap in a merged answer.
type Miss = (Arc<str>, Operation, MissReason);

/// The counters of one backend.
#[derive(Debug)]
pub struct BackendMetrics {
    label: Arc<str>,
    ops: [OnceLock<Box<ByError>>; Operation::COUNT],
    /// Child processes alive.
    pub processes: Gauge,
}

/// Durations by `error_type`: the outcome where it is an error, the first cell for all others.
#[derive(Debug, Default)]
struct ByError([OnceLock<Histogram>; Outcome::COUNT]);

#[derive(Debug)]
struct RouteOp {
    calls: [[Counter; REVISIONS]; Outcome::COUNT],
    durations: ByError,
    /// Instead of `durations` where a catalogue's name is part of the label.
    names: Mutex<HashMap<Box<str>, Arc<ByError>, foldhash::fast::RandomState>>,
}

/// How many names of tools and prompts have series of their own.
#[derive(Debug, Default)]
struct NameBudget {
    used: AtomicUsize,
    overflow: Counter,
}

// === impl Metrics ===

impl Metrics {
    #[must_use]
    pub fn new() -> Arc<Self> {
        let budget = Arc::new(NameBudget::default());
        Arc::new(Self {
            routes: Mutex::default(),
            backends: Mutex::default(),
            unrouted: Arc::new(RouteMetrics::new(NO_ROUTE.into(), Arc::clone(&budget))),
            budget,
            overhead: [const { OnceLock::new() }; Operation::COUNT],
            limits: cells(),
            session_events: cells(),
            dropped: cells(),
            panics: cells(),
            tasks: cells(),
            streams: cells(),
            sessions: Gauge::default(),
            inflight: Gauge::default(),
            config_generation: Gauge::default(),
            config_rejections: Counter::default(),
            stream: Arc::default(),
            tombstones_dropped: Counter::default(),
        })
    }

    /// The handle of the route called `label`: the same one for as long as the route is [kept](Self::keep).
    pub fn route(&self, label: &str) -> Arc<RouteMetrics> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = routes.get(label) {
            return Arc::clone(route);
        }
        let label: Arc<str> = label.into();
        let route = Arc::new(RouteMetrics::new(Arc::clone(&label), Arc::clone(&self.budget)));
        routes.insert(label, Arc::clone(&route));
        route
    }

    /// The handle for what reached no route.
    #[must_use]
    pub fn unrouted(&self) -> &Arc<RouteMetrics> {
        &self.unrouted
    }

    /// The handle of the backend called `label`.
    pub fn backend(&self, label: &str) -> Arc<BackendMetrics> {
        let mut backends = self.backends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(backend) = backends.get(label) {
            return Arc::clone(backend);
        }
        let label: Arc<str> = label.into();
        let backend = Arc::new(BackendMetrics::new(Arc::clone(&label)));
        backends.insert(label, Arc::clone(&backend));
        backend
    }

    /// Ends the series of every route and backend that configuration no longer has. Handles still held count on, unseen.
    pub fn keep(&self, route: impl Fn(&str) -> bool, backend: impl Fn(&str) -> bool) {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner).retain(|label, _| route(label));
        self.backends.lock().unwrap_or_else(PoisonError::into_inner).retain(|label, _| backend(label));
    }

    pub fn limit_hit(&self, limit: Limit) {
        count(&self.limits, limit as usize);
    }

    pub fn session(&self, event: SessionEvent) {
        count(&self.session_events, event as usize);
    }

    pub fn dropped(&self, signal: Signal, amount: u64) {
        if let Some(counter) = self.dropped.get(signal as usize) {
            counter.add(amount);
        }
    }

    pub fn panicked(&self, task: TaskName) {
        count(&self.panics, task as usize);
    }

    /// Counts a stream for as long as the returned value lives.
    #[must_use]
    pub fn stream(&self, kind: StreamKind) -> super::cells::Held {
        self.streams.get(kind as usize).cloned().unwrap_or_default().hold()
    }

    /// Counts a task for as long as the returned value lives.
    #[must_use]
    pub fn task(&self, name: TaskName) -> super::cells::Held {
        self.tasks.get(name as usize).cloned().unwrap_or_default().hold()
    }

    /// Tasks alive under `name`.
    #[must_use]
    pub fn live_tasks(&self, name: TaskName) -> i64 {
        self.tasks.get(name as usize).map_or(0, Gauge::value)
    }

    #[must_use]
    pub fn session_events(&self, event: SessionEvent) -> u64 {
        self.session_events.get(event as usize).map_or(0, Counter::value)
    }

    #[must_use]
    pub fn dropped_total(&self, signal: Signal) -> u64 {
        self.dropped.get(signal as usize).map_or(0, Counter::value)
    }

    #[must_use]
    pub fn panics_total(&self, task: TaskName) -> u64 {
        self.panics.get(task as usize).map_or(0, Counter::value)
    }

    /// Prometheus text 0.0.4, or OpenMetrics 1.0 with its end mark.
    ///
    /// # Errors
    /// Never in practice: the text goes into memory.
    pub fn render(self: &Arc<Self>, open_metrics: bool) -> Result<String, std::fmt::Error> {
        render::render(self, open_metrics)
    }

    /// Takes a finished message in.
    pub(super) fn observe(&self, finished: &Finished) {
        finished.route.observe(finished);
        let ours = matches!(finished.outcome, Outcome::Cancelled | Outcome::Timeout);
        if finished.operation.timed()
            && !ours
            && let Some(cell) = self.overhead.get(finished.operation.index())
        {
            let added = finished.duration.saturating_sub(finished.upstream);
            cell.get_or_init(|| Histogram::new(OVERHEAD_BOUNDS)).observe(added);
        }
    }
}

// === impl RouteMetrics ===

impl RouteMetrics {
    fn new(label: Arc<str>, budget: Arc<NameBudget>) -> Self {
        Self {
            label,
            ops: [const { OnceLock::new() }; Operation::COUNT],
            misses: Mutex::default(),
            budget,
            list_conflicts: Gauge::default(),
        }
    }

    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// A backend gave nothing to an answer that is merged from several.
    pub fn fanout_miss(&self, backend: &BackendMetrics, operation: Operation, reason: MissReason) {
        let mut misses = self.misses.lock().unwrap_or_else(PoisonError::into_inner);
        *misses.entry((Arc::clone(&backend.label), operation, reason)).or_default() += 1;
    }

    fn observe(&self, finished: &Finished) {
        let Some(op) = self.ops.get(finished.operation.index()).map(|cell| cell.get_or_init(Box::default)) else {
            return;
        };
        let revision = finished.revision.map_or(0, |revision| revision as usize + 1);
        if let Some(counter) = op.calls.get(finished.outcome as usize).and_then(|row| row.get(revision)) {
            counter.inc();
        }
        if !finished.operation.timed() {
            return;
        }
        let error = finished.outcome.error_type().map(|_| finished.outcome);
        match finished.target {
            Target::Tool | Target::Prompt => {
                let name = if finished.catalogued { finished.name.as_str() } else { OTHER };
                op.named(name, &self.budget).observe(error, finished.duration);
            }
            Target::None | Target::Resource => op.durations.observe(error, finished.duration),
        }
    }
}

// === impl RouteOp ===

impl Default for RouteOp {
    fn default() -> Self {
        let calls = std::array::from_fn(|_| cells());
        Self { calls, durations: ByError::default(), names: Mutex::default() }
    }
}

impl RouteOp {
    fn named(&self, name: &str, budget: &NameBudget) -> Arc<ByError> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = names.get(name) {
            return Arc::clone(found);
        }
        let room = name == OTHER || (names.len() < NAMES_PER_ROUTE && budget.take());
        let key = if room {
            name
        } else {
            budget.overflow.inc();
            OTHER
        };
        Arc::clone(names.entry(key.into()).or_default())
    }
}

// === impl NameBudget ===

impl NameBudget {
    fn take(&self) -> bool {
        self.used.fetch_update(Relaxed, Relaxed, |used| (used < NAMES).then_some(used + 1)).is_ok()
    }

    fn give_back(&self, names: usize) {
        self.used.fetch_sub(names, Relaxed);
    }
}

impl Drop for RouteMetrics {
    fn drop(&mut self) {
        for op in self.ops.iter().filter_map(OnceLock::get) {
            let names = op.names.lock().unwrap_or_else(PoisonError::into_inner);
            self.budget.give_back(names.keys().filter(|name| ***name != *OTHER).count());
        }
    }
}

// === impl BackendMetrics ===

impl BackendMetrics {
    fn new(label: Arc<str>) -> Self {
        Self { label, ops: [const { OnceLock::new() }; Operation::COUNT], processes: Gauge::default() }
    }

    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// One request to the backend ended. Called for a client's calls by the record, else by whoever sent it.
    pub fn observe(&self, method: Method, outcome: Outcome, duration: Duration) {
        if let Some(cell) = self.ops.get(Operation::Rpc(method).index()) {
            // Seen from here every error is the backend's answer, also the one that blames its caller.
            let error = (!matches!(outcome, Outcome::Ok | Outcome::InputRequired)).then_some(outcome);
            cell.get_or_init(Box::default).observe(error, duration);
        }
    }
}

// === impl ByError ===

impl ByError {
    fn observe(&self, error: Option<Outcome>, duration: Duration) {
        if let Some(cell) = self.0.get(error.unwrap_or(Outcome::Ok) as usize) {
            cell.get_or_init(|| Histogram::new(OPERATION_BOUNDS)).observe(duration);
        }
    }

    /// With the `error_type` of each.
    fn used(&self) -> impl Iterator<Item = (Option<&'static str>, &Histogram)> {
        let label = |outcome: Outcome| (outcome != Outcome::Ok).then(|| outcome.as_str());
        Outcome::ALL.iter().zip(&self.0).filter_map(move |(&outcome, cell)| Some((label(outcome), cell.get()?)))
    }
}

fn cells<T: Default, const N: usize>() -> [T; N] {
    std::array::from_fn(|_| T::default())
}

fn count(counters: &[Counter], at: usize) {
    if let Some(counter) = counters.get(at) {
        counter.inc();
    }
}

fn revision_label(index: usize) -> &'static str {
    index.checked_sub(1).and_then(|at| Revision::ALL.get(at)).map_or("", |revision| revision.as_str())
}

#[cfg(test)]
mod tests;
