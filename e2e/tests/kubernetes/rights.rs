//! The operator runs with exactly the rights that the chart gives it: over all that the other tests did, the API server refused it nothing. Last of the
//! tests (`.config/nextest.toml`).

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE, RELEASE};
use ringway_e2e::cluster::{Cluster, audit, object};
use serde_json::Value;

#[test]
fn nothing_was_refused() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let operator = format!("system:serviceaccount:{NAMESPACE}:{RELEASE}-operator");
    let (mut asked, mut refused) = (0, BTreeMap::<String, usize>::new());
    let (mut pods, mut leaving) = (BTreeSet::new(), BTreeSet::new());
    for event in audit::events()? {
        // An uninstall takes the rights away before the pods.
        if object::text(&event, "/verb") == Some("delete")
            && object::text(&event, "/objectRef/name").is_some_and(|name| name.starts_with(RELEASE))
        {
            leaving.clone_from(&pods);
        }
        if object::text(&event, "/user/username") != Some(operator.as_str()) {
            continue;
        }
        asked += 1;
        let pod = event.pointer("/user/extra/authentication.kubernetes.io~1pod-name/0").and_then(Value::as_str);
        let pod = pod.context("an operator that is no pod")?.to_owned();
        pods.insert(pod.clone());
        // By rights: a namespace that is being deleted takes no new objects either, and answers alike.
        let is_forbidden = object::text(&event, "/annotations/authorization.k8s.io~1decision") == Some("forbid");
        if is_forbidden && !leaving.contains(&pod) {
            let (verb, uri) = (object::text(&event, "/verb"), object::text(&event, "/requestURI"));
            let request = format!("{} {}", verb.unwrap_or_default(), uri.unwrap_or_default());
            *refused.entry(request).or_default() += 1;
        }
    }
    // Two replicas that only start list and watch a dozen kinds.
    ensure!(asked > 40, "the operator asked only {asked} times: is the audit log right?");
    ensure!(refused.is_empty(), "refused, with how often: {refused:#?}");
    Ok(())
}

#[test]
fn the_data_plane_asks_for_nothing() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    for pod in install.pods("dataplane")? {
        let is_off = pod.pointer("/spec/automountServiceAccountToken") == Some(&Value::Bool(false));
        let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).context("volumes")?;
        ensure!(is_off && !volumes.iter().any(|volume| volume.get("projected").is_some()), "{pod:#}");
    }
    Ok(())
}

#[test]
fn no_right_is_a_wildcard_or_a_list_of_all_secrets() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let account = format!("--as=system:serviceaccount:{NAMESPACE}:{RELEASE}-operator");
    let may = |args: &[&str]| -> Result<bool> {
        let outcome = cluster.run("kubectl", &[&["auth", "can-i", account.as_str()], args].concat(), "")?;
        Ok(outcome.stdout.trim() == "yes")
    };
    ensure!(may(&["list", "mcproutes", "--all-namespaces"])?, "the operator may not even list routes");
    for denied in [
        &["*", "*", "--all-namespaces"][..],
        &["list", "secrets", "--all-namespaces"],
        &["list", "secrets", "--namespace=default"],
        &["get", "secrets", "--namespace=kube-system"],
        &["create", "pods", "--all-namespaces"],
        &["update", "mcproutes", "--all-namespaces"],
        &["patch", "mcpbackends", "--all-namespaces"],
        &["create", "clusterroles"],
    ] {
        ensure!(!may(denied)?, "the operator may {denied:?}");
    }
    Ok(())
}
