//! `text/event-stream` framing: bytes to frames and back.
//!
//! Line ends may be LF, CR or CRLF, cut anywhere. Says nothing about what is in an event: the data plane scans `data`,
//! allow-lists event names and mints ids. Source: WHATWG HTML, "Server-sent events", but an event that has fields and
//! no data is reported (MCP's `retry` and priming events), not dropped.
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

/// What a stream may hold at most, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseLimits {
    /// All lines of one event together.
    pub event_bytes: usize,
    /// One line, without its end.
    pub line_bytes: usize,
}

/// Bytes in, frames out: `push` a chunk, then call `next` until it says `None`.
#[derive(Debug)]
pub struct Decoder {
    limits: SseLimits,
    // The open event from its first line on, and what came after it.
    buffer: BytesMut,
    // Start of the line that is read next, and how far its end was looked for.
    line: usize,
    searched: usize,
    fields: Fields,
    start: bool,
    // The last line ended in CR: a following LF belongs to it.
    after_cr: bool,
    failed: Option<SseError>,
}

/// What a stream is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A block of fields, ended by a blank line.
    Event(Event),
    /// A comment line, as servers send to keep a connection alive.
    Comment,
}

/// One event. Fields that were not there are `None`; the last of several counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// `id:`; one with a NUL inside is ignored.
    pub id: Option<Bytes>,
    /// `event:`
    pub kind: Option<Bytes>,
    /// The `data:` lines, joined by LF.
    pub data: Bytes,
    /// `retry:`, in milliseconds.
    pub retry: Option<u64>,
    /// Whether there was a `data:` line at all; a priming event has an empty one.
    pub has_data: bool,
}

/// A stream that cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// Longer than [`SseLimits::line_bytes`].
    #[error("a line of the event stream is too long")]
    LineTooLong,
    /// Longer than [`SseLimits::event_bytes`].
    #[error("an event of the stream is too long")]
    EventTooLong,
}

// Ranges into the buffer.
#[derive(Debug, Default)]
struct Fields {
    any: bool,
    id: Option<Range<usize>>,
    kind: Option<Range<usize>>,
    data: SmallVec<[Range<usize>; 2]>,
    retry: Option<u64>,
}

const BOM: &[u8] = b"\xef\xbb\xbf";

// === impl SseLimits ===

impl Default for SseLimits {
    fn default() -> Self {
        Self { event_bytes: 4 << 20, line_bytes: 4 << 20 }
    }
}

