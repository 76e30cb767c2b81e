//! The order of the benchmark, its clock and its table.

use std::io::{Write as _, stdout};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ringway_dataplane::config::Following;
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::http::Connection;
use ringway_e2e::process::cpu_ns;
use ringway_e2e::{http, places, wait};

use crate::Options;
use crate::api::{Writer, apply_all};
use crate::fake;
use crate::processes::{self, Served};
use crate::table::{self, Row, Spent};
use crate::world::{self, NAMESPACE};

/// A change that takes longer voids the run.
const GIVEN_UP: Duration = Duration::from_secs(60);
/// How long a size may take to be live in every pod.
const GROWTH: Duration = Duration::from_secs(1_200);
/// What is looked at while nobody changes anything.
const QUIET: Duration = Duration::from_secs(10);
/// What the chart allows the operator (`operator.resources`).
const MOST_OPERATOR_KIB: u64 = 1 << 20;
/// Objects in one look at all of them.
const PAGE: usize = 500;
/// The address of the control plane on the network of the nodes, which an EndpointSlice may name.
const HOST: &str = "10.89.0.1";

/// Everything that runs.
struct Stage {
    cluster: Cluster,
    operator: Served,
    pods: Vec<Served>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = tempfile::tempdir().context("a folder for logs")?;
    let cluster = Cluster::running()?;
    prepare(&cluster)?;
    let (_server, port) = processes::server(folder.path())?;
    apply_all(cluster.api(), &world::server(HOST, port.number()))?;
    let operator = processes::operator(folder.path())?;
    let mut pods = Vec::new();
    let mut writer = Writer::new(cluster.api())?;
    for number in 0..options.pods {
        let name = format!("pod-{number}");
        put_pod(&mut writer, &name)?;
        pods.push(processes::pod(&cluster, &operator, &name, folder.path())?);
    }
    let _fakes = fake_pods(options, (&cluster, &mut writer), &operator, folder.path())?;
    let mut stage = Stage { cluster, operator, pods };
    let mut out = stdout().lock();
    writeln!(out, "{}", table::HEAD)?;
    let mut present = 0;
    for &size in &options.routes {
        let row = stage.size(options, present, size).with_context(|| stage.operator.daemon.log())?;
        writeln!(out, "{}", row.render())?;
        present = size;
    }
    if options.smoke {
        writeln!(out, "smoke: every change was seen live and Programmed, no figure judged")?;
    }
    Ok(())
}

fn put_pod(writer: &mut Writer, name: &str) -> Result<()> {
    let pod = world::pod(name);
    writer.apply(&pod)?;
    writer.merge(&format!("{}/status", pod.path), &world::ready()).map(drop)
}

/// Pods that follow in this process.
fn fake_pods(
    options: &Options,
    (cluster, writer): (&Cluster, &mut Writer),
    operator: &Served,
    folder: &Path,
) -> Result<Vec<Following>> {
    let credentials = processes::credentials(cluster, &folder.join("fake"))?;
    let start = |number: usize| {
        let name = format!("fake-{number}");
        put_pod(writer, &name)?;
        fake::follow(&name, &operator.port.address().to_string(), &credentials)
    };
    (0..options.fake_pods).map(start).collect()
}

fn prepare(cluster: &Cluster) -> Result<()> {
    let manifests = places::repository().join("crds/manifests");
    cluster.kubectl(&["apply", "-f", &manifests.to_string_lossy()])?;
    cluster.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])?;
    cluster.kubectl(&["create", "namespace", NAMESPACE])?;
    let account = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default");
    cluster.until("the default ServiceAccount", GIVEN_UP, &account, |_| Some(()))
}

// === impl Stage ===

impl Stage {
    /// Grows to `size` routes, then changes single ones.
    fn size(&mut self, options: &Options, present: usize, size: usize) -> Result<Row> {
        let begun = Instant::now();
        apply_all(self.cluster.api(), &world::routes(present, size))?;
        for number in [present, size - 1] {
            self.live(&format!("/r/{number}"), begun + GROWTH)?;
        }
        self.programmed(size - 1, None, GROWTH)?;
        let grown = begun.elapsed();
        self.settle()?;
        self.all_ready(size)?;
        let quiet_time = if options.smoke { Duration::from_secs(1) } else { QUIET };
        let before = self.spent()?;
        thread::sleep(quiet_time);
        let mut row = Row {
            size,
            fake_pods: options.fake_pods,
            grown,
            quiet_time,
            quiet: self.spent()?.since(before),
            ..Row::default()
        };
        self.changes(options.changes, &mut row)?;
        self.settle()?;
        self.all_ready(size)?;
        row.operator_kib = self.operator.daemon.resident_kib()?;
        ensure!(
            row.operator_kib < MOST_OPERATOR_KIB,
            "the operator has {} KiB: its chart allows less",
            row.operator_kib
        );
        for pod in &self.pods {
            row.pod_kib.push(pod.daemon.resident_kib()?);
        }
        Ok(row)
    }

