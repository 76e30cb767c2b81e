//! `kill -9` and a restart lose no session: an SDK client that waits for readiness between its calls sees no failure.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ringway_e2e::fleet::{self, Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::relay::Relay;
use ringway_e2e::{places, script, wait, yaml};

/// Kills in one run of the script.
const ROUNDS: usize = 3;

super::both_ways! {
    one_backend_keeps_its_session => super::one_backend_keeps_its_session,
    several_backends_are_bound_anew => super::several_backends_are_bound_anew,
}

fn one_backend_keeps_its_session(connections: Connections) -> Result<()> {
    let server = Server::start(Kind::FastMcp)?;
    let relay = Relay::to(server.address())?;
    let config = yaml::documents(&[
        yaml::backend("one", &format!("http://{}/mcp", relay.address())),
        yaml::route("one", "/mcp", &[("one", "")]),
    ]);
    across_kills(Gateway::start(&config, connections)?, "")?;
    // The calls of the script all went over one upstream session.
    let calls: Vec<_> = relay.seen().into_iter().filter(|seen| seen.method == "tools/call").collect();
    let mut sessions: Vec<_> = calls
        .iter()
        .filter_map(|seen| {
            seen.head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("mcp-session-id:").map(str::to_owned))
        })
        .collect();
    sessions.dedup();
    ensure!(calls.len() > ROUNDS && sessions.len() == 1, "{} calls over upstream sessions {sessions:?}", calls.len());
    Ok(())
}

fn several_backends_are_bound_anew(connections: Connections) -> Result<()> {
    let (one, two) = (Server::start(Kind::FastMcp)?, Server::start(Kind::Both)?);
    let config = yaml::documents(&[
        yaml::backend("one", &one.url()),
        yaml::backend("two", &two.url()),
        yaml::route("several", "/mcp", &[("one", "one"), ("two", "two")]),
    ]);
    across_kills(Gateway::start(&config, connections)?, "one_")
}

/// Runs the script; each time it asks (by a file), the gateway is killed and started again.
fn across_kills(mut gateway: Gateway, prefix: &str) -> Result<()> {
    let folder = tempfile::tempdir().context("a folder for signs")?;
    let mut command = Command::new(fleet::python(1)?);
    command
        .arg(places::own_client("across_kills.py")?)
        .arg(gateway.url("/mcp"))
        .arg(format!("http://{}/readyz", gateway.admin()));
    command.arg(folder.path()).arg(ROUNDS.to_string()).arg(prefix);
    let (sender, done) = mpsc::channel();
    thread::spawn(move || drop(sender.send(script::run(&mut command, Duration::from_secs(120)))));
    for round in 0..ROUNDS {
        let sign = folder.path().join(format!("kill-{round}"));
        let finished = wait::until("the script to ask for a kill", Duration::from_secs(60), || {
            Ok(if sign.exists() { Some(None) } else { done.try_recv().ok().map(Some) })
        })?;
        if let Some(report) = finished {
            let output = report?.output;
            return Err(anyhow!("the script ended before round {round}:\n{output}"));
        }
        gateway.kill()?;
        gateway.restart()?;
        mark(folder.path(), &format!("restarted-{round}"))?;
    }
    let report = done.recv_timeout(Duration::from_secs(120)).context("the script's end")??;
    report.all_passed()
}

fn mark(folder: &Path, name: &str) -> Result<()> {
    fs::write(folder.join(name), "").with_context(|| name.to_owned())
}
