//! What is measured at one size, and how it is shown.

use std::time::Duration;

use ringway_e2e::quantile::quantile;

/// The columns of [`Row::render`].
pub(crate) const HEAD: &str = concat!(
    "                 apply to live in every pod, ms | Programmed | for each change             | quiet, % of a core | RSS MiB\n",
    "routes   grown s      p50      p99      max     |    p50, ms | operator ms  pod ms  bytes | operator      pod  | operator  pod",
);

/// Of the operator and of all pods together.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) operator_ns: u64,
    pub(crate) pods_ns: u64,
    /// On the stream.
    pub(crate) bytes: u64,
}

/// One size.
#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) size: usize,
    /// Pods on the stream beside those that are measured.
    pub(crate) fake_pods: usize,
    /// From the first new object until the last is live and Programmed.
    pub(crate) grown: Duration,
    pub(crate) live_ms: Vec<f64>,
    pub(crate) programmed_ms: Vec<f64>,
    /// While routes were changed.
    pub(crate) busy: Spent,
    /// While nothing was changed, for `quiet_time`.
    pub(crate) quiet: Spent,
    pub(crate) quiet_time: Duration,
    pub(crate) operator_kib: u64,
    /// Of each pod.
    pub(crate) pod_kib: Vec<u64>,
}

// === impl Spent ===

impl Spent {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            operator_ns: self.operator_ns.saturating_sub(before.operator_ns),
            pods_ns: self.pods_ns.saturating_sub(before.pods_ns),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

// === impl Row ===

impl Row {
    pub(crate) fn render(&self) -> String {
        let (pods, changes) = (self.pod_kib.len().max(1) as f64, self.live_ms.len().max(1) as f64);
        let percent = |nanoseconds: u64| nanoseconds as f64 / self.quiet_time.as_nanos().max(1) as f64 * 100.0;
        format!(
            "{:>6} {:>9.1} {:>8.1} {:>8.1} {:>8.1}     | {:>10.1} | {:>11.2} {:>7.2} {:>6.0} | {:>8.2} {:>8.2}  | {:>8.1} {:>4.1}",
            self.size,
            self.grown.as_secs_f64(),
            at(&self.live_ms, 0.50),
            at(&self.live_ms, 0.99),
            at(&self.live_ms, 1.0),
            at(&self.programmed_ms, 0.50),
            self.busy.operator_ns as f64 / 1e6 / changes,
            self.busy.pods_ns as f64 / 1e6 / changes / pods,
            self.busy.bytes as f64 / changes / (pods + self.fake_pods as f64),
            percent(self.quiet.operator_ns),
            percent(self.quiet.pods_ns) / pods,
            self.operator_kib as f64 / 1024.0,
            self.pod_kib.iter().sum::<u64>() as f64 / 1024.0 / pods,
        )
    }
}

fn at(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile(&sorted, part).unwrap_or(0.0)
}
