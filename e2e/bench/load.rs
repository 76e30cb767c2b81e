//! The load: keep-alive connections on one thread, each sending its next request when the answer to the last has come and was the expected one.
//!
//! Not a general HTTP client: it reads what a well-behaved proxy sends (Content-Length or chunks), and fails on anything else.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{Timespec, epoll};

/// No answer for this long voids the run.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// No answer with its head is larger.
const LARGEST: usize = 1 << 18;

/// What every connection sends, and what must come back.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// One whole request per connection: they differ in their session ids.
    pub(crate) requests: Vec<Vec<u8>>,
    /// The body of each answer.
    pub(crate) expected: Vec<u8>,
}

/// What came of it: how many answers, and each one's time in nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) latencies: Vec<u32>,
    pub(crate) elapsed: Duration,
}

/// One connection and what it has read of its answer.
struct Client<'a> {
    stream: TcpStream,
    request: &'a [u8],
    buffer: Vec<u8>,
    /// How much of the buffer is answer.
    filled: usize,
    sent: Instant,
}

/// Runs for `time` and returns every answer. One wrong answer is an error.
pub(crate) fn run(target: &Target, time: Duration) -> Result<Answers> {
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).context("epoll")?;
    let mut clients = Vec::new();
    for (number, request) in target.requests.iter().enumerate() {
        let mut client = Client::connect(target.address, request)?;
        let data = epoll::EventData::new_u64(u64::try_from(number)?);
        epoll::add(&poll, client.stream.as_fd(), data, epoll::EventFlags::IN).context("epoll")?;
        client.send()?;
        clients.push(client);
    }
    let (start, mut latencies) = (Instant::now(), Vec::with_capacity(1 << 18));
    let mut events = Vec::with_capacity(clients.len());
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), Some(&PATIENCE)).context("epoll")?;
        ensure!(!events.is_empty(), "no answer for {} s", PATIENCE.tv_sec);
        for event in &events {
            let client = clients.get_mut(usize::try_from(event.data.u64())?).context("a client")?;
            if client.read(&target.expected)? {
                latencies.push(u32::try_from(client.sent.elapsed().as_nanos()).unwrap_or(u32::MAX));
                client.send()?;
            }
        }
        if start.elapsed() >= time {
            return Ok(Answers { latencies, elapsed: start.elapsed() });
        }
    }
}

// === impl Client ===

impl<'a> Client<'a> {
    fn connect(address: SocketAddr, request: &'a [u8]) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connection to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, request, buffer: vec![0; LARGEST], filled: 0, sent: Instant::now() })
    }

    fn send(&mut self) -> Result<()> {
        self.sent = Instant::now();
        // A few hundred bytes into an empty socket: it takes them at once, or something is wrong.
        let count = self.stream.write(self.request).context("request")?;
        ensure!(count == self.request.len(), "a request was taken in part only");
        Ok(())
    }

    /// Reads what is there; true when the answer is whole and right.
    fn read(&mut self, expected: &[u8]) -> Result<bool> {
        let free = self.buffer.get_mut(self.filled..).unwrap_or_default();
        ensure!(!free.is_empty(), "an answer over {LARGEST} bytes");
        match self.stream.read(free) {
            Ok(0) => bail!("the connection was closed in mid-answer"),
            Ok(count) => self.filled += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error).context("answer"),
        }
        let answer = self.buffer.get(..self.filled).unwrap_or_default();
        let Some((head, rest)) = split(answer) else { return Ok(false) };
        let Some(right) = matches(head, rest, expected)? else { return Ok(false) };
        ensure!(
            right && head.starts_with(b"HTTP/1.1 200 "),
            "a wrong answer, so the run is void:\n{}\nexpected the body\n{}",
            shown(answer),
            shown(expected)
        );
        self.filled = 0;
        Ok(true)
    }
}

/// The head and what follows it.
fn split(buffer: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = buffer.windows(4).position(|window| window == b"\r\n\r\n")?;
    Some((buffer.get(..end + 2)?, buffer.get(end + 4..)?))
}

/// Whether the body is the expected one; none while it is not whole.
fn matches(head: &[u8], rest: &[u8], expected: &[u8]) -> Result<Option<bool>> {
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) =
            (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default().trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            let length: usize =
                std::str::from_utf8(value).ok().and_then(|text| text.parse().ok()).context("Content-Length")?;
            return Ok((rest.len() >= length).then(|| rest == expected));
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            return Ok(dechunked(rest)?.map(|body| body == expected));
        }
    }
    bail!("an answer without a length: {}", shown(head))
}

/// The body in chunks; none while its end has not come.
fn dechunked(mut rest: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|window| window == b"\r\n") else { return Ok(None) };
        let text = std::str::from_utf8(rest.get(..end).unwrap_or_default()).context("chunk size")?;
        let size = usize::from_str_radix(text, 16).with_context(|| format!("chunk size {text:?}"))?;
        let Some(chunk) = rest.get(end + 2..end + 2 + size) else { return Ok(None) };
        let Some(after) = rest.get(end + 4 + size..) else { return Ok(None) };
        if size == 0 {
            ensure!(after.is_empty(), "bytes after an answer");
            return Ok(Some(body));
        }
        body.extend_from_slice(chunk);
        rest = after;
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..bytes.len().min(1_000)).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    /// Answers every request on one connection with the next of `answers`, and the last one for ever.
    fn server(answers: Vec<&'static str>) -> Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || -> Result<()> {
            let (mut stream, _) = listener.accept()?;
            for answer in answers.iter().chain(std::iter::repeat(&answers[answers.len() - 1])) {
                if stream.read(&mut [0; 64])? == 0 {
                    break;
                }
                stream.write_all(answer.as_bytes())?;
            }
            Ok(())
        });
        Ok(address)
    }

    fn after(answers: Vec<&'static str>) -> Result<Answers> {
        let target = Target { address: server(answers)?, requests: vec![b"ask".to_vec()], expected: b"right".to_vec() };
        run(&target, Duration::from_millis(50))
    }

    const RIGHT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nright";

    #[test]
    fn right_answers_count() {
        for answer in [RIGHT, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nri\r\n3\r\nght\r\n0\r\n\r\n"] {
            let answers = after(vec![answer]).unwrap();
            assert!(answers.latencies.len() > 1 && answers.elapsed >= Duration::from_millis(50));
        }
    }

    #[test]
    fn one_wrong_answer_voids_the_run() {
        for wrong in [
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong",
            "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nright!",
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nright",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nrigh\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\nright",
        ] {
            assert!(after(vec![RIGHT, RIGHT, wrong, RIGHT]).is_err(), "{wrong}");
        }
    }
}
