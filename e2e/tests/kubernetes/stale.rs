//! A replica of the operator that the API server does not hear any more: it says so and offers nothing, the others go on, and it comes back by itself.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE, is_pod_ready};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, object, traffic};
use ringway_e2e::{http, wait, yaml};

/// What the operator allows itself, and two probes.
const NOTICED: Duration = Duration::from_secs(45);
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_replica_that_is_cut_off_offers_nothing_until_it_has_caught_up() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.served("stale", 1)?;
    let pods = install.pods("operator")?;
    ensure!(pods.len() > 1, "one replica would leave nobody to follow");
    let pod = pods.first().context("a replica")?;
    let name = object::text(pod, "/metadata/name").context("name of a pod")?.to_owned();
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}");
    let ask = |what: &str| http::get(cluster.api(), &format!("{path}:18080/proxy/{what}"));
    let is_stale = |wanted: u8| -> Result<Option<()>> {
        Ok(ask("metrics")?.text().lines().any(|line| line == format!("ringway_operator_stale {wanted}")).then_some(()))
    };
    wait::until("the replica to say that it is fresh", PATIENCE, || is_stale(0))?;

    let silence = cluster.silence(pod)?;
    wait::until("the replica to say that it is stale", NOTICED, || is_stale(1)).with_context(|| install.describe())?;
    ensure!(ask("readyz")?.text().contains("the API server does not answer"), "{}", ask("readyz")?.text());
    cluster.until("the replica to be unready", PATIENCE, &path, |found| (!is_pod_ready(found)).then_some(()))?;
    // No pod is left to follow it.
    wait::until("its streams to end", PATIENCE, || {
        Ok(ask("metrics")?.text().lines().any(|line| line == "ringway_operator_config_stream_pods 0").then_some(()))
    })?;
    // Whoever holds the lease by now, the fleet follows.
    namespace.apply(&yaml::route("stale-late", "/stale/late", &[("stale", "")]))?;
    namespace.ready("mcproutes", "stale-late")?;
    traffic::first_call(install.address()?, "/stale/late", PATIENCE)?;

    drop(silence);
    wait::until("the replica to have caught up", PATIENCE, || is_stale(0)).with_context(|| install.describe())?;
    cluster.until("the replica to be ready again", PATIENCE, &path, |found| is_pod_ready(found).then_some(()))
}
