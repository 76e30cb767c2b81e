//! Byte-faithful edits of a scanned body: replace, insert, remove, and leave every other byte as it was.
//!
//! Edits are noted in any order and carried out together, to one buffer or to a list of slices that shares the body.
//! Commas are settled at the end, when it is known which members of an object stay.
use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};
use smallvec::SmallVec;

use crate::scan::{Field, Object, Span};

/// A set of edits of one body.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    edits: SmallVec<[Edit; 8]>,
    // All new text, one after the other: one allocation for all edits.
    text: Vec<u8>,
}

/// Why edits cannot be carried out. All of them are faults of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Two edits touch the same bytes.
    #[error("two edits overlap at byte {0}")]
    Overlap(u32),
    /// An edit lies outside the body.
    #[error("an edit at byte {0} lies outside the body")]
    OutOfRange(u32),
}

#[derive(Clone, Debug)]
struct Edit {
    at: Span,
    text: Range<usize>,
    kind: EditKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EditKind {
    Plain,
    // A member of the object that starts at `object`; `comma` precedes it (0: first member).
    Remove { object: u32, comma: u32 },
    // A new last member of the object; its text starts with a comma.
    Append { object: u32, members: u32 },
}

#[derive(Clone, Debug)]
struct Step {
    at: Range<usize>,
    text: Range<usize>,
}

// === impl Edits ===

impl Edits {
    /// No edits yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// True when there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// Puts `with` in place of the bytes at `span`.
    pub fn replace(&mut self, span: Span, with: &[u8]) {
        let text = self.keep(|text| text.extend_from_slice(with));
        self.edits.push(Edit { at: span, text, kind: EditKind::Plain });
    }

    /// Puts the JSON string `text` in place of the value at `span` (quotes included).
    pub fn replace_string(&mut self, span: Span, text: &str) {
        let text = self.keep(|out| write_json_string(out, text));
        self.edits.push(Edit { at: span, text, kind: EditKind::Plain });
    }

    /// Puts `text` before byte `at`. Several inserts at one place stay in the order of the calls.
    pub fn insert(&mut self, at: u32, text: &[u8]) {
        self.replace(Span { start: at, end: at }, text);
    }

    /// Takes a member out of its object, with the comma that goes with it.
    pub fn remove_member<K>(&mut self, object: Object, field: &Field<K>) {
        let kind = EditKind::Remove { object: object.span.start, comma: field.comma };
        self.edits.push(Edit { at: field.member, text: 0..0, kind });
    }

    /// Adds a member at the end of an object. `value` is raw JSON. Does not look whether the key is there already.
    pub fn append_member(&mut self, object: Object, key: &str, value: &[u8]) {
        let text = self.keep(|text| {
            text.push(b',');
            write_json_string(text, key);
            text.push(b':');
            text.extend_from_slice(value);
        });
        let end = object.span.end.saturating_sub(1);
        let kind = EditKind::Append { object: object.span.start, members: object.members };
        self.edits.push(Edit { at: Span { start: end, end }, text, kind });
    }

    /// Sets a member: replaces the value where the scan found one, else adds the member.
    pub fn set_member<K>(&mut self, object: Object, field: Option<&Field<K>>, key: &str, value: &[u8]) {
        match field {
            Some(field) => self.replace(field.value, value),
            None => self.append_member(object, key, value),
        }
    }

    fn keep(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
        let start = self.text.len();
        write(&mut self.text);
        start..self.text.len()
    }

    /// The edited body in one new buffer.
    ///
    /// # Errors
    /// Edits that overlap or lie outside the body.
    pub fn apply(&self, body: &[u8]) -> Result<Bytes, SpliceError> {
        let steps = self.steps(body)?;
        let gone: usize = steps.iter().map(|step| step.at.len()).sum();
        let added: usize = steps.iter().map(|step| step.text.len()).sum();
        let mut out = BytesMut::with_capacity(body.len() - gone + added);
        let mut done = 0;
        for step in steps {
            out.put_slice(body.get(done..step.at.start).unwrap_or_default());
            out.put_slice(self.text.get(step.text).unwrap_or_default());
            done = step.at.end;
        }
        out.put_slice(body.get(done..).unwrap_or_default());
        Ok(out.freeze())
    }

