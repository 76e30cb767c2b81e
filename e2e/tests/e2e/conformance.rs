//! What the conformance suite says of a reference server directly, it says through the gateway: alone on a route, and as one of three backends
//! (unprefixed; the others are a fleet server and a black hole).

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Result, bail};
use ringway_e2e::conformance::{LEGACY, Outcome, REQUIRED_2025_11_25, REQUIRED_2026_07_28, Suite};
use ringway_e2e::fleet::{Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::hole::{Hole, Manner};
use ringway_e2e::yaml;

super::both_ways! {
    go_legacy => |connections| super::same_as_direct(super::Kind::GoSessions, super::LEGACY, connections),
    go_2025_11_25 => |connections| super::same_as_direct(super::Kind::GoSessions, super::REQUIRED_2025_11_25, connections),
    go_2026_07_28 => |connections| super::same_as_direct(super::Kind::GoStateless, super::REQUIRED_2026_07_28, connections),
    python_legacy => |connections| super::same_as_direct(super::Kind::PythonEverything, super::LEGACY, connections),
    python_2025_11_25 => |connections| super::same_as_direct(super::Kind::PythonEverything, super::REQUIRED_2025_11_25, connections),
    python_2026_07_28 => |connections| super::same_as_direct(super::Kind::PythonEverything, super::REQUIRED_2026_07_28, connections),
}

fn same_as_direct(kind: Kind, suite: Suite, connections: Connections) -> Result<()> {
    let reference = Server::start(kind)?;
    // A neighbour of the same era, so that its tools really are on the route.
    let neighbour = Server::start(if suite.label.contains("2026") { Kind::Modern } else { Kind::FastMcp })?;
    let hole = Hole::open(Manner::Silent)?;
    let config = |address: SocketAddr| {
        // The suite plays a browser on the gateway's own origin, and wants every prompt described, the neighbour's too.
        let origins = format!("  allowedOrigins: [\"http://localhost:{}\"]\n", address.port());
        let described = "    prompts: { override: [{ name: greet, description: Greets a person. }] }\n";
        let three = yaml::route("three", "/three", &[("hole", "hole"), ("reference", ""), ("neighbour", "neighbour")]);
        yaml::documents(&[
            yaml::backend("reference", &reference.url()),
            yaml::backend("neighbour", &neighbour.url()),
            yaml::backend("hole", &hole.url()),
            yaml::route("alone", "/alone", &[("reference", "")]) + &origins,
            three + described + &origins,
        ])
    };
    let gateway = Gateway::start_at(config, connections)?;
    let mut table = format!("\n{kind:?}, suite {}, connections {connections:?}\n", suite.label);
    let direct = row(&mut table, "direct", || suite.run(reference.address(), "/mcp"))?;
    let mut losses = Vec::new();
    for (label, path) in [("alone", "/alone"), ("of three", "/three")] {
        let through = row(&mut table, label, || suite.run(gateway.address(), path))?;
        losses.extend(through.losses(&direct).into_iter().map(|loss| format!("{label}: {loss}")));
    }
    std::io::stdout().write_all(table.as_bytes())?;
    if !losses.is_empty() {
        bail!("{} checks differ from the direct run:\n{}", losses.len(), losses.join("\n"));
    }
    Ok(())
}

fn row(table: &mut String, label: &str, run: impl FnOnce() -> Result<Outcome>) -> Result<Outcome> {
    let start = Instant::now();
    let outcome = run()?;
    let total = outcome.total();
    writeln!(
        table,
        "  {label:<10} {:>4} passed {:>3} failed {:>6.1} s",
        total.passed,
        total.failed,
        start.elapsed().as_secs_f64()
    )?;
    Ok(outcome)
}
