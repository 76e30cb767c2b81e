//! The same YAML on a laptop and in a cluster: read by our parser, by kubectl's, and as the API server gives it back, it makes the same snapshot.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::Install;
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, object, run};
use ringway_e2e::places;
use ringway_translate::{Install as Place, Object, Translation, World, parse_documents, translate};
use serde_json::Value;

/// What only standalone mode has, in the words of a refusal.
const STANDALONE_ONLY: &[&str] = &["stdio", "loopback"];

#[test]
fn examples_make_the_same_snapshot() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    let folder = places::repository().join("docs/examples");
    let mut compared = 0;
    for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
        let path = entry?.path();
        let text = fs::read_to_string(&path)?;
        compared += compare(&cluster, &text).with_context(|| format!("{}", path.display()))?;
    }
    ensure!(compared >= 10, "only {compared} objects were compared");
    Ok(())
}

/// Whether a refusal is of what only standalone mode has.
pub(super) fn is_standalone_only(refusal: &str) -> bool {
    STANDALONE_ONLY.iter().any(|word| refusal.contains(word))
}

/// Compares one file; how many objects the API server took.
fn compare(cluster: &Cluster, text: &str) -> Result<usize> {
    let documents = as_kubectl_reads(text)?;
    let mut spaces = Vec::new();
    let (mut read, mut stored, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for document in documents {
        let namespace = object::text(&document, "/metadata/namespace").unwrap_or("default").to_owned();
        if namespace != "default" && !spaces.iter().any(|space: &Namespace<'_>| space.name == namespace) {
            spaces.push(Namespace::create(cluster, &namespace)?);
        }
        let args = ["create", "--namespace", &namespace, "--output=json", "-f", "-"];
        let outcome = cluster.run("kubectl", &args, &document.to_string())?;
        if outcome.is_success() {
            read.push(document);
            stored.push(serde_json::from_str::<Value>(&outcome.stdout)?);
        } else {
            ensure!(is_standalone_only(&outcome.stderr), "refused: {}\n{document:#}", outcome.stderr);
            refused.push(document);
        }
    }
    let label = |document: &Value| {
        let text = |pointer| object::text(document, pointer).unwrap_or("default").to_owned();
        (text("/kind"), text("/metadata/namespace"), text("/metadata/name"))
    };
    let refused: Vec<_> = refused.iter().map(label).collect();
    let (ours, _) = parse_documents("example.yaml", text);
    let ours = ours.into_iter().filter(|object| {
        let name = &object.id().name;
        let namespace = if name.namespace.is_empty() { "default" } else { name.namespace.as_str() };
        !refused.contains(&(object.id().kind.kind().to_owned(), namespace.to_owned(), name.name.clone()))
    });
    let ours = snapshot(ours.collect())?;
    let of = |documents: &[Value]| snapshot(documents.iter().filter_map(|json| Object::from_json(json).0).collect());
    let (kubectl, server) = (of(&read)?, of(&stored)?);
    ensure!(ours == kubectl, "ours: {ours:#}\nkubectl: {kubectl:#}");
    ensure!(ours == server, "ours: {ours:#}\nthe API server: {server:#}");
    for document in &stored {
        let (kind, namespace, name) = label(document);
        cluster.kubectl(&["delete", &kind, &name, "--namespace", &namespace, "--wait=false"])?;
    }
    Ok(stored.len())
}

/// Scalars that YAML 1.1 and 1.2 read differently, where a text and where a number is wanted. Whatever both accept they must mean alike, and what
/// kubectl or the API server refuses must not work on a laptop.
#[test]
fn scalars_mean_the_same_or_are_refused() -> Result<()> {
    let cluster = Cluster::running()?;
    let _crds = Install::crds(&cluster)?;
    let mut differences = Vec::new();
    for scalar in [
        "Off",
        "off",
        "on",
        "Yes",
        "no",
        "y",
        "N",
        "~",
        "null",
        "2026-07-28",
        "12:30:45",
        "017",
        "0o17",
        "0x1F",
        "1e3",
        "1_000",
        "1.0",
        "+5",
        ".inf",
        "=",
        "9007199254740993",
        "'Off'",
        "\"2026-07-28\"",
        "5",
    ] {
        for (kind, field, spec) in [
            (
                "MCPRoute",
                "instructions",
                "backends: [{ ref: { name: b } }], authentication: { anonymous: true }, authorization: Open, instructions: ",
            ),
            ("MCPBackend", "limits.maxConnections", "url: https://example.com/mcp, limits: { maxConnections: "),
        ] {
            let end = if kind == "MCPBackend" { " } }" } else { " }" };
            let yaml = format!(
                "apiVersion: ringway.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: scalar, namespace: default }}\nspec: {{ {spec}{scalar}{end}\n"
            );
            let outcome = cluster.run("kubectl", &["create", "--dry-run=server", "--output=json", "-f", "-"], &yaml)?;
            let theirs = outcome.is_success().then(|| meaning(Some(&outcome.stdout))).transpose()?.flatten();
            let ours = meaning_of_ours(&yaml)?;
            let is_same = match (&ours, &theirs) {
                (Some(ours), Some(theirs)) => ours == theirs,
                (None, _) => true,
                (Some(_), None) => false,
            };
            if !is_same {
                differences
                    .push(format!("{field}: {scalar}: ours {ours:?}, the cluster's {theirs:?} {}", outcome.stderr));
            }
        }
    }
    ensure!(differences.is_empty(), "{}", differences.join("\n"));
    Ok(())
}

/// The object as it is served, from what the API server would store.
fn meaning(json: Option<&str>) -> Result<Option<Value>> {
    let json: Value = serde_json::from_str(json.context("an object")?)?;
    let (object, problems) = Object::from_json(&json);
    ensure!(problems.is_empty(), "the API server took what we do not: {problems:?}");
    object.map_or(Ok(None), with_backend)
}

/// The same from our reading of the text; `None` when it is refused.
fn meaning_of_ours(yaml: &str) -> Result<Option<Value>> {
    let (objects, problems) = parse_documents("scalar.yaml", yaml);
    if !problems.is_empty() {
        return Ok(None);
    }
    objects.into_iter().next().map_or(Ok(None), with_backend)
}

/// `None`: the rules refuse it.
fn with_backend(object: Object) -> Result<Option<Value>> {
    let backend = "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: { name: b, namespace: default }\nspec: { url: https://example.com/mcp }\n";
    let (mut objects, _) = parse_documents("b.yaml", backend);
    objects.push(object);
    let translation = translation(objects);
    if !translation.problems.is_empty() {
        return Ok(None);
    }
    serde_json::to_value(&translation.snapshot).map(Some).context("a snapshot as JSON")
}

fn snapshot(objects: Vec<Object>) -> Result<Value> {
    serde_json::to_value(&translation(objects).snapshot).context("a snapshot as JSON")
}

fn translation(objects: Vec<Object>) -> Translation {
    let environment = |_: &str| Some("from-the-environment".to_owned());
    translate(&World::from_objects(objects), &Place::Standalone, &environment)
}

/// Documents as JSON, by kubectl's own parser.
pub(crate) fn as_kubectl_reads(text: &str) -> Result<Vec<Value>> {
    let said = run(Command::new("judge").arg("json"), text)?.stdout()?;
    said.lines().map(|line| serde_json::from_str(line).context("JSON")).collect()
}
