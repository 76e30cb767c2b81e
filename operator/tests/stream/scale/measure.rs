//! What this process takes: memory, processor, and how long its tasks wait for a turn.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// The most of all phases, in MiB.
static MOST: AtomicU64 = AtomicU64::new(0);

/// How often it is tried whether a task gets its turn.
const TURN: Duration = Duration::from_millis(5);

/// One phase.
pub(super) struct Meter {
    began: Instant,
    processor: Duration,
    /// Microseconds that the longest wait for a turn took.
    longest: Arc<AtomicU64>,
    turns: JoinHandle<()>,
}

fn status(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
}

/// Resident, in MiB.
pub(super) fn memory() -> u64 {
    status("VmRSS:")
}

/// The most that was resident in any phase, in MiB.
pub(super) fn most() -> u64 {
    MOST.load(Relaxed)
}

/// Of all threads.
fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    // The state is the first field after the name; user and system time are the 12th and 13th, in ticks of 10 ms.
    let ticks = after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
    Duration::from_millis(ticks.sum::<u64>() * 10)
}

impl Meter {
    pub(super) fn begin() -> Self {
        // The high-water mark is that of this phase.
        fs::write("/proc/self/clear_refs", "5").unwrap();
        let longest = Arc::<AtomicU64>::default();
        let noted = Arc::clone(&longest);
        let turns = tokio::spawn(async move {
            loop {
                let due = Instant::now() + TURN;
                sleep(TURN).await;
                noted.fetch_max(u64::try_from(due.elapsed().as_micros()).unwrap(), Relaxed);
            }
        });
        Self { began: Instant::now(), processor: processor(), longest, turns }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Prints what the phase took; gives the most memory.
    pub(super) fn end(self, what: &str) -> u64 {
        self.turns.abort();
        let (took, processor) = (self.began.elapsed(), processor() - self.processor);
        let (most, longest) = (status("VmHWM:"), Duration::from_micros(self.longest.load(Relaxed)));
        MOST.fetch_max(most, Relaxed);
        println!(
            "{what}: {took:?}, {processor:?} of processor, {} MiB after it and {most} at the most, tasks waited {longest:?} at the most",
            memory()
        );
        most
    }
}
