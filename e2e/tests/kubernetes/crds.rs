//! The resources at a real API server: every accepted and every refused example, the refused ones for the reason that they name; and the resources
//! themselves by plain `kubectl apply`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::places;
use serde_json::Value;

use super::same_yaml;

/// The kinds by their plurals.
const PLURALS: &[(&str, &str)] = &[
    ("mcpbackends", "MCPBackend"),
    ("mcproutes", "MCPRoute"),
    ("toolpolicies", "ToolPolicy"),
    ("restbridges", "RESTBridge"),
];
/// How a refused example says why it is refused: a text of the API server's answer.
const REASON: &str = "# refused: ";

#[test]
fn accepted_examples_are_accepted() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    let files = examples("accepted")?;
    ensure!(files.len() >= 4, "only {} accepted examples", files.len());
    let outcome = cluster.run("kubectl", &dry_run(&files), "")?;
    outcome.stdout().map(drop)
}

#[test]
fn refused_examples_are_refused_for_their_reasons_and_no_other() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    let (mut judged, mut wrong) = (0, Vec::new());
    for file in examples("refused")? {
        let text = fs::read_to_string(&file)?;
        // The parser of kubectl drops comments, and keeps the order.
        let parts: Vec<_> = text.split("\n---\n").collect();
        let documents = same_yaml::as_kubectl_reads(&text)?;
        ensure!(parts.len() == documents.len(), "{}: a document is empty", file.display());
        for (part, document) in parts.iter().zip(&documents) {
            judged += 1;
            if let Err(error) = refusal(&cluster, part, document) {
                wrong.push(format!("{}: {error:#}\n{part}", file.display()));
            }
        }
    }
    ensure!(judged >= 100, "only {judged} refused examples");
    ensure!(wrong.is_empty(), "{} of {judged}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

/// Creates a document without storing it, and compares what the API server says with what the document expects.
fn refusal(cluster: &Cluster, text: &str, document: &Value) -> Result<()> {
    let reasons: Vec<_> = text.lines().filter_map(|line| line.strip_prefix(REASON)).map(str::trim).collect();
    ensure!(!reasons.is_empty(), "no line `{REASON}...`");
    let kind = object::text(document, "/kind").context("kind")?;
    let (plural, _) = PLURALS.iter().find(|(_, known)| *known == kind).with_context(|| format!("kind {kind}"))?;
    let path = format!("/apis/ringway.dev/v1alpha1/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict");
    let (status, answer) = cluster.post(&path, document)?;
    ensure!(status >= 400, "was not refused");
    let causes = answer.pointer("/details/causes").and_then(Value::as_array).cloned().unwrap_or_default();
    let whole = object::text(&answer, "/message").unwrap_or_default();
    let is_cause = |cause: &Value, reason: &str| {
        let (field, message) = reason.split_once(": ").unwrap_or(("", reason));
        object::text(cause, "/field") == Some(field)
            && object::text(cause, "/message").is_some_and(|said| said.contains(message))
    };
    for reason in &reasons {
        let is_said =
            if causes.is_empty() { whole.contains(reason) } else { causes.iter().any(|cause| is_cause(cause, reason)) };
        ensure!(is_said, "{reason:?} was not said, but {whole}");
    }
    // Said of CEL rules when the schema is broken already: no reason of its own.
    let is_reason = |cause: &&Value| object::text(cause, "/field") != Some("<nil>");
    for cause in causes.iter().filter(is_reason) {
        ensure!(reasons.iter().any(|reason| is_cause(cause, reason)), "was said, too: {cause}");
    }
    Ok(())
}

#[test]
fn the_resources_are_small_enough_for_plain_apply() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    // The annotation of client-side apply holds the whole object, and an API server bounds annotations.
    let manifests = places::repository().join("crds/manifests");
    let said = cluster.kubectl(&["apply", "--dry-run=server", "-f", &manifests.to_string_lossy()])?;
    ensure!(said.lines().count() == 4, "{said}");
    Ok(())
}

#[test]
fn columns_and_names_are_as_documented() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    for (short, columns) in [
        ("mcpbe", &["NAME", "TRANSPORT", "PROTOCOL", "TOOLS", "READY", "REACHABLE", "AGE"][..]),
        ("mcprt", &["NAME", "READY", "AGE"]),
        ("toolpol", &["NAME", "READY", "AGE"]),
        ("restbr", &["NAME", "READY", "AGE"]),
    ] {
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions?short={short}");
        let list = cluster.get(&path)?.context("a list of CRDs")?;
        let items = list.get("items").and_then(Value::as_array).context("items")?;
        let crd = items
            .iter()
            .find(|crd| crd.pointer("/spec/names/shortNames/0").and_then(|name| name.as_str()) == Some(short))
            .with_context(|| format!("no resource with the short name {short}"))?;
        let found = crd.pointer("/spec/versions/0/additionalPrinterColumns").and_then(|list| list.as_array());
        let found: Vec<_> = found.context("columns")?.iter().filter_map(|column| column["name"].as_str()).collect();
        for column in columns.iter().filter(|column| **column != "NAME") {
            let is_there = found.iter().any(|name| name.eq_ignore_ascii_case(column));
            ensure!(is_there, "{short}: no column {column} among {found:?}");
        }
    }
    // The category holds all four.
    let listed = cluster.kubectl(&["api-resources", "--categories=mcp", "-o", "name"])?;
    ensure!(listed.lines().count() == 4, "{listed}");
    Ok(())
}

fn examples(verdict: &str) -> Result<Vec<PathBuf>> {
    let folder = places::repository().join("crds/examples");
    let mut files = Vec::new();
    for kind in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let kind = kind?.path();
        if !kind.is_dir() {
            continue;
        }
        let folder = kind.join(verdict);
        for file in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
            files.push(file?.path());
        }
    }
    files.sort();
    Ok(files)
}

fn dry_run(files: &[PathBuf]) -> Vec<&str> {
    let mut args = vec!["apply", "--dry-run=server", "--namespace=default"];
    for file in files {
        args.extend(["-f", file.to_str().unwrap_or_default()]);
    }
    args
}
