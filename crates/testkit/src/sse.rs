//! Event streams by the letter of WHATWG HTML 9.2: the many ways in which a server may write one message, and a plain
//! decoder to read them back. Neither looks at the gateway's own code.

/// The end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newline {
    Lf,
    CrLf,
    Cr,
}

/// How a server writes its events. All of these were seen in real servers, or are allowed.
#[derive(Debug, Clone)]
pub struct Framing {
    pub newline: Newline,
    /// `event: message` before the data.
    pub named: bool,
    /// An `id` for each event.
    pub ids: bool,
    /// An event with an id and empty data first (SEP-1699).
    pub prime: bool,
    /// A comment before each event.
    pub comments: bool,
    /// A space after the colon.
    pub space: bool,
    /// `data` before `event` and `id`.
    pub data_first: bool,
}

/// One event, as a client gets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: Option<String>,
    pub data: Vec<u8>,
}

/// Reads a stream as it comes.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: Vec<u8>,
    current: Event,
    has_data: bool,
    /// The last line ended in CR: an LF that follows belongs to it.
    after_cr: bool,
    /// Comment lines so far.
    pub comments: usize,
}

// === impl Newline ===

impl Newline {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::Cr => b"\r",
        }
    }
}

// === impl Framing ===

impl Framing {
    /// What most servers write.
    #[must_use]
    pub fn plain() -> Self {
        Self {
            newline: Newline::Lf,
            named: true,
            ids: false,
            prime: false,
            comments: false,
            space: true,
            data_first: false,
        }
    }

    /// The beginning of a stream: what comes before the first message.
    #[must_use]
    pub fn opening(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.comments {
            self.line(&mut out, b"", b"ok");
            self.end(&mut out);
        }
        if self.prime {
            self.line(&mut out, b"id", b"prime-0");
            self.line(&mut out, b"data", b"");
            self.end(&mut out);
        }
        out
    }

    /// One message as an event. Line breaks inside become more `data` lines, as they must.
    #[must_use]
    pub fn event(&self, number: usize, message: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut data = Vec::new();
        for line in lines(message) {
            self.line(&mut data, b"data", line);
        }
        if self.comments {
            self.line(&mut out, b"", b"keep-alive");
        }
        if self.data_first {
            out.extend_from_slice(&data);
        }
        if self.named {
            self.line(&mut out, b"event", b"message");
        }
        if self.ids {
            self.line(&mut out, b"id", format!("stream_{number}").as_bytes());
        }
        if !self.data_first {
            out.extend_from_slice(&data);
        }
        self.end(&mut out);
        out
    }

    fn line(&self, out: &mut Vec<u8>, field: &[u8], value: &[u8]) {
        out.extend_from_slice(field);
        out.push(b':');
        // A value that begins with a space needs the optional one, or it would lose its own.
        if self.space || value.first() == Some(&b' ') {
            out.push(b' ');
        }
        out.extend_from_slice(value);
        self.end(out);
    }

    fn end(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.newline.bytes());
    }
}

/// What a message is after it travelled as an event: every line break is one LF.
#[must_use]
pub fn as_data(message: &[u8]) -> Vec<u8> {
    lines(message).join(&b'\n')
}

/// Split at LF, CR and CR LF.
fn lines(message: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = message;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'\r' | b'\n')) {
        found.push(&rest[..at]);
        let width = if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[at + width..];
    }
    found.push(rest);
    found
}

// === impl Decoder ===

impl Decoder {
    /// Takes bytes in.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next event that is complete; one without `data` is none.
    pub fn next_event(&mut self) -> Option<Event> {
        while let Some(line) = self.line() {
            if !line.is_empty() {
                self.field(&line);
                continue;
            }
            let event = std::mem::take(&mut self.current);
            if std::mem::take(&mut self.has_data) {
                return Some(event);
            }
        }
        None
    }

    fn line(&mut self) -> Option<Vec<u8>> {
        if self.after_cr && self.buffer.first() == Some(&b'\n') {
            self.buffer.remove(0);
        }
        self.after_cr = self.after_cr && self.buffer.is_empty();
        let at = self.buffer.iter().position(|b| matches!(b, b'\r' | b'\n'))?;
        self.after_cr = self.buffer[at] == b'\r';
        let rest = self.buffer.split_off(at + 1);
        let mut line = std::mem::replace(&mut self.buffer, rest);
        line.truncate(at);
        Some(line)
    }

    fn field(&mut self, line: &[u8]) {
        let colon = line.iter().position(|b| *b == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"" => self.comments += 1,
            b"data" => {
                if self.has_data {
                    self.current.data.push(b'\n');
                }
                self.has_data = true;
                self.current.data.extend_from_slice(value);
            }
            b"event" => self.current.name = String::from_utf8_lossy(value).into_owned(),
            b"id" => self.current.id = Some(String::from_utf8_lossy(value).into_owned()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Decoder, Framing, Newline, as_data};

    #[test]
    fn every_framing_reads_back_whatever_the_cut() {
        let message = b"{ \"a\":\r\n 1,\r\"b\":\n\n2 }";
        for newline in [Newline::Lf, Newline::CrLf, Newline::Cr] {
            for bits in 0..64_u32 {
                let bit = |n: u32| bits >> n & 1 == 1;
                let framing = Framing {
                    newline,
                    named: bit(0),
                    ids: bit(1),
                    prime: bit(2),
                    comments: bit(3),
                    space: bit(4),
                    data_first: bit(5),
                };
                let bytes = [framing.opening(), framing.event(1, message), framing.event(2, b"{}")].concat();
                for width in [1, 2, 3, bytes.len()] {
                    let mut decoder = Decoder::default();
                    let mut events = Vec::new();
                    for piece in bytes.chunks(width) {
                        decoder.push(piece);
                        events.extend(std::iter::from_fn(|| decoder.next_event()));
                    }
                    let data: Vec<_> = events.iter().map(|e| e.data.clone()).filter(|d| !d.is_empty()).collect();
                    assert_eq!(data, [as_data(message), b"{}".to_vec()], "{framing:?} in pieces of {width}");
                }
            }
        }
    }
}
