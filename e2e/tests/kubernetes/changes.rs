//! What changes under a gateway in use: pods of a backend, a Secret, a grant, labels, a server that dies. Only what the change concerns is touched.

use std::io::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::cluster::{Cluster, Outcome, object};
use ringway_e2e::scripted::Scripted;
use ringway_e2e::session::Session;
use ringway_e2e::{http, wait, yaml};
use serde_json::json;

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn pods_of_a_backend_are_replaced_under_traffic() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.served("rolled", 2)?;
    let address = install.address()?;
    traffic::first_call(address, "/rolled", PATIENCE)?;
    let backend = namespace.path("mcpbackends", "rolled");
    cluster.until("both endpoints in the status", PATIENCE, &backend, |found| {
        (object::number(found, "/status/endpoints/ready") == Some(2)).then_some(())
    })?;
    let traffic = Traffic::in_sessions(address, "/rolled", 2);
    traffic.goes_on(5, PATIENCE)?;
    namespace.kubectl(&["rollout", "restart", "deployment/rolled"])?;
    namespace.rolled_out("rolled")?;
    traffic.goes_on(20, PATIENCE)?;
    let outcome = traffic.stop()?;
    // A server that ends refuses before the word of it has come to every pod: that was not executed, and says so. It also ends connections on which
    // a call was under way: one for each client and pod at most. The session lives on.
    let is_in_doubt =
        |failure: &&String| !failure.contains(r#""executed":"no""#) || !failure.contains(r#""retryable":true"#);
    ensure!(outcome.failures.iter().filter(is_in_doubt).count() <= 2 * 2, "{outcome:#?}");
    ensure!(outcome.failed * 20 < outcome.answered, "{outcome:?}");
    Ok(())
}

#[test]
fn a_rotated_secret_is_used_at_once() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    let shown: Arc<Mutex<String>> = Arc::default();
    let noted = Arc::clone(&shown);
    // A server in this test, behind a Service without pods.
    let server = Scripted::legacy_at(cluster.host()?, move |seen| {
        let header = seen.head.lines().find(|line| line.to_ascii_lowercase().starts_with("authorization:"));
        if let (Some(header), Ok(mut noted)) = (header, noted.lock()) {
            *noted = header.to_owned();
        }
        None
    })?;
    namespace.apply(&yaml::outside("rotated", server.address()))?;
    let secret = |token: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: rotated }}\nstringData: {{ token: {token} }}\n")
    };
    namespace.apply(&secret("first-token"))?;
    let credentials = "  credentials: { type: Bearer, bearer: { secretRef: { name: rotated, key: token } } }\n";
    namespace.apply(&yaml::documents(&[
        yaml::service("rotated", "rotated", credentials),
        yaml::route("rotated", "/rotated", &[("rotated", "")]),
    ]))?;
    namespace.ready("mcproutes", "rotated")?;
    let address = install.address()?;
    for token in ["first-token", "second-token"] {
        namespace.apply(&secret(token))?;
        wait::until(&format!("{token} at the server"), PATIENCE, || {
            let called = Session::open(address, "/rotated", &json!({}))
                .and_then(|mut session| session.request("tools/call", &json!({"name": "hello", "arguments": {}})));
            let shown = shown.lock().map(|shown| shown.clone()).unwrap_or_default();
            Ok((called.is_ok() && shown.contains(token)).then_some(()))
        })?;
    }
    for part in ["operator", "dataplane"] {
        let log = install.log(part)?;
        ensure!(!log.contains("first-token") && !log.contains("second-token"), "the {part} logged a secret");
    }
    Ok(())
}

#[test]
fn a_revoked_grant_or_a_deleted_backend_stops_only_what_used_it() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    let owner = Namespace::create(&cluster, "e2e-grant-owner")?;
    owner.servers("shared", 1)?;
    namespace.servers("own", 1)?;
    let grant = "apiVersion: gateway.networking.k8s.io/v1\nkind: ReferenceGrant\nmetadata: { name: shared }\nspec:\n  \
                 from: [{ group: ringway.dev, kind: MCPBackend, namespace: ringway-system }]\n  \
                 to: [{ group: '', kind: Service, name: shared }]\n";
    owner.apply(grant)?;
    let foreign = "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: { name: foreign }\nspec:\n  \
                   service: { name: shared, namespace: e2e-grant-owner, port: 8080, path: /mcp }\n";
    namespace.apply(&yaml::documents(&[
        foreign.to_owned(),
        yaml::service("own", "own", ""),
        yaml::route("granted", "/granted", &[("foreign", "foreign"), ("own", "own")]),
    ]))?;
    namespace.ready("mcproutes", "granted")?;
    let address = install.address()?;
    let sees = |wanted: &[&str]| tools(address, "/granted", wanted);
    sees(&["foreign_add", "own_add"])?;

    owner.kubectl(&["delete", "referencegrant", "shared"])?;
    namespace.condition("mcpbackends", "foreign", "ResolvedRefs", (false, "RefNotPermitted"))?;
    namespace.condition("mcproutes", "granted", "ResolvedRefs", (false, "RefNotAccepted"))?;
    sees(&["own_add"])?;

    owner.apply(grant)?;
    namespace.ready("mcproutes", "granted")?;
    sees(&["foreign_add", "own_add"])?;

    // The same of a backend that goes while a route uses it.
    namespace.kubectl(&["delete", "mcpbackend", "own"])?;
    let told = namespace.condition("mcproutes", "granted", "ResolvedRefs", (false, "BackendNotFound"))?;
    ensure!(told.message.contains("own"), "{told}");
    sees(&["foreign_add"])
}

