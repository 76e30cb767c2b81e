//! One backend's list as its server sent it: own names, raw items, a hash; and the reader that makes it of pages.
//!
//! Pure. Renames and hides nothing (`item` does), asks nobody (`link` does). A list is immutable once made and shared.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use ringway_mcp::scan::{Kind, Limits as ScanLimits, ResultKey, Span, scan};
use ringway_mcp::{Method, value};
use ringway_seal as seal;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::limits::Limits;
use crate::telemetry::labels::{Limit, closed_set};

/// The four lists of MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListKind {
    Tools,
    Prompts,
    Templates,
    /// Walked, never kept.
    Resources,
}

/// A list of one server, with the gateway's rights or one session's.
#[derive(Debug)]
pub struct BackendList {
    pub kind: ListKind,
    /// In the server's own order; every own name once.
    pub items: Vec<ListItem>,
    /// Over the raw items, in order: equal lists, equal hash.
    pub hash: u64,
    /// Bytes of all raw items.
    pub bytes: usize,
    /// The server's `ttlMs` (modern), the smallest of all pages.
    pub ttl: Option<Duration>,
    /// The server said `cacheScope: public` on every page.
    pub public: bool,
    /// False: a limit cut the list.
    pub complete: bool,
    /// What the reader left out.
    pub dropped: Vec<Dropped>,
}

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListItem {
    /// `name`, `uri` or `uriTemplate`, unescaped.
    pub own: Box<str>,
    /// The whole object, byte for byte.
    pub raw: Bytes,
}

/// An item that is not shown, or a list that is not whole, and why: for log and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The server's own name, cut at 128 bytes; empty where there is none.
    pub own: String,
    pub why: DropReason,
}

closed_set! {
    /// Why an item or the rest of a list is missing; for log and status.
    pub enum DropReason {
        /// No object, or without its name.
        Shape = "shape",
        /// A key that counts stands twice in the item: receivers would disagree about it.
        DuplicateKey = "duplicate_key",
        /// The same name twice from one server: the first counts.
        DuplicateName = "duplicate_name",
        /// Longer than a call may name it.
        NameTooLong = "name_too_long",
        /// The visible name is not `[A-Za-z0-9_.-]{1,128}`.
        NameCharacters = "name_characters",
        /// Another item is renamed to this one's name.
        Shadowed = "shadowed",
        /// Limit `tool.description`.
        Description = "description",
        /// Limit `tool.schema`.
        Schema = "schema",
        /// A broken `x-mcp-header` annotation.
        HeaderAnnotation = "header_annotation",
        /// Limit `list.items`: the rest is left out.
        Items = "items",
        /// Limit `list.bytes`: the rest is left out.
        Bytes = "bytes",
        /// Limit `list.pages`: the rest is left out.
        Pages = "pages",
        /// The server gave a cursor a second time: the rest is left out.
        CursorLoop = "cursor_loop",
    }
}

/// A page that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPage {
    #[error("no JSON-RPC answer: {0}")]
    Message(ringway_mcp::scan::Reason),
    #[error("the server answered with error {0:?}")]
    Refused(Option<i64>),
    #[error("the result holds no `{0}`")]
    NoItems(&'static str),
}

/// What to ask after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    Done,
    Page(String),
}

/// The parts of one page that matter: for lists that are kept and for those that are walked.
#[derive(Debug)]
pub(super) struct Page {
    pub items: Vec<Span>,
    /// The empty string is a cursor.
    pub next: Option<String>,
    pub ttl: Option<Duration>,
    pub public: bool,
}

/// Puts pages together, within limits.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    list: BackendList,
    limits: &'a Limits,
    names: HashSet<Box<str>, RandomState>,
    cursors: HashSet<String>,
    pages: usize,
}

/// The longest own name of a tool or prompt, as for calls.
const NAME_BYTES: usize = 256;
/// The longest URI, as for calls.
const URI_BYTES: usize = 8 << 10;
/// Entries of `dropped` per list: a hostile list is counted, not copied.
const DROPPED_KEPT: usize = 64;

