//! What happens to whole pods and nodes, on three nodes: `just kubernetes-full`. Ignored in the tier *test*, whose cluster has one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE, is_pod_ready};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::{wait, yaml};
use serde_json::Value;

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/ringway-system/leases/ringway-operator";
/// The control plane gives a node 16 seconds (`local.sh`, `kind.yaml`); a connection that was on its way to it waits longest.
pub(crate) const LOST_NODE: Duration = Duration::from_secs(60);

#[test]
#[ignore = "needs three nodes: just kubernetes-full"]
fn the_leading_operator_crashes() -> Result<()> {
    let cluster = three_nodes()?;
    let install = Install::shared(&cluster)?;
    let namespace = served(&cluster, "leader")?;
    let traffic = Traffic::start(install.address()?, "/leader", 2);
    let before = cluster.until("a leader", PATIENCE, LEASE, holder)?;
    let pods = install.pods("operator")?;
    let leader = pods.iter().find(|pod| object::text(pod, "/metadata/name").is_some_and(|name| before.contains(name)));
    let name =
        leader.and_then(|pod| object::text(pod, "/metadata/name")).with_context(|| format!("no pod of {before}"))?;
    // Without warning: the Lease is not given back.
    cluster.kubectl(&["-n", NAMESPACE, "delete", "pod", name, "--force", "--grace-period=0"])?;
    cluster.until("another leader", PATIENCE, LEASE, |lease| holder(lease).filter(|now| *now != before))?;
    namespace.apply(&yaml::route("leader-late", "/leader/late", &[("leader", "")]))?;
    namespace.ready("mcproutes", "leader-late")?;
    traffic.stop_without_failure().map(drop)
}

#[test]
#[ignore = "needs three nodes: just kubernetes-full"]
fn scaled_up_and_down_under_load() -> Result<()> {
    let cluster = three_nodes()?;
    let install = Install::shared(&cluster)?;
    let _namespace = served(&cluster, "scaled")?;
    install.scale("dataplane", 1)?;
    let traffic = Traffic::start(install.address()?, "/scaled", 4);
    for replicas in [5, 1, 2] {
        install.scale("dataplane", replicas)?;
        traffic.goes_on(20, PATIENCE)?;
    }
    traffic.stop_without_failure().map(drop).with_context(|| install.describe())
}

#[test]
#[ignore = "needs three nodes: just kubernetes-full"]
fn a_node_loses_power() -> Result<()> {
    lost_and_found("power", "node-kill", "node-boot")
}

#[test]
#[ignore = "needs three nodes: just kubernetes-full"]
fn a_cable_is_pulled() -> Result<()> {
    lost_and_found("cable", "cut", "join")
}

/// A node with a pod of the data plane goes away and comes back: traffic goes on by the others, what was applied meanwhile is programmed, and
/// everything is whole again afterwards.
fn lost_and_found(name: &str, lose: &str, find: &str) -> Result<()> {
    let cluster = three_nodes()?;
    let install = Install::shared(&cluster)?;
    let namespace = served(&cluster, name)?;
    let pods = install.pods("dataplane")?;
    let mut nodes = pods.iter().filter_map(|pod| object::text(pod, "/spec/nodeName"));
    // The first node is the tests' way to the services.
    let first = first_node(&cluster)?;
    let lost = nodes.find(|node| *node != first).context("every pod of the data plane is on the first node")?;
    let traffic = Traffic::start(install.address()?, &format!("/{name}"), 4);
    traffic.goes_on(5, PATIENCE)?;
    cluster.node(lose, lost)?;
    let outcome = while_lost(&cluster, &namespace, (name, lost), &traffic);
    cluster.node(find, lost)?;
    outcome?;
    node_is(&cluster, lost, "True")?;
    let outcome = traffic.stop()?;
    ensure!(outcome.longest_gap < LOST_NODE, "nobody was served for {:?}: {outcome:#?}", outcome.longest_gap);
    wait::until("the install to be whole", PATIENCE, || Ok(install.is_whole()?.then_some(())))
        .with_context(|| install.describe())?;
    // Every pod has what was applied while one was away.
    for pod in install.pods("dataplane")?.iter().filter(|pod| is_pod_ready(pod)) {
        let pod = object::text(pod, "/metadata/name").context("name of a pod")?;
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8080/proxy/{name}/late");
        wait::until(&format!("{pod} to serve what is new"), PATIENCE, || {
            Ok((cluster.status(&path)? != 404).then_some(()))
        })?;
    }
    Ok(())
}

fn while_lost(
    cluster: &Cluster,
    namespace: &Namespace<'_>,
    (name, lost): (&str, &str),
    traffic: &Traffic,
) -> Result<()> {
    node_is(cluster, lost, "Unknown")?;
    traffic.goes_on(20, PATIENCE)?;
    namespace.apply(&yaml::route(&format!("{name}-late"), &format!("/{name}/late"), &[(name, "")]))?;
    namespace.ready("mcproutes", &format!("{name}-late"))
}

/// Who leads, as the Lease says.
pub(crate) fn holder(lease: &Value) -> Option<String> {
    object::text(lease, "/spec/holderIdentity").map(str::to_owned).filter(|name| !name.is_empty())
}

/// A route `/NAME` with servers on it, called once.
pub(crate) fn served<'a>(cluster: &'a Cluster, name: &str) -> Result<Namespace<'a>> {
    let install = Install::shared(cluster)?;
    let namespace = Namespace::of_the_release(cluster);
    namespace.served(name, 3)?;
    traffic::first_call(install.address()?, &format!("/{name}"), PATIENCE)?;
    Ok(namespace)
}

pub(crate) fn three_nodes() -> Result<Cluster> {
    let cluster = Cluster::running()?;
    let nodes = cluster.get("/api/v1/nodes")?.context("a list of nodes")?;
    let count = nodes.get("items").and_then(Value::as_array).map_or(0, Vec::len);
    ensure!(count >= 3, "{count} nodes: this needs three, `just kubernetes-full`");
    Ok(cluster)
}

pub(crate) fn first_node(cluster: &Cluster) -> Result<String> {
    let nodes = cluster.get("/api/v1/nodes")?.context("a list of nodes")?;
    object::text(&nodes, "/items/0/metadata/name").map(str::to_owned).context("a node")
}

pub(crate) fn node_is(cluster: &Cluster, node: &str, status: &str) -> Result<()> {
    cluster.until(&format!("{node} to be Ready: {status}"), PATIENCE, &format!("/api/v1/nodes/{node}"), |found| {
        (object::says(found, "Ready") == Some(status)).then_some(())
    })
}
