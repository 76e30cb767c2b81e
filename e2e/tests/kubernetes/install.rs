//! Installed by Helm with default values, in a namespace under the strictest pod security: the quickstart to a first tool call by real clients, the
//! chart's own tests, an upgrade under traffic, and what an uninstall leaves.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::Cluster;
use ringway_e2e::cluster::install::{self, Install, NAMESPACE, NEXT, RELEASE, VERSION};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::object;
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::{fleet, places, script, wait, yaml};
use serde_json::Value;

const FIRST_CALL: Duration = Duration::from_secs(30);

#[test]
fn the_quickstart_leads_to_a_first_call() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.apply(&install::read("deploy/quickstart/quickstart.yaml")?)?;
    namespace.kubectl(&["wait", "--for=condition=Ready", "mcproute/quickstart", "--timeout=60s"])?;
    namespace.rolled_out("hello")?;
    let address = install.address()?;
    traffic::first_call(address, "/mcp", FIRST_CALL)?;
    for mode in ["auto", "legacy"] {
        let mut client = Command::new(fleet::python(2)?);
        client.arg(places::own_client("pasted_url.py")?);
        client.arg(format!("http://{address}/mcp")).args(["--mode", mode]);
        script::run(&mut client, Duration::from_secs(60))?.all_passed()?;
    }
    // What was found is told, and it is there to be read by people.
    let listed = namespace.kubectl(&["get", "mcpbe/hello", "-o", "wide"])?;
    ensure!(listed.contains("True"), "{listed}");
    let backend =
        cluster.until("the findings of the backend", FIRST_CALL, &namespace.path("mcpbackends", "hello"), |found| {
            (object::number(found, "/status/tools") == Some(4)).then(|| found.clone())
        })?;
    ensure!(object::text(&backend, "/status/server/name") == Some("ringway-demo-legacy"), "{backend:#}");
    namespace.condition("mcpbackends", "hello", "Reachable", (true, "Reached"))?;
    Ok(())
}

#[test]
fn the_tests_of_the_chart_pass() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    install.helm(&["--set=demo.enabled=true"])?;
    let outcome = cluster.run("helm", &["test", RELEASE, "--namespace", NAMESPACE, "--timeout=60s"], "")?;
    let said = outcome.stdout().with_context(|| install.describe())?;
    ensure!(said.contains("Succeeded"), "{said}");
    install.helm(&[]).map(drop)
}

#[test]
fn an_upgrade_loses_no_call() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.served("upgrade", 1)?;
    let address = install.address()?;
    traffic::first_call(address, "/upgrade", FIRST_CALL)?;
    let traffic = Traffic::start(address, "/upgrade", 2);
    for tag in [NEXT, VERSION] {
        install.helm(&[&format!("--set=dataplane.image.tag={tag}"), &format!("--set=operator.image.tag={tag}")])?;
        for part in ["operator", "dataplane"] {
            for pod in install.pods(part)? {
                let image = object::text(&pod, "/spec/containers/0/image").unwrap_or_default();
                ensure!(image.ends_with(&format!(":{tag}")), "a pod of {image} after an upgrade to {tag}");
            }
        }
        traffic.goes_on(10, Duration::from_secs(30))?;
    }
    traffic.stop_without_failure().with_context(|| install.describe())?;
    // The operator of now says of the objects of then what is so.
    namespace.ready("mcproutes", "upgrade")
}

#[test]
fn an_uninstall_leaves_what_users_made() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.served("left", 1)?;
    let uid = |object: &Value| object::text(object, "/metadata/uid").map(str::to_owned);
    let before = uid(&namespace.object("mcproutes", "left")?);

    let release =
        |name: &str| cluster.run("helm", &["uninstall", name, "--namespace", NAMESPACE, "--wait"], "")?.stdout();
    release(RELEASE)?;
    // Helm waits for what it made; the pods are the garbage collector's.
    for part in ["operator", "dataplane"] {
        wait::until(&format!("the pods of the {part} to be leaving"), FIRST_CALL, || {
            Ok(install.pods(part)?.is_empty().then_some(()))
        })?;
    }
    release(install::CRDS)?;
    // The charts keep the resources, and with them all that users made of them.
    ensure!(uid(&namespace.object("mcproutes", "left")?) == before, "the route is another one");

    let install = Install::shared(&cluster)?;
    namespace.ready("mcproutes", "left")?;
    traffic::first_call(install.address()?, "/left", FIRST_CALL)
}

#[test]
fn an_upgrade_of_the_resources_keeps_their_objects() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    // The resources as a version had them that did not know `instructions` yet.
    let name = "mcproutes.ringway.dev";
    let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
    let crd = cluster.get(&path)?.context("the resource MCPRoute")?;
    let field = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/instructions";
    ensure!(crd.pointer(field).is_some(), "the field that this test takes away is not there");
    let patch = serde_json::json!([{"op": "remove", "path": field}]).to_string();
    cluster.kubectl(&["patch", "crd", name, "--type=json", "-p", &patch])?;
    namespace
        .apply(&yaml::documents(&[yaml::service("old", "old", ""), yaml::route("old", "/old", &[("old", "")])]))?;
    let with_field = format!("{}  instructions: Be kind.\n", yaml::route("new", "/new", &[("old", "")]));
    let refusal = cluster.run("kubectl", &["apply", "-n", NAMESPACE, "-f", "-"], &with_field)?.refusal()?;
    ensure!(refusal.contains("instructions"), "{refusal}");

    install.helm_crds(&["--force-conflicts"])?;
    let before = namespace.object("mcproutes", "old")?;
    namespace.apply(&with_field)?;
    let after = namespace.object("mcproutes", "old")?;
    ensure!(before.pointer("/spec") == after.pointer("/spec"), "{before:#} became {after:#}");
    for route in ["old", "new"] {
        namespace.condition("mcproutes", route, "Accepted", (true, "Accepted"))?;
    }
    Ok(())
}
