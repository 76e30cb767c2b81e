//! The envelope: `jsonrpc`, `id`, `method`, `params`, `result`, `error`, and what they make of a message.
//!
//! Shape faults are noted and the pass goes on, so that a grammar fault wins and the reply can carry an id that comes
//! late in the body.
use super::keys::{Field, Fields, Object, Seen, decoded, folds_to};
use super::lex::{Fail, Lexer, Shape, Value};
use super::params::Params;
use super::result::ResultParts;
use super::{Id, IdKind, Limits, Reason, ScanError, Span, Str};
use crate::Method;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has `method` and `id`.
    Request,
    /// Has `method`, no `id`.
    Notification,
    /// Has `result` or `error`.
    Response,
}

/// The keys of the envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopeKey {
    /// `jsonrpc`
    Jsonrpc,
    /// `id`
    Id,
    /// `method`
    Method,
    /// `params`
    Params,
    /// `result`
    Result,
    /// `error`
    Error,
}

/// One message. Every span is an offset into the scanned body.
#[derive(Clone, Debug)]
pub struct Envelope {
    /// The object, braces included, and how many members it has.
    pub object: Object,
    /// What it is.
    pub kind: Kind,
    /// The id; on notifications and on errors that answer an unreadable request there is none.
    pub id: Option<Id>,
    /// The method and its name as written.
    pub method: Option<(Method, Str)>,
    /// `params`, if present.
    pub params: Option<Params>,
    /// `result`, if present.
    pub result: Option<ResultParts>,
    /// `error`, if present.
    pub error: Option<ErrorParts>,
    /// Where the members lie.
    pub fields: Fields<EnvelopeKey, 4>,
}

/// A JSON-RPC error object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorParts {
    /// The object.
    pub span: Span,
    /// `code`, when it is a whole number that fits.
    pub code: Option<i64>,
    /// `message`, when it is a string.
    pub message: Option<Str>,
    /// `data`, when present and not null.
    pub data: Option<Span>,
}

/// The pass in progress.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    pub(super) lex: Lexer<'a>,
    // The first shape fault; reported if the grammar holds to the end.
    fault: Option<Fail>,
}

pub(super) const KEYS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

// What was there, apart from whether it could be read.
#[derive(Default)]
struct Marks {
    version: bool,
    id_twice: bool,
    method: bool,
    error: bool,
}

pub(super) fn scan(body: &[u8], limits: &Limits) -> Result<Envelope, ScanError> {
    // Filled in place: the envelope is too large to be handed from function to function by value.
    let mut envelope = Envelope {
        object: Object { span: Span::default(), members: 0 },
        kind: Kind::Notification,
        id: None,
        method: None,
        params: None,
        result: None,
        error: None,
        fields: Fields::new(),
    };
    let scanned = start(body, limits).and_then(|lex| {
        let mut scanner = Scanner { lex, fault: None };
        scanner.message(&mut envelope)
    });
    match scanned {
        Ok(()) => Ok(envelope),
        Err(Fail { reason, at }) => Err(ScanError { reason, at, id: envelope.id }),
    }
}

pub(super) fn batch(body: &[u8], limits: &Limits) -> Result<Vec<Span>, ScanError> {
    start(body, limits).and_then(elements).map_err(|Fail { reason, at }| ScanError { reason, at, id: None })
}

// Checks what concerns the body as a whole and stops at its first byte that is no white space.
fn start<'a>(body: &'a [u8], limits: &'a Limits) -> Result<Lexer<'a>, Fail> {
    if body.len() >= u32::MAX as usize {
        return Err(Fail { reason: Reason::BodyTooBig, at: u32::MAX as usize });
    }
    if body.starts_with(b"\xef\xbb\xbf") {
        return Err(Fail { reason: Reason::Bom, at: 0 });
    }
    if simdutf8::basic::from_utf8(body).is_err() {
        let at = simdutf8::compat::from_utf8(body).err().map_or(0, |error| error.valid_up_to());
        return Err(Fail { reason: Reason::Utf8, at });
    }
    let mut lex = Lexer::new(body, limits);
    lex.space();
    Ok(lex)
}

