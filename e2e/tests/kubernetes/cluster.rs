//! What the other tests rest on: nodes are ready and new, pods of our images run under the strictest security, names are resolved from inside them,
//! and what should not be found is not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::VERSION;
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::{http, wait};
use serde_json::Value;

#[test]
fn nodes_are_ready() -> Result<()> {
    let cluster = Cluster::running()?;
    let nodes = cluster.get("/api/v1/nodes")?.context("a list of nodes")?;
    let nodes = nodes.get("items").and_then(Value::as_array).context("items")?;
    ensure!(!nodes.is_empty(), "no node");
    for node in nodes {
        let version = object::text(node, "/status/nodeInfo/kubeletVersion").unwrap_or_default();
        ensure!(version.starts_with("v1."), "a kubelet of version {version}");
        ensure!(object::says(node, "Ready") == Some("True"), "{node:#}");
    }
    Ok(())
}

#[test]
fn pods_serve_and_find_each_other_by_name() -> Result<()> {
    let cluster = Cluster::running()?;
    let namespace = Namespace::create(&cluster, "e2e-cluster")?;
    namespace.servers("servers", 2)?;
    let address = cluster.address(&namespace.name, "servers", 8080)?;
    // kube-proxy follows the endpoints a moment later.
    wait::until("the servers behind their Service", Duration::from_secs(20), || {
        Ok(http::get(address, "/healthz").ok().filter(|reply| reply.head.status == 200))
    })?;
    let tools = |host: &str| {
        namespace.kubectl(&["exec", "deploy/servers", "--", "/ringway", "tools", &format!("http://{host}:8080/mcp")])
    };
    for host in ["servers", "servers.e2e-cluster.svc.cluster.local"] {
        let mut last = None;
        let listed = wait::until("the tools of the servers", Duration::from_secs(20), || {
            let answer = tools(host);
            last = answer.as_ref().err().map(|error| format!("{error:#}"));
            Ok(answer.ok())
        });
        let listed = listed.with_context(|| last.unwrap_or_default())?;
        ensure!(listed.contains("countdown"), "{host}: {listed}");
    }
    let refusal = tools("nobody").err().context("a Service that is not there has tools")?;
    ensure!(format!("{refusal:#}").contains("lookup"), "{refusal:#}");
    Ok(())
}

#[test]
fn pod_security_is_enforced() -> Result<()> {
    let cluster = Cluster::running()?;
    let namespace = Namespace::create(&cluster, "e2e-cluster-security")?;
    let image = format!("--image=ringway/cli:{VERSION}");
    let args = ["-n", &namespace.name, "run", "bad", &image, "--privileged"];
    let refusal = cluster.run("kubectl", &args, "")?.refusal()?;
    ensure!(refusal.contains("violates PodSecurity"), "{refusal}");
    Ok(())
}
