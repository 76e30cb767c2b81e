//! A session that is opened and dropped 10,000 times leaves no stream, task, process or descriptor.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use ringway_e2e::fleet::{self, Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::session::Session;
use ringway_e2e::{places, wait, yaml};
use serde_json::json;

const ROUNDS: usize = 10_000;
const CLIENTS: usize = 4;
/// Pools keep a few upstream connections per worker, each with its task; what grows with the rounds is far above this.
const SPARE: usize = 64;

super::both_ways! {
    of_ten_thousand_sessions => super::of_ten_thousand_sessions,
    of_processes => super::of_processes,
}

fn of_ten_thousand_sessions(connections: Connections) -> Result<()> {
    let server = Server::start(Kind::GoSessions)?;
    let config = yaml::documents(&[yaml::backend("go", &server.url()), yaml::route("go", "/mcp", &[("go", "")])]);
    let mut gateway = Gateway::start(&config, connections)?;
    let address = gateway.address();
    churn(address, 200)?;
    let before = Held::by(&mut gateway)?;
    churn(address, ROUNDS)?;
    let mut after = before;
    wait::until("what the sessions held to be given back", Duration::from_secs(30), || {
        after = Held::by(&mut gateway)?;
        let back = after.descriptors <= before.descriptors + SPARE
            && after.tasks <= before.tasks + SPARE as f64
            && after.streams <= 0.0;
        Ok(back.then_some(()))
    })
    .with_context(|| format!("before {before:?}, after {ROUNDS} sessions {after:?}"))?;
    // Half of the sessions were never deleted and may hold a record each; 8 KiB for every one would be a leak.
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    ensure!(grown < 80_000, "resident memory grew by {grown} KiB over {ROUNDS} sessions");
    Ok(())
}

/// What a gateway holds at a moment.
#[derive(Debug, Clone, Copy)]
struct Held {
    descriptors: usize,
    tasks: f64,
    streams: f64,
    resident_kib: u64,
}

impl Held {
    fn by(gateway: &mut Gateway) -> Result<Self> {
        let (tasks, streams) = (gateway.metric("ringway_tasks", &[])?, gateway.metric("ringway_stream_count", &[])?);
        let daemon = gateway.daemon();
        Ok(Self { descriptors: daemon.descriptors()?, tasks, streams, resident_kib: daemon.resident_kib()? })
    }
}

/// Opens sessions with a GET stream and leaves: every second one with DELETE, the others by closing their connections only.
fn churn(address: SocketAddr, rounds: usize) -> Result<()> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            thread::spawn(move || -> Result<()> {
                for round in 0..rounds / CLIENTS {
                    let mut session = Session::open(address, "/mcp", &json!({}))
                        .with_context(|| format!("client {client}, round {round}"))?;
                    let stream = session.listen()?;
                    if round % 2 == 0 {
                        let status = session.delete()?;
                        ensure!((200..300).contains(&status), "DELETE answered {status}");
                    }
                    drop(stream);
                }
                Ok(())
            })
        })
        .collect();
    clients.into_iter().try_for_each(|client| client.join().map_err(|_| anyhow!("a client panicked"))?)
}

fn of_processes(connections: Connections) -> Result<()> {
    let time = places::installed("fleet/mcp1/bin/mcp-server-time")?;
    let config = yaml::documents(&[
        yaml::stdio("time", &time.to_string_lossy(), &["--local-timezone", "UTC"]),
        yaml::route("time", "/mcp", &[("time", "")]),
    ]);
    fleet::python(1)?;
    let mut gateway = Gateway::start(&config, connections)?;
    for round in 0..6 {
        let mut session =
            Session::open(gateway.address(), "/mcp", &json!({})).with_context(|| format!("round {round}"))?;
        let answer =
            session.request("tools/call", &json!({"name": "get_current_time", "arguments": {"timezone": "UTC"}}))?;
        ensure!(answer["result"]["isError"] != json!(true), "{answer}");
        session.delete()?;
    }
    let mut left = Vec::new();
    // One spare is kept warm, and the catalogue has one of its own.
    wait::until("the processes of ended sessions to end", Duration::from_secs(30), || {
        left = gateway.daemon().children()?;
        Ok((left.len() <= 2).then_some(()))
    })
    .with_context(|| format!("still running: {left:?}"))?;
    let status = gateway.terminate()?;
    ensure!(status.success(), "the gateway ended with {status}");
    wait::until("the last processes to end with the gateway", Duration::from_secs(10), || {
        Ok(left.iter().all(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists()).then_some(()))
    })
}