/// Reads one page of `kind`.
///
/// # Errors
/// What is no successful answer with the list in it.
pub(super) fn read_page(kind: ListKind, message: &[u8]) -> Result<Page, BadPage> {
    let envelope = scan(message, &wide()).map_err(|error| BadPage::Message(error.reason))?;
    if envelope.kind != Kind::Response {
        return Err(BadPage::NoItems(kind.member()));
    }
    if let Some(error) = envelope.error {
        return Err(BadPage::Refused(error.code));
    }
    let Some(result) = envelope.result else { return Err(BadPage::NoItems(kind.member())) };
    let Some(items) = result.items.filter(|(key, _)| *key == kind.result_key()).map(|(_, span)| span) else {
        return Err(BadPage::NoItems(kind.member()));
    };
    let ttl = result.ttl_ms.and_then(|span| value::as_i64(message, span)).and_then(|ms| u64::try_from(ms).ok());
    Ok(Page {
        items: value::elements(message, items).collect(),
        next: result.next_cursor.map(|cursor| cursor.text(message).into_owned()),
        ttl: ttl.map(Duration::from_millis),
        public: result.cache_scope.is_some_and(|scope| scope.is(message, "public")),
    })
}

/// A page may hold ten thousand tools; its bytes are bounded by the backend's `maxResponseBytes`.
#[must_use]
pub(super) fn wide() -> ScanLimits {
    ScanLimits { nodes: 4_000_000, keys_per_object: 100_000, id: 1024, ..ScanLimits::default() }
}

/// The own name of an item: `name`, `uri` or `uriTemplate`.
///
/// # Errors
/// The reason to leave the item out.
pub(super) fn own_name(kind: ListKind, body: &[u8], item: Span) -> Result<Box<str>, DropReason> {
    let mut found = None;
    for member in value::members(body, item).filter(|member| member.key.is(body, kind.key())) {
        if found.replace(member.value).is_some() {
            return Err(DropReason::DuplicateKey);
        }
    }
    let text = found.and_then(|span| value::string(body, span)).ok_or(DropReason::Shape)?.text(body);
    let longest = if matches!(kind, ListKind::Tools | ListKind::Prompts) { NAME_BYTES } else { URI_BYTES };
    match text.len() {
        0 => Err(DropReason::Shape),
        n if n > longest => Err(DropReason::NameTooLong),
        _ => Ok(text.into()),
    }
}

// === impl ListKind ===

impl ListKind {
    /// The lists that are kept; the index in arrays is [`Self::slot`].
    pub const KEPT: [Self; 3] = [Self::Tools, Self::Prompts, Self::Templates];
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Templates, Self::Resources];

    /// Place in arrays by kind: 0 to 2 for the kept ones, 3 for resources.
    #[must_use]
    pub const fn slot(self) -> usize {
        self as usize
    }

    #[must_use]
    pub const fn method(self) -> Method {
        match self {
            Self::Tools => Method::ToolsList,
            Self::Prompts => Method::PromptsList,
            Self::Templates => Method::ResourcesTemplatesList,
            Self::Resources => Method::ResourcesList,
        }
    }

    /// The array's name in the result.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Templates => "resourceTemplates",
            Self::Resources => "resources",
        }
    }

    /// The member of the server's capabilities that announces the list.
    #[must_use]
    pub const fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Templates | Self::Resources => "resources",
        }
    }

    /// The key of an item that names it.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Templates => "uriTemplate",
            Self::Resources => "uri",
        }
    }

    /// As cursors name it; `None` for the walked one.
    #[must_use]
    pub const fn sealed(self) -> Option<seal::ListKind> {
        match self {
            Self::Tools => Some(seal::ListKind::Tools),
            Self::Prompts => Some(seal::ListKind::Prompts),
            Self::Templates => Some(seal::ListKind::Templates),
            Self::Resources => None,
        }
    }

    const fn result_key(self) -> ResultKey {
        match self {
            Self::Tools => ResultKey::Tools,
            Self::Prompts => ResultKey::Prompts,
            Self::Templates => ResultKey::ResourceTemplates,
            Self::Resources => ResultKey::Resources,
        }
    }
}

