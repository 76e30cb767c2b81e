//! Counters, gauges and histograms as plain atomics, read at scrape time.
//!
//! Not the metric types of prometheus-client: its histogram is a mutex and its families look labels up under a lock,
//! where our label sets are closed and so are array positions. Written by every thread, read by `metrics::render`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Only ever grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// Goes up and down; clones share the value.
#[derive(Debug, Default, Clone)]
pub struct Gauge(Arc<AtomicI64>);

/// One unit of a gauge, given back on drop.
#[derive(Debug)]
pub struct Held(Gauge);

/// Durations sorted into buckets.
#[derive(Debug)]
pub struct Histogram {
    /// Upper bounds in nanoseconds, ascending, inclusive.
    bounds: &'static [u64],
    /// One more than bounds: the last is everything above.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
}

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const S: u64 = 1_000 * MS;

/// Advised by the semantic conventions for `mcp.*.operation.duration`.
pub const OPERATION_BOUNDS: &[u64] = &[
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    S,
    2 * S,
    5 * S,
    10 * S,
    30 * S,
    60 * S,
    120 * S,
    300 * S,
];

/// What the gateway adds: tens of microseconds when all is well.
pub const OVERHEAD_BOUNDS: &[u64] =
    &[20 * US, 50 * US, 100 * US, 200 * US, 500 * US, MS, 2 * MS, 5 * MS, 10 * MS, 20 * MS, 50 * MS];

// === impl Counter ===

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Relaxed);
    }

    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

// === impl Gauge ===

impl Gauge {
    /// Says what the value is afterwards.
    pub fn add(&self, amount: i64) -> i64 {
        self.0.fetch_add(amount, Relaxed).wrapping_add(amount)
    }

    pub fn set(&self, value: i64) {
        self.0.store(value, Relaxed);
    }

    #[must_use]
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }

    /// Adds one for as long as the returned value lives.
    #[must_use]
    pub fn hold(&self) -> Held {
        self.add(1);
        Held(self.clone())
    }
}

// === impl Held ===

impl Drop for Held {
    fn drop(&mut self) {
        self.0.add(-1);
    }
}

// === impl Histogram ===

impl Histogram {
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, buckets, sum: AtomicU64::new(0) }
    }

    pub fn observe(&self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let at = self.bounds.partition_point(|&bound| bound < nanos);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(nanos, Relaxed);
    }

    /// Sum in seconds, count, and (upper bound in seconds, count in that bucket alone).
    #[must_use]
    pub fn read(&self) -> (f64, u64, Vec<(f64, u64)>) {
        #[expect(clippy::cast_precision_loss, reason = "seconds for display; 2^53 ns are 104 days")]
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let bounds = self.bounds.iter().map(|&bound| seconds(bound)).chain([f64::INFINITY]);
        let buckets: Vec<_> = bounds.zip(self.buckets.iter().map(|bucket| bucket.load(Relaxed))).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (seconds(self.sum.load(Relaxed)), count, buckets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive_and_the_last_bucket_takes_the_rest() {
        let histogram = Histogram::new(OVERHEAD_BOUNDS);
        for micros in [0, 20, 21, 50_000, 50_001, 9_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let (sum, count, buckets) = histogram.read();
        assert!((sum - 9.100_042).abs() < 1e-9, "{sum}");
        assert_eq!(count, 6);
        assert_eq!(buckets.first(), Some(&(20e-6, 2)));
        assert_eq!(buckets.get(1), Some(&(50e-6, 1)));
        assert_eq!(buckets.get(10), Some(&(50e-3, 1)));
        assert_eq!(buckets.get(11), Some(&(f64::INFINITY, 2)));
    }

    #[test]
    fn a_held_unit_comes_back() {
        let gauge = Gauge::default();
        let (one, two) = (gauge.hold(), gauge.hold());
        assert_eq!(gauge.value(), 2);
        drop(one);
        assert_eq!(gauge.value(), 1);
        drop(two);
        assert_eq!(gauge.value(), 0);
    }
}
