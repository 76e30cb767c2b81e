//! A response that is rewritten while it arrives: the id and the URIs under a pattern change, all other bytes pass.
//!
//! As strict as the scanner (grammar, UTF-8, depth, no trailing data, an envelope that is a response), but in pieces:
//! what was checked is passed on at once, so a fault can come after bytes have gone out, and the caller must then cut
//! its own stream. Holds at most one token, one key and, for a link whose `uri` comes before its `type`, what lies
//! between. Not for SSE, whose events are scanned whole.
mod lexer;
mod place;

use std::fmt;

use bytes::Bytes;

use crate::scan::{Reason, Span, Str};
use crate::splice::write_json_string;
use crate::walk::Pattern;
use lexer::{Lexer, Step};
use place::{Frame, Place, Role, Seen};

/// What a streamed response may hold at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// The whole response, in bytes.
    pub bytes: u64,
    /// Nested objects and arrays.
    pub depth: usize,
    /// A token that is looked at, and what is held back for a link's type, in bytes.
    pub held: usize,
    /// One number, in bytes.
    pub number_bytes: usize,
}

/// Why a response cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Not legal JSON, or an envelope that is refused.
    #[error("{reason} at byte {at} of the response")]
    Refused {
        /// What is wrong.
        reason: Reason,
        /// Where, in bytes from the start.
        at: u64,
    },
    /// A request, a notification or a batch instead of a response.
    #[error("the answer is no JSON-RPC response")]
    NotResponse,
    /// The answer to something else.
    #[error("the answer has another id")]
    WrongId,
    /// Longer than [`StreamLimits::held`].
    #[error("a value to be rewritten is too long")]
    TooLong,
}

/// What a whole response said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// A tool failed (`isError: true`).
    pub is_error: bool,
    /// The code of a JSON-RPC error, when it is one; 0 when the code is no whole number that fits.
    pub error_code: Option<i64>,
    /// `resultType`, when a string.
    pub result_type: Option<String>,
}

/// Gives the new text for a string, or `None` to leave its bytes alone.
pub type MapUri = Box<dyn Fn(&str) -> Option<String> + Send>;

/// Rewrites one response.
pub struct ResponseSplicer {
    expect_id: Vec<u8>,
    reply_id: Vec<u8>,
    limits: StreamLimits,
    pattern: &'static Pattern,
    map: MapUri,
    lexer: Lexer,
    stack: Vec<Frame>,
    // What the next value is.
    role: Role,
    // The token that is held back, and the key that is read along; at most one of them grows at a time.
    holding: bool,
    token: Vec<u8>,
    reading_key: bool,
    key: Vec<u8>,
    parked: Option<Parked>,
    seen: Seen,
    answer: Answer,
    at: u64,
    failed: Option<StreamError>,
}

// A `uri` whose object has not said its type yet: everything after it waits.
struct Parked {
    depth: usize,
    token: Vec<u8>,
    after: Vec<u8>,
}

// The chunk at hand: what lies before `start` has been passed on or is held.
struct Flow<'a> {
    chunk: Bytes,
    start: usize,
    out: &'a mut Vec<Bytes>,
}

// Long enough for every key that matters, each letter written as an escape.
const LONGEST_KEY: usize = 256;

// === impl StreamLimits ===

impl Default for StreamLimits {
    fn default() -> Self {
        Self { bytes: 256 << 20, depth: 128, held: 64 << 10, number_bytes: 1024 }
    }
}

// === impl ResponseSplicer ===

impl ResponseSplicer {
    /// Expects the response with the raw JSON id `expect_id`, and passes strings of its result under `pattern` through
    /// `map`.
    pub fn new(expect_id: &[u8], limits: StreamLimits, pattern: &'static Pattern, map: MapUri) -> Self {
        Self {
            expect_id: expect_id.to_vec(),
            reply_id: expect_id.to_vec(),
            limits,
            pattern,
            map,
            lexer: Lexer::new(limits.number_bytes),
            stack: Vec::new(),
            role: Role::Envelope,
            holding: false,
            token: Vec::new(),
            reading_key: false,
            key: Vec::new(),
            parked: None,
            seen: Seen::default(),
            answer: Answer::default(),
            at: 0,
            failed: None,
        }
    }

    /// Puts the raw JSON id `id` in place of the expected one.
    #[must_use]
    pub fn reply_with(mut self, id: &[u8]) -> Self {
        self.reply_id = id.to_vec();
        self
    }

