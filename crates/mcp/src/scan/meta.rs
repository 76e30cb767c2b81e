//! `_meta` of params and results: the reserved keys, each with its place so that it can be replaced or removed.
use super::keys::{Field, Fields, Object, Seen, decoded};
use super::lex::{Fail, Shape, Value};
use super::message::Scanner;
use super::{Id, Reason, Span, Str};

/// The reserved keys of `_meta`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaKey {
    /// `progressToken`
    ProgressToken,
    /// `io.modelcontextprotocol/protocolVersion`
    ProtocolVersion,
    /// `io.modelcontextprotocol/clientCapabilities`
    ClientCapabilities,
    /// `io.modelcontextprotocol/clientInfo`
    ClientInfo,
    /// `io.modelcontextprotocol/logLevel`
    LogLevel,
    /// `io.modelcontextprotocol/subscriptionId`
    SubscriptionId,
    /// `io.modelcontextprotocol/serverInfo`
    ServerInfo,
    /// `io.modelcontextprotocol/related-task`
    RelatedTask,
    /// `io.modelcontextprotocol/model-immediate-response`
    ModelImmediateResponse,
    /// `traceparent`
    Traceparent,
    /// `tracestate`
    Tracestate,
    /// `baggage`
    Baggage,
}

/// A `_meta` object.
#[derive(Clone, Debug)]
pub struct Meta {
    /// The object and its number of members.
    pub object: Object,
    /// Token under which progress is reported.
    pub progress_token: Option<Id>,
    /// Revision of this request.
    pub protocol_version: Option<Str>,
    /// What the client can do, when an object.
    pub client_capabilities: Option<Span>,
    /// Who the client says it is.
    pub client_info: Option<Info>,
    /// Least log level wanted.
    pub log_level: Option<Str>,
    /// Id of the `subscriptions/listen` request that this message belongs to.
    pub subscription_id: Option<Id>,
    /// Who the server says it is, when an object.
    pub server_info: Option<Span>,
    /// `related-task` (2025-11-25), of any type but null.
    pub related_task: Option<Span>,
    /// W3C trace context.
    pub traceparent: Option<Str>,
    /// W3C trace context.
    pub tracestate: Option<Str>,
    /// W3C baggage.
    pub baggage: Option<Str>,
    /// Where the reserved members lie.
    pub fields: Fields<MetaKey, 8>,
}

/// An implementation's description of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Info {
    /// The object.
    pub span: Span,
    /// `name`
    pub name: Option<Str>,
    /// `version`
    pub version: Option<Str>,
}

const PREFIX: &[u8] = b"io.modelcontextprotocol/";

// === impl Meta ===

impl Meta {
    fn new() -> Self {
        Self {
            object: Object { span: Span::default(), members: 0 },
            progress_token: None,
            protocol_version: None,
            client_capabilities: None,
            client_info: None,
            log_level: None,
            subscription_id: None,
            server_info: None,
            related_task: None,
            traceparent: None,
            tracestate: None,
            baggage: None,
            fields: Fields::new(),
        }
    }

    /// Where a reserved member lies.
    pub fn field(&self, key: MetaKey) -> Option<&Field<MetaKey>> {
        self.fields.field(key)
    }
}

// === impl MetaKey ===

impl MetaKey {
    /// The key on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ProgressToken => "progressToken",
            Self::ProtocolVersion => "io.modelcontextprotocol/protocolVersion",
            Self::ClientCapabilities => "io.modelcontextprotocol/clientCapabilities",
            Self::ClientInfo => "io.modelcontextprotocol/clientInfo",
            Self::LogLevel => "io.modelcontextprotocol/logLevel",
            Self::SubscriptionId => "io.modelcontextprotocol/subscriptionId",
            Self::ServerInfo => "io.modelcontextprotocol/serverInfo",
            Self::RelatedTask => "io.modelcontextprotocol/related-task",
            Self::ModelImmediateResponse => "io.modelcontextprotocol/model-immediate-response",
            Self::Traceparent => "traceparent",
            Self::Tracestate => "tracestate",
            Self::Baggage => "baggage",
        }
    }

    fn parse(key: &[u8]) -> Option<Self> {
        Some(match key.strip_prefix(PREFIX) {
            Some(b"protocolVersion") => Self::ProtocolVersion,
            Some(b"clientCapabilities") => Self::ClientCapabilities,
            Some(b"clientInfo") => Self::ClientInfo,
            Some(b"logLevel") => Self::LogLevel,
            Some(b"subscriptionId") => Self::SubscriptionId,
            Some(b"serverInfo") => Self::ServerInfo,
            Some(b"related-task") => Self::RelatedTask,
            Some(b"model-immediate-response") => Self::ModelImmediateResponse,
            Some(_) => return None,
            None => match key {
                b"progressToken" => Self::ProgressToken,
                b"traceparent" => Self::Traceparent,
                b"tracestate" => Self::Tracestate,
                b"baggage" => Self::Baggage,
                _ => return None,
            },
        })
    }
}

