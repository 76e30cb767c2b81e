//! The cases: what is sent to each side, and what must come back. Envoy's plain proxy carries the same bodies; for a merged list, the very bytes that
//! Ringway answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ringway_e2e::http::Connection;
use ringway_e2e::session::Session;
use ringway_e2e::wait;
use serde_json::{Value, json};

use crate::load::Target;
use crate::measure::Side;
use crate::peers::{Envoy, Ringway};
use crate::upstream::{self, CALL_ANSWER, MODERN_ANSWER, Upstream};

/// One case on every side.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) sides: Vec<Side>,
}

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;
const ACCEPT: &str = "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n";

/// Every case, with as many requests as there are connections.
pub(crate) fn all(
    upstream: &Upstream,
    envoy: &Envoy,
    ringway: Option<&Ringway>,
    connections: usize,
) -> Result<Vec<Case>> {
    let world = World { upstream, envoy, ringway, connections };
    Ok(vec![
        world.session_call("call with session", "/one", "/a", "a1", "a1")?,
        world.modern_call()?,
        world.session_call("call among three", "/three", "/b", "b_b1", "b1")?,
        world.list("list of 6", "/three", &["a", "b", "c"], "list-6")?,
        world.list("list of 300", "/big", &["big-a", "big-b", "big-c"], "list-300")?,
    ])
}

struct World<'a> {
    upstream: &'a Upstream,
    envoy: &'a Envoy,
    ringway: Option<&'a Ringway>,
    connections: usize,
}

impl World<'_> {
    /// A legacy `tools/call`: at Ringway each connection has a session of its own.
    fn session_call(&self, name: &'static str, route: &str, server: &str, visible: &str, own: &str) -> Result<Case> {
        let body = |tool: &str| {
            let text = "x".repeat(193 - CALL_FRAME - tool.len());
            format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{text}"}}}}}}"#
            )
        };
        let plain = post(server, "Mcp-Session-Id: static-session\r\nMCP-Protocol-Version: 2025-11-25\r\n", &body(own));
        let mut sides = self.plain_sides(&plain, CALL_ANSWER.as_bytes());
        if let Some(ringway) = self.ringway {
            let requests = self.in_sessions(ringway.address(), route, &body(visible))?;
            sides.push(Side {
                name: "ringway",
                pid: Some(ringway.pid()),
                target: target(ringway.address(), requests, CALL_ANSWER.as_bytes()),
            });
        }
        Ok(Case { name, sides })
    }

    fn modern_call(&self) -> Result<Case> {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
        let text = "x".repeat(61);
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"m1","arguments":{{"text":"{text}"}},{meta}}}}}"#
        );
        let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: m1\r\n";
        let request = post("/modern", headers, &body);
        let mut sides = self.plain_sides(&request, MODERN_ANSWER.as_bytes());
        if let Some(ringway) = self.ringway {
            let requests = vec![request; self.connections];
            sides.push(Side {
                name: "ringway",
                pid: Some(ringway.pid()),
                target: target(ringway.address(), requests, MODERN_ANSWER.as_bytes()),
            });
        }
        Ok(Case { name: "modern call", sides })
    }

    /// A merged list: checked for content once, then every answer must be that one. Without Ringway, the plain list stands in for the merged one.
    fn list(&self, name: &'static str, route: &str, servers: &[&str], file: &str) -> Result<Case> {
        let wanted: Vec<_> = servers
            .iter()
            .flat_map(|server| upstream::tools(server).into_iter().map(|tool| (letter(server), tool)))
            .collect();
        let answer = match self.ringway {
            Some(ringway) => merged(ringway.address(), route, &wanted)?,
            None => {
                let tools: Vec<_> =
                    wanted.iter().map(|(letter, tool)| upstream::tool(&format!("{letter}_{tool}"))).collect();
                format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}]}}}}"#, tools.join(",")).into_bytes()
            }
        };
        self.upstream.put(file, &answer)?;
        let mut sides = self.plain_sides(&post(&format!("/{file}"), "", LIST), &answer);
        if let Some(ringway) = self.ringway {
            let requests = self.in_sessions(ringway.address(), route, LIST)?;
            sides.push(Side {
                name: "ringway",
                pid: Some(ringway.pid()),
                target: target(ringway.address(), requests, &answer),
            });
        }
        Ok(Case { name, sides })
    }

    /// The upstream itself, and Envoy in front of it.
    fn plain_sides(&self, request: &[u8], expected: &[u8]) -> Vec<Side> {
        let requests = vec![request.to_vec(); self.connections];
        let nginx = SocketAddr::from((Ipv4Addr::LOCALHOST, self.upstream.port()));
        vec![
            Side { name: "direct", pid: None, target: target(nginx, requests.clone(), expected) },
            Side {
                name: "envoy",
                pid: Some(self.envoy.pid()),
                target: target(self.envoy.address(), requests, expected),
            },
        ]
    }

    /// The request once per connection, each in its own session.
    fn in_sessions(&self, gateway: SocketAddr, route: &str, body: &str) -> Result<Vec<Vec<u8>>> {
        (0..self.connections)
            .map(|_| {
                let session = Session::open(gateway, route, &json!({}))?;
                Ok(post(
                    route,
                    &format!("Mcp-Session-Id: {}\r\nMCP-Protocol-Version: 2025-11-25\r\n", session.id()),
                    body,
                ))
            })
            .collect()
    }
}

/// A `tools/call` without its tool's name and its text.
const CALL_FRAME: usize =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"","arguments":{"text":""}}}"#.len();

fn letter(server: &str) -> &str {
    server.strip_prefix("big-").unwrap_or(server)
}

fn target(address: SocketAddr, requests: Vec<Vec<u8>>, expected: &[u8]) -> Target {
    Target { address, requests, expected: expected.to_vec() }
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{ACCEPT}{headers}Content-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// The bytes of the merged list, once it is whole: every tool under its prefix, and nothing else changed in it.
fn merged(gateway: SocketAddr, route: &str, wanted: &[(&str, String)]) -> Result<Vec<u8>> {
    let expected: Vec<Value> = wanted
        .iter()
        .map(|(letter, tool)| serde_json::from_str(&upstream::tool(&format!("{letter}_{tool}"))))
        .collect::<Result<_, _>>()
        .context("a tool")?;
    let session = Session::open(gateway, route, &json!({}))?;
    let headers = [
        ("Accept", "application/json, text/event-stream"),
        ("Content-Type", "application/json"),
        ("Mcp-Session-Id", session.id()),
        ("MCP-Protocol-Version", "2025-11-25"),
    ];
    let mut last = String::new();
    wait::until("the whole merged list", Duration::from_secs(20), || {
        let reply = Connection::open(gateway)?.exchange("POST", route, &headers, LIST.as_bytes())?;
        ensure!(reply.head.status == 200, "tools/list answered {}: {}", reply.head.status, reply.text());
        last = reply.text();
        Ok((reply.message()?["result"]["tools"] == json!(expected)).then_some(reply.body))
    })
    .with_context(|| last.chars().take(2_000).collect::<String>())
}