fn finish(lex: &mut Lexer<'_>) -> Result<(), Fail> {
    lex.space();
    if lex.peek().is_some() { lex.fail(Reason::TrailingData) } else { Ok(()) }
}

fn elements(mut lex: Lexer<'_>) -> Result<Vec<Span>, Fail> {
    let at = lex.pos;
    if lex.peek() != Some(b'[') {
        lex.value(0)?;
        finish(&mut lex)?;
        return Err(Fail { reason: Reason::NotObject, at });
    }
    lex.node()?;
    let mut found = Vec::new();
    lex.pos += 1;
    lex.space();
    while lex.peek() != Some(b']') {
        if !found.is_empty() {
            if lex.peek() != Some(b',') {
                return lex.unexpected();
            }
            lex.pos += 1;
            lex.space();
        }
        found.push(lex.value(1)?.span);
        lex.space();
    }
    lex.pos += 1;
    finish(&mut lex)?;
    Ok(found)
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    /// Notes a shape fault; the first one counts.
    #[cold]
    pub(super) fn fault(&mut self, reason: Reason, at: u32) {
        if self.fault.is_none() {
            self.fault = Some(Fail { reason, at: at as usize });
        }
    }

    pub(super) fn body(&self) -> &'a [u8] {
        self.lex.body
    }

    fn message(&mut self, out: &mut Envelope) -> Result<(), Fail> {
        let start = self.lex.pos;
        if self.lex.peek() != Some(b'{') {
            let value = self.lex.value(0)?;
            finish(&mut self.lex)?;
            let reason = if value.shape == Shape::Array { Reason::Batch } else { Reason::NotObject };
            return Err(Fail { reason, at: start });
        }
        let mut marks = Marks::default();
        let mut seen = Seen::default();
        let mut walk = self.lex.open(1)?;
        while let Some(key) = self.lex.member(&mut walk)? {
            let from = self.lex.pos;
            let Some(known) = decoded(self.body(), key, envelope_key) else {
                self.unknown(&mut seen, key, &KEYS);
                self.lex.value(1)?;
                continue;
            };
            if seen.known(known as u8) {
                self.fault(Reason::DuplicateKey, key.span.start);
                marks.id_twice |= known == EnvelopeKey::Id;
            }
            self.part(known, out, &mut marks)?;
            out.fields.push(known, &walk, key, Span::new(from, self.lex.pos));
        }
        out.object = Object { span: Span::new(start, self.lex.pos), members: walk.count };
        finish(&mut self.lex)?;
        out.kind = self.classify(out, &marks);
        self.fault.map_or(Ok(()), Err)
    }

    /// Notes an unknown key of an object whose known keys are `known`.
    pub(super) fn unknown(&mut self, seen: &mut Seen<'a>, key: Str, known: &[&str]) {
        if seen.unknown(self.body(), key) {
            self.fault(Reason::DuplicateKey, key.span.start);
        }
        if folds_to(self.body(), key, known) {
            self.fault(Reason::FoldedKey, key.span.start);
        }
    }

    #[inline]
    fn part(&mut self, key: EnvelopeKey, out: &mut Envelope, marks: &mut Marks) -> Result<(), Fail> {
        match key {
            EnvelopeKey::Jsonrpc => {
                let value = self.lex.value(1)?;
                marks.version = value.string().is_some_and(|text| text.is(self.lex.body, "2.0"));
                if !marks.version {
                    self.fault(Reason::Version, value.span.start);
                }
            }
            EnvelopeKey::Id => {
                let value = self.lex.value(1)?;
                let id = self.id(value, self.lex.limits.id, Reason::IdType, Reason::IdTooLong);
                // With two ids there is none that a reply could carry.
                out.id = id.filter(|_| !marks.id_twice);
            }
            EnvelopeKey::Method => {
                marks.method = true;
                out.method = self.method()?;
            }
            EnvelopeKey::Params => self.params(&mut out.params)?,
            EnvelopeKey::Result => self.result(&mut out.result)?,
            EnvelopeKey::Error => {
                marks.error = true;
                out.error = self.error()?;
            }
        }
        Ok(())
    }

    fn method(&mut self) -> Result<Option<(Method, Str)>, Fail> {
        let value = self.lex.value(1)?;
        let Some(name) = value.string() else {
            self.fault(Reason::MethodType, value.span.start);
            return Ok(None);
        };
        if name.span.len() > self.lex.limits.method as usize {
            self.fault(Reason::MethodTooLong, value.span.start);
            return Ok(None);
        }
        let method = decoded(self.body(), name, |name| Some(Method::parse(name)));
        Ok(method.map(|method| (method, name)))
    }

    /// Reads a value as an id (null included) or notes the fault.
    pub(super) fn id(&mut self, value: Value, longest: u32, of_type: Reason, of_length: Reason) -> Option<Id> {
        let kind = match value.shape {
            Shape::Integer => IdKind::Integer,
            Shape::String { .. } => IdKind::String,
            Shape::Null => IdKind::Null,
            _ => {
                self.fault(of_type, value.span.start);
                return None;
            }
        };
        if value.span.len() > longest as usize {
            self.fault(of_length, value.span.start);
            return None;
        }
        Some(Id { span: value.span, kind })
    }

    fn error(&mut self) -> Result<Option<ErrorParts>, Fail> {
        let start = self.lex.pos;
        if self.lex.peek() != Some(b'{') {
            self.lex.value(1)?;
            self.fault(Reason::ErrorType, start as u32);
            return Ok(None);
        }
        let mut error = ErrorParts { span: Span::default(), code: None, message: None, data: None };
        let mut seen = Seen::default();
        let mut walk = self.lex.open(2)?;
        while let Some(key) = self.lex.member(&mut walk)? {
            let value = self.lex.value(2)?;
            let known = decoded(self.body(), key, |key| match key {
                b"code" => Some(0),
                b"message" => Some(1),
                b"data" => Some(2),
                _ => None,
            });
            let Some(known) = known else { continue };
            if seen.known(known) {
                self.fault(Reason::DuplicateKey, key.span.start);
            }
            match known {
                0 => error.code = integer(self.body(), value),
                1 => error.message = value.string(),
                _ => error.data = value.present(),
            }
        }
        error.span = Span::new(start, self.lex.pos);
        Ok(Some(error))
    }

    // What the parts make together; faults are noted.
    fn classify(&mut self, message: &Envelope, marks: &Marks) -> Kind {
        let at = message.object.span.start;
        let has_result = message.result.is_some();
        let null_id = message.id.is_some_and(|id| id.kind == IdKind::Null);
        if !marks.version {
            self.fault(Reason::Version, at);
        }
        if marks.method {
            if has_result || marks.error {
                self.fault(Reason::MethodWithResult, at);
            }
            if null_id {
                self.fault(Reason::NullId, at);
            }
            return if message.id.is_some() { Kind::Request } else { Kind::Notification };
        }
        match (has_result, marks.error) {
            (true, true) => self.fault(Reason::ResultWithError, at),
            (false, false) => self.fault(Reason::NoMethod, at),
            (true, false) if null_id => self.fault(Reason::NullId, at),
            (true, false) if message.id.is_none() => self.fault(Reason::NoId, at),
            _ => {}
        }
        Kind::Response
    }
}

#[inline]
fn envelope_key(key: &[u8]) -> Option<EnvelopeKey> {
    Some(match key {
        b"jsonrpc" => EnvelopeKey::Jsonrpc,
        b"id" => EnvelopeKey::Id,
        b"method" => EnvelopeKey::Method,
        b"params" => EnvelopeKey::Params,
        b"result" => EnvelopeKey::Result,
        b"error" => EnvelopeKey::Error,
        _ => return None,
    })
}

fn integer(body: &[u8], value: Value) -> Option<i64> {
    if value.shape != Shape::Integer {
        return None;
    }
    crate::value::as_i64(body, value.span)
}

// === impl Envelope ===

impl Envelope {
    /// The method, for messages that have one.
    pub fn known_method(&self) -> Option<Method> {
        self.method.map(|(method, _)| method)
    }

    /// `params._meta`, if it is there.
    pub fn meta(&self) -> Option<&super::Meta> {
        self.params.as_ref().and_then(|params| params.meta.as_ref())
    }

    /// Where a known member lies.
    pub fn field(&self, key: EnvelopeKey) -> Option<&Field<EnvelopeKey>> {
        self.fields.field(key)
    }
}
