//! The operator is gone: traffic flows, containers of the data plane crash and come back from what they keep, and what was applied meanwhile is in
//! force once it returns.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE, is_pod_ready};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::yaml;

const PATIENCE: Duration = Duration::from_secs(60);
/// A container is restarted at once after its first crash, and probed each second or two until it is ready.
const GAP: Duration = Duration::from_secs(10);

#[test]
fn pods_restart_and_traffic_flows_without_an_operator() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.served("outage", 1)?;
    let address = install.address()?;
    traffic::first_call(address, "/outage", PATIENCE)?;

    install.scale("operator", 0)?;
    // Clients of one address are kept on one pod, so calls fail while that one is away, and no longer.
    let traffic = Traffic::start(address, "/outage", 2);
    for pod in install.pods("dataplane")? {
        crash(&cluster, &pod).with_context(|| install.describe())?;
        traffic.goes_on(10, PATIENCE).with_context(|| install.describe())?;
    }
    let late = yaml::route("outage-late", "/outage/late", &[("outage", "")]);
    namespace.apply(&late)?;
    traffic.goes_on(10, PATIENCE)?;
    let outcome = traffic.stop()?;
    ensure!(outcome.longest_gap < GAP, "no call was answered for {:?}: {outcome:?}", outcome.longest_gap);

    install.scale("operator", 2)?;
    namespace.ready("mcproutes", "outage-late")?;
    traffic::first_call(address, "/outage/late", PATIENCE)
}

/// Kills the container of a pod and waits until its successor is ready.
fn crash(cluster: &Cluster, pod: &serde_json::Value) -> Result<()> {
    let name = object::text(pod, "/metadata/name").context("name of a pod")?;
    let restarts = |pod: &_| object::number(pod, "/status/containerStatuses/0/restartCount");
    cluster.crash(pod)?;
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}");
    cluster.until(&format!("{name} to be ready after a crash"), PATIENCE, &path, |found| {
        let is_new = restarts(found) > restarts(pod);
        (is_new && is_pod_ready(found)).then_some(())
    })
}
