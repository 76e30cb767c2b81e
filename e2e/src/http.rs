//! A small blocking HTTP/1.1 client: what polling, metrics and hand-made protocol messages need, with the connection in the caller's hand.
//!
//! No TLS, no redirects, no pool. It reads strictly enough to fail on a broken answer.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// How long one read may wait.
const PATIENCE: Duration = Duration::from_secs(30);

/// Status line and headers of an answer.
#[derive(Debug, Clone)]
pub struct Head {
    pub status: u16,
    headers: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Reply {
    pub head: Head,
    pub body: Vec<u8>,
}

/// One connection, used for one message after the other.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    host: SocketAddr,
    /// The last answer said `Connection: close`.
    closing: bool,
}

// === impl Head ===

impl Head {
    /// The first value of a header, by its lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

// === impl Reply ===

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The JSON-RPC message in the body: the JSON itself, or the last event of an SSE answer.
    pub fn message(&self) -> Result<serde_json::Value> {
        let text = self.text();
        let json = match self.head.header("content-type") {
            Some(kind) if kind.starts_with("text/event-stream") => text
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .rfind(|data| !data.trim().is_empty())
                .context("an event with data")?,
            _ => &text,
        };
        serde_json::from_str(json).with_context(|| format!("JSON in {}: {text}", self.head.status))
    }
}

// === impl Connection ===

impl Connection {
    pub fn open(host: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&host, PATIENCE).with_context(|| format!("connection to {host}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::new(stream), host, closing: false })
    }

    /// Whether the other side has closed it, or said that it will.
    pub fn is_spent(&self) -> bool {
        let stream = self.stream.get_ref();
        let gone = stream.set_nonblocking(true).is_err()
            || !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        self.closing || stream.set_nonblocking(false).is_err() || gone
    }

    /// Waits no longer than this for each read from now on.
    pub fn impatient(&mut self, patience: Duration) -> Result<()> {
        self.stream.get_ref().set_read_timeout(Some(patience)).context("read timeout")
    }

    /// Sends one request; `headers` come on top of Host and Content-Length.
    pub fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<()> {
        let mut message = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.host);
        for (name, value) in headers {
            message.push_str(&format!("{name}: {value}\r\n"));
        }
        if method == "POST" || !body.is_empty() {
            message.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        message.push_str("\r\n");
        let mut bytes = message.into_bytes();
        bytes.extend_from_slice(body);
        self.stream.get_mut().write_all(&bytes).context("request")
    }

    /// Reads status and headers, and leaves the body (an event stream) on the connection.
    pub fn head(&mut self) -> Result<Head> {
        let line = self.line()?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .with_context(|| format!("status line {line:?}"))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                let head = Head { status, headers };
                self.closing = head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                return Ok(head);
            }
            let (name, value) = line.split_once(':').with_context(|| format!("header {line:?}"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// Reads a whole answer.
    pub fn receive(&mut self) -> Result<Reply> {
        let head = self.head()?;
        let mut body = Vec::new();
        if head.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            while self.chunk(&mut body)? {}
        } else if let Some(length) = head.header("content-length") {
            body.resize(length.parse().context("Content-Length")?, 0);
            self.stream.read_exact(&mut body).context("body")?;
        } else if !matches!(head.status, 204 | 304) {
            self.stream.read_to_end(&mut body).context("body")?;
        }
        Ok(Reply { head, body })
    }

    /// Sends and receives.
    pub fn exchange(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Reply> {
        self.send(method, path, headers, body)?;
        self.receive()
    }

    /// Reads one chunk of a chunked body onto `into`; false at its end.
    pub fn chunk(&mut self, into: &mut Vec<u8>) -> Result<bool> {
        let line = self.line()?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
            .with_context(|| format!("chunk size {line:?}"))?;
        ensure!(size <= 1 << 26, "a chunk of {size} bytes");
        let from = into.len();
        into.resize(from + size, 0);
        self.stream.read_exact(into.get_mut(from..).unwrap_or_default()).context("chunk")?;
        ensure!(self.line()?.is_empty(), "no line end after a chunk");
        Ok(size > 0)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).context("answer")?;
        if line.is_empty() {
            bail!("the connection was closed");
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// One GET on a connection of its own.
pub fn get(host: SocketAddr, path: &str) -> Result<Reply> {
    Connection::open(host)?.exchange("GET", path, &[("Connection", "close")], b"")
}
