//! A small MCP client of both eras, for `ringway tools`, `ringway call` and `ringway demo`.
//!
//! [`Client::connect`] probes `server/discover` and falls back to `initialize` (2026-07-28, "Versioning"). What the two
//! eras do differently stands in `modern` and `legacy`; this file is what they share. It keeps one connection pool to one
//! server, follows no redirect and stores nothing.

mod dialog;
mod error;
mod http;
mod legacy;
mod message;
mod modern;
mod params;
mod probe;
mod reply;
mod unverified;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

pub use dialog::{Answer, Dialog, Elicitation, Progress, Unattended};
pub use error::ClientError;
pub use http::Endpoint;
pub use message::RpcError;

use crate::cluster::forward::Tunnel;
use http::Http;
use legacy::Session;
use modern::Modern;
use probe::Verdict;

/// A list longer than this is taken for a server that never ends it.
const MAX_PAGES: usize = 1_000;

/// How to reach and treat a server.
#[derive(Debug, Clone)]
pub struct Options {
    /// Which era to speak.
    pub era: EraChoice,
    /// Sent with every request, `authorization` for instance.
    pub headers: HeaderMap,
    /// A server that sends no byte for this long is given up.
    pub silence: Duration,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// The way to the server, where it is not by its address.
    pub tunnel: Option<Tunnel>,
}

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The system's, and these (PEM).
    System { extra_roots: Option<Vec<u8>> },
    /// Whoever answers.
    Anyone,
}

/// Which era of the protocol to speak with a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum EraChoice {
    /// Ask the server: modern if it can, else legacy.
    #[default]
    Auto,
    /// 2026-07-28 only.
    Modern,
    /// `initialize` only: 2025-11-25 or what the server answers.
    Legacy,
}

/// What a server said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInfo {
    /// Its name, if it gave one.
    pub name: Option<String>,
    /// Its version, if it gave one.
    pub version: Option<String>,
    /// The protocol revision in use.
    pub revision: String,
    /// Its advice to the model.
    pub instructions: Option<String>,
}

/// What a server can be asked to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    Tools,
    Prompts,
    Resources,
    ResourceTemplates,
}

/// One entry of a list: the description as sent, and what this program reads of it.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Name as the server spells it.
    pub name: String,
    /// `uri` or `uriTemplate`, of resources.
    pub uri: Option<String>,
    /// For people, if given.
    pub title: Option<String>,
    /// For models, if given.
    pub description: Option<String>,
    /// The whole object, byte for byte.
    pub raw: Box<RawValue>,
}

/// The answer to a call.
#[derive(Debug, Clone)]
pub struct CallResult {
    /// The tool ran and failed.
    pub is_error: bool,
    /// `content`, in order; empty if the server sent none.
    pub content: Vec<Value>,
    /// `structuredContent`, if sent.
    pub structured: Option<Value>,
    /// The whole result object, byte for byte.
    pub raw: Box<RawValue>,
}

/// A connection to one MCP server.
#[derive(Debug)]
pub struct Client {
    era: Era,
    info: ServerInfo,
}

#[derive(Debug)]
enum Era {
    Modern(Modern),
    Legacy(Session),
}

// === impl Options ===

impl Default for Options {
    fn default() -> Self {
        Self {
            era: EraChoice::Auto,
            headers: HeaderMap::new(),
            silence: Duration::from_secs(300),
            trust: Trust::System { extra_roots: None },
            tunnel: None,
        }
    }
}

// === impl Client ===

impl Client {
    /// Finds out what the server speaks and opens a session if it needs one.
    ///
    /// # Errors
    /// When the server cannot be reached, refuses, or speaks no revision that this client knows.
    pub async fn connect(endpoint: Endpoint, options: Options) -> Result<Self, ClientError> {
        let era = options.era;
        let http = Arc::new(Http::new(endpoint, options)?);
        if era == EraChoice::Legacy {
            return Self::initialize(http).await;
        }
        let mut modern = Modern::new(Arc::clone(&http));
        match modern.probe().await? {
            Verdict::Modern(info) => Ok(Self { era: Era::Modern(modern), info }),
            Verdict::Legacy if era == EraChoice::Auto => Self::initialize(http).await,
            Verdict::Legacy => Err(ClientError::Protocol("the server does not speak 2026-07-28".to_owned())),
        }
    }

    async fn initialize(http: Arc<Http>) -> Result<Self, ClientError> {
        let (session, info) = Session::open(http).await?;
        Ok(Self { era: Era::Legacy(session), info })
    }

    /// What the server said of itself.
    #[must_use]
    pub fn server(&self) -> &ServerInfo {
        &self.info
    }