    /// Takes the next bytes and appends what may go out to `out`.
    ///
    /// # Errors
    /// The response is refused; every later call gives the same error.
    pub fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), StreamError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let mut flow = Flow { chunk, start: 0, out };
        let pushed = self.chunk(&mut flow);
        self.failed = pushed.err();
        pushed
    }

    /// The response is over.
    ///
    /// # Errors
    /// It is incomplete, or not the response that was expected.
    pub fn finish(self) -> Result<Answer, StreamError> {
        match self.failed {
            Some(error) => Err(error),
            None if self.lexer.is_done() => Ok(self.answer),
            None => Err(StreamError::Refused { reason: Reason::UnexpectedEnd, at: self.at }),
        }
    }

    fn refuse<T>(&self, reason: Reason) -> Result<T, StreamError> {
        Err(StreamError::Refused { reason, at: self.at })
    }

    fn chunk(&mut self, flow: &mut Flow<'_>) -> Result<(), StreamError> {
        let bytes = flow.chunk.clone();
        let begin = self.at;
        if begin + bytes.len() as u64 > self.limits.bytes {
            return self.refuse(Reason::BodyTooBig);
        }
        self.lexer.check_utf8(&bytes).or_else(|reason| self.refuse(reason))?;
        let mut pos = 0;
        while pos < bytes.len() {
            let (next, step) = match self.lexer.step(&bytes, pos) {
                Ok(done) => done,
                Err((reason, at)) => return Err(StreamError::Refused { reason, at: begin + at as u64 }),
            };
            self.at = begin + pos as u64;
            self.before(step, flow, pos)?;
            self.collect(bytes.get(pos..next).unwrap_or_default(), flow, next)?;
            self.after(step, flow)?;
            pos = next;
        }
        self.at = begin + bytes.len() as u64;
        self.flush(flow, bytes.len())
    }

    // What has to happen before the bytes of a step are dealt with.
    fn before(&mut self, step: Step, flow: &mut Flow<'_>, pos: usize) -> Result<(), StreamError> {
        match step {
            Step::OpenObject | Step::OpenArray => self.open(step == Step::OpenObject),
            Step::Scalar => {
                self.check_scalar()?;
                if self.role.is_held() {
                    self.flush(flow, pos)?;
                    self.holding = true;
                    self.token.clear();
                }
                Ok(())
            }
            Step::Key => {
                self.reading_key = self.stack.last().is_some_and(|frame| frame.place != Place::Elsewhere);
                self.key.clear();
                Ok(())
            }
            Step::Close => self.close(flow, pos),
            Step::Inside | Step::EndScalar | Step::EndKey => Ok(()),
        }
    }

    fn collect(&mut self, bytes: &[u8], flow: &mut Flow<'_>, next: usize) -> Result<(), StreamError> {
        if self.holding {
            self.token.extend_from_slice(bytes);
            flow.start = next;
            if self.token.len() > self.limits.held {
                return Err(StreamError::TooLong);
            }
        } else if self.reading_key && self.key.len() <= LONGEST_KEY {
            self.key.extend_from_slice(bytes);
        }
        Ok(())
    }

    fn after(&mut self, step: Step, flow: &mut Flow<'_>) -> Result<(), StreamError> {
        match step {
            Step::EndKey => {
                self.role = if std::mem::take(&mut self.reading_key) { self.key_role()? } else { Role::Plain };
                Ok(())
            }
            Step::EndScalar => {
                if std::mem::take(&mut self.holding) {
                    self.held(flow)?;
                }
                self.next_role();
                Ok(())
            }
            Step::Close => {
                self.next_role();
                Ok(())
            }
            Step::Inside | Step::OpenObject | Step::OpenArray | Step::Scalar | Step::Key => Ok(()),
        }
    }

    // In an array each element is what the first was; in an object the next key tells.
    fn next_role(&mut self) {
        self.role = self.stack.last().map_or(Role::Plain, Frame::element_role);
    }

    fn open(&mut self, object: bool) -> Result<(), StreamError> {
        if self.stack.len() >= self.limits.depth {
            return self.refuse(Reason::Depth);
        }
        let place = match self.role {
            Role::Envelope if !object => return Err(StreamError::NotResponse),
            Role::Id => return self.refuse(Reason::IdType),
            Role::Jsonrpc => return self.refuse(Reason::Version),
            Role::Error if !object => return self.refuse(Reason::ErrorType),
            role => role.place(object, self.pattern),
        };
        self.stack.push(Frame::new(place));
        self.next_role();
        Ok(())
    }

    fn close(&mut self, flow: &mut Flow<'_>, pos: usize) -> Result<(), StreamError> {
        if self.stack.len() == 1 {
            self.end_of_envelope(flow, pos)?;
        }
        self.stack.pop();
        if self.parked.as_ref().is_some_and(|parked| parked.depth > self.stack.len()) {
            // No type at all: not a link.
            self.flush(flow, pos)?;
            self.unpark(false, flow);
        }
        Ok(())
    }

    fn end_of_envelope(&mut self, flow: &mut Flow<'_>, pos: usize) -> Result<(), StreamError> {
        let seen = self.seen;
        match (seen.result, seen.error) {
            (true, true) => return self.refuse(Reason::ResultWithError),
            (false, false) => return Err(StreamError::NotResponse),
            (true, false) if seen.null_id => return self.refuse(Reason::NullId),
            (true, false) if !seen.id => return self.refuse(Reason::NoId),
            _ => {}
        }
        if !seen.version {
            return self.refuse(Reason::Version);
        }
        if !seen.id {
            // An error without id: a modern server could not read ours. The client still waits for its own.
            self.flush(flow, pos)?;
            let mut text = b",\"id\":".to_vec();
            text.extend_from_slice(&self.reply_id);
            self.emit(Bytes::from(text), flow);
        }
        Ok(())
    }

    fn check_scalar(&self) -> Result<(), StreamError> {
        match self.role {
            Role::Envelope => Err(StreamError::NotResponse),
            Role::Error => self.refuse(Reason::ErrorType),
            _ => Ok(()),
        }
    }

    fn key_role(&mut self) -> Result<Role, StreamError> {
        let Some(frame) = self.stack.last_mut() else { return Ok(Role::Plain) };
        if self.key.len() > LONGEST_KEY {
            return if frame.place == Place::Envelope { Err(StreamError::TooLong) } else { Ok(Role::Plain) };
        }
        let key = text(&self.key);
        match frame.key_role(&key, self.pattern, &mut self.seen) {
            Ok(Role::Method) => Err(StreamError::NotResponse),
            Ok(role) => Ok(role),
            Err(reason) => self.refuse(reason),
        }
    }

    // A token that was held back is whole.
    fn held(&mut self, flow: &mut Flow<'_>) -> Result<(), StreamError> {
        let token = std::mem::take(&mut self.token);
        let string = token.starts_with(b"\"");
        match self.role {
            Role::Id => {
                self.seen.null_id = token == b"null";
                if !self.seen.null_id && token != self.expect_id {
                    return Err(StreamError::WrongId);
                }
                self.emit(Bytes::copy_from_slice(&self.reply_id), flow);
                return Ok(());
            }
            Role::Jsonrpc => {
                if !string || text(&token) != "2.0" {
                    return self.refuse(Reason::Version);
                }
                self.seen.version = true;
            }
            Role::Code => {
                let code = std::str::from_utf8(&token).ok().and_then(|code| code.parse().ok());
                self.answer.error_code = Some(code.unwrap_or(0));
            }
            Role::IsError => self.answer.is_error = token == b"true",
            Role::ResultType if string => self.answer.result_type = Some(text(&token)),
            Role::Type(wanted) => return self.link_type(string && text(&token) == wanted, token, flow),
            Role::When if string => return self.link_uri(token, flow),
            Role::At(Pattern::Text) if string => {
                let mapped = self.mapped(token);
                self.emit(mapped, flow);
                return Ok(());
            }
            _ => {}
        }
        self.emit(Bytes::from(token), flow);
        Ok(())
    }

    fn link_type(&mut self, link: bool, token: Vec<u8>, flow: &mut Flow<'_>) -> Result<(), StreamError> {
        let depth = self.stack.len();
        if let Some(frame) = self.stack.last_mut() {
            frame.link = Some(link);
        }
        self.emit(Bytes::from(token), flow);
        if self.parked.as_ref().is_some_and(|parked| parked.depth == depth) {
            self.unpark(link, flow);
        }
        Ok(())
    }

    fn link_uri(&mut self, token: Vec<u8>, flow: &mut Flow<'_>) -> Result<(), StreamError> {
        match self.stack.last().and_then(|frame| frame.link) {
            Some(true) => {
                let mapped = self.mapped(token);
                self.emit(mapped, flow);
            }
            Some(false) => self.emit(Bytes::from(token), flow),
            None => self.parked = Some(Parked { depth: self.stack.len(), token, after: Vec::new() }),
        }
        Ok(())
    }

    fn unpark(&mut self, link: bool, flow: &mut Flow<'_>) {
        let Some(Parked { token, after, .. }) = self.parked.take() else { return };
        let token = if link { self.mapped(token) } else { Bytes::from(token) };
        self.emit(token, flow);
        self.emit(Bytes::from(after), flow);
    }

    fn mapped(&self, token: Vec<u8>) -> Bytes {
        let Some(new) = (self.map)(&text(&token)) else { return Bytes::from(token) };
        let mut out = Vec::with_capacity(new.len() + 2);
        write_json_string(&mut out, &new);
        Bytes::from(out)
    }

    // Passes on the chunk up to `pos`.
    fn flush(&mut self, flow: &mut Flow<'_>, pos: usize) -> Result<(), StreamError> {
        let ready = flow.chunk.slice(flow.start.min(pos)..pos);
        flow.start = flow.start.max(pos);
        self.emit(ready, flow);
        match &self.parked {
            Some(parked) if parked.after.len() + parked.token.len() > self.limits.held => Err(StreamError::TooLong),
            _ => Ok(()),
        }
    }

    fn emit(&mut self, bytes: Bytes, flow: &mut Flow<'_>) {
        match &mut self.parked {
            _ if bytes.is_empty() => {}
            Some(parked) => parked.after.extend_from_slice(&bytes),
            None => flow.out.push(bytes),
        }
    }
}

impl fmt::Debug for ResponseSplicer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseSplicer")
            .field("at", &self.at)
            .field("depth", &self.stack.len())
            .finish_non_exhaustive()
    }
}

// The text of a string token, or of whatever else as it is.
fn text(token: &[u8]) -> String {
    let span = Span { start: 1, end: token.len().saturating_sub(1) as u32 };
    Str { span, escaped: token.contains(&b'\\') }.text(token).into_owned()
}
