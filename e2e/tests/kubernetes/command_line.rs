//! The command line against a cluster: `status`, `config dump`, routes by name through the API server, also as `kubectl ringway`, and what it says to
//! someone who may do little.

use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE, RELEASE};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::{Cluster, Outcome, run};
use ringway_e2e::{places, wait, yaml};
use serde_json::Value;

/// How long pods of one install may differ, and a report may take on two busy cores.
const SETTLED: Duration = Duration::from_secs(30);

fn ringway(arguments: &[&str]) -> Result<Outcome> {
    run(Command::new(places::ringway()?).args(arguments), "")
}

/// The checks of a report, each with its section.
fn report(arguments: &[&str]) -> Result<(i32, Vec<(String, Value)>)> {
    let ended = ringway(&[&["status", "-o", "json"], arguments].concat())?;
    let report: Value = serde_json::from_str(&ended.stdout).with_context(|| format!("{ended:?}"))?;
    let sections = report.get("sections").and_then(Value::as_array).context("sections")?;
    let mut checks = Vec::new();
    for section in sections {
        let name = section.get("name").and_then(Value::as_str).context("a name")?;
        for check in section.get("checks").and_then(Value::as_array).context("checks")? {
            checks.push((name.to_owned(), check.clone()));
        }
    }
    Ok((ended.code.context("ended by a signal")?, checks))
}

fn text<'a>(check: &'a Value, key: &str) -> &'a str {
    check.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn a_whole_install_is_found_well_and_everything_in_it_was_looked_at() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    // An earlier test may have left a roll-out.
    wait::until("an install that is well", SETTLED, || {
        let ended = ringway(&["status", "--install-only"])?;
        Ok((ended.code == Some(0) && ended.stdout.contains("All is well")).then_some(()))
    })
    .with_context(|| format!("{:#?}{}", report(&["--install-only"]), install.describe()))?;
    // Objects are other tests' matter.
    wait::until("a report without a flaw", SETTLED, || {
        let (_, checks) = report(&[])?;
        let flaws: Vec<_> = checks.iter().filter(|(section, _)| section != "Resources").collect();
        let is_well = flaws.iter().all(|(_, check)| text(check, "level") == "ok");
        let has_configuration = flaws.iter().any(|(section, _)| section == "Configuration of the pods");
        Ok((is_well && has_configuration).then_some(()))
    })
    .with_context(|| format!("{:#?}", report(&[])))
}

#[test]
fn what_is_wrong_is_said_with_its_remedy() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let namespace = Namespace::create(&cluster, "e2e-status")?;
    namespace.apply(&yaml::documents(&[
        yaml::backend("private", "http://10.0.0.1/mcp"),
        yaml::route("stray", "/stray", &[("private", "")]),
    ]))?;
    namespace.condition("mcpbackends", "private", "Accepted", (false, "Invalid"))?;
    let wanted = [("MCPBackend e2e-status/private", "spec.url"), ("MCPRoute e2e-status/stray", "")];
    wait::until("both to be named", SETTLED, || {
        let (code, checks) = report(&[])?;
        let is_named = |(object, says): &(&str, &str)| {
            checks.iter().any(|(_, check)| {
                text(check, "object") == *object
                    && text(check, "level") == "problem"
                    && !text(check, "reason").is_empty()
                    && !text(check, "remedy").is_empty()
                    && text(check, "message").contains(says)
            })
        };
        Ok((code == 1 && wanted.iter().all(is_named)).then_some(()))
    })
    .with_context(|| format!("{:#?}", report(&[])))
}

#[test]
fn a_pod_that_cannot_start_says_why() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let deployment = format!("deployment/{RELEASE}-dataplane");
    cluster.kubectl(&["-n", NAMESPACE, "set", "image", &deployment, "dataplane=ringway/dataplane:missing"])?;
    let found = wait::until("the pod that has no image", SETTLED, || {
        let (code, checks) = report(&["--install-only"])?;
        let found = checks.into_iter().find(|(_, check)| text(check, "message").contains("Image"));
        Ok(found.filter(|_| code == 1))
    });
    // By Helm, which then owns the field again: else the next upgrade to other images is refused.
    install.helm(&["--force-conflicts"])?;
    let (section, check) = found?;
    ensure!(section == "Data plane" && text(&check, "remedy").contains("image"), "{check:#}");
    let ended = ringway(&["status", "--install-only", "--wait", "1m"])?;
    ensure!(ended.code == Some(0), "{ended:?}");
    Ok(())
}

