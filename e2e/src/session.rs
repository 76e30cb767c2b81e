//! A hand-made legacy client: one session, every message and every connection in the test's hand.
//!
//! For what the SDK clients do not let one choose: capabilities, a missing GET stream, a connection that is dropped at a given point.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::http::{Connection, Reply};

/// The revision that these sessions speak.
pub const REVISION: &str = "2025-11-25";
const ACCEPT: (&str, &str) = ("Accept", "application/json, text/event-stream");

/// An open session of the legacy era.
#[derive(Debug)]
pub struct Session {
    address: SocketAddr,
    path: String,
    id: String,
    /// What `initialize` answered.
    pub initialized: Value,
    connection: Connection,
    last: u64,
}

impl Session {
    /// `initialize` with these capabilities, then `notifications/initialized`, on one connection.
    pub fn open(address: SocketAddr, path: &str, capabilities: &Value) -> Result<Self> {
        let mut connection = Connection::open(address)?;
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": REVISION, "capabilities": capabilities, "clientInfo": {"name": "e2e", "version": "1"}}});
        let headers = [ACCEPT, ("Content-Type", "application/json")];
        let reply = connection.exchange("POST", path, &headers, body.to_string().as_bytes())?;
        ensure!(reply.head.status == 200, "initialize answered {}: {}", reply.head.status, reply.text());
        let id = reply.head.header("mcp-session-id").context("a session id")?.to_owned();
        let initialized = reply.message()?;
        let mut session = Self { address, path: path.to_owned(), id, initialized, connection, last: 1 };
        let reply = session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))?;
        ensure!(reply.head.status == 202, "initialized answered {}: {}", reply.head.status, reply.text());
        Ok(session)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends one request on the session's connection and returns the whole answer, `result` or `error`.
    pub fn request(&mut self, method: &str, params: &Value) -> Result<Value> {
        self.last += 1;
        let id = self.last;
        let reply = self.post(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}))?;
        ensure!(reply.head.status == 200, "{method} answered {}: {}", reply.head.status, reply.text());
        let answer = reply.message()?;
        ensure!(answer["id"] == json!(id), "{method} was answered with another id: {answer}");
        Ok(answer)
    }

    /// The visible names of one list, all pages.
    pub fn names(&mut self, method: &str, field: &str) -> Result<Vec<String>> {
        let (mut names, mut params) = (Vec::new(), json!({}));
        loop {
            let answer = self.request(method, &params)?;
            let items = answer["result"][field].as_array().with_context(|| format!("{field} in {answer}"))?;
            names.extend(items.iter().filter_map(|item| item["name"].as_str()).map(str::to_owned));
            let Some(cursor) = answer["result"]["nextCursor"].as_str() else { return Ok(names) };
            params = json!({"cursor": cursor});
        }
    }

    /// Posts one message on the session's own connection, which is replaced when the other side has closed it.
    pub fn post(&mut self, message: &Value) -> Result<Reply> {
        if self.connection.is_spent() {
            self.connection = Connection::open(self.address)?;
        }
        let headers = [
            ACCEPT,
            ("Content-Type", "application/json"),
            ("Mcp-Session-Id", &self.id),
            ("MCP-Protocol-Version", REVISION),
        ];
        self.connection.exchange("POST", &self.path, &headers, message.to_string().as_bytes())
    }

    /// Posts a request on a connection of its own and leaves its answer there, to be read event by event.
    pub fn post_and_listen(&mut self, message: &Value) -> Result<Connection> {
        let mut connection = Connection::open(self.address)?;
        connection.send("POST", &self.path, &self.headers(), message.to_string().as_bytes())?;
        let head = connection.head()?;
        let stream = head.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        ensure!(head.status == 200 && stream, "not an event stream: {head:?}");
        Ok(connection)
    }

    /// Opens the session's GET stream on a connection of its own.
    pub fn listen(&self) -> Result<Connection> {
        let mut connection = Connection::open(self.address)?;
        let headers =
            [("Accept", "text/event-stream"), ("Mcp-Session-Id", self.id.as_str()), ("MCP-Protocol-Version", REVISION)];
        connection.send("GET", &self.path, &headers, b"")?;
        let head = connection.head()?;
        ensure!(head.status == 200, "GET answered {}", head.status);
        Ok(connection)
    }

    /// Ends the session as a tidy client does.
    pub fn delete(&mut self) -> Result<u16> {
        let headers = [("Mcp-Session-Id", self.id.as_str()), ("MCP-Protocol-Version", REVISION)];
        Ok(Connection::open(self.address)?.exchange("DELETE", &self.path, &headers, b"")?.head.status)
    }

    fn headers(&self) -> [(&str, &str); 4] {
        [ACCEPT, ("Content-Type", "application/json"), ("Mcp-Session-Id", &self.id), ("MCP-Protocol-Version", REVISION)]
    }
}

/// The next message of an event stream: events without data are priming ones and are passed over.
pub fn next_event(stream: &mut Connection, buffered: &mut Vec<u8>) -> Result<Value> {
    loop {
        while let Some(end) = event_end(buffered) {
            let event: Vec<u8> = buffered.drain(..end).collect();
            let text = String::from_utf8(event).context("an event in UTF-8")?;
            let data: Vec<&str> =
                text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
            let data = data.join("\n");
            if !data.is_empty() {
                return serde_json::from_str(&data).with_context(|| format!("an event's data: {data}"));
            }
        }
        ensure!(stream.chunk(buffered)?, "the event stream ended");
    }
}

/// Where the first event of the buffer ends: after its blank line, whatever the line ends are.
fn event_end(buffered: &[u8]) -> Option<usize> {
    let of = |mark: &[u8]| buffered.windows(mark.len()).position(|at| at == mark).map(|at| at + mark.len());
    of(b"\n\n").into_iter().chain(of(b"\r\n\r\n")).min()
}
