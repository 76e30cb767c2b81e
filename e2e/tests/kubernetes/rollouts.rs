//! Operators and pods of the data plane are replaced, killed and cut off while calls and changes go on, on three nodes: `just kubernetes-full`.

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic::Traffic;
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::{http, wait, yaml};
use serde_json::Value;

use super::nodes::{LEASE, LOST_NODE, PATIENCE, first_node, holder, node_is, served, three_nodes};

/// Routes that are applied while leaders are killed.
const CHANGES: usize = 30;

#[test]
#[ignore = "needs three nodes: just kubernetes-full"]
fn both_parts_roll_under_load() -> Result<()> {
    let cluster = three_nodes()?;
    let install = Install::shared(&cluster)?;
    let _namespace = served(&cluster, "rolling")?;
    let address = install.address()?;
    let traffic = [Traffic::start(address, "/rolling", 2), Traffic::in_sessions(address, "/rolling", 2)];
    for part in ["dataplane", "operator", "dataplane"] {
        install.roll(part)?;
        for traffic in &traffic {
            traffic.goes_on(20, PATIENCE)?;
        }
    }
    for traffic in traffic {
        traffic.stop_without_failure().with_context(|| install.describe())?;
    }
    Ok(())
}

#[test]
#[ignore = "needs three nodes: just kubernetes-full"]
fn leaders_are_killed_while_objects_are_applied() -> Result<()> {
    let cluster = three_nodes()?;
    let install = Install::shared(&cluster)?;
    let namespace = served(&cluster, "killed")?;
    let traffic = Traffic::start(install.address()?, "/killed", 2);
    for number in 0..CHANGES {
        let name = format!("killed-{number}");
        namespace.apply(&yaml::route(&name, &format!("/killed/{number}"), &[("killed", "")]))?;
        match number {
            // Its container comes back, with the same name in the Lease.
            10 => cluster.crash(&leader(&cluster, &install)?)?,
            20 => {
                let pod = leader(&cluster, &install)?;
                let name = object::text(&pod, "/metadata/name").context("name of a pod")?;
                cluster.kubectl(&["-n", NAMESPACE, "delete", "pod", name, "--force", "--grace-period=0"])?;
            }
            _ => {}
        }
    }
    all_served(&cluster, &install, &namespace)?;
    traffic.stop_without_failure().map(drop)
}

/// Every route is Ready, and then every call finds it.
fn all_served(cluster: &Cluster, install: &Install<'_>, namespace: &Namespace<'_>) -> Result<()> {
    for number in 0..CHANGES {
        let (name, path) = (format!("killed-{number}"), format!("/killed/{number}"));
        cluster.until(&format!("{name} to be Ready"), PATIENCE, &namespace.path("mcproutes", &name), |route| {
            object::condition(route, "Ready").filter(|ready| ready.is_true).map(drop)
        })?;
        ensure!(http::get(install.address()?, &path)?.head.status != 404, "{name} is Ready and not served");
    }
    Ok(())
}

#[test]
#[ignore = "needs three nodes: just kubernetes-full"]
fn the_leading_operator_is_cut_off() -> Result<()> {
    let cluster = three_nodes()?;
    let install = Install::shared(&cluster)?;
    let namespace = served(&cluster, "cut")?;
    // The first node is the tests' way to the services: no operator may lead from there.
    let first = first_node(&cluster)?;
    cluster.kubectl(&["cordon", &first])?;
    let moved = install.roll("operator");
    cluster.kubectl(&["uncordon", &first])?;
    moved?;
    let before = leader(&cluster, &install)?;
    let name = object::text(&before, "/metadata/name").context("name of a pod")?;
    let node = object::text(&before, "/spec/nodeName").context("node of a pod")?;
    ensure!(node != first, "the leader is still on {first}");
    let traffic = Traffic::start(install.address()?, "/cut", 4);
    traffic.goes_on(5, PATIENCE)?;
    cluster.node("cut", node)?;
    let outcome = while_cut_off(&cluster, &namespace, &traffic, (name, node));
    cluster.node("join", node)?;
    outcome?;
    node_is(&cluster, node, "True")?;
    let outcome = traffic.stop()?;
    ensure!(outcome.longest_gap < LOST_NODE, "nobody was served for {:?}: {outcome:#?}", outcome.longest_gap);
    wait::until("the install to be whole", PATIENCE, || Ok(install.is_whole()?.then_some(())))
        .with_context(|| install.describe())?;
    // Who led before found out, and what is applied now is seen by who leads now.
    ensure!(lease_holder(&cluster)? != name, "{name} leads again");
    namespace.apply(&yaml::route("cut-after", "/cut/after", &[("cut", "")]))?;
    namespace.ready("mcproutes", "cut-after")
}

fn while_cut_off(
    cluster: &Cluster,
    namespace: &Namespace<'_>,
    traffic: &Traffic,
    (leader, node): (&str, &str),
) -> Result<()> {
    cluster.until("another leader", PATIENCE, LEASE, |lease| holder(lease).filter(|now| now != leader))?;
    // Until then its pods pass for ready, and nothing is Programmed without them.
    node_is(cluster, node, "Unknown")?;
    traffic.goes_on(20, PATIENCE)?;
    namespace.apply(&yaml::route("cut-late", "/cut/late", &[("cut", "")]))?;
    namespace.ready("mcproutes", "cut-late")
}

fn lease_holder(cluster: &Cluster) -> Result<String> {
    cluster.until("a leader", PATIENCE, LEASE, holder)
}

/// The pod of the operator that leads now.
fn leader(cluster: &Cluster, install: &Install<'_>) -> Result<Value> {
    wait::until("a pod that leads", PATIENCE, || {
        let name = lease_holder(cluster)?;
        let pods = install.pods("operator")?;
        Ok(pods.into_iter().find(|pod| object::text(pod, "/metadata/name") == Some(name.as_str())))
    })
}
