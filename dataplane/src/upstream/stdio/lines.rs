//! Lines of a child's output, each within a limit.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

const CHUNK: usize = 16 << 10;

/// Reads lines.
#[derive(Debug)]
pub(super) struct Lines<R> {
    reader: R,
    buffer: BytesMut,
    /// Bytes of the buffer in which there is no line end.
    searched: usize,
    limit: usize,
    /// The rest of a line that was cut off is skipped.
    skipping: bool,
}

/// One line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Whole(Bytes),
    /// The beginning of a line that is longer than the limit; the rest is skipped.
    Cut(Bytes),
}

// === impl Lines ===

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(reader: R, limit: usize) -> Self {
        Self { reader, buffer: BytesMut::new(), searched: 0, limit, skipping: false }
    }

    /// The next line; `None` at the end. An unfinished last line counts.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let found = self.buffer.iter().skip(self.searched).position(|byte| *byte == b'\n');
            if let Some(at) = found {
                let line = self.buffer.split_to(self.searched + at + 1);
                self.searched = 0;
                if std::mem::take(&mut self.skipping) {
                    continue;
                }
                let line = line.freeze();
                return Ok(Some(Line::Whole(line.slice(..line.trim_ascii_end().len()))));
            }
            self.searched = self.buffer.len();
            if self.skipping {
                self.buffer.clear();
                self.searched = 0;
            } else if self.searched > self.limit {
                let line = self.buffer.split().freeze();
                self.searched = 0;
                self.skipping = true;
                return Ok(Some(Line::Cut(line.slice(..self.limit))));
            }
            self.buffer.reserve(CHUNK);
            if self.reader.read_buf(&mut self.buffer).await? == 0 {
                let rest = self.buffer.split().freeze();
                self.searched = 0;
                let wanted = !rest.is_empty() && !self.skipping;
                return Ok(wanted.then_some(Line::Whole(rest)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8], limit: usize) -> Vec<Line> {
        let mut lines = Lines::new(input, limit);
        let mut all = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            all.push(line);
        }
        all
    }

    fn whole(text: &'static str) -> Line {
        Line::Whole(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn lines_end_at_lf_and_crlf_and_long_ones_are_cut() {
        assert_eq!(lines(b"a\nbc\r\n\nend", 8).await, [whole("a"), whole("bc"), whole(""), whole("end")]);
        let long = [&b"x".repeat(40_000)[..], b"\nshort\n"].concat();
        let found = lines(&long, 20_000).await;
        assert_eq!(found[0], Line::Cut(Bytes::from(b"x".repeat(20_000))));
        assert_eq!(found[1..], [whole("short")]);
        assert_eq!(lines(b"", 8).await, []);
    }
}
