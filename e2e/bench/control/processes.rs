//! The processes under test: the operator, pods of the data plane, one MCP server. Built in release, found beside this program.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use ringway_e2e::cluster::Cluster;
use ringway_e2e::port::Port;
use ringway_e2e::process::Daemon;
use ringway_e2e::{http, wait};

use crate::world::{NAME, NAMESPACE};

const PATIENCE: Duration = Duration::from_secs(60);

/// A process and the address that it serves.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) daemon: Daemon,
    pub(crate) port: Port,
    /// Metrics.
    pub(crate) admin: Port,
}

fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe().context("path of this program")?.with_file_name(name);
    anyhow::ensure!(path.is_file(), "{} is missing: run `just bench-control`", path.display());
    Ok(path)
}

/// The operator as the only replica.
pub(crate) fn operator(folder: &Path) -> Result<Served> {
    let config = folder.join("operator.yaml");
    let text = format!(
        "namespace: {NAMESPACE}\nname: {NAME}\nrouteNamespaces: [{NAMESPACE}]\nsecretNamespaces: [{NAMESPACE}]\n\
         ports: [80]\ndefaultListener: {{ port: 80 }}\n"
    );
    fs::write(&config, text).context("configuration of the operator")?;
    let (port, admin) = (Port::claim()?, Port::claim()?);
    let mut command = Command::new(beside("ringway-operator")?);
    command.arg("--config").arg(config);
    command.args(["--pod-name", "bench-operator", "--pod-ip", "127.0.0.1"]);
    command.args(["--stream", &port.address().to_string(), "--admin", &admin.address().to_string()]);
    let mut daemon = Daemon::start("operator", &mut command, folder)?;
    daemon.listens(admin.address(), PATIENCE)?;
    Ok(Served { daemon, port, admin })
}

/// A pod, connected to the operator.
pub(crate) fn pod(cluster: &Cluster, operator: &Served, name: &str, folder: &Path) -> Result<Served> {
    let home = credentials(cluster, &folder.join(name))?;
    fs::create_dir_all(home.join("state")).context("folder of a pod")?;
    let (port, admin) = (Port::claim()?, Port::claim()?);
    let mut command = Command::new(beside("ringway-dataplane")?);
    command.args(["--operator", &operator.port.address().to_string(), "--access-log", "off", "--workers", "1"]);
    command.args(["--port", &format!("80={}", port.address()), "--admin", &admin.address().to_string()]);
    command.arg("--tls").arg(&home).arg("--keys").arg(home.join("keys")).arg("--state").arg(home.join("state"));
    command.envs([("POD_NAME", name), ("POD_NAMESPACE", NAMESPACE)]);
    let mut daemon = Daemon::start(name, &mut command, folder)?;
    wait::until("a pod to be ready", PATIENCE, || {
        daemon.alive()?;
        Ok(http::get(admin.address(), "/readyz").ok().filter(|reply| reply.head.status == 200))
    })
    .with_context(|| daemon.log())?;
    Ok(Served { daemon, port, admin })
}

/// What a pod has of the Secrets that the operator keeps for pods.
pub(crate) fn credentials(cluster: &Cluster, home: &Path) -> Result<PathBuf> {
    fs::create_dir_all(home).context("folder of a pod")?;
    for (secret, keys) in [("dataplane-tls", &["ca.crt", "tls.crt", "tls.key"][..]), ("session-keys", &["keys"])] {
        for key in keys {
            let text = wait::until(&format!("Secret {NAME}-{secret}"), PATIENCE, || secret_key(cluster, secret, key))?;
            write_private(&home.join(key), &text)?;
        }
    }
    Ok(home.to_owned())
}

fn secret_key(cluster: &Cluster, secret: &str, key: &str) -> Result<Option<String>> {
    let template = format!("go-template={{{{index .data \"{key}\" | base64decode}}}}");
    let name = format!("{NAME}-{secret}");
    let outcome = cluster.run("kubectl", &["get", "secret", "-n", NAMESPACE, &name, "-o", &template], "")?;
    Ok(outcome.stdout().ok())
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).with_context(|| path.display().to_string())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).with_context(|| path.display().to_string())
}

/// One MCP server for all backends, on every address of this network.
pub(crate) fn server(folder: &Path) -> Result<(Daemon, Port)> {
    let port = Port::claim()?;
    let mut command = Command::new(beside("ringway")?);
    let everywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, port.number()));
    command.args(["demo", "--servers-only", "--listen", &everywhere.to_string()]);
    let mut daemon = Daemon::start("server", &mut command, folder)?;
    daemon.listens(port.address(), PATIENCE)?;
    Ok((daemon, port))
}