impl Scanner<'_> {
    /// A `_meta` value whose members are at `level`. Null is absent, other types are a fault.
    pub(super) fn meta(&mut self, level: usize, slot: &mut Option<Meta>) -> Result<(), Fail> {
        let start = self.lex.pos;
        if self.lex.peek() != Some(b'{') {
            let value = self.lex.value(level - 1)?;
            if value.shape != Shape::Null {
                self.fault(Reason::MetaType, value.span.start);
            }
            return Ok(());
        }
        let meta = slot.insert(Meta::new());
        let mut seen = Seen::default();
        let mut walk = self.lex.open(level)?;
        while let Some(key) = self.lex.member(&mut walk)? {
            let from = self.lex.pos;
            let Some(known) = decoded(self.body(), key, MetaKey::parse) else {
                if seen.unknown(self.body(), key) {
                    self.fault(Reason::DuplicateKey, key.span.start);
                }
                self.lex.value(level)?;
                continue;
            };
            if seen.known(known as u8) {
                self.fault(Reason::DuplicateKey, key.span.start);
            }
            if known == MetaKey::ClientInfo && self.lex.peek() == Some(b'{') {
                meta.client_info = Some(self.info(level + 1)?);
            } else {
                let value = self.lex.value(level)?;
                self.reserved(known, value, meta);
            }
            meta.fields.push(known, &walk, key, Span::new(from, self.lex.pos));
        }
        meta.object = Object { span: Span::new(start, self.lex.pos), members: walk.count };
        Ok(())
    }

    #[inline]
    fn reserved(&mut self, key: MetaKey, value: Value, meta: &mut Meta) {
        let object = || (value.shape == Shape::Object).then_some(value.span);
        match key {
            MetaKey::ProgressToken => meta.progress_token = self.token(value),
            MetaKey::ProtocolVersion => meta.protocol_version = value.string(),
            MetaKey::ClientCapabilities => meta.client_capabilities = object(),
            MetaKey::LogLevel => meta.log_level = value.string(),
            MetaKey::SubscriptionId => {
                let longest = self.lex.limits.id;
                meta.subscription_id = self.id(value, longest, Reason::IdType, Reason::IdTooLong);
            }
            MetaKey::ServerInfo => meta.server_info = object(),
            MetaKey::RelatedTask => meta.related_task = value.present(),
            MetaKey::Traceparent => meta.traceparent = value.string(),
            MetaKey::Tracestate => meta.tracestate = value.string(),
            MetaKey::Baggage => meta.baggage = value.string(),
            MetaKey::ClientInfo | MetaKey::ModelImmediateResponse => {}
        }
    }

    /// An object with `name` and `version`, at `level`.
    pub(super) fn info(&mut self, level: usize) -> Result<Info, Fail> {
        let start = self.lex.pos;
        let mut info = Info { span: Span::default(), name: None, version: None };
        let mut walk = self.lex.open(level)?;
        while let Some(key) = self.lex.member(&mut walk)? {
            let value = self.lex.value(level)?;
            match decoded(self.body(), key, |key| match key {
                b"name" => Some(true),
                b"version" => Some(false),
                _ => None,
            }) {
                Some(true) => info.name = value.string(),
                Some(false) => info.version = value.string(),
                None => {}
            }
        }
        info.span = Span::new(start, self.lex.pos);
        Ok(info)
    }
}
