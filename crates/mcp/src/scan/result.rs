//! `result`: what a gateway has to know about an answer before it passes it on.
use super::keys::{Field, Fields, Object, Seen, decoded};
use super::lex::{Fail, Shape, Value};
use super::message::Scanner;
use super::meta::{Info, Meta};
use super::{Reason, Span, Str};

/// The members of a result that a gateway looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResultKey {
    /// `isError`
    IsError,
    /// `resultType`
    ResultType,
    /// `nextCursor`
    NextCursor,
    /// `_meta`
    Meta,
    /// `structuredContent`
    StructuredContent,
    /// `content`
    Content,
    /// `task`
    Task,
    /// `taskId`
    TaskId,
    /// `inputRequests`
    InputRequests,
    /// `requestState`
    RequestState,
    /// `protocolVersion`
    ProtocolVersion,
    /// `supportedVersions`
    SupportedVersions,
    /// `capabilities`
    Capabilities,
    /// `serverInfo`
    ServerInfo,
    /// `instructions`
    Instructions,
    /// `tools`
    Tools,
    /// `prompts`
    Prompts,
    /// `resources`
    Resources,
    /// `resourceTemplates`
    ResourceTemplates,
    /// `tasks`
    Tasks,
    /// `ttlMs`
    TtlMs,
    /// `cacheScope`
    CacheScope,
}

/// A `result`.
#[derive(Clone, Debug)]
pub struct ResultParts {
    /// The value; `members` is 0 when it is no object.
    pub object: Object,
    /// Legacy and modern results are objects; some servers answer `null` to `ping`.
    pub is_object: bool,
    /// A tool failed (`isError: true`).
    pub is_error: bool,
    /// `complete`, `input_required`, an extension's word; absent means complete.
    pub result_type: Option<Str>,
    /// Next page; the empty string is a cursor.
    pub next_cursor: Option<Str>,
    /// `_meta`, when an object.
    pub meta: Option<Meta>,
    /// `structuredContent`, of any type but null.
    pub structured_content: Option<Span>,
    /// `content`, of any type but null.
    pub content: Option<Span>,
    /// `task` (2025-11-25), when an object.
    pub task: Option<Span>,
    /// `taskId`
    pub task_id: Option<Str>,
    /// `inputRequests`, when an object.
    pub input_requests: Option<Span>,
    /// `requestState`
    pub request_state: Option<Str>,
    /// `protocolVersion` of an `initialize` result.
    pub protocol_version: Option<Str>,
    /// `supportedVersions` of a `server/discover` result, when an array.
    pub supported_versions: Option<Span>,
    /// `capabilities`, when an object.
    pub capabilities: Option<Span>,
    /// `serverInfo`
    pub server_info: Option<Info>,
    /// `instructions`
    pub instructions: Option<Str>,
    /// The first of `tools`, `prompts`, `resources`, `resourceTemplates`, `tasks` that is an array.
    pub items: Option<(ResultKey, Span)>,
    /// Raw `ttlMs`, when a number.
    pub ttl_ms: Option<Span>,
    /// `cacheScope`
    pub cache_scope: Option<Str>,
    /// Where the known members lie.
    pub fields: Fields<ResultKey, 6>,
}

// === impl ResultParts ===

impl ResultParts {
    fn new() -> Self {
        Self {
            object: Object { span: Span::default(), members: 0 },
            is_object: true,
            is_error: false,
            result_type: None,
            next_cursor: None,
            meta: None,
            structured_content: None,
            content: None,
            task: None,
            task_id: None,
            input_requests: None,
            request_state: None,
            protocol_version: None,
            supported_versions: None,
            capabilities: None,
            server_info: None,
            instructions: None,
            items: None,
            ttl_ms: None,
            cache_scope: None,
            fields: Fields::new(),
        }
    }

    /// Where a known member lies.
    pub fn field(&self, key: ResultKey) -> Option<&Field<ResultKey>> {
        self.fields.field(key)
    }
}

