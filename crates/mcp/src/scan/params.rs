//! `params`: what a message names, carries and asks for.
//!
//! A known key whose value has another type than the specification says counts as absent here (its [`Field`] still
//! tells where it is): the method's own rules decide whether that matters.
use super::keys::{Field, Fields, Object, Seen, decoded};
use super::lex::{Fail, Shape, Value};
use super::message::Scanner;
use super::meta::{Info, Meta};
use super::{Id, IdKind, Reason, Span, Str};

/// The parameters that a gateway looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamsKey {
    /// `name`
    Name,
    /// `uri`
    Uri,
    /// `cursor`
    Cursor,
    /// `level`
    Level,
    /// `protocolVersion`
    ProtocolVersion,
    /// `taskId`
    TaskId,
    /// `requestId`
    RequestId,
    /// `progressToken`
    ProgressToken,
    /// `arguments`
    Arguments,
    /// `capabilities`
    Capabilities,
    /// `clientInfo`
    ClientInfo,
    /// `requestState`
    RequestState,
    /// `inputResponses`
    InputResponses,
    /// `ref`
    Ref,
    /// `notifications`
    Notifications,
    /// `_meta`
    Meta,
    /// `task`
    Task,
    /// `mode`
    Mode,
    /// `elicitationId`
    ElicitationId,
    /// `logger`
    Logger,
}

/// `params` of a request or notification.
#[derive(Clone, Debug)]
pub struct Params {
    /// The value; `members` is 0 for an array.
    pub object: Object,
    /// False for an array, in which nothing is looked at.
    pub is_object: bool,
    /// Tool, prompt.
    pub name: Option<Str>,
    /// Resource.
    pub uri: Option<Str>,
    /// Page of a list; the empty string is a cursor.
    pub cursor: Option<Str>,
    /// Log level.
    pub level: Option<Str>,
    /// Revision asked for by `initialize`.
    pub protocol_version: Option<Str>,
    /// Task.
    pub task_id: Option<Str>,
    /// Request that `notifications/cancelled` is about.
    pub request_id: Option<Id>,
    /// Token of `notifications/progress`.
    pub progress_token: Option<Id>,
    /// Arguments, of any type but null.
    pub arguments: Option<Span>,
    /// Capabilities, when an object.
    pub capabilities: Option<Span>,
    /// Who the client says it is.
    pub client_info: Option<Info>,
    /// State of a multi round-trip request.
    pub request_state: Option<Str>,
    /// Answers of a multi round-trip request, of any type but null.
    pub input_responses: Option<Span>,
    /// What a completion is about.
    pub reference: Option<Reference>,
    /// Filter of `subscriptions/listen`, when an object.
    pub notifications: Option<Span>,
    /// Task wish of 2025-11-25, of any type but null.
    pub task: Option<Span>,
    /// Mode of an elicitation.
    pub mode: Option<Str>,
    /// Id of a URL elicitation.
    pub elicitation_id: Option<Str>,
    /// Logger of a log message.
    pub logger: Option<Str>,
    /// `_meta`, when an object (null counts as absent; other types are refused).
    pub meta: Option<Meta>,
    /// Where the known members lie.
    pub fields: Fields<ParamsKey, 6>,
}

/// `params.ref` of `completion/complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The object.
    pub span: Span,
    /// `type`: `ref/prompt` or `ref/resource`.
    pub kind: Option<Str>,
    /// Prompt.
    pub name: Option<Str>,
    /// Resource or template.
    pub uri: Option<Str>,
}

// Keys by which policy and routing decide: a look-alike of one of these is refused, since Go servers would read it.
const NAMING: [&str; 7] = ["name", "uri", "taskId", "arguments", "ref", "cursor", "_meta"];

// === impl Params ===

impl Params {
    fn new() -> Self {
        Self {
            object: Object { span: Span::default(), members: 0 },
            is_object: true,
            name: None,
            uri: None,
            cursor: None,
            level: None,
            protocol_version: None,
            task_id: None,
            request_id: None,
            progress_token: None,
            arguments: None,
            capabilities: None,
            client_info: None,
            request_state: None,
            input_responses: None,
            reference: None,
            notifications: None,
            task: None,
            mode: None,
            elicitation_id: None,
            logger: None,
            meta: None,
            fields: Fields::new(),
        }
    }

    /// Where a known member lies.
    pub fn field(&self, key: ParamsKey) -> Option<&Field<ParamsKey>> {
        self.fields.field(key)
    }
}

