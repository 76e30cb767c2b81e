//! What the operator counts. Handles are made once; labels come from closed sets.
//!
//! Written by whoever does the work, rendered by `admin`.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// A part of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Translate,
    Publish,
    Status,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    Done,
    /// There is nothing to write to, or no right to write any more.
    Dropped,
    Failed,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StepLabel {
    step: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug)]
pub struct Metrics {
    pub registry: Registry,
    steps: Family<StepLabel, Histogram, fn() -> Histogram>,
    objects: Family<Label, Gauge>,
    troubles: Family<Label, Gauge>,
    writes: Family<OutcomeLabel, Counter>,
    /// Errors and warnings of translation.
    pub problems: Gauge,
    pub publishes: Counter,
    /// Ready pods of the data plane.
    pub ready_pods: Gauge,
    /// From an observed change until every ready pod served it.
    pub lag: Histogram,
    pub backlog: Gauge,
    /// 1 while this replica holds the Lease.
    pub leader: Gauge<i64, AtomicI64>,
    /// 1 while what is published may be behind.
    pub stale: Gauge,
    pub events_dropped: Counter<u64, AtomicU64>,
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    #[must_use]
    pub fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(exponential_buckets(0.001, 2.0, 14));
        let mut metrics = Self {
            registry: Registry::with_prefix("ringway_operator"),
            steps: Family::new_with_constructor(histogram),
            objects: Family::default(),
            troubles: Family::default(),
            writes: Family::default(),
            problems: Gauge::default(),
            publishes: Counter::default(),
            ready_pods: Gauge::default(),
            lag: Histogram::new(exponential_buckets(0.01, 2.0, 14)),
            backlog: Gauge::default(),
            leader: Gauge::default(),
            stale: Gauge::default(),
            events_dropped: Counter::default(),
        };
        let registry = &mut metrics.registry;
        let seconds = Unit::Seconds;
        registry.register_with_unit("reconcile_duration", "Each step of a round", seconds, metrics.steps.clone());
        registry.register("objects", "Objects observed", metrics.objects.clone());
        registry.register("watch_troubles", "Watches that fail", metrics.troubles.clone());
        registry.register("status_writes", "Writes of a status, by outcome", metrics.writes.clone());
        registry.register("problems", "Errors and warnings of translation", metrics.problems.clone());
        registry.register("publishes", "States published to the data plane", metrics.publishes.clone());
        registry.register("dataplane_ready_pods", "Ready pods of the data plane", metrics.ready_pods.clone());
        let help = "From an observed change until every ready pod served it";
        registry.register_with_unit("apply_lag", help, Unit::Seconds, metrics.lag.clone());
        registry.register("status_backlog", "Statuses that wait to be written", metrics.backlog.clone());
        registry.register("leader", "1 while this replica holds the lease", metrics.leader.clone());
        let help =
            "1 while the API server has not answered for so long that nothing is offered to pods with a configuration";
        registry.register("stale", help, metrics.stale.clone());
        registry.register("events_dropped", "Events dropped for want of room", metrics.events_dropped.clone());
        metrics
    }

    pub fn step(&self, step: Step, duration: Duration) {
        let step = match step {
            Step::Translate => "translate",
            Step::Publish => "publish",
            Step::Status => "status",
        };
        self.steps.get_or_create(&StepLabel { step }).observe(duration.as_secs_f64());
    }

    pub fn objects(&self, kind: &'static str, count: usize) {
        self.objects.get_or_create(&Label { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn troubles(&self, kind: &'static str, count: usize) {
        self.troubles.get_or_create(&Label { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn status_write(&self, outcome: WriteOutcome) {
        let outcome = match outcome {
            WriteOutcome::Done => "done",
            WriteOutcome::Dropped => "dropped",
            WriteOutcome::Failed => "failed",
        };
        self.writes.get_or_create(&OutcomeLabel { outcome }).inc();
    }
}
