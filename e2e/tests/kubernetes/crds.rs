//! The resources at a real API server: every accepted and every refused example, the refused ones for the reasons that they name; objects at the end
//! of their bounds; and the resources themselves by plain `kubectl apply`.

use anyhow::{Context, Result, ensure};
use ringway_crds::examples::{self, Example};
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

#[test]
fn accepted_examples_are_accepted() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    let accepted: Vec<_> = examples::read()?.into_iter().filter(|example| example.refusals.is_empty()).collect();
    ensure!(accepted.len() >= 30, "only {} accepted examples", accepted.len());
    let args = ["apply", "--dry-run=server", "--namespace=default", "-f", "-"];
    let outcome = cluster.run("kubectl", &args, &stream(&accepted))?;
    outcome.stdout().map(drop)
}

#[test]
fn refused_examples_are_refused_for_their_reasons_and_no_other() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    let refused: Vec<_> = examples::read()?.into_iter().filter(|example| !example.refusals.is_empty()).collect();
    ensure!(refused.len() >= 250, "only {} refused examples", refused.len());
    let documents = same_yaml::as_kubectl_reads(&stream(&refused))?;
    ensure!(documents.len() == refused.len(), "{} documents of {}", documents.len(), refused.len());
    let mut wrong = Vec::new();
    for (example, document) in refused.iter().zip(&documents) {
        if let Err(error) = refusal(&cluster, &example.refusals, document) {
            wrong.push(format!("{}: {error:#}\n{}", example.place, example.yaml));
        }
    }
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), refused.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn the_largest_objects_stay_within_the_budget_of_the_rules() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    for largest in examples::largest() {
        let (status, answer) = create(&cluster, &largest)?;
        ensure!(status == 201, "{}: {status} {answer}", largest["kind"]);
    }
    Ok(())
}

/// Examples as one stream of documents.
fn stream(examples: &[Example]) -> String {
    examples.iter().map(|example| example.yaml.as_str()).collect::<Vec<_>>().join("\n---\n")
}

/// What the API server says to a new object, which it does not store.
fn create(cluster: &Cluster, document: &Value) -> Result<(u16, Value)> {
    let kind = object::text(document, "/kind").context("kind")?;
    let (plural, _) = PLURALS.iter().find(|(_, known)| *known == kind).with_context(|| format!("kind {kind}"))?;
    let path = format!("/apis/ringway.dev/v1alpha1/namespaces/default/{plural}?dryRun=All&fieldValidation=Strict");
    cluster.post(&path, document)
}

/// Compares what the API server says of a document with the reasons that it must have, and may have alone.
fn refusal(cluster: &Cluster, reasons: &[String], document: &Value) -> Result<()> {
    let (status, answer) = create(cluster, document)?;
    ensure!(status >= 400, "was not refused");
    let causes = answer.pointer("/details/causes").and_then(Value::as_array).cloned().unwrap_or_default();
    let whole = object::text(&answer, "/message").unwrap_or_default();
    let is_cause = |cause: &Value, reason: &str| {
        let (field, message) = reason.split_once(": ").unwrap_or(("", reason));
        object::text(cause, "/field") == Some(field)
            && object::text(cause, "/message").is_some_and(|said| said.contains(message))
    };
    for reason in reasons {
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
