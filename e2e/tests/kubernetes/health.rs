//! What tools that wait for objects make of ours, in every state: kstatus as Helm and Flux use it, and the health scripts for Argo CD, whose own test
//! data is `charts/test.sh`'s matter.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, object, run};
use ringway_e2e::{places, yaml};
use serde_json::Value;

const PLURALS: &[&str] = &["mcpbackends", "mcproutes", "toolpolicies", "restbridges"];

#[test]
fn objects_in_every_state() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("health", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("health", "health", ""),
        yaml::route("health", "/health", &[("health", "")]),
    ]))?;
    for plural in ["mcpbackends", "mcproutes"] {
        namespace.ready(plural, "health")?;
        judged(&namespace.object(plural, "health")?, "Current", "Healthy")?;
    }
    // Nothing but an edit of the object will help.
    namespace.apply(&yaml::service("health-later", "health", "  transport: SSE\n"))?;
    namespace.condition("mcpbackends", "health-later", "Accepted", (false, "UnsupportedValue"))?;
    judged(&namespace.object("mcpbackends", "health-later")?, "Failed", "Degraded")?;
    // It waits for another object, which may come; Argo CD shows what is missing at once.
    namespace.apply(&yaml::route("health-waits", "/health/waits", &[("nobody-yet", "")]))?;
    namespace.condition("mcproutes", "health-waits", "ResolvedRefs", (false, "BackendNotFound"))?;
    judged(&namespace.object("mcproutes", "health-waits")?, "InProgress", "Degraded")?;
    namespace.apply(&yaml::service("nobody-yet", "health", ""))?;
    namespace.ready("mcproutes", "health-waits")?;
    judged(&namespace.object("mcproutes", "health-waits")?, "Current", "Healthy")
}

#[test]
fn objects_that_nobody_looked_at_yet() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("born", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("born-before", "born", ""),
        yaml::route("born-before", "/born/before", &[("born-before", "")]),
    ]))?;
    namespace.ready("mcproutes", "born-before")?;

    install.scale("operator", 0)?;
    let looked_at = unseen(&namespace);
    install.scale("operator", 2)?;
    looked_at?;
    namespace.ready("mcproutes", "born-before")?;
    namespace.ready("mcproutes", "born")
}

/// Objects that are new, and one that was edited, while there is no operator: neither passes for finished.
fn unseen(namespace: &Namespace<'_>) -> Result<()> {
    namespace.apply(&yaml::documents(&[
        yaml::service("born", "born", ""),
        yaml::route("born", "/born", &[("born", "")]),
        "apiVersion: ringway.dev/v1alpha1\nkind: ToolPolicy\nmetadata: { name: born }\nspec:\n  \
         targetRefs: [{ kind: MCPRoute, name: nobody }]\n  rules: [{ name: all, action: Allow }]\n"
            .to_owned(),
        "apiVersion: ringway.dev/v1alpha1\nkind: RESTBridge\nmetadata: { name: born }\nspec:\n  \
         service: { name: born, port: 8080 }\n  tools:\n  - { name: t, description: d, inputSchema: { type: object }, request: { method: GET, path: /t } }\n"
            .to_owned(),
    ]))?;
    for plural in PLURALS {
        judged(&namespace.object(plural, "born")?, "InProgress", "Progressing")?;
    }
    namespace.apply(&yaml::route("born-before", "/born/after", &[("born-before", "")]))?;
    judged(&namespace.object("mcproutes", "born-before")?, "InProgress", "Progressing")
}

/// What kstatus and the script of the kind say.
fn judged(object: &Value, kstatus: &str, argo: &str) -> Result<()> {
    let kind = object::text(object, "/kind").context("kind")?;
    let script =
        places::repository().join(format!("deploy/argocd/resource_customizations/ringway.dev/{kind}/health.lua"));
    let judge = |args: &[&str]| run(Command::new("judge").args(args), &object.to_string())?.stdout();
    let said = judge(&["kstatus"])?;
    ensure!(said.starts_with(&format!("{kstatus}\t")), "kstatus: {said} instead of {kstatus} of {object:#}");
    let said = judge(&["argo", &script.to_string_lossy()])?;
    ensure!(said.starts_with(&format!("{argo}\t")), "Argo CD: {said} instead of {argo} of {object:#}");
    Ok(())
}
