//! What tools that wait for objects make of ours, in every state: kstatus as Helm and Flux use it, and the health scripts for Argo CD.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, object, run};
use ringway_e2e::{places, yaml};
use serde_json::Value;

const KINDS: &[(&str, &str)] = &[
    ("mcpbackends", "MCPBackend"),
    ("mcproutes", "MCPRoute"),
    ("toolpolicies", "ToolPolicy"),
    ("restbridges", "RESTBridge"),
];

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
    for (plural, _) in KINDS {
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

/// The test data that the scripts bring along, as Argo CD's own tests read them.
#[test]
fn the_scripts_agree_with_their_test_data() -> Result<()> {
    let mut judged = 0;
    for (_, kind) in KINDS {
        let folder = places::repository().join(format!("deploy/argocd/resource_customizations/ringway.dev/{kind}"));
        let script = folder.join("health.lua");
        let list = std::fs::read_to_string(folder.join("health_test.yaml")).context("health_test.yaml")?;
        let cases = convert(&list)?;
        for case in cases.pointer("/tests").and_then(Value::as_array).context("tests")? {
            let input = object::text(case, "/inputPath").context("inputPath")?;
            let object = convert(&std::fs::read_to_string(folder.join(input)).with_context(|| input.to_owned())?)?;
            let said = run(Command::new("judge").arg("argo").arg(&script), &object.to_string())?.stdout()?;
            let (status, message) = said.trim_end_matches('\n').split_once('\t').context("a verdict")?;
            ensure!(Some(status) == object::text(case, "/healthStatus/status"), "{kind} {input}: {said}");
            if let Some(wanted) = object::text(case, "/healthStatus/message").filter(|wanted| !wanted.is_empty()) {
                ensure!(message == wanted, "{kind} {input}: {message:?} is not {wanted:?}");
            }
            judged += 1;
        }
    }
    ensure!(judged >= 16, "only {judged} objects were judged");
    Ok(())
}

/// YAML as JSON, by the parser of kubectl and Argo CD.
fn convert(yaml: &str) -> Result<Value> {
    let said = run(Command::new("judge").arg("json"), yaml)?.stdout()?;
    serde_json::from_str(&said).context("JSON")
}
