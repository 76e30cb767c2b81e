//! 200 pods, 10,000 objects, what each pod found out of 10,000 backends, one replica: what of the chart's memory limit the
//! stream takes, and how long everybody waits. Prints the figures and judges the memory and the end state:
//! `cargo nextest run --release --run-ignored only --no-capture -E 'test(scale)'`.
//!
//! The pods are a process of their own, this test once more, so that what is measured here is the operator's part.

#![expect(clippy::print_stdout, reason = "figures are to be seen")]

mod measure;
mod pods;

use std::future::pending;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ringway_config_stream::Position;
use ringway_config_stream::resource::Object;
use ringway_operator::publish::{self, PodState, Publisher};
use ringway_snapshot::Snapshot;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use crate::certificates::Authority;
use crate::objects::{at, put_backend, snapshot};
use crate::replica::Replica;
use measure::{Meter, memory};

const PODS: usize = 200;
const OBJECTS: usize = 10_000;
/// Backends that each pod says something of.
const FACTS: usize = 10_000;
const CHANGES: u64 = 20;
/// Half of the chart's limit, in MiB: the other half is for the objects themselves and their translation.
const MEMORY: u64 = 512;
/// For anything to happen at all.
const DEADLINE: Duration = Duration::from_secs(300);

/// The process of the pods. When its input ends, it looks at what it has and ends, too.
struct Pods {
    process: Child,
    _tls: TempDir,
}

impl Pods {
    fn start(replica: &Replica, authority: &Authority) -> Self {
        let tls = tempfile::tempdir().unwrap();
        authority.write_pod_files(tls.path());
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "scale::scale", "--ignored", "--nocapture"])
            .env(pods::PLAN, format!("{} localhost {}", replica.address, tls.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, _tls: tls }
    }

    fn order(&mut self, order: &str) {
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{order}").unwrap();
        input.flush().unwrap();
    }

    async fn end(mut self, expected: u64) {
        self.order(&format!("expect {expected}"));
        drop(self.process.stdin.take());
        let status = spawn_blocking(move || self.process.wait().unwrap()).await.unwrap();
        assert!(status.success(), "the pods do not hold what was published: {status}");
    }
}

async fn until_all(publisher: &Publisher, is_so: impl Fn(&PodState) -> bool) {
    let mut known = publisher.pods();
    let wait = async {
        loop {
            {
                let known = known.borrow_and_update();
                if known.len() == PODS && known.values().all(|pod| is_so(pod)) {
                    return;
                }
            }
            known.changed().await.unwrap();
        }
    };
    timeout(DEADLINE, wait).await.unwrap();
}

async fn published(replica: &Replica, snapshot: Snapshot, position: Position) {
    let publisher = Arc::clone(&replica.publisher);
    assert_eq!(spawn_blocking(move || publisher.publish(&snapshot, position)).await.unwrap(), []);
}

/// As a translation that memoises nothing gives it: every object is another allocation.
fn made_anew(snapshot: &Snapshot) -> Snapshot {
    Snapshot {
        backends: snapshot.backends.iter().map(|(name, one)| (name.clone(), Arc::new((**one).clone()))).collect(),
        routes: snapshot.routes.iter().map(|(name, one)| (name.clone(), Arc::new((**one).clone()))).collect(),
        ..snapshot.clone()
    }
}

/// One change after the other, each acknowledged by all before the next.
async fn changes(what: &str, replica: &Replica, now: &mut Snapshot, revisions: std::ops::Range<u64>) {
    let meter = Meter::begin();
    let counters = replica.publisher.counters();
    let (mut publishing, mut acked, sent) = (vec![], vec![], counters.bytes.get());
    let count = u32::try_from(revisions.end - revisions.start).unwrap();
    for revision in revisions {
        put_backend(now, usize::try_from(revision).unwrap(), &format!("token {revision}"));
        let fresh = made_anew(now);
        let began = Instant::now();
        published(replica, fresh, at(revision)).await;
        publishing.push(began.elapsed());
        until_all(&replica.publisher, |pod| pod.position == Some(at(revision))).await;
        acked.push(began.elapsed());
    }
    publishing.sort();
    acked.sort();
    let bytes = (counters.bytes.get() - sent) / u64::from(count) / PODS as u64;
    println!(
        "one change of {OBJECTS} {what}: publish {:?}, acknowledged by all {PODS} in {:?} (median of {count}), {:?} (most), {bytes} bytes a pod",
        publishing[publishing.len() / 2],
        acked[acked.len() / 2],
        acked[acked.len() - 1],
    );
    meter.end(&format!("all {count} changes"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes, and figures need a quiet machine"]
async fn scale() {
    if let Ok(plan) = std::env::var(pods::PLAN) {
        return pods::run(&plan).await;
    }
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let publisher = &replica.publisher;
    let mut now = snapshot(OBJECTS);
    println!("with {OBJECTS} objects of its own, before anything is published: {} MiB", memory());

    let meter = Meter::begin();
    published(&replica, now.clone(), at(1)).await;
    meter.end(&format!("first publish of {OBJECTS} objects"));

    let counters = publisher.counters();
    let meter = Meter::begin();
    let mut pods = Pods::start(&replica, &authority);
    until_all(publisher, |pod| pod.position == Some(at(1))).await;
    meter.end(&format!("{PODS} pods from nothing, {} MiB sent", counters.bytes.get() >> 20));

    changes("before facts", &replica, &mut now, 2..2 + CHANGES).await;

    let meter = Meter::begin();
    pods.order("facts");
    until_all(publisher, |pod| pod.facts.backends.len() == FACTS).await;
    meter.end(&format!("what {PODS} pods found out of {FACTS} backends each, no two in one order"));

    changes("with facts", &replica, &mut now, 100..100 + CHANGES).await;

    let (meter, acks) = (Meter::begin(), counters.acks.get());
    pods.order("again");
    let all_again = async {
        while counters.acks.get() < acks + PODS as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(DEADLINE, all_again).await.unwrap();
    meter.end(&format!("{PODS} pods that come back with everything"));

    pods.order("facts");
    until_all(publisher, |pod| pod.facts.backends.len() == FACTS).await;
    let holder = Replica::start(&authority).await;
    let tls = Arc::new(ArcSwap::from_pointee(authority.client(Some((&authority, "operator")))));
    let (_leads, leader) = watch::channel(Some(holder.address.to_string()));
    let meter = Meter::begin();
    let relay = tokio::spawn(publish::relay(Arc::clone(publisher), leader, tls, pending()));
    until_all(&holder.publisher, |pod| pod.position.is_some()).await;
    println!("a lease holder knows what all {PODS} pods of this replica serve: {:?}", meter.elapsed());
    until_all(&holder.publisher, |pod| pod.facts.backends.len() == FACTS).await;
    let most = meter.end("and what they found out (both replicas in this process)");
    assert_eq!(*holder.publisher.pods().borrow(), *publisher.pods().borrow());
    relay.abort();

    pods.end(pods::print(Object::all(&now).map(|object| object.encode().unwrap().to_wire()))).await;
    assert!(most.max(measure::most()) < MEMORY, "{} MiB at the most", measure::most());
}