    /// Changes one route after the other; every tenth is also followed until it is Programmed.
    fn changes(&mut self, count: usize, row: &mut Row) -> Result<()> {
        let mut writer = Writer::new(self.cluster.api())?;
        let before = self.spent()?;
        for change in 0..count {
            let number = change * 7_919 % row.size;
            let path = format!("/c/{}/{change}", row.size);
            let begun = Instant::now();
            let stored = writer.apply(&world::route(number, &path))?;
            self.live(&path, begun + GIVEN_UP)?;
            row.live_ms.push(begun.elapsed().as_secs_f64() * 1e3);
            if change % 10 == 0 {
                let generation = stored.pointer("/metadata/generation").and_then(serde_json::Value::as_i64);
                self.programmed(number, generation, GIVEN_UP)?;
                row.programmed_ms.push(begun.elapsed().as_secs_f64() * 1e3);
            }
        }
        row.busy = self.spent()?.since(before);
        Ok(())
    }

    /// Asks every pod until it serves `path`.
    fn live(&mut self, path: &str, deadline: Instant) -> Result<()> {
        let addresses: Vec<SocketAddr> = self.pods.iter().map(|pod| pod.port.address()).collect();
        thread::scope(|scope| {
            let asks: Vec<_> =
                addresses.iter().map(|address| scope.spawn(|| serves(*address, path, deadline))).collect();
            asks.into_iter().try_for_each(|ask| ask.join().map_err(|_| anyhow::anyhow!("a look panicked"))?)
        })
    }

    /// Waits until a route's status says Programmed for `generation`, or for the present one.
    fn programmed(&self, number: usize, generation: Option<i64>, within: Duration) -> Result<()> {
        let path = format!("/apis/ringway.dev/v1alpha1/namespaces/{NAMESPACE}/mcproutes/r-{number}");
        self.cluster.until(&format!("r-{number} to be Programmed"), within, &path, |object| {
            let wanted = generation.or_else(|| object.pointer("/metadata/generation")?.as_i64())?;
            let programmed = object::parent_condition(object, "Programmed")?;
            (programmed.is_true && programmed.observed_generation >= Some(wanted)).then_some(())
        })
    }

    /// Waits until every object is Ready as it is now: a route is only once every pod has it.
    fn all_ready(&self, routes: usize) -> Result<()> {
        for plural in ["mcproutes", "mcpbackends"] {
            let mut late = String::new();
            let there = wait::until(&format!("all {plural} to be Ready"), GROWTH, || {
                let (count, found) = self.late(plural)?;
                ensure!(plural != "mcproutes" || count == routes, "{count} routes of {routes}");
                late = found;
                Ok(late.is_empty().then_some(()))
            });
            there.context(late)?;
        }
        Ok(())
    }

    /// How many objects of a kind there are, and the first that is not Ready.
    fn late(&self, plural: &str) -> Result<(usize, String)> {
        let (mut count, mut late, mut token) = (0, String::new(), String::new());
        loop {
            let base = format!("/apis/ringway.dev/v1alpha1/namespaces/{NAMESPACE}/{plural}?limit={PAGE}");
            let list = self.cluster.get(&format!("{base}&continue={token}"))?.context("a list of objects")?;
            for item in list.get("items").and_then(serde_json::Value::as_array).into_iter().flatten() {
                count += 1;
                let is_ready = object::condition(item, "Ready").is_some_and(|ready| ready.is_true);
                if late.is_empty() && !is_ready {
                    late = object::shown(item);
                }
            }
            match object::text(&list, "/metadata/continue") {
                Some(next) if !next.is_empty() => next.clone_into(&mut token),
                _ => return Ok((count, late)),
            }
        }
    }

    /// Waits until the statuses are written: their cost belongs to the growth.
    fn settle(&self) -> Result<()> {
        wait::until("the operator to have written every status", GROWTH, || {
            let metrics = http::get(self.operator.admin.address(), "/metrics")?.text();
            let backlog = sample(&metrics, "ringway_operator_status_backlog").context("the backlog of statuses")?;
            Ok((backlog == 0.0).then_some(()))
        })
    }

    fn spent(&self) -> Result<Spent> {
        let metrics = http::get(self.operator.admin.address(), "/metrics")?.text();
        let bytes =
            sample(&metrics, "ringway_operator_config_stream_sent_bytes_total").context("bytes on the stream")?;
        let pods_ns = self.pods.iter().map(|pod| cpu_ns(pod.daemon.pid())).sum::<Result<u64>>()?;
        Ok(Spent { operator_ns: cpu_ns(self.operator.daemon.pid())?, pods_ns, bytes: bytes as u64 })
    }
}

/// Asks one pod until it serves `path`: it answers 404 before.
fn serves(address: SocketAddr, path: &str, deadline: Instant) -> Result<()> {
    let mut connection = Connection::open(address)?;
    loop {
        if connection.is_spent() {
            connection = Connection::open(address)?;
        }
        let reply = connection.exchange("GET", path, &[("Accept", "text/event-stream")], b"")?;
        if reply.head.status != 404 {
            ensure!(reply.head.status < 500, "{path}: {} {}", reply.head.status, reply.text());
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("{path} did not come to {address} in time");
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn sample(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.split([' ', '{']).next() == Some(name))?;
    line.rsplit(' ').next()?.parse().ok()
}
