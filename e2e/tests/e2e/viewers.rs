//! Two clients with different capabilities see each their own tools: server-everything offers 13 to a client with none, 16 with roots, sampling and
//! elicitation, and it registers them only after it saw `notifications/initialized`.

use std::time::Duration;

use anyhow::{Context, Result};
use ringway_e2e::fleet::{Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::session::Session;
use ringway_e2e::{wait, yaml};
use serde_json::{Value, json};

super::both_ways! {
    thirteen_and_sixteen_tools => super::thirteen_and_sixteen_tools,
}

fn thirteen_and_sixteen_tools(connections: Connections) -> Result<()> {
    let server = Server::start(Kind::Everything)?;
    let config =
        yaml::documents(&[yaml::backend("every", &server.url()), yaml::route("every", "/mcp", &[("every", "")])]);
    let gateway = Gateway::start(&config, connections)?;
    let able = json!({"roots": {"listChanged": true}, "sampling": {}, "elicitation": {}});
    for address in [server.address(), gateway.address()] {
        let mut plain = Session::open(address, "/mcp", &json!({}))?;
        let mut capable = Session::open(address, "/mcp", &able)?;
        // Asked in turns: what one sees must not become what the other sees.
        for _ in 0..3 {
            sees(&mut plain, 13).with_context(|| format!("without capabilities at {address}"))?;
            sees(&mut capable, 16).with_context(|| format!("with capabilities at {address}"))?;
        }
    }
    Ok(())
}

fn sees(session: &mut Session, count: usize) -> Result<()> {
    let mut last = Value::Null;
    wait::until(&format!("{count} tools"), Duration::from_secs(10), || {
        let names = session.names("tools/list", "tools")?;
        last = json!(names);
        Ok((names.len() == count).then_some(()))
    })
    .with_context(|| format!("last seen: {last}"))
}
