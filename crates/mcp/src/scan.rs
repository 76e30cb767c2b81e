//! The envelope scanner: one strict pass over one JSON-RPC message, in either direction.
//!
//! Checks the whole body (UTF-8, JSON grammar, limits, no trailing data) and notes where the parts are that a gateway
//! decides by or rewrites. Copies and allocates nothing for an ordinary message; unknown fields are checked as JSON and
//! left alone. Duplicate keys are refused where parsers would disagree about who is called: envelope, `params`,
//! `params._meta`, compared after unescaping; so are keys that a lenient parser would fold into a known one.
//!
//! Knows no session, policy or header: callers are the data plane (requests, upstream answers, SSE data), the stdio
//! bridge and the command line.
mod keys;
mod lex;
mod message;
mod meta;
mod params;
mod result;
mod text;

use std::borrow::Cow;
use std::fmt;

pub(crate) use keys::folds_to_envelope_key;
pub use keys::{Field, Fields, Object};
pub(crate) use lex::{Lexer, MemberWalk, Shape};
pub use message::{Envelope, EnvelopeKey, ErrorParts, Kind};
pub use meta::{Info, Meta, MetaKey};
pub use params::{Params, ParamsKey, Reference};
pub use result::{ResultKey, ResultParts};
pub(crate) use text::plain;

/// A range of bytes in a body. Offsets are bytes from the body's start; `end` is exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A JSON string: the bytes between its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Str {
    /// Inside the quotes.
    pub span: Span,
    /// Whether there is a backslash inside, so that raw bytes differ from the text.
    pub escaped: bool,
}

/// The JSON type of an id; 1 and "1" are different ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdKind {
    /// A whole number of any size.
    Integer,
    /// A string.
    String,
    /// `null`: only on error answers.
    Null,
}

/// A request id or progress token as raw JSON (quotes included), so that numbers beyond 2^53 survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    /// The raw value, with quotes.
    pub span: Span,
    /// Its type.
    pub kind: IdKind,
}

/// What one message may hold at most. Units: levels, values, keys, bytes (as written on the wire, escapes included).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nested objects and arrays.
    pub depth: usize,
    /// JSON values in the whole body.
    pub nodes: u32,
    /// Keys of one object.
    pub keys_per_object: u32,
    /// Bytes of one number.
    pub number_bytes: usize,
    /// Bytes of `method`.
    pub method: u32,
    /// Bytes of `params.name`.
    pub name: u32,
    /// Bytes of `params.uri` and `params.taskId`.
    pub uri: u32,
    /// Bytes of an id, quotes included.
    pub id: u32,
    /// Bytes of a progress token, quotes included.
    pub progress_token: u32,
}

/// How a refusal is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// -32700, HTTP 400.
    Parse,
    /// -32600, HTTP 400.
    Request,
    /// -32602, HTTP 400 (modern) or 200.
    Params,
    /// -32600, HTTP 413.
    TooBig,
}

/// Why a body was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Starts with a byte order mark.
    Bom,
    /// Not UTF-8.
    Utf8,
    /// Ends inside a value (or is empty).
    UnexpectedEnd,
    /// A byte that JSON does not allow there.
    Syntax,
    /// A raw control character inside a string.
    ControlCharacter,
    /// An escape that JSON does not know.
    BadEscape,
    /// Leading zero, missing digits and the like.
    BadNumber,
    /// More data after the message.
    TrailingData,
    /// Deeper than [`Limits::depth`].
    Depth,
    /// Longer than [`Limits::number_bytes`].
    NumberTooLong,
    /// The same key twice where it matters.
    DuplicateKey,
    /// A scalar instead of a message.
    NotObject,
    /// An array of messages.
    Batch,
    /// `jsonrpc` missing or not "2.0".
    Version,
    /// A key that a lenient parser reads as a known one (`Method`, `paramſ`, `id\u0000`).
    FoldedKey,
    /// `method` is not a string.
    MethodType,
    /// Longer than [`Limits::method`].
    MethodTooLong,
    /// Neither `method` nor `result` nor `error`.
    NoMethod,
    /// `method` together with `result` or `error`.
    MethodWithResult,
    /// `result` together with `error`.
    ResultWithError,
    /// `error` is not an object.
    ErrorType,
    /// An id that is neither string nor integer.
    IdType,
    /// `id: null` on a request or result.
    NullId,
    /// A result without an id.
    NoId,
    /// Longer than [`Limits::id`].
    IdTooLong,
    /// `params` is neither object nor array.
    ParamsType,
    /// Longer than [`Limits::name`].
    NameTooLong,
    /// Longer than [`Limits::uri`].
    UriTooLong,
    /// A progress token that is neither string nor integer, or too long.
    ProgressToken,
    /// `_meta` is neither object nor null.
    MetaType,
    /// More than 4 GiB.
    BodyTooBig,
    /// More values than [`Limits::nodes`].
    TooManyNodes,
    /// More keys than [`Limits::keys_per_object`].
    TooManyKeys,
}

/// A refusal, with the id if it was already readable so that the reply can carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {at}")]
pub struct ScanError {
    /// What is wrong.
    pub reason: Reason,
    /// Where, in bytes from the start of the body.
    pub at: usize,
    /// The message's id, if one was read.
    pub id: Option<Id>,
}

/// Scans one message. The body may have white space around the message and nothing else.
///
/// # Errors
/// Whatever makes the body no legal single message; grammar faults win over shape faults.
pub fn scan(body: &[u8], limits: &Limits) -> Result<Envelope, ScanError> {
    message::scan(body, limits)
}

