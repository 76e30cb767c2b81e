//! The gateway under test: the real binary on a directory of YAML, always with four workers.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use tempfile::TempDir;

use crate::port::Port;
use crate::process::Daemon;
use crate::relay::Relay;
use crate::{http, places, wait, yaml};

/// How long a start may take.
const START: Duration = Duration::from_secs(20);
/// How much of the log a failed test shows.
const LOG_LINES: usize = 120;
/// How long a drain may take.
const DRAIN: Duration = Duration::from_secs(20);

/// How the clients of a test reach the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// As the client pleases, so kept alive.
    Kept,
    /// A connection for every message.
    PerMessage,
}

/// A running gateway and its configuration directory.
#[derive(Debug)]
pub struct Gateway {
    daemon: Daemon,
    listen: Port,
    admin: Port,
    relay: Option<Relay>,
    folder: TempDir,
}

/// Rewrites an unrelated backend ten times a second until it is stopped.
#[derive(Debug)]
pub struct Rewriting {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
    thread: Option<JoinHandle<Result<()>>>,
}

// === impl Gateway ===

impl Gateway {
    /// Writes `config` as the one file of a new directory, starts the gateway on it, and waits until it is ready.
    pub fn start(config: &str, connections: Connections) -> Result<Self> {
        Self::start_at(|_| config.to_owned(), connections)
    }

    /// The same with a configuration that has to know where the gateway listens.
    pub fn start_at(config: impl FnOnce(SocketAddr) -> String, connections: Connections) -> Result<Self> {
        let folder = tempfile::tempdir().context("a folder for a gateway")?;
        fs::create_dir(folder.path().join("config")).context("a configuration folder")?;
        let (listen, admin) = (Port::claim()?, Port::claim()?);
        write(&folder.path().join("config"), "main.yaml", &config(listen.address()))?;
        let relay = match connections {
            Connections::Kept => None,
            Connections::PerMessage => Some(Relay::to(listen.address())?),
        };
        let daemon = launch(&folder, &listen, &admin)?;
        let mut gateway = Self { daemon, listen, admin, relay, folder };
        gateway.wait_ready()?;
        Ok(gateway)
    }

    /// Writes one file of the configuration as an editor would: whole, at once.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        write(&self.folder.path().join("config"), name, text)
    }

    /// Where clients connect: the gateway, or the relay before it.
    pub fn address(&self) -> SocketAddr {
        self.relay.as_ref().map_or_else(|| self.listen.address(), Relay::address)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    pub fn admin(&self) -> SocketAddr {
        self.admin.address()
    }

    pub fn daemon(&mut self) -> &mut Daemon {
        &mut self.daemon
    }

    /// Ends the process without warning.
    pub fn kill(&mut self) -> Result<()> {
        self.daemon.kill()
    }

    /// Asks it to drain and end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        self.daemon.terminate(DRAIN)
    }

    /// Starts it anew on the same ports, keys and configuration.
    pub fn restart(&mut self) -> Result<()> {
        self.daemon = launch(&self.folder, &self.listen, &self.admin)?;
        self.wait_ready()
    }

    /// The sum of a metric's series whose line holds every one of `labels` (`backend="x"`). A metric that is not there is an error: a name that
    /// was changed must not pass for a zero.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let reply = http::get(self.admin(), "/metrics")?;
        ensure!(reply.head.status == 200, "/metrics answered {}", reply.head.status);
        let text = reply.text();
        let series = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let named = rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label));
            named.then(|| rest.rsplit(' ').next().and_then(|value| value.parse::<f64>().ok())).flatten()
        };
        let values: Vec<f64> = text.lines().filter_map(series).collect();
        ensure!(!values.is_empty(), "no metric {name} with {labels:?} in\n{text}");
        Ok(values.iter().sum())
    }

    /// Rewrites a backend that only a route of its own uses, ten times a second, each time to another URL.
    pub fn rewrite(&self) -> Rewriting {
        let route = yaml::route("unrelated", "/unrelated", &[("unrelated", "")]);
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&written));
        let config = self.folder.path().join("config");
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Acquire) {
                let round = count.fetch_add(1, Ordering::AcqRel);
                let backend = yaml::backend("unrelated", &format!("http://127.0.0.1:9/round-{round}"));
                write(&config, "unrelated.yaml", &yaml::documents(&[backend, route.clone()]))?;
                thread::park_timeout(Duration::from_millis(100));
            }
            Ok(())
        });
        Rewriting { stop, written, thread: Some(thread) }
    }

    fn wait_ready(&mut self) -> Result<()> {
        let admin = self.admin.address();
        let (daemon, what) = (&mut self.daemon, "the gateway to be ready");
        let ready = wait::until(what, START, || {
            daemon.alive()?;
            Ok(http::get(admin, "/readyz").ok().filter(|reply| reply.head.status == 200))
        });
        ready.map(drop).with_context(|| self.daemon.log())
    }
}

fn launch(folder: &TempDir, listen: &Port, admin: &Port) -> Result<Daemon> {
    let mut command = Command::new(places::ringway()?);
    command.arg("run").arg("-f").arg(folder.path().join("config"));
    command.arg("--listen").arg(listen.address().to_string()).arg("--admin").arg(admin.address().to_string());
    command.args(["--workers", "4"]);
    Daemon::start("ringway", &mut command, folder.path())
}

fn write(config: &Path, name: &str, text: &str) -> Result<()> {
    // Under a name that is not read, then moved: a reader sees the old file or the new one.
    let (draft, file) = (config.join(format!("{name}.draft")), config.join(name));
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, &file))
        .with_context(|| format!("configuration {}", file.display()))
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The runner shows a test's output only when it failed: then the end of the log is what one wants to read.
        let log = self.daemon.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(LOG_LINES)..).unwrap_or_default().join("\n");
        drop(writeln!(std::io::stderr(), "-- the end of the gateway's log\n{tail}"));
    }
}

// === impl Rewriting ===

impl Rewriting {
    /// Stops it and says how often it wrote.
    pub fn stop(mut self) -> Result<usize> {
        self.stop.store(true, Ordering::Release);
        let thread = self.thread.take().context("a rewriting that runs")?;
        thread.join().map_err(|_| anyhow!("the rewriting thread panicked"))??;
        Ok(self.written.load(Ordering::Acquire))
    }
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
    }
}
