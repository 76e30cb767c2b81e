//! What the other tests rest on: the relay with a connection per message changes nothing that a client or the conformance suite sees, it keeps its
//! word, and a comparison with a worse run fails.

use std::time::Duration;

use anyhow::{Result, ensure};
use ringway_e2e::conformance::{REQUIRED_2025_11_25, REQUIRED_2026_07_28, Suite};
use ringway_e2e::fleet::{Client, Kind, Server};
use ringway_e2e::hole::{Hole, Manner};
use ringway_e2e::http::Connection;
use ringway_e2e::relay::Relay;
use ringway_e2e::session::Session;
use ringway_e2e::wait;
use serde_json::json;

#[test]
fn the_relay_is_transparent_to_clients() -> Result<()> {
    for (kind, clients) in [
        (Kind::Modern, &[Client::Python2("2026-07-28"), Client::TypeScript("auto")][..]),
        (Kind::FastMcp, &[Client::Python1, Client::Python2("legacy"), Client::TypeScript("legacy")]),
        (Kind::Everything, &[Client::Everything]),
    ] {
        let server = Server::start(kind)?;
        let relay = Relay::to(server.address())?;
        for client in clients {
            let direct = client.run(&server.url(), "")?;
            client.run(&format!("http://{}/mcp", relay.address()), "")?.no_worse_than(&direct)?;
        }
        ensure!(relay.seen().iter().any(|seen| seen.method == "tools/call"), "the relay saw no call");
    }
    Ok(())
}

#[test]
fn the_relay_is_transparent_to_the_suite() -> Result<()> {
    transparent(Kind::GoSessions, REQUIRED_2025_11_25)?;
    transparent(Kind::PythonEverything, REQUIRED_2026_07_28)
}

fn transparent(kind: Kind, suite: Suite) -> Result<()> {
    let server = Server::start(kind)?;
    let relay = Relay::to(server.address())?;
    let direct = suite.run(server.address(), "/mcp")?;
    let through = suite.run(relay.address(), "/mcp")?;
    let losses = through.losses(&direct);
    ensure!(losses.is_empty(), "{kind:?}, {}: {losses:?}", suite.label);
    Ok(())
}

#[test]
fn every_message_has_its_own_connection() -> Result<()> {
    let server = Server::start(Kind::GoSessions)?;
    let relay = Relay::to(server.address())?;
    let mut connection = Connection::open(relay.address())?;
    for attempt in 0..2 {
        let reply = connection.exchange("POST", "/mcp", &[("Content-Type", "application/json")], b"{}");
        ensure!(reply.is_ok() == (attempt == 0), "message {attempt} on one connection: {reply:?}");
    }
    Ok(())
}

#[test]
fn a_worse_run_is_seen() -> Result<()> {
    let server = Server::start(Kind::FastMcp)?;
    let good = Client::Python1.run(&server.url(), "")?;
    good.all_passed()?;
    // The right server, asked for tools that it does not have.
    let bad = Client::Python1.run(&server.url(), "wrong_")?;
    ensure!(bad.all_passed().is_err() && bad.no_worse_than(&good).is_err(), "{}", bad.output);
    let (direct, other) = (REQUIRED_2025_11_25, Server::start(Kind::GoSessions)?);
    let (whole, poor) = (direct.run(other.address(), "/mcp")?, direct.run(server.address(), "/mcp")?);
    ensure!(!poor.losses(&whole).is_empty(), "a server without the fixtures lost nothing");
    Ok(())
}

#[test]
fn server_everything_tells_its_clients_apart() -> Result<()> {
    let server = Server::start(Kind::Everything)?;
    for (capabilities, count) in [(json!({}), 13), (json!({"roots": {}, "sampling": {}, "elicitation": {}}), 16)] {
        let mut session = Session::open(server.address(), "/mcp", &capabilities)?;
        wait::until(&format!("{count} tools"), Duration::from_secs(10), || {
            Ok((session.names("tools/list", "tools")?.len() == count).then_some(()))
        })?;
    }
    Ok(())
}

#[test]
fn holes_answer_nothing() -> Result<()> {
    let (silent, drops) = (Hole::open(Manner::Silent)?, Hole::open(Manner::Drops)?);
    for hole in [&silent, &drops] {
        let address = hole.url().trim_start_matches("http://").trim_end_matches("/mcp").parse()?;
        let mut connection = Connection::open(address)?;
        connection.impatient(Duration::from_millis(300))?;
        let answer = connection.exchange("GET", "/mcp", &[], b"");
        ensure!(answer.is_err() && hole.accepted() == 1, "a hole answered: {answer:?}");
    }
    Ok(())
}