// === impl DropReason ===

impl DropReason {
    /// The label of `ringway_limit_total`, where a limit is the reason.
    #[must_use]
    pub const fn limit(self) -> Option<Limit> {
        match self {
            Self::Items => Some(Limit::ListTools),
            Self::Bytes => Some(Limit::ListBytes),
            Self::Pages => Some(Limit::ListPages),
            Self::Description => Some(Limit::ToolDescription),
            Self::Schema => Some(Limit::ToolSchema),
            _ => None,
        }
    }
}

// === impl Dropped ===

impl Dropped {
    #[must_use]
    pub fn new(own: &str, why: DropReason) -> Self {
        Self { own: own.chars().take(128).collect(), why }
    }
}

// === impl BackendList ===

impl BackendList {
    /// Would clients see the same?
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        (self.hash, self.items.len(), self.complete, self.ttl, self.public)
            == (other.hash, other.items.len(), other.complete, other.ttl, other.public)
    }

    /// Where an own name stands.
    #[must_use]
    pub fn position(&self, own: &str) -> Option<usize> {
        self.items.iter().position(|item| &*item.own == own)
    }
}

// === impl Pages ===

impl<'a> Pages<'a> {
    #[must_use]
    pub(super) fn new(kind: ListKind, limits: &'a Limits) -> Self {
        let list = BackendList {
            kind,
            items: Vec::new(),
            hash: 0,
            bytes: 0,
            ttl: None,
            public: true,
            complete: true,
            dropped: Vec::new(),
        };
        Self { list, limits, names: HashSet::default(), cursors: HashSet::new(), pages: 0 }
    }

    /// Takes the answer to the last question; says what to ask next.
    ///
    /// # Errors
    /// [`BadPage`]; what was read before is then no list.
    pub(super) fn take(&mut self, message: &Bytes) -> Result<Next, BadPage> {
        let page = read_page(self.list.kind, message)?;
        self.pages += 1;
        self.list.public &= page.public;
        self.list.ttl = match (self.pages, self.list.ttl, page.ttl) {
            (1, _, ttl) => ttl,
            (_, Some(a), Some(b)) => Some(a.min(b)),
            _ => None,
        };
        for item in page.items {
            if let Some(why) = self.full(item) {
                return Ok(self.cut(why));
            }
            self.add(message, item);
        }
        let Some(next) = page.next else { return Ok(Next::Done) };
        if self.pages >= self.limits.pages {
            return Ok(self.cut(DropReason::Pages));
        }
        if !self.cursors.insert(next.clone()) {
            return Ok(self.cut(DropReason::CursorLoop));
        }
        Ok(Next::Page(next))
    }

    /// The list.
    #[must_use]
    pub(super) fn finish(self) -> BackendList {
        self.list
    }

    fn full(&self, item: Span) -> Option<DropReason> {
        if self.list.items.len() >= self.limits.items {
            return Some(DropReason::Items);
        }
        (self.list.bytes + item.len() > self.limits.bytes).then_some(DropReason::Bytes)
    }

    fn add(&mut self, message: &Bytes, span: Span) {
        let own = match own_name(self.list.kind, message, span) {
            Ok(own) if self.names.contains(&own) => return self.drop_item(&own, DropReason::DuplicateName),
            Ok(own) => own,
            Err(why) => return self.drop_item("", why),
        };
        let raw = message.slice(span.range());
        self.list.hash = xxh3_64_with_seed(&raw, self.list.hash);
        self.list.bytes += raw.len();
        self.names.insert(own.clone());
        self.list.items.push(ListItem { own, raw });
    }

    fn drop_item(&mut self, own: &str, why: DropReason) {
        if self.list.dropped.len() < DROPPED_KEPT {
            self.list.dropped.push(Dropped::new(own, why));
        }
    }

    fn cut(&mut self, why: DropReason) -> Next {
        self.list.complete = false;
        self.list.dropped.push(Dropped::new("", why));
        Next::Done
    }
}

#[cfg(test)]
mod tests;
