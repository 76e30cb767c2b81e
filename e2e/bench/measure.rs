//! One measurement, and the table of all of them: medians over interleaved rounds, ratios within a round.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context, Result};
use ringway_e2e::process::{cpu_ns, resident_kib};
use ringway_e2e::quantile::quantile;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::load::{self, Target};

/// What comes before a measurement: connections, pools, caches.
const WARM_UP: Duration = Duration::from_millis(200);

/// Something to put load on.
#[derive(Debug, Clone)]
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// The process whose CPU counts; none for the upstream without a gateway.
    pub(crate) pid: Option<u32>,
    pub(crate) target: Target,
}

/// The figures of one measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// CPU time per request over all threads, in microseconds.
    cpu_us: f64,
    /// Answers per second.
    rate: f64,
    p50_us: f64,
    p99_us: f64,
    /// Resident memory after it, in MiB.
    resident_mib: f64,
}

/// All measurements by case and side, in the order of the rounds.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: BTreeMap<(usize, &'static str), BTreeMap<&'static str, Vec<Figures>>>,
    order: Vec<&'static str>,
}

/// Keeps this process, so nginx's neighbour, on one core.
pub(crate) fn pin_self(core: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).context("pinning the load")
}

/// Puts load on one side for `time`.
pub(crate) fn measure(side: &Side, time: Duration) -> Result<Figures> {
    load::run(&side.target, WARM_UP)?;
    let before = side.pid.map(cpu_ns).transpose()?;
    let answers = load::run(&side.target, time)?;
    let after = side.pid.map(cpu_ns).transpose()?;
    let count = answers.latencies.len();
    let mut sorted = answers.latencies;
    sorted.sort_unstable();
    let at = |part: f64| quantile(&sorted, part).map_or(0.0, |nanoseconds| f64::from(nanoseconds) / 1e3);
    let spent = before.zip(after).map_or(0, |(before, after)| after.saturating_sub(before));
    Ok(Figures {
        cpu_us: spent as f64 / 1e3 / count.max(1) as f64,
        rate: count as f64 / answers.elapsed.as_secs_f64(),
        p50_us: at(0.50),
        p99_us: at(0.99),
        resident_mib: side.pid.map(resident_kib).transpose()?.map_or(0.0, |kib| kib as f64 / 1024.0),
    })
}

// === impl Table ===

impl Table {
    pub(crate) fn add(&mut self, case: &'static str, side: &'static str, figures: Figures) {
        let place = self.order.iter().position(|known| *known == case).unwrap_or_else(|| {
            self.order.push(case);
            self.order.len() - 1
        });
        self.rows.entry((place, case)).or_default().entry(side).or_default().push(figures);
    }

    /// A table for people. In a smoke run the figures are of no worth and the ratio is left out.
    pub(crate) fn render(&self, smoke: bool) -> String {
        let mut text = format!(
            "{:<26} {:<8} {:>10} {:>9} {:>9} {:>9} {:>9} {:>8}\n",
            "case", "side", "CPU us/req", "to Envoy", "req/s", "p50 us", "p99 us", "RSS MiB"
        );
        for ((_, case), sides) in &self.rows {
            for (side, rounds) in sides {
                let of = |pick: fn(&Figures) -> f64| median(rounds.iter().map(pick).collect());
                let ratio = match sides.get("envoy") {
                    Some(envoy) if *side == "ringway" && !smoke => {
                        let ratios =
                            rounds.iter().zip(envoy).map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us).collect();
                        format!("{:.2}", median(ratios))
                    }
                    _ => String::new(),
                };
                let line = writeln!(
                    text,
                    "{case:<26} {side:<8} {:>10.1} {ratio:>9} {:>9.0} {:>9.0} {:>9.0} {:>8.1}",
                    of(|figures| figures.cpu_us),
                    of(|figures| figures.rate),
                    of(|figures| figures.p50_us),
                    of(|figures| figures.p99_us),
                    of(|figures| figures.resident_mib)
                );
                debug_assert!(line.is_ok(), "a string takes every line");
            }
        }
        text
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    quantile(&values, 0.5).unwrap_or(0.0)
}