/// Splits an array of messages (legal in 2025-03-26 only) into the spans of its elements. The body is checked like a
/// single message: UTF-8, grammar, limits; the elements are for [`scan`] to judge, each as a body of its own.
///
/// # Errors
/// [`Reason::NotObject`] when the body is JSON but no array; grammar faults and limits as in [`scan`].
pub fn batch(body: &[u8], limits: &Limits) -> Result<Vec<Span>, ScanError> {
    message::batch(body, limits)
}

// === impl Span ===

impl Span {
    // Bodies are at most u32::MAX bytes long (checked before anything else), so no offset is cut here.
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// The bytes; empty when the span is of another, shorter body.
    pub fn of<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        body.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Length in bytes.
    pub const fn len(&self) -> usize {
        self.end.saturating_sub(self.start) as usize
    }

    /// True for no bytes.
    pub const fn is_empty(&self) -> bool {
        self.end <= self.start
    }

    /// The range of offsets.
    pub const fn range(&self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

// === impl Str ===

impl Str {
    /// The text, unescaped. A lone surrogate (`"\ud800"`) becomes U+FFFD: it can match no real name.
    pub fn text<'a>(&self, body: &'a [u8]) -> Cow<'a, str> {
        let raw = self.span.of(body);
        if self.escaped { Cow::Owned(text::unescape(raw)) } else { String::from_utf8_lossy(raw) }
    }

    /// The bytes as written, escapes and all.
    pub fn raw<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        self.span.of(body)
    }

    /// Whether the unescaped text is `text`.
    pub fn is(&self, body: &[u8], text: &str) -> bool {
        if self.escaped { self.text(body) == text } else { self.raw(body) == text.as_bytes() }
    }

    /// The span with the quotes, for replacing the whole value.
    pub const fn quoted(&self) -> Span {
        Span { start: self.span.start.saturating_sub(1), end: self.span.end.saturating_add(1) }
    }
}

// === impl Id ===

impl Id {
    /// The raw JSON, quotes included. Two ids are the same when these bytes are.
    pub fn raw<'a>(&self, body: &'a [u8]) -> &'a [u8] {
        self.span.of(body)
    }
}

// === impl Limits ===

impl Limits {
    /// No limits but the grammar; for bytes that were scanned before.
    pub(crate) const NONE: Self = Self {
        depth: usize::MAX,
        nodes: u32::MAX,
        keys_per_object: u32::MAX,
        number_bytes: usize::MAX,
        method: u32::MAX,
        name: u32::MAX,
        uri: u32::MAX,
        id: u32::MAX,
        progress_token: u32::MAX,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 128,
            nodes: 200_000,
            keys_per_object: 10_000,
            number_bytes: 1024,
            method: 128,
            name: 256,
            uri: 8192,
            id: 256,
            progress_token: 256,
        }
    }
}

// === impl Reason ===

impl Reason {
    /// Stable snake_case name for logs, metrics and `data.ringway.reason`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bom => "bom",
            Self::Utf8 => "utf8",
            Self::UnexpectedEnd => "unexpected_end",
            Self::Syntax => "syntax",
            Self::ControlCharacter => "control_character",
            Self::BadEscape => "bad_escape",
            Self::BadNumber => "bad_number",
            Self::TrailingData => "trailing_data",
            Self::Depth => "depth",
            Self::NumberTooLong => "number_too_long",
            Self::DuplicateKey => "duplicate_key",
            Self::NotObject => "not_object",
            Self::Batch => "batch",
            Self::Version => "jsonrpc_version",
            Self::FoldedKey => "folded_key",
            Self::MethodType => "method_type",
            Self::MethodTooLong => "method_too_long",
            Self::NoMethod => "no_method",
            Self::MethodWithResult => "method_with_result",
            Self::ResultWithError => "result_with_error",
            Self::ErrorType => "error_type",
            Self::IdType => "id_type",
            Self::NullId => "null_id",
            Self::NoId => "no_id",
            Self::IdTooLong => "id_too_long",
            Self::ParamsType => "params_type",
            Self::NameTooLong => "name_too_long",
            Self::UriTooLong => "uri_too_long",
            Self::ProgressToken => "progress_token",
            Self::MetaType => "meta_type",
            Self::BodyTooBig => "body_too_big",
            Self::TooManyNodes => "too_many_nodes",
            Self::TooManyKeys => "too_many_keys",
        }
    }

    /// How it is answered.
    pub const fn class(self) -> Class {
        match self {
            Self::Bom
            | Self::Utf8
            | Self::UnexpectedEnd
            | Self::Syntax
            | Self::ControlCharacter
            | Self::BadEscape
            | Self::BadNumber
            | Self::TrailingData
            | Self::Depth
            | Self::NumberTooLong
            | Self::DuplicateKey => Class::Parse,
            Self::NameTooLong | Self::UriTooLong | Self::ProgressToken | Self::MetaType => Class::Params,
            Self::BodyTooBig | Self::TooManyNodes | Self::TooManyKeys => Class::TooBig,
            _ => Class::Request,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl ScanError ===

impl ScanError {
    /// How it is answered.
    pub const fn class(&self) -> Class {
        self.reason.class()
    }

    /// The JSON-RPC code of the answer.
    pub const fn code(&self) -> i64 {
        match self.class() {
            Class::Parse => crate::error::PARSE,
            Class::Request | Class::TooBig => crate::error::INVALID_REQUEST,
            Class::Params => crate::error::INVALID_PARAMS,
        }
    }
}
