//! Flux installs Ringway and keeps a team's resources: its real kustomize-controller, our samples for it, and what its `wait: true` makes of our
//! statuses. In the tier *full*: the controller takes five minutes to build.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use ringway_e2e::cluster::Cluster;
use ringway_e2e::cluster::flux::{self, Applied, Flux};
use ringway_e2e::cluster::install::{self, CRDS, Install, NAMESPACE, RELEASE};
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::{http, places, wait, yaml};

const PATIENCE: Duration = Duration::from_secs(120);
/// Of a healthy gateway, once Flux says that all is Ready.
const FIRST_CALL: Duration = Duration::from_secs(10);
/// In the repository.
const TEAM: &str = "team/all.yaml";

#[test]
#[ignore = "needs Flux's controller: just kubernetes-full"]
fn everything_is_applied_and_waited_for() -> Result<()> {
    let cluster = Cluster::running()?;
    // The release of the other tests is in the way: Flux is to make all of it from nothing.
    let _install = Install::shared(&cluster)?;
    for release in [RELEASE, CRDS] {
        cluster.run("helm", &["uninstall", release, "--namespace", NAMESPACE, "--wait"], "")?.stdout()?;
    }
    let crds = places::repository().join("charts/ringway-crds/files");
    cluster.kubectl(&["delete", "--ignore-not-found", "-k", &crds.to_string_lossy()])?;
    let mut flux = Flux::start(&cluster)?;
    let outcome = by_flux(&cluster, &mut flux);
    let is_gone = taken_away(&cluster, &flux);
    outcome.and(is_gone)?;
    Install::shared(&cluster).map(drop)
}

fn by_flux(cluster: &Cluster, flux: &mut Flux<'_>) -> Result<()> {
    cluster.kubectl(&["create", "namespace", flux::NAMESPACE])?;
    flux.write(TEAM, &team("", "team"))?;
    // The sample, but for what only a helm-controller does.
    let sample = install::read("deploy/flux/kustomizations.yaml")?;
    let ours = sample.replace("./deploy/flux/install", "./deploy/kustomize/base");
    ensure!(ours != sample, "the sample has no path ./deploy/flux/install");
    cluster.apply(flux::NAMESPACE, &ours)?;
    let first = flux.commit("platform")?;
    for name in ["ringway", "quickstart"] {
        ensure!(flux.applied(name, &first, PATIENCE)? == Applied::Ready, "{name} is not Ready");
    }
    let install = Install::shared(cluster)?;
    traffic::first_call(install.address()?, "/mcp", FIRST_CALL)?;
    nobody_looked(cluster, &install, flux, &first)?;
    let traffic = Traffic::start(install.address()?, "/mcp", 1);
    broken_and_mended(cluster, &install, flux)?;
    traffic.stop_without_failure().map(drop)
}

/// Resources that no operator has looked at: their Kustomization waits, and is Ready once they are.
fn nobody_looked(cluster: &Cluster, install: &Install<'_>, flux: &mut Flux<'_>, revision: &str) -> Result<()> {
    install.scale("operator", 0)?;
    cluster.apply(
        flux::NAMESPACE,
        "apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: { name: team }
spec:
  interval: 10m
  retryInterval: 2s
  timeout: 15s
  sourceRef: { kind: GitRepository, name: platform }
  path: ./team
  prune: true
  wait: true
",
    )?;
    let waited = failure(flux, revision)?;
    for kind in ["MCPBackend", "MCPRoute"] {
        ensure!(waited.contains(&format!("{kind}/{NAMESPACE}/team status: 'InProgress'")), "{waited}");
    }
    install.scale("operator", 2)?;
    flux.becomes_ready("team", revision, PATIENCE)?;
    traffic::first_call(install.address()?, "/team", FIRST_CALL)
}

/// What nothing but an edit mends fails at once; what waits for another object does not; both recover. Nobody else's Kustomization notices.
fn broken_and_mended(cluster: &Cluster, install: &Install<'_>, flux: &mut Flux<'_>) -> Result<()> {
    flux.write(TEAM, &team("  transport: SSE\n", "team"))?;
    let broken = flux.commit("platform")?;
    let said = failure(flux, &broken)?;
    ensure!(
        said.contains("early") && said.contains(&format!("MCPBackend/{NAMESPACE}/team status: 'Failed'")),
        "{said}"
    );
    for name in ["ringway", "quickstart"] {
        flux.becomes_ready(name, &broken, PATIENCE)?;
    }

    flux.write(TEAM, &team("", "nobody-yet"))?;
    let waiting = flux.commit("platform")?;
    let said = failure(flux, &waiting)?;
    ensure!(said.contains(&format!("MCPRoute/{NAMESPACE}/team status: 'InProgress'")), "{said}");
    ensure!(!said.contains("Failed'") && !said.contains("early"), "{said}");
    // Somebody else brings it.
    cluster.apply(NAMESPACE, &yaml::service("nobody-yet", "hello", ""))?;
    flux.becomes_ready("team", &waiting, PATIENCE)?;
    traffic::first_call(install.address()?, "/team", FIRST_CALL)?;

    flux.write(TEAM, &team("", "team"))?;
    let mended = flux.commit("platform")?;
    ensure!(flux.applied("team", &mended, PATIENCE)? == Applied::Ready, "team is not Ready after its repair");
    traffic::first_call(install.address()?, "/team", FIRST_CALL)?;

    // What leaves the repository leaves the gateway.
    flux.write(TEAM, &backend(""))?;
    let pruned = flux.commit("platform")?;
    flux.becomes_ready("team", &pruned, PATIENCE)?;
    let route = format!("/apis/ringway.dev/v1alpha1/namespaces/{NAMESPACE}/mcproutes/team");
    cluster.until_gone(&route, PATIENCE)?;
    wait::until("the route to be gone from the gateway", FIRST_CALL, || {
        Ok((http::get(install.address()?, "/team")?.head.status == 404).then_some(()))
    })
}

/// Flux takes away what it made, but the CRDs: with them would go what teams made. They go by hand, so that the next test finds a cluster without Ringway.
fn taken_away(cluster: &Cluster, flux: &Flux<'_>) -> Result<()> {
    for name in ["team", "quickstart", "ringway"] {
        flux.delete(name)?;
    }
    cluster.until_gone(&format!("/api/v1/namespaces/{NAMESPACE}"), PATIENCE)?;
    let crd = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mcpbackends.ringway.dev";
    ensure!(
        cluster.get(crd)?.is_some_and(|crd| crd.pointer("/metadata/deletionTimestamp").is_none()),
        "the CRDs are gone"
    );
    let crds = places::repository().join("charts/ringway-crds/files");
    cluster.kubectl(&["delete", "-k", &crds.to_string_lossy()])?;
    cluster.kubectl(&["delete", "namespace", flux::NAMESPACE]).map(drop)
}

/// How the team's Kustomization failed.
fn failure(flux: &mut Flux<'_>, revision: &str) -> Result<String> {
    match flux.applied("team", revision, PATIENCE)? {
        Applied::Failed(said) => Ok(said),
        Applied::Ready => bail!("team is Ready at {revision}"),
    }
}

fn team(more: &str, named: &str) -> String {
    yaml::documents(&[backend(more), placed(&yaml::route("team", "/team", &[(named, "")]))])
}

fn backend(more: &str) -> String {
    placed(&yaml::service("team", "hello", more))
}

/// In the release's namespace: Flux applies to where an object says.
fn placed(yaml: &str) -> String {
    yaml.replace("metadata: { name: team }", &format!("metadata: {{ name: team, namespace: {NAMESPACE} }}"))
}
