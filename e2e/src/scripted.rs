//! A server that says what a test tells it to say: for answers that real servers were seen to give, but not on demand.
//!
//! One HTTP message per connection. It is the odd one out here: everything that a real server can show is shown with a real one.

use std::io::{BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::relay::{Seen, receive};

/// Status, content type and body.
#[derive(Debug, Clone)]
pub struct Say(pub u16, pub &'static str, pub String);

/// A running scripted server; it stops accepting on drop.
#[derive(Debug)]
pub struct Scripted {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
}

// === impl Say ===

impl Say {
    /// A JSON-RPC result at 200.
    pub fn result(id: &Value, result: &Value) -> Self {
        Self(200, "application/json", json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
    }
}

// === impl Scripted ===

impl Scripted {
    /// A server that answers each message with what `script` says of it.
    pub fn start(script: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Result<Self> {
        Self::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), script)
    }

    /// The same where pods of a cluster reach it.
    pub fn start_at(host: IpAddr, script: impl Fn(&Seen) -> Say + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind((host, 0)).context("a port for a scripted server")?;
        let address = listener.local_addr().context("address of a scripted server")?;
        let (stop, script) = (Arc::new(AtomicBool::new(false)), Arc::new(script));
        let stopped = Arc::clone(&stop);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Acquire) {
                    return;
                }
                let script = Arc::clone(&script);
                // A broken connection concerns its other end.
                thread::spawn(move || drop(answer(client, script.as_ref())));
            }
        });
        Ok(Self { address, stop })
    }

    /// A legacy server with one tool, `hello`. What `special` has an answer for is answered so.
    pub fn legacy(special: impl Fn(&Seen) -> Option<Say> + Send + Sync + 'static) -> Result<Self> {
        Self::start(move |seen| special(seen).unwrap_or_else(|| ordinary(seen)))
    }

    /// The same where pods of a cluster reach it.
    pub fn legacy_at(host: IpAddr, special: impl Fn(&Seen) -> Option<Say> + Send + Sync + 'static) -> Result<Self> {
        Self::start_at(host, move |seen| special(seen).unwrap_or_else(|| ordinary(seen)))
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
    }
}

fn ordinary(seen: &Seen) -> Say {
    let id = seen.id();
    match (seen.http.as_str(), seen.method.as_str()) {
        ("DELETE", _) => Say(200, "text/plain", String::new()),
        ("GET", _) => Say(405, "text/plain", String::new()),
        (_, "initialize") => Say::result(
            &id,
            &json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "scripted", "version": "1"}}),
        ),
        (_, "ping") => Say::result(&id, &json!({})),
        (_, "tools/list") => {
            Say::result(&id, &json!({"tools": [{"name": "hello", "inputSchema": {"type": "object"}}]}))
        }
        (_, "tools/call") => Say::result(&id, &json!({"content": [{"type": "text", "text": "hello"}]})),
        (_, method) if method.starts_with("notifications/") => Say(202, "text/plain", String::new()),
        _ => {
            let error = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "Method not found"}});
            Say(200, "application/json", error.to_string())
        }
    }
}

fn answer(mut client: TcpStream, script: &dyn Fn(&Seen) -> Say) -> Result<()> {
    let seen = receive(&mut BufReader::new(client.try_clone()?))?;
    let Say(status, kind, body) = script(&seen);
    let session = if seen.method == "initialize" { "Mcp-Session-Id: scripted-session\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} Scripted\r\nContent-Type: {kind}\r\n{session}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes()).context("answer")
}
