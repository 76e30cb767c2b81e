//! The fleet: real servers and clients from `shared/fleet`, one process each, as its own scripts start them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::places;
use crate::port::Port;
use crate::process::Daemon;
use crate::script::{self, Report};

/// How long a server may take to listen: Python imports on two busy cores.
const START: Duration = Duration::from_secs(60);
/// How long a client script may run.
const RUN: Duration = Duration::from_secs(120);

/// A server of the fleet, or a reference server of the conformance tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Python SDK 2.x, 2026-07-28 only.
    Modern,
    /// Python SDK 2.x, both eras.
    Both,
    /// FastMCP 3, legacy.
    FastMcp,
    /// server-everything, legacy.
    Everything,
    /// The Go SDK's everything-server with sessions.
    GoSessions,
    /// The Go SDK's everything-server, stateless.
    GoStateless,
    /// The Python SDK's everything-server, both eras.
    PythonEverything,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub daemon: Daemon,
    port: Port,
    _folder: TempDir,
}

/// A client script of the fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    Python1,
    /// With its `--mode`.
    Python2(&'static str),
    /// With its `--mode`.
    TypeScript(&'static str),
    /// For server-everything only.
    Everything,
}

/// The interpreter of the fleet's environment for SDK 1.x or 2.x.
pub fn python(era: u8) -> Result<PathBuf> {
    places::installed(&format!("fleet/mcp{era}/bin/python"))
}

// === impl Server ===

impl Server {
    /// Starts one and waits until it listens.
    pub fn start(kind: Kind) -> Result<Self> {
        Self::start_on(kind, Port::claim()?)
    }

    /// Starts one on a port that was claimed before.
    pub fn start_on(kind: Kind, port: Port) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for logs")?;
        let mut command = kind.command(port.number())?;
        let mut daemon = Daemon::start(&format!("{kind:?}"), &mut command, folder.path())?;
        daemon.listens(port.address(), START)?;
        Ok(Self { daemon, port, _folder: folder })
    }

    pub fn address(&self) -> std::net::SocketAddr {
        self.port.address()
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address())
    }
}

// === impl Kind ===

impl Kind {
    fn command(self, port: u16) -> Result<Command> {
        let servers = || places::shared_fleet().map(|fleet| fleet.join("servers"));
        let port = port.to_string();
        let mut command;
        match self {
            Self::Modern | Self::Both => {
                command = Command::new(python(2)?);
                command.arg(servers()?.join("modern.py")).arg(port);
                if self == Self::Both {
                    command.arg("--both");
                }
            }
            Self::FastMcp => {
                command = Command::new(python(1)?);
                command.arg(servers()?.join("fastmcp3.py")).arg(port);
            }
            Self::Everything => {
                command = Command::new("node");
                let entry =
                    places::installed("fleet/node_modules/@modelcontextprotocol/server-everything/dist/index.js")?;
                command.arg(entry).arg("streamableHttp").env("PORT", port);
            }
            Self::GoSessions | Self::GoStateless => {
                command = Command::new(places::installed("servers/go/everything-server")?);
                command.arg(format!("-http=127.0.0.1:{port}")).arg(format!("-stateless={}", self == Self::GoStateless));
            }
            Self::PythonEverything => {
                command = Command::new(python(2)?);
                command.args(["-m", "mcp_everything_server", "--log-level", "WARNING", "--port", port.as_str()]);
                command.current_dir(places::installed("servers/python")?);
            }
        }
        Ok(command)
    }
}

// === impl Client ===

impl Client {
    /// Runs it to its end at `url`; `prefix` is what the gateway puts before tool names, with the separator.
    pub fn run(self, url: &str, prefix: &str) -> Result<Report> {
        let clients = || places::shared_fleet().map(|fleet| fleet.join("clients"));
        let mut command;
        match self {
            Self::Python1 => {
                command = Command::new(python(1)?);
                command.arg(clients()?.join("py1.py")).arg(url);
            }
            Self::Python2(mode) => {
                command = Command::new(python(2)?);
                command.arg(clients()?.join("py2.py")).args([url, "--mode", mode]);
            }
            Self::TypeScript(mode) => {
                command = Command::new("node");
                command.arg(places::installed("fleet/ts.mjs")?).args([url, "--mode", mode]);
            }
            Self::Everything => {
                command = Command::new(python(1)?);
                command.arg(clients()?.join("everything.py")).arg(url);
            }
        }
        // An argument that is empty is not the same as none to argparse; both mean no prefix here.
        if !prefix.is_empty() {
            command.args(["--prefix", prefix]);
        }
        script::run(&mut command, RUN)
    }
}
