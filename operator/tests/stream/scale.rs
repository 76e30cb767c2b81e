//! 200 pods, 10,000 objects, one replica: prints time, bytes and memory. `cargo nextest run --release --run-ignored only
//! --no-capture scale`; no figure is judged, but the end state is.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;

use crate::certificates::Authority;
use crate::objects::{at, put_backend, snapshot};
use crate::pod::TestPod;
use crate::replica::Replica;

const PODS: usize = 200;
const OBJECTS: usize = 10_000;
const CHANGES: u64 = 20;

/// Of this process, in MiB.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() / 1_024
}

/// Of this process, all threads.
fn processor_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<u64> = stat.rsplit(')').next().unwrap().split_whitespace().filter_map(|n| n.parse().ok()).collect();
    // After state (no number): utime is the 11th number, stime the 12th; ticks of 10 ms.
    Duration::from_millis((fields[10] + fields[11]) * 10)
}

async fn all_at(replica: &Replica, revision: u64) {
    let mut pods = replica.publisher.pods();
    let is_there = |pods: &ringway_operator::publish::Pods| {
        pods.len() == PODS && pods.values().all(|pod| pod.position == Some(at(revision)))
    };
    while !is_there(&pods.borrow_and_update()) {
        tokio::time::timeout(Duration::from_secs(300), pods.changed()).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes, and figures need a quiet machine"]
async fn scale() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let operator = format!("localhost:{}", replica.address.port());
    let mut now = snapshot(OBJECTS);
    let (empty, began) = (memory(), Instant::now());
    replica.publish(&now, at(1));
    println!("first publish of {OBJECTS} objects: {:?}, {} MiB", began.elapsed(), memory() - empty);
    let before = memory();
    let (began, cpu) = (Instant::now(), processor_time());
    let pods: Vec<TestPod> = (0..PODS).map(|n| TestPod::start_bare(&format!("p{n}"), &operator, &authority)).collect();
    all_at(&replica, 1).await;
    let counters = replica.publisher.counters();
    println!(
        "{PODS} pods from nothing: {:?} wall, {:?} processor (both ends), {} MiB sent, {} MiB more memory (both ends)",
        began.elapsed(),
        processor_time() - cpu,
        counters.bytes.get() >> 20,
        memory() - before,
    );
    let (mut publishing, mut live, sent, cpu) = (Duration::ZERO, Vec::new(), counters.bytes.get(), processor_time());
    for revision in 2..2 + CHANGES {
        put_backend(&mut now, usize::try_from(revision).unwrap(), &format!("token {revision}"));
        // As a translation that memoises nothing gives it: every object is another allocation.
        let fresh = ringway_snapshot::Snapshot {
            backends: now.backends.iter().map(|(name, b)| (name.clone(), Arc::new((**b).clone()))).collect(),
            ..now.clone()
        };
        let began = Instant::now();
        replica.publish(&fresh, at(revision));
        publishing += began.elapsed();
        all_at(&replica, revision).await;
        live.push(began.elapsed());
    }
    live.sort();
    let changes = u32::try_from(CHANGES).unwrap();
    println!(
        "one change of {OBJECTS}: publish {:?}, acked by all {PODS} in {:?} (median) {:?} (most), {} bytes a pod, {:?} processor (both ends)",
        publishing / changes,
        live[live.len() / 2],
        live[live.len() - 1],
        (counters.bytes.get() - sent) / CHANGES / PODS as u64,
        (processor_time() - cpu) / changes,
    );
    assert!(pods.iter().all(|pod| pod.serves(&now)));
    join_all(pods.into_iter().map(TestPod::stop)).await;
}