// === impl Decoder ===

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new(limits: SseLimits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            line: 0,
            searched: 0,
            fields: Fields::default(),
            start: true,
            after_cr: false,
            failed: None,
        }
    }

    /// Takes the next bytes of the stream. Read all frames before the next push: only an open event is limited.
    pub fn push(&mut self, chunk: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(chunk);
        }
    }

    /// The next frame; `None` when more bytes are needed.
    ///
    /// # Errors
    /// A limit was passed. The stream is over then: every later call gives the same error.
    #[expect(clippy::should_implement_trait, reason = "fallible and resumable after None, so no iterator")]
    pub fn next(&mut self) -> Result<Option<Frame>, SseError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let read = self.read();
        if let Err(error) = read {
            self.failed = Some(error);
            self.buffer = BytesMut::new();
        }
        read
    }

    /// True when the stream may end here without losing part of an event.
    pub fn is_idle(&self) -> bool {
        !self.fields.any && self.line >= self.buffer.len()
    }

    fn read(&mut self) -> Result<Option<Frame>, SseError> {
        if self.start && !self.skip_bom() {
            return Ok(None);
        }
        while let Some(line) = self.next_line()? {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(Frame::Event(event)));
                }
            } else if self.buffer.get(line.start) == Some(&b':') {
                if !self.fields.any {
                    self.forget();
                }
                return Ok(Some(Frame::Comment));
            } else {
                self.field(line);
            }
        }
        Ok(None)
    }

    // False while it is open whether the stream starts with a byte order mark.
    fn skip_bom(&mut self) -> bool {
        if self.buffer.starts_with(BOM) {
            self.buffer.advance(BOM.len());
        } else if BOM.starts_with(&self.buffer) {
            return false;
        }
        self.start = false;
        true
    }

    // The next line, without its end.
    fn next_line(&mut self) -> Result<Option<Range<usize>>, SseError> {
        if self.after_cr {
            match self.buffer.get(self.line) {
                None => return Ok(None),
                Some(b'\n') => {
                    self.line += 1;
                    self.searched = self.line;
                }
                Some(_) => {}
            }
            self.after_cr = false;
        }
        let rest = self.buffer.get(self.searched..).unwrap_or_default();
        let found = memchr::memchr2(b'\n', b'\r', rest);
        let end = self.searched + found.unwrap_or(rest.len());
        self.check_limits(end)?;
        self.searched = end;
        if found.is_none() {
            return Ok(None);
        }
        let line = self.line..end;
        self.after_cr = self.buffer.get(end) == Some(&b'\r');
        self.line = end + 1;
        self.searched = self.line;
        Ok(Some(line))
    }

    // Whichever limit comes first in the stream is the one reported, however much of the line is here already. A blank
    // line is never too much: it ends the event.
    fn check_limits(&self, end: usize) -> Result<(), SseError> {
        let line_limit = self.line.saturating_add(self.limits.line_bytes);
        if end == self.line || end <= line_limit.min(self.limits.event_bytes) {
            return Ok(());
        }
        Err(if line_limit <= self.limits.event_bytes { SseError::LineTooLong } else { SseError::EventTooLong })
    }

    fn field(&mut self, line: Range<usize>) {
        let text = self.buffer.get(line.clone()).unwrap_or_default();
        let colon = memchr::memchr(b':', text).unwrap_or(text.len());
        let (name, rest) = text.split_at(colon);
        let value = rest.strip_prefix(b":").unwrap_or(rest);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let at = line.end - value.len()..line.end;
        match name {
            b"data" => self.fields.data.push(at),
            b"event" => self.fields.kind = Some(at),
            b"id" if memchr::memchr(0, value).is_none() => self.fields.id = Some(at),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                // Digits only, so the one possible fault is a number too big: then the longest wait there is.
                let digits = std::str::from_utf8(value).unwrap_or_default();
                self.fields.retry = Some(digits.parse().unwrap_or(u64::MAX));
            }
            // Unknown fields are ignored, but their bytes stay in the buffer until the event ends: they count.
            _ => {}
        }
        self.fields.any = true;
    }

    fn dispatch(&mut self) -> Option<Event> {
        let fields = std::mem::take(&mut self.fields);
        let block = self.forget();
        if fields.id.is_none() && fields.kind.is_none() && fields.retry.is_none() && fields.data.is_empty() {
            return None;
        }
        let data = match fields.data.as_slice() {
            [] => Bytes::new(),
            [one] => block.slice(one.clone()),
            lines => join(&block, lines),
        };
        Some(Event {
            id: fields.id.map(|at| block.slice(at)),
            kind: fields.kind.map(|at| block.slice(at)),
            data,
            retry: fields.retry,
            has_data: !fields.data.is_empty(),
        })
    }

    // Splits off what was read; the buffer starts at the next line.
    fn forget(&mut self) -> Bytes {
        let block = self.buffer.split_to(self.line).freeze();
        self.line = 0;
        self.searched = 0;
        block
    }
}

fn join(block: &Bytes, lines: &[Range<usize>]) -> Bytes {
    let mut out = Vec::with_capacity(lines.iter().map(|line| line.len() + 1).sum());
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push(b'\n');
        }
        out.extend_from_slice(block.get(line.clone()).unwrap_or_default());
    }
    Bytes::from(out)
}

/// Writes one event: one `data:` line per line of `data`, at least one. CR and CRLF in `data` end a line too (they
/// could begin a field of their own otherwise); in JSON they are white space, so nothing is lost. A `kind` or `id`
/// with a line end or NUL in it is left out.
pub fn encode_event(out: &mut Vec<u8>, kind: Option<&str>, id: Option<&[u8]>, retry: Option<u64>, data: &[u8]) {
    out.reserve(data.len() + 64);
    encode_fields(out, kind, id, retry);
    let mut rest = data;
    while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
        let (line, after) = rest.split_at(end);
        write_field(out, b"data", line);
        rest = after.strip_prefix(b"\r\n").or_else(|| after.get(1..)).unwrap_or_default();
    }
    write_field(out, b"data", rest);
    out.push(b'\n');
}

/// Writes an event without data, such as a lone `retry:`.
pub fn encode_bare(out: &mut Vec<u8>, id: Option<&[u8]>, retry: Option<u64>) {
    encode_fields(out, None, id, retry);
    out.push(b'\n');
}

/// Writes a comment block, which every reader skips: a keep-alive.
pub fn encode_comment(out: &mut Vec<u8>) {
    out.extend_from_slice(b":\n\n");
}

fn encode_fields(out: &mut Vec<u8>, kind: Option<&str>, id: Option<&[u8]>, retry: Option<u64>) {
    let fits = |value: &[u8]| !value.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0));
    if let Some(id) = id.filter(|id| fits(id)) {
        write_field(out, b"id", id);
    }
    if let Some(kind) = kind.filter(|kind| fits(kind.as_bytes())) {
        write_field(out, b"event", kind.as_bytes());
    }
    if let Some(retry) = retry {
        write_field(out, b"retry", itoa::Buffer::new().format(retry).as_bytes());
    }
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}