impl Scanner<'_> {
    pub(super) fn params(&mut self, slot: &mut Option<Params>) -> Result<(), Fail> {
        let start = self.lex.pos;
        if self.lex.peek() != Some(b'{') {
            let value = self.lex.value(1)?;
            if value.shape != Shape::Array {
                self.fault(Reason::ParamsType, value.span.start);
                return Ok(());
            }
            let params = slot.insert(Params::new());
            params.is_object = false;
            params.object.span = value.span;
            return Ok(());
        }
        let params = slot.insert(Params::new());
        let mut seen = Seen::default();
        let mut walk = self.lex.open(2)?;
        while let Some(key) = self.lex.member(&mut walk)? {
            let from = self.lex.pos;
            let Some(known) = decoded(self.body(), key, params_key) else {
                self.unknown(&mut seen, key, &NAMING);
                self.lex.value(2)?;
                continue;
            };
            if seen.known(known as u8) {
                self.fault(Reason::DuplicateKey, key.span.start);
            }
            self.param(known, params)?;
            params.fields.push(known, &walk, key, Span::new(from, self.lex.pos));
        }
        params.object = Object { span: Span::new(start, self.lex.pos), members: walk.count };
        Ok(())
    }

    // Values that are looked into are walked; the others are read whole.
    #[inline]
    fn param(&mut self, key: ParamsKey, params: &mut Params) -> Result<(), Fail> {
        let object = self.lex.peek() == Some(b'{');
        match key {
            ParamsKey::Meta => self.meta(3, &mut params.meta)?,
            ParamsKey::ClientInfo if object => params.client_info = Some(self.info(3)?),
            ParamsKey::Ref if object => params.reference = Some(self.reference()?),
            _ => {
                let value = self.lex.value(2)?;
                self.plain_param(key, value, params);
            }
        }
        Ok(())
    }

    #[inline]
    fn plain_param(&mut self, key: ParamsKey, value: Value, params: &mut Params) {
        let limits = self.lex.limits;
        match key {
            ParamsKey::Name => params.name = self.short(value, limits.name, Reason::NameTooLong),
            ParamsKey::Uri => params.uri = self.short(value, limits.uri, Reason::UriTooLong),
            ParamsKey::TaskId => params.task_id = self.short(value, limits.uri, Reason::UriTooLong),
            ParamsKey::Cursor => params.cursor = value.string(),
            ParamsKey::Level => params.level = value.string(),
            ParamsKey::ProtocolVersion => params.protocol_version = value.string(),
            ParamsKey::RequestId => params.request_id = plain_id(value),
            ParamsKey::ProgressToken => params.progress_token = self.token(value),
            ParamsKey::Arguments => params.arguments = value.present(),
            ParamsKey::Capabilities => {
                params.capabilities = (value.shape == Shape::Object).then_some(value.span);
            }
            ParamsKey::RequestState => params.request_state = value.string(),
            ParamsKey::InputResponses => params.input_responses = value.present(),
            ParamsKey::Notifications => {
                params.notifications = (value.shape == Shape::Object).then_some(value.span);
            }
            ParamsKey::Task => params.task = value.present(),
            ParamsKey::Mode => params.mode = value.string(),
            ParamsKey::ElicitationId => params.elicitation_id = value.string(),
            ParamsKey::Logger => params.logger = value.string(),
            ParamsKey::Meta | ParamsKey::ClientInfo | ParamsKey::Ref => {}
        }
    }

    /// A string of limited length; longer is a fault, another type is absent.
    pub(super) fn short(&mut self, value: Value, longest: u32, fault: Reason) -> Option<Str> {
        let text = value.string()?;
        if text.span.len() > longest as usize {
            self.fault(fault, value.span.start);
        }
        Some(text)
    }

    /// A progress token; null is absent.
    pub(super) fn token(&mut self, value: Value) -> Option<Id> {
        let longest = self.lex.limits.progress_token;
        self.id(value, longest, Reason::ProgressToken, Reason::ProgressToken).filter(|id| id.kind != IdKind::Null)
    }

    fn reference(&mut self) -> Result<Reference, Fail> {
        let start = self.lex.pos;
        let limits = self.lex.limits;
        let mut reference = Reference { span: Span::default(), kind: None, name: None, uri: None };
        let mut seen = Seen::default();
        let mut walk = self.lex.open(3)?;
        while let Some(key) = self.lex.member(&mut walk)? {
            let value = self.lex.value(3)?;
            let known = decoded(self.body(), key, |key| match key {
                b"type" => Some(0),
                b"name" => Some(1),
                b"uri" => Some(2),
                _ => None,
            });
            let Some(known) = known else {
                self.unknown(&mut seen, key, &["type", "name", "uri"]);
                continue;
            };
            if seen.known(known) {
                self.fault(Reason::DuplicateKey, key.span.start);
            }
            match known {
                0 => reference.kind = value.string(),
                1 => reference.name = self.short(value, limits.name, Reason::NameTooLong),
                _ => reference.uri = self.short(value, limits.uri, Reason::UriTooLong),
            }
        }
        reference.span = Span::new(start, self.lex.pos);
        Ok(reference)
    }
}

fn plain_id(value: Value) -> Option<Id> {
    let kind = match value.shape {
        Shape::Integer => IdKind::Integer,
        Shape::String { .. } => IdKind::String,
        _ => return None,
    };
    Some(Id { span: value.span, kind })
}

#[inline]
fn params_key(key: &[u8]) -> Option<ParamsKey> {
    Some(match key {
        b"name" => ParamsKey::Name,
        b"uri" => ParamsKey::Uri,
        b"cursor" => ParamsKey::Cursor,
        b"level" => ParamsKey::Level,
        b"protocolVersion" => ParamsKey::ProtocolVersion,
        b"taskId" => ParamsKey::TaskId,
        b"requestId" => ParamsKey::RequestId,
        b"progressToken" => ParamsKey::ProgressToken,
        b"arguments" => ParamsKey::Arguments,
        b"capabilities" => ParamsKey::Capabilities,
        b"clientInfo" => ParamsKey::ClientInfo,
        b"requestState" => ParamsKey::RequestState,
        b"inputResponses" => ParamsKey::InputResponses,
        b"ref" => ParamsKey::Ref,
        b"notifications" => ParamsKey::Notifications,
        b"_meta" => ParamsKey::Meta,
        b"task" => ParamsKey::Task,
        b"mode" => ParamsKey::Mode,
        b"elicitationId" => ParamsKey::ElicitationId,
        b"logger" => ParamsKey::Logger,
        _ => return None,
    })
}
