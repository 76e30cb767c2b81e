//! What clients send before they say anything of MCP is answered at once and never as a demand for credentials: a bare GET or DELETE, discovery of an
//! authorization server, a path that no route has.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ringway_e2e::fleet::{Kind, Server};
use ringway_e2e::gateway::{Connections, Gateway};
use ringway_e2e::http::Connection;
use ringway_e2e::yaml;

super::both_ways! {
    is_answered_fast => super::is_answered_fast,
}

fn is_answered_fast(connections: Connections) -> Result<()> {
    let server = Server::start(Kind::GoSessions)?;
    let config = yaml::documents(&[yaml::backend("go", &server.url()), yaml::route("go", "/mcp", &[("go", "")])]);
    let gateway = Gateway::start(&config, connections)?;
    let accept = [("Accept", "*/*")];
    for (method, path, allowed) in [
        ("GET", "/mcp", &[400, 405, 406][..]),
        ("DELETE", "/mcp", &[400, 404, 405]),
        ("GET", "/.well-known/oauth-protected-resource", &[404]),
        ("GET", "/.well-known/oauth-protected-resource/mcp", &[404]),
        ("GET", "/.well-known/oauth-authorization-server", &[404]),
        ("GET", "/nowhere", &[404]),
        ("POST", "/nowhere", &[404]),
    ] {
        let start = Instant::now();
        let status = Connection::open(gateway.address())?.exchange(method, path, &accept, b"")?.head.status;
        ensure!(allowed.contains(&status), "{method} {path} was answered {status}, not one of {allowed:?}");
        ensure!(start.elapsed() < Duration::from_secs(1), "{method} {path} took {:?}", start.elapsed());
    }
    Ok(())
}