impl Scanner<'_> {
    pub(super) fn result(&mut self, slot: &mut Option<ResultParts>) -> Result<(), Fail> {
        let start = self.lex.pos;
        let result = slot.insert(ResultParts::new());
        if self.lex.peek() != Some(b'{') {
            result.object.span = self.lex.value(1)?.span;
            result.is_object = false;
            return Ok(());
        }
        let mut seen = Seen::default();
        let mut walk = self.lex.open(2)?;
        while let Some(key) = self.lex.member(&mut walk)? {
            let from = self.lex.pos;
            let Some(known) = decoded(self.body(), key, result_key) else {
                self.lex.value(2)?;
                continue;
            };
            if seen.known(known as u8) {
                self.fault(Reason::DuplicateKey, key.span.start);
            }
            let object = self.lex.peek() == Some(b'{');
            match known {
                ResultKey::Meta => self.meta(3, &mut result.meta)?,
                ResultKey::ServerInfo if object => result.server_info = Some(self.info(3)?),
                _ => {
                    let value = self.lex.value(2)?;
                    plain_member(known, value, result);
                }
            }
            result.fields.push(known, &walk, key, Span::new(from, self.lex.pos));
        }
        result.object = Object { span: Span::new(start, self.lex.pos), members: walk.count };
        Ok(())
    }
}

fn plain_member(key: ResultKey, value: Value, result: &mut ResultParts) {
    let shaped = |shape| (value.shape == shape).then_some(value.span);
    match key {
        ResultKey::IsError => result.is_error = value.shape == Shape::True,
        ResultKey::ResultType => result.result_type = value.string(),
        ResultKey::NextCursor => result.next_cursor = value.string(),
        ResultKey::StructuredContent => result.structured_content = value.present(),
        ResultKey::Content => result.content = value.present(),
        ResultKey::Task => result.task = shaped(Shape::Object),
        ResultKey::TaskId => result.task_id = value.string(),
        ResultKey::InputRequests => result.input_requests = shaped(Shape::Object),
        ResultKey::RequestState => result.request_state = value.string(),
        ResultKey::ProtocolVersion => result.protocol_version = value.string(),
        ResultKey::SupportedVersions => result.supported_versions = shaped(Shape::Array),
        ResultKey::Capabilities => result.capabilities = shaped(Shape::Object),
        ResultKey::Instructions => result.instructions = value.string(),
        ResultKey::Tools
        | ResultKey::Prompts
        | ResultKey::Resources
        | ResultKey::ResourceTemplates
        | ResultKey::Tasks => result.items = result.items.or_else(|| shaped(Shape::Array).map(|span| (key, span))),
        ResultKey::TtlMs => {
            result.ttl_ms = matches!(value.shape, Shape::Integer | Shape::Fraction).then_some(value.span);
        }
        ResultKey::CacheScope => result.cache_scope = value.string(),
        ResultKey::Meta | ResultKey::ServerInfo => {}
    }
}

fn result_key(key: &[u8]) -> Option<ResultKey> {
    Some(match key {
        b"isError" => ResultKey::IsError,
        b"resultType" => ResultKey::ResultType,
        b"nextCursor" => ResultKey::NextCursor,
        b"_meta" => ResultKey::Meta,
        b"structuredContent" => ResultKey::StructuredContent,
        b"content" => ResultKey::Content,
        b"task" => ResultKey::Task,
        b"taskId" => ResultKey::TaskId,
        b"inputRequests" => ResultKey::InputRequests,
        b"requestState" => ResultKey::RequestState,
        b"protocolVersion" => ResultKey::ProtocolVersion,
        b"supportedVersions" => ResultKey::SupportedVersions,
        b"capabilities" => ResultKey::Capabilities,
        b"serverInfo" => ResultKey::ServerInfo,
        b"instructions" => ResultKey::Instructions,
        b"tools" => ResultKey::Tools,
        b"prompts" => ResultKey::Prompts,
        b"resources" => ResultKey::Resources,
        b"resourceTemplates" => ResultKey::ResourceTemplates,
        b"tasks" => ResultKey::Tasks,
        b"ttlMs" => ResultKey::TtlMs,
        b"cacheScope" => ResultKey::CacheScope,
        _ => return None,
    })
}