#[test]
fn a_labelled_backend_joins_and_leaves() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("chosen", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("chosen-a", "chosen", ""),
        yaml::service("chosen-b", "chosen", ""),
        "apiVersion: ringway.dev/v1alpha1\nkind: MCPRoute\nmetadata: { name: chosen }\nspec:\n  path: /chosen\n  \
         backendSelector: { matchLabels: { e2e.example.com/team: chosen } }\n  authentication: { anonymous: true }\n  \
         authorization: Open\n"
            .to_owned(),
    ]))?;
    namespace.kubectl(&["label", "mcpbackend", "chosen-a", "e2e.example.com/team=chosen"])?;
    namespace.ready("mcproutes", "chosen")?;
    let address = install.address()?;
    let generation = |object: &serde_json::Value| object::number(object, "/metadata/generation");
    let before = generation(&namespace.object("mcproutes", "chosen")?);
    tools(address, "/chosen", &["chosen-a_add"])?;
    namespace.kubectl(&["label", "mcpbackend", "chosen-b", "e2e.example.com/team=chosen"])?;
    tools(address, "/chosen", &["chosen-a_add", "chosen-b_add"])?;
    namespace.kubectl(&["label", "mcpbackend", "chosen-a", "e2e.example.com/team-"])?;
    tools(address, "/chosen", &["chosen-b_add"])?;
    ensure!(generation(&namespace.object("mcproutes", "chosen")?) == before, "the route was edited");
    Ok(())
}

#[test]
fn a_dead_server_fails_no_deployment() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    // A Service whose only endpoint is an address where nothing listens.
    let dead = std::net::SocketAddr::new(cluster.host()?, 9);
    let objects = yaml::documents(&[
        yaml::outside("dead", dead),
        yaml::service("dead", "dead", ""),
        yaml::route("dead", "/dead", &[("dead", "")]),
    ]);
    let chart = tempfile::tempdir().context("a chart")?;
    std::fs::create_dir(chart.path().join("templates"))?;
    std::fs::write(chart.path().join("Chart.yaml"), "apiVersion: v2\nname: dead\nversion: 1.0.0\n")?;
    std::fs::write(chart.path().join("templates/all.yaml"), &objects)?;
    let folder = chart.path().to_string_lossy();
    let _release = Release { cluster: &cluster, name: "e2e-dead" };
    let args = ["upgrade", "--install", "e2e-dead", &folder, "--namespace", NAMESPACE, "--wait", "--timeout=60s"];
    cluster.run("helm", &args, "")?.stdout()?;
    namespace.ready("mcproutes", "dead")?;
    // Somebody has to try it.
    let answer = http::get(install.address()?, "/dead")?;
    ensure!(answer.head.status != 404, "the route is not served");
    drop(Session::open(install.address()?, "/dead", &json!({})));
    let path = namespace.path("mcpbackends", "dead");
    cluster.until("Reachable to be False", PATIENCE, &path, |found| {
        object::condition(found, "Reachable").filter(|found| !found.is_true && found.reason != "NotTried").map(drop)
    })?;
    namespace.ready("mcpbackends", "dead")?;
    namespace.ready("mcproutes", "dead")
}

/// A release of one test's own, uninstalled whatever comes of the test.
struct Release<'a> {
    cluster: &'a Cluster,
    name: &'static str,
}

impl Drop for Release<'_> {
    fn drop(&mut self) {
        let args = ["uninstall", self.name, "--namespace", NAMESPACE, "--ignore-not-found"];
        let ended = self.cluster.run("helm", &args, "").and_then(Outcome::stdout);
        if let Err(error) = ended {
            // Beside the failure of the test, or alone: the next run would find it.
            drop(writeln!(std::io::stderr(), "release {} is left: {error:#}", self.name));
        }
    }
}

/// Waits until exactly these of the tools `add` are listed, and each answers.
fn tools(address: std::net::SocketAddr, path: &str, wanted: &[&str]) -> Result<()> {
    let mut last = Vec::new();
    wait::until(&format!("{wanted:?} on {path}"), PATIENCE, || {
        let Ok(mut session) = Session::open(address, path, &json!({})) else { return Ok(None) };
        let Ok(names) = session.names("tools/list", "tools") else { return Ok(None) };
        last = names.into_iter().filter(|name| name.ends_with("add")).collect();
        last.sort();
        if last != wanted {
            return Ok(None);
        }
        for name in wanted {
            let answer = session.request("tools/call", &json!({"name": name, "arguments": {"a": 2, "b": 40}}))?;
            ensure!(answer["result"]["structuredContent"]["sum"] == json!(42), "{name} answered {answer}");
        }
        Ok(Some(()))
    })
    .with_context(|| format!("last seen: {last:?}"))
}