    /// The edited body as slices of the old one and of the new text; copies no byte of either.
    ///
    /// # Errors
    /// Edits that overlap or lie outside the body.
    pub fn apply_chunks(self, body: &Bytes) -> Result<SmallVec<[Bytes; 4]>, SpliceError> {
        let steps = self.steps(body)?;
        let text = Bytes::from(self.text);
        let mut out = SmallVec::new();
        let mut done = 0;
        let mut push = |bytes: Bytes| {
            if !bytes.is_empty() {
                out.push(bytes);
            }
        };
        for step in steps {
            push(body.slice(done..step.at.start));
            push(text.slice(step.text));
            done = step.at.end;
        }
        push(body.slice(done..));
        Ok(out)
    }

    // The edits as plain replacements, in order, checked against each other and the body.
    fn steps(&self, body: &[u8]) -> Result<SmallVec<[Step; 8]>, SpliceError> {
        let mut edits: SmallVec<[&Edit; 8]> = self.edits.iter().collect();
        // Stable: inserts at one place keep their order. An insert goes before a replacement that starts there.
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let mut steps: SmallVec<[Step; 8]> = SmallVec::new();
        let mut done = 0;
        let mut last: Option<(&Edit, bool)> = None;
        for edit in edits.iter().copied() {
            let mut step = Step { at: edit.at.range(), text: edit.text.clone() };
            match edit.kind {
                EditKind::Plain => {}
                EditKind::Remove { comma, .. } => {
                    let leads = comma == 0 || last.is_some_and(|(before, leads)| leads && precedes(body, before, edit));
                    step.at = removal(body, edit.at, leads, comma);
                    last = Some((edit, leads));
                }
                EditKind::Append { object, members } => {
                    if !self.needs_comma(edit, object, members) {
                        step.text.start += 1;
                    }
                }
            }
            if step.at.end > body.len() || step.at.start > step.at.end {
                return Err(SpliceError::OutOfRange(edit.at.start));
            }
            if step.at.start < done {
                return Err(SpliceError::Overlap(edit.at.start));
            }
            done = step.at.end;
            steps.push(step);
        }
        Ok(steps)
    }

    // Whether a member stays before this new one: an old one that is not removed, or a new one added earlier.
    fn needs_comma(&self, this: &Edit, object: u32, members: u32) -> bool {
        let removed = self
            .edits
            .iter()
            .filter(|edit| matches!(edit.kind, EditKind::Remove { object: of, .. } if of == object))
            .count();
        let added_before = self
            .edits
            .iter()
            .take_while(|edit| !std::ptr::eq(*edit, this))
            .any(|edit| matches!(edit.kind, EditKind::Append { object: of, .. } if of == object));
        added_before || removed < members as usize
    }
}

// Whether `before` is the removed member right before `edit`: their common comma follows `before`.
fn precedes(body: &[u8], before: &Edit, edit: &Edit) -> bool {
    let EditKind::Remove { comma, .. } = edit.kind else { return false };
    comma_after(body, before.at.end as usize) == Some(comma as usize)
}

// A member that leads its object goes with the comma after it, any other with the comma before it. So removing several
// neighbours never takes a comma twice and never leaves one alone.
fn removal(body: &[u8], member: Span, leads: bool, comma: u32) -> Range<usize> {
    let (start, end) = (member.start as usize, member.end as usize);
    if !leads {
        return comma as usize..end;
    }
    start..comma_after(body, end).map_or(end, |comma| comma + 1)
}

fn comma_after(body: &[u8], end: usize) -> Option<usize> {
    let rest = body.get(end..)?;
    let at = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'))?;
    (rest.get(at) == Some(&b',')).then_some(end + at)
}

/// Writes `text` as a JSON string, quotes included; escapes what JSON must and nothing else.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
