//! A backend that hangs, drops or is not there delays no `initialize`, fails no list and no call to another, is named in the answer, and comes back
//! by itself with a `list_changed`.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ringway_e2e::fleet::{Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::hole::{Hole, Manner};
use ringway_e2e::session::{Session, next_event};
use ringway_e2e::{port::Port, yaml};
use serde_json::json;

super::both_ways! {
    leave_the_others_alone => super::leave_the_others_alone,
}

fn leave_the_others_alone(connections: Connections) -> Result<()> {
    let server = Server::start(Kind::FastMcp)?;
    let (silent, drops) = (Hole::open(Manner::Silent)?, Hole::open(Manner::Drops)?);
    let absent = Port::claim()?;
    let config = yaml::documents(&[
        yaml::backend("silent", &silent.url()),
        yaml::backend("drops", &drops.url()),
        yaml::backend("absent", &format!("http://{}/mcp", absent.address())),
        yaml::backend("fast", &server.url()),
        yaml::route(
            "mixed",
            "/mcp",
            &[("silent", "silent"), ("drops", "drops"), ("absent", "absent"), ("fast", "fast")],
        ),
    ]);
    let gateway = Gateway::start(&config, connections)?;
    let start = Instant::now();
    let mut session = Session::open(gateway.address(), "/mcp", &json!({}))?;
    let initialize = start.elapsed();
    ensure!(initialize < Duration::from_secs(2), "initialize took {initialize:?}");
    let start = Instant::now();
    let answer = session.request("tools/list", &json!({}))?;
    let list = start.elapsed();
    ensure!(list < Duration::from_secs(12), "the list took {list:?}");
    let tools = answer["result"]["tools"].as_array().with_context(|| format!("a list: {answer}"))?;
    ensure!(tools.len() == 9, "the living backend's tools, not {}: {answer}", tools.len());
    let mark = answer["result"]["_meta"].to_string();
    for missing in ["silent", "drops", "absent"] {
        ensure!(mark.contains(missing), "the answer does not say that {missing} is missing: {mark}");
    }
    let start = Instant::now();
    let sum = session.request("tools/call", &json!({"name": "fast_add", "arguments": {"a": 2, "b": 40}}))?;
    ensure!(sum["result"]["structuredContent"]["result"] == 42, "{sum}");
    ensure!(start.elapsed() < Duration::from_secs(5), "a call to a living backend took {:?}", start.elapsed());
    ensure!(silent.accepted() > 0 && drops.accepted() > 0, "nobody tried the dead backends");
    comes_back(&gateway, absent)
}

/// The absent backend appears on its port: the gateway finds it and says so.
fn comes_back(gateway: &Gateway, absent: Port) -> Result<()> {
    let mut session = Session::open(gateway.address(), "/mcp", &json!({}))?;
    let (mut stream, mut buffered) = (session.listen()?, Vec::new());
    let server = Server::start_on(Kind::FastMcp, absent)?;
    // Each kind of list may be announced; the read itself has a deadline.
    while next_event(&mut stream, &mut buffered).context("a notice that the backend is back")?["method"]
        != "notifications/tools/list_changed"
    {}
    let names = session.names("tools/list", "tools")?;
    ensure!(names.iter().any(|name| name == "absent_add"), "still without the backend at {}: {names:?}", server.url());
    Ok(())
}
