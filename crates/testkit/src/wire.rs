//! HTTP/1.1 as bytes: heads and bodies read off a socket without interpretation beyond their framing.
//!
//! Used by the client for answers and by the upstream for requests.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::PATIENCE;

/// The first line and the fields of a message.
#[derive(Debug, Clone)]
pub struct Head {
    /// Request or status line.
    pub start: String,
    /// Names in lower case; values trimmed.
    pub fields: Vec<(String, Vec<u8>)>,
    /// As it came, with the blank line.
    pub raw: Vec<u8>,
}

/// A connection and what was read ahead.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// How much of a body is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// So many bytes.
    Length(usize),
    /// Chunks up to the empty one.
    Chunks,
    /// Everything until the peer closes.
    UntilClose,
    /// Nothing.
    Over,
}

// === impl Head ===

impl Head {
    fn parse(raw: Vec<u8>) -> io::Result<Self> {
        let mut lines = raw.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let start = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let mut fields = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            let colon = line.iter().position(|b| *b == b':').ok_or_else(|| broken("a field without a colon"))?;
            let (name, value) = line.split_at(colon);
            fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value[1..].trim_ascii().to_vec()));
        }
        Ok(Self { start, fields, raw })
    }

    /// The first value of a field, as text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let (_, value) = self.fields.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(value).ok()
    }

    /// How many times a field stands there.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.fields.iter().filter(|(n, _)| n == name).count()
    }

    fn framing(&self) -> Option<Rest> {
        if self.field("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            return Some(Rest::Chunks);
        }
        let length = self.field("content-length")?.parse().ok()?;
        Some(if length == 0 { Rest::Over } else { Rest::Length(length) })
    }

    /// What follows a request's head.
    #[must_use]
    pub fn request_body(&self) -> Rest {
        self.framing().unwrap_or(Rest::Over)
    }

    /// What follows a status line and its fields.
    #[must_use]
    pub fn answer_body(&self) -> Rest {
        match self.status() {
            204 | 304 => Rest::Over,
            _ => self.framing().unwrap_or(Rest::UntilClose),
        }
    }

    /// The status of an answer; 0 when there is none.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }
}

// === impl Wire ===

impl Wire {
    /// Takes a connection over.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
        Self { stream, buffer: Vec::new() }
    }

    /// The socket itself.
    #[must_use]
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes as one write.
    ///
    /// # Errors
    /// The peer is gone.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    /// Closes both directions.
    pub fn close(&self) {
        // Closed by the peer already.
        let _gone = self.stream.shutdown(Shutdown::Both);
    }

    /// Reads once more; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        let mut piece = [0; 16 << 10];
        let read = self.stream.read(&mut piece)?;
        self.buffer.extend_from_slice(&piece[..read]);
        Ok(read > 0)
    }

    /// The next head; `None` when the peer closed before its first byte.
    ///
    /// # Errors
    /// Closed inside it, silent for too long, or no head.
    pub fn head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                return Head::parse(self.take(end + 4)).map(Some);
            }
            if !self.fill()? {
                return if self.buffer.is_empty() { Ok(None) } else { Err(cut("a head")) };
            }
        }
    }

    /// The next piece of a body; `None` at its end.
    ///
    /// # Errors
    /// Closed inside it, silent for too long, or badly framed.
    pub fn piece(&mut self, rest: &mut Rest) -> io::Result<Option<Vec<u8>>> {
        match *rest {
            Rest::Over => Ok(None),
            Rest::Length(left) => {
                if self.buffer.is_empty() && !self.fill()? {
                    return Err(cut("a body"));
                }
                let piece = self.take(left.min(self.buffer.len()));
                *rest = if piece.len() == left { Rest::Over } else { Rest::Length(left - piece.len()) };
                Ok(Some(piece))
            }
            Rest::UntilClose => {
                if self.buffer.is_empty() && !self.fill()? {
                    *rest = Rest::Over;
                    return Ok(None);
                }
                Ok(Some(self.take(self.buffer.len())))
            }
            Rest::Chunks => {
                let piece = self.chunk()?;
                if piece.is_empty() {
                    *rest = Rest::Over;
                    return Ok(None);
                }
                Ok(Some(piece))
            }
        }
    }

    fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let line = loop {
            if let Some(end) = find(&self.buffer, b"\r\n") {
                break self.take(end + 2);
            }
            if !self.fill()? {
                return Err(cut("a chunk's size"));
            }
        };
        let size = String::from_utf8_lossy(&line).trim().to_owned();
        let size = usize::from_str_radix(&size, 16).map_err(|_| broken("a chunk's size"))?;
        while self.buffer.len() < size + 2 {
            if !self.fill()? {
                return Err(cut("a chunk"));
            }
        }
        let mut chunk = self.take(size + 2);
        chunk.truncate(size);
        Ok(chunk)
    }

    /// A whole body.
    ///
    /// # Errors
    /// As [`Wire::piece`].
    pub fn body(&mut self, mut rest: Rest) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(piece) = self.piece(&mut rest)? {
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// Waits until the peer closes; what it still sends is thrown away.
    ///
    /// # Errors
    /// It stays open for too long.
    pub fn closed(&mut self) -> io::Result<()> {
        loop {
            match self.fill() {
                Ok(true) => self.buffer.clear(),
                Ok(false) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Has the peer not closed yet? Does not wait.
    ///
    /// # Panics
    /// The socket takes no mode.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket takes a mode");
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).expect("a socket takes a mode");
        match peeked {
            Ok(count) => count > 0,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        }
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.buffer.split_off(count);
        std::mem::replace(&mut self.buffer, rest)
    }
}

/// The first place of `needle`.
#[must_use]
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn cut(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the peer closed inside {what}"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
