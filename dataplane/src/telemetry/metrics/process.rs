//! Figures of this process from `/proc`, under the names of Prometheus' own client libraries.
//!
//! Where there is no `/proc` (macOS) they are absent. Read at scrape time, on the admin thread.

use std::fmt::Error;
use std::fs;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Linux reports CPU time to user space in hundredths of a second on every architecture (`USER_HZ`).
const TICKS_PER_SECOND: f64 = 100.0;

pub(super) fn encode(encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
    // Less one: the handle that reads the directory is among the entries.
    let fds = fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1));
    let limits = fs::read_to_string("/proc/self/limits").ok();
    let max_fds = limits.as_deref().and_then(soft_fd_limit);
    let status = fs::read_to_string("/proc/self/status").ok();
    let resident = status.as_deref().and_then(resident_bytes);
    let threads = status.as_deref().and_then(|text| field(text, "Threads:"));
    for (name, help, value) in [
        ("process_open_fds", "Open file descriptors", fds.and_then(|n| u64::try_from(n).ok())),
        ("process_max_fds", "Most file descriptors allowed", max_fds),
        ("process_resident_memory_bytes", "Resident memory", resident),
        ("process_threads", "Threads", threads),
    ] {
        if let Some(value) = value {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
    }
    if let Some(seconds) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(cpu_seconds) {
        let help = "CPU time used, user and system";
        let mut family = encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, f64, f64>(&seconds, None)?;
    }
    Ok(())
}

fn soft_fd_limit(limits: &str) -> Option<u64> {
    field(limits, "Max open files")
}

fn resident_bytes(status: &str) -> Option<u64> {
    Some(field(status, "VmRSS:")? * 1024)
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// User and system time of `/proc/self/stat`: fields 14 and 15, counted behind the command, which may hold spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_text() {
        let stat = "12 (a ) b) S 1 12 12 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 100 1000 200";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        let limits =
            "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 4096  files\n";
        assert_eq!(soft_fd_limit(limits), Some(1024));
        assert_eq!(soft_fd_limit("Max open files unlimited unlimited files"), None);
    }
}