#[test]
fn routes_are_called_by_their_names() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("named", 1)?;
    let hosted = yaml::route("hosted", "/hosted", &[("named", "")])
        .replace("spec:\n", "spec:\n  hostnames: [hosted.example.com]\n");
    namespace.apply(&yaml::documents(&[
        yaml::service("named", "named", ""),
        yaml::route("named", "/named", &[("named", "")]),
        hosted,
    ]))?;
    for route in ["named", "hosted"] {
        namespace.ready("mcproutes", route)?;
        let name = format!("{NAMESPACE}/{route}");
        let listed = ringway(&["tools", &name, "--era", "legacy"])?;
        ensure!(listed.code == Some(0) && listed.stdout.contains("countdown"), "{name}: {listed:?}");
        let counted = ringway(&["call", &name, "countdown", r#"{"from":3,"delay_ms":50}"#, "--era", "legacy"])?;
        ensure!(counted.code == Some(0) && counted.stdout == "Counted down from 3\n", "{name}: {counted:?}");
        ensure!(counted.stderr.contains("progress 3/3"), "progress comes through the tunnel: {counted:?}");
    }
    let missing = ringway(&["tools", &format!("{NAMESPACE}/missing")])?;
    ensure!(missing.code == Some(1) && missing.stderr.contains("there is no MCPRoute"), "{missing:?}");
    let folder = tempfile::tempdir().context("a folder")?;
    symlink(places::ringway()?, folder.path().join("kubectl-ringway")).context("a link")?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").context("PATH")?);
    let plugin = run(
        Command::new("kubectl")
            .args(["ringway", "tools", "named", "-n", NAMESPACE, "--era", "legacy"])
            .env("PATH", path),
        "",
    )?;
    ensure!(plugin.code == Some(0) && plugin.stdout.contains("countdown"), "{plugin:?}");
    Ok(())
}

#[test]
fn what_pods_serve_is_shown_without_secrets() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    let token = "shown-to-nobody-7f3a";
    namespace.servers("dumped", 1)?;
    namespace.apply(&yaml::documents(&[
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{ name: dumped }}\nstringData: {{ token: {token} }}\n"),
        yaml::service(
            "dumped",
            "dumped",
            "  credentials: { type: Bearer, bearer: { secretRef: { name: dumped, key: token } } }\n",
        ),
        yaml::route("dumped", "/dumped", &[("dumped", "")]),
    ]))?;
    namespace.ready("mcproutes", "dumped")?;
    let ended = wait::until("pods that serve the same", SETTLED, || {
        let ended = ringway(&["config", "dump"])?;
        Ok((ended.code == Some(0)).then_some(ended))
    })?;
    let config: Value = serde_json::from_str(&ended.stdout).context("JSON")?;
    let route = config.pointer(&format!("/routes/{NAMESPACE}~1dumped"));
    ensure!(route.and_then(|route| route.get("path")).and_then(Value::as_str) == Some("/dumped"), "{}", ended.stdout);
    ensure!(
        config.pointer(&format!("/backends/{NAMESPACE}~1dumped")).is_some() && !ended.stdout.contains(token),
        "{}",
        ended.stdout
    );
    let pods = install.pods("dataplane")?;
    let rows = ringway(&["config", "dump", "-o", "table"])?;
    ensure!(rows.stdout.lines().count() == pods.len() + 1, "{rows:?}");
    Ok(())
}

#[test]
fn someone_with_few_rights_is_told_what_was_not_looked_at() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let (code, checks) = report(&["--as", "nobody-in-particular"])?;
    let unchecked = checks.iter().filter(|(_, check)| text(check, "level") == "unchecked");
    ensure!(code == 5 && unchecked.count() > 5, "{code}: {checks:#?}");
    let refused = ringway(&["tools", &format!("{NAMESPACE}/any"), "--as", "nobody-in-particular"])?;
    ensure!(refused.code == Some(5) && refused.stderr.contains("forbidden"), "{refused:?}");
    Ok(())
}
