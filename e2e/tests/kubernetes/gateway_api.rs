//! The Gateway API is optional: without it, routes of the install's own listener are served as ever, and it may come and go while the operator runs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::yaml;
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(60);
const GROUP: &str = "gateway.networking.k8s.io";
const GATEWAY: &str = "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: later }\nspec:\n  \
                       gatewayClassName: ringway\n  \
                       listeners: [{ name: http, port: 80, protocol: HTTP, hostname: later.example.com }]\n";

#[test]
fn routes_need_no_gateway_api() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.served("plain", 1)?;
    let address = install.address()?;
    traffic::first_call(address, "/plain", PATIENCE)?;
    let before = restarts(&install)?;
    let traffic = Traffic::start(address, "/plain", 1);

    let taken = Taken::away(&cluster, &install)?;
    let outcome = without(&namespace, &install, before);
    // What Helm had made of the API went with it: here it comes back.
    taken.back()?;
    outcome?;
    traffic.goes_on(5, PATIENCE)?;
    traffic.stop_without_failure()?;
    namespace.apply(GATEWAY)?;
    namespace.condition("gateways", "later", "Programmed", (true, "Programmed"))?;
    ensure!(restarts(&install)? == 0, "the operator that started without the API crashed");
    Ok(())
}

/// The operator that was there goes on, and one that starts does.
fn without(namespace: &Namespace<'_>, install: &Install<'_>, before: i64) -> Result<()> {
    namespace.apply(&yaml::route("plain-later", "/plain/later", &[("plain", "")]))?;
    namespace.ready("mcproutes", "plain-later")?;
    ensure!(restarts(install)? == before, "the operator crashed");
    namespace.kubectl(&["rollout", "restart", "deployment/ringway-operator"])?;
    namespace.rolled_out("ringway-operator")?;
    namespace.apply(&yaml::route("plain-last", "/plain/last", &[("plain", "")]))?;
    namespace.ready("mcproutes", "plain-last")
}

fn restarts(install: &Install<'_>) -> Result<i64> {
    let pods = install.pods("operator")?;
    Ok(pods.iter().filter_map(|pod| object::number(pod, "/status/containerStatuses/0/restartCount")).sum())
}

/// The resources of the Gateway API, taken out of the cluster and kept here.
struct Taken<'a> {
    cluster: &'a Cluster,
    install: &'a Install<'a>,
    definitions: Vec<Value>,
}

impl<'a> Taken<'a> {
    fn away(cluster: &'a Cluster, install: &'a Install<'a>) -> Result<Self> {
        let list = cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")?.context("a list of CRDs")?;
        let items = list.get("items").and_then(Value::as_array).context("items")?;
        let of_group = items.iter().filter(|crd| object::text(crd, "/spec/group") == Some(GROUP));
        let definitions: Vec<_> = of_group
            .map(|crd| {
                let metadata = ["name", "labels", "annotations"].map(|field| (field.to_owned(), crd["metadata"][field].clone()));
                let metadata: serde_json::Map<_, _> = metadata.into_iter().filter(|(_, value)| !value.is_null()).collect();
                json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata, "spec": crd["spec"] })
            })
            .collect();
        ensure!(definitions.len() > 3, "only {} CRDs of the Gateway API", definitions.len());
        let taken = Self { cluster, install, definitions };
        let names: Vec<_> = taken.definitions.iter().filter_map(|crd| object::text(crd, "/metadata/name")).collect();
        cluster.kubectl(&[&["delete", "crd", "--timeout=60s"], names.as_slice()].concat())?;
        Ok(taken)
    }

    fn restore(&self) -> Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": self.definitions });
        let apply = ["apply", "--server-side", "--force-conflicts", "-n", NAMESPACE, "-f", "-"];
        self.cluster.run("kubectl", &apply, &list.to_string())?.stdout()?;
        let names = self.definitions.iter().filter_map(|crd| object::text(crd, "/metadata/name"));
        let names: Vec<_> = names.map(|name| format!("crd/{name}")).collect();
        let names = names.iter().map(String::as_str).collect::<Vec<_>>();
        self.cluster
            .kubectl(&[&["wait", "--for=condition=Established", "--timeout=30s"], names.as_slice()].concat())?;
        self.install.helm(&[]).map(drop)
    }

    fn back(mut self) -> Result<()> {
        let outcome = self.restore();
        self.definitions.clear();
        outcome
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if !self.definitions.is_empty() {
            drop(self.restore());
        }
    }
}