    /// True when the stateless era (2026-07-28) is spoken.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        matches!(self.era, Era::Modern(_))
    }

    /// All pages of a list.
    ///
    /// # Errors
    /// As [`ClientError`] says; a list that repeats a cursor or exceeds 1,000 pages is a protocol error.
    pub async fn list(&mut self, list: List) -> Result<Vec<Listed>, ClientError> {
        let mut all = self.every_page(list).await?;
        if self.is_modern() && list == List::Tools {
            // The modern transport lets a client use no tool whose header annotations it cannot follow.
            all.retain(|tool| match modern::check_annotations(&tool.raw) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(tool = tool.name, %error, "a tool was dropped");
                    false
                }
            });
        }
        Ok(all)
    }

    async fn every_page(&mut self, list: List) -> Result<Vec<Listed>, ClientError> {
        let method = list.method();
        let mut all = Vec::new();
        let mut cursor: Option<String> = None;
        let mut seen = HashSet::new();
        for _ in 0..MAX_PAGES {
            let raw = match &mut self.era {
                Era::Modern(modern) => modern.list_page(method, cursor.as_deref()).await?,
                Era::Legacy(session) => session.list_page(method, cursor.as_deref()).await?,
            };
            let (entries, next) = read_page(list, &raw)?;
            all.extend(entries);
            let Some(next) = next else { return Ok(all) };
            if !seen.insert(next.clone()) {
                return Err(ClientError::Protocol(format!("{method} repeats a cursor: the list would never end")));
            }
            cursor = Some(next);
        }
        Err(ClientError::Protocol(format!("{method} has more than {MAX_PAGES} pages")))
    }

    /// Calls a tool and answers what the server asks on the way.
    ///
    /// `arguments` is a JSON object and travels byte for byte. A tool that failed is an `Ok` with `is_error`.
    ///
    /// # Errors
    /// As [`ClientError`] says.
    pub async fn call<D: Dialog>(
        &mut self,
        tool: &str,
        arguments: &RawValue,
        dialog: &mut D,
    ) -> Result<CallResult, ClientError> {
        let listed = match self.era {
            Era::Modern(_) => self.every_page(List::Tools).await?.into_iter().find(|known| known.name == tool),
            Era::Legacy(_) => None,
        };
        let raw = match &mut self.era {
            Era::Modern(modern) => {
                modern.call(tool, listed.as_ref().map(|known| known.raw.get()), arguments, dialog).await?
            }
            Era::Legacy(session) => session.call(tool, arguments, dialog).await?,
        };
        let result: RawCallResult = message::read_result(&raw, "tools/call")?;
        Ok(CallResult {
            is_error: result.is_error,
            content: result.content,
            structured: result.structured_content,
            raw,
        })
    }

    /// Ends what the server keeps for this client: cancels a call that was given up and deletes a legacy session.
    ///
    /// # Errors
    /// When the server cannot be told; nothing else depends on it.
    pub async fn close(self) -> Result<(), ClientError> {
        match self.era {
            // A dropped response stream is the cancel of this era, and nothing else is kept.
            Era::Modern(_) => Ok(()),
            Era::Legacy(session) => session.close().await,
        }
    }
}

// === impl List ===

impl List {
    fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
        }
    }

    /// The member of the result that holds the entries.
    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
        }
    }
}

/// Entries of a page, and the cursor of the next one.
fn read_page(list: List, raw: &RawValue) -> Result<(Vec<Listed>, Option<String>), ClientError> {
    let method = list.method();
    let page: BTreeMap<String, Box<RawValue>> = message::read_result(raw, method)?;
    let entries = page
        .get(list.member())
        .ok_or_else(|| ClientError::Protocol(format!("the answer to {method} has no member `{}`", list.member())))?;
    let entries: Vec<Box<RawValue>> = message::read_result(entries, method)?;
    let listed = entries.into_iter().map(|raw| {
        let head: Head = message::read_result(&raw, method)?;
        let uri = head.uri.or(head.uri_template);
        Ok(Listed { name: head.name, uri, title: head.title, description: head.description, raw })
    });
    let next = page.get("nextCursor").map(|raw| message::read_result(raw, method)).transpose()?;
    Ok((listed.collect::<Result<_, ClientError>>()?, next.flatten()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    name: String,
    uri: Option<String>,
    uri_template: Option<String>,
    title: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCallResult {
    #[serde(default)]
    is_error: bool,
    #[serde(default)]
    content: Vec<Value>,
    structured_content: Option<Value>,
}

/// `Implementation` of the specification, in `initialize` and `_meta`.
#[derive(Debug, Clone, Default, Deserialize)]
struct Implementation {
    name: Option<String>,
    version: Option<String>,
}

/// Passes a notification on to whoever watches.
fn tell<D: Dialog>(method: &str, params: Option<&RawValue>, dialog: &mut D) {
    let Some(params) = params.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()) else { return };
    let text = |key: &str| params.get(key).and_then(Value::as_str);
    match method {
        "notifications/progress" => {
            let Some(progress) = params.get("progress").and_then(Value::as_f64) else { return };
            let total = params.get("total").and_then(Value::as_f64);
            dialog.progress(&Progress { progress, total, message: text("message").map(str::to_owned) });
        }
        "notifications/message" => {
            let data = params.get("data").cloned().unwrap_or_default();
            let data = data.as_str().map_or_else(|| data.to_string(), str::to_owned);
            dialog.log(text("level").unwrap_or("info"), &data);
        }
        _ => {}
    }
}
