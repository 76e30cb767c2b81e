//! The same YAML on a laptop and in a cluster, running: for every example, what the pods of the data plane say that they serve is what `ringway run` says
//! of itself, but for what a cluster must do otherwise. Reading alone is `same_yaml`'s.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, object, run};
use ringway_e2e::port::Port;
use ringway_e2e::process::Daemon;
use ringway_e2e::{http, places, wait};
use serde_json::Value;

use super::same_yaml;

/// How long an example may take until every pod serves it.
const SETTLED: Duration = Duration::from_secs(30);
const START: Duration = Duration::from_secs(20);
/// The namespaces of the examples. By default neither their routes nor their Secrets are the install's, nor a laptop's own servers.
const SPACES: [&str; 2] = ["tools", "shop"];
const VALUES: [&str; 3] = [
    "--set-json=routeNamespaces=[\"ringway-system\",\"tools\"]",
    "--set-json=secretNamespaces=[\"ringway-system\",\"tools\",\"shop\"]",
    "--set-json=allowedHosts=[\"127.0.0.1\"]",
];
/// The differences that must be: of which member's objects, where, and why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("routes", "/listeners", "a process has one listener, a cluster those of Gateways and the install's own"),
    (
        "backends",
        "/target/Http/dial",
        "a cluster's tenants may not reach into private networks, but for `allowedHosts`",
    ),
];

#[test]
fn examples_run_alike() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let spaces = SPACES.map(|name| Namespace::create(&cluster, name));
    let spaces = spaces.into_iter().collect::<Result<Vec<_>>>()?;
    install.helm(&VALUES)?;
    let outcome = all(&cluster);
    drop(spaces);
    install.helm(&[])?;
    outcome
}

fn all(cluster: &Cluster) -> Result<()> {
    let folder = places::repository().join("docs/examples");
    let mut compared = 0;
    for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        compared += compare(cluster, &path).with_context(|| format!("{}", path.display()))?;
    }
    ensure!(compared >= 8, "only {compared} routes and backends were compared");
    Ok(())
}

/// One example, on both; how many routes and backends they serve.
fn compare(cluster: &Cluster, example: &Path) -> Result<usize> {
    let text = fs::read_to_string(example)?;
    let documents = same_yaml::as_kubectl_reads(&text)?;
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for document in &documents {
        let outcome = cluster.run("kubectl", &["apply", "-f", "-"], &document.to_string())?;
        if outcome.is_success() {
            taken.push(document.to_string());
        } else {
            ensure!(same_yaml::is_standalone_only(&outcome.stderr), "refused: {}", outcome.stderr);
            refused.push(object::text(document, "/kind").unwrap_or_default());
        }
    }
    // JSON is YAML.
    let stream = taken.join("\n---\n");
    // An example of a server that a cluster cannot have says nothing without it; what stands beside others can be left out.
    let compared = match refused.as_slice() {
        [] => alike(&text),
        refused if refused.contains(&"MCPBackend") => Ok(0),
        _ => alike(&stream),
    };
    cluster.run("kubectl", &["delete", "--ignore-not-found", "-f", "-"], &stream)?.stdout()?;
    compared
}

fn alike(text: &str) -> Result<usize> {
    let alone = ours(&standalone(text)?);
    let mut last = Value::Null;
    wait::until("pods that serve what `ringway run` serves", SETTLED, || {
        let ended = run(Command::new(places::ringway()?).args(["config", "dump"]), "")?;
        // Pods differ for a moment.
        let Ok(config) = serde_json::from_str(&ended.stdout) else { return Ok(None) };
        last = ours(&config);
        Ok((last == alone).then_some(()))
    })
    .with_context(|| format!("alone: {alone:#}\nin the cluster: {last:#}"))?;
    let count = |member: &str| alone.get(member).and_then(Value::as_object).map_or(0, serde_json::Map::len);
    ensure!(count("routes") > 0 && count("backends") > 0, "nothing is served: {alone:#}");
    Ok(count("routes") + count("backends"))
}

/// What the binary serves of a text, as it says itself.
fn standalone(text: &str) -> Result<Value> {
    let folder = tempfile::tempdir().context("a folder")?;
    let file = folder.path().join("example.yaml");
    fs::write(&file, text)?;
    let (listen, debug) = (Port::claim()?, Port::claim()?);
    let mut command = Command::new(places::ringway()?);
    command.arg("run").arg("-f").arg(&file).args(["--admin", "off", "--workers", "1"]);
    command.arg("--listen").arg(listen.address().to_string()).arg("--debug").arg(debug.address().to_string());
    command.envs([("GITHUB_TOKEN", "a-token"), ("ORDERS_KEY", "a-key")]);
    let mut daemon = Daemon::start("ringway", &mut command, folder.path())?;
    daemon.listens(debug.address(), START).with_context(|| daemon.log())?;
    let reply = http::get(debug.address(), "/config")?;
    ensure!(!reply.text().contains("a-token") && !reply.text().contains("a-key"), "a secret is shown");
    serde_json::from_slice(&reply.body).context("JSON")
}

/// Routes and backends of the examples, with nothing where they must differ. Secrets are stars on both.
fn ours(config: &Value) -> Value {
    let mut ours = serde_json::json!({});
    for member in ["routes", "backends"] {
        let mut objects = config.get(member).and_then(Value::as_object).cloned().unwrap_or_default();
        objects.retain(|name, _| SPACES.iter().any(|space| name.starts_with(&format!("{space}/"))));
        for (_, field, _) in DIFFERENCES.iter().filter(|(of, _, _)| *of == member) {
            let fields = objects.values_mut().filter_map(|object| object.pointer_mut(field));
            fields.for_each(|field| *field = Value::Null);
        }
        ours[member] = objects.into();
    }
    ours
}
