//! One visit of one backend: a greeting in its era, and now and then a count of what it has.
//!
//! A modern server is asked `server/discover` each time. A legacy one keeps one session of ours, which is pinged: a new
//! one each time would pile up at servers that forget none. Decides nothing about when to come again.

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;
use serde::Deserialize;
use tokio::time::Instant;

use crate::catalog::{self, BackendList, Facts, ListKind, read_list, usable_tools};
use crate::upstream::{
    ANSWER_TIME, Answer, Discovered, Hello, Knowledge, Outgoing, Pool, Server, UpstreamError, UpstreamSession,
    discover, initialize, send,
};

const CLIENT: &str = "ringway";
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":"ringway-ping","method":"ping"}"#;
/// Of a server's name or version, in characters.
const TEXT: usize = 128;

/// How a server was met.
#[derive(Debug, Clone)]
pub(super) struct Greeting {
    /// Newest first.
    pub(super) versions: Vec<Revision>,
    pub(super) session: UpstreamSession,
    words: Arc<Facts>,
}

/// What came of a visit.
#[derive(Debug)]
pub(super) struct Visit {
    /// For the next visit.
    pub(super) greeting: Option<Greeting>,
    pub(super) outcome: Result<Met, UpstreamError>,
}

/// The server answered.
#[derive(Debug)]
pub(super) struct Met {
    pub(super) name: String,
    pub(super) version: String,
    /// `None`: not counted this time.
    pub(super) counts: Option<Counts>,
}

/// What a server has; `None`: it did not say.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) tools: Option<Vec<Box<str>>>,
    pub(super) prompts: Option<u32>,
    pub(super) resources: Option<u32>,
}

/// What is asked of a visit.
#[derive(Debug)]
pub(super) struct Errand {
    pub(super) server: Arc<Server>,
    pub(super) known: Option<Greeting>,
    pub(super) counts: bool,
}

// === impl Greeting ===

impl Greeting {
    /// The session to end when the backend is not visited any more.
    pub(super) fn leave(self) -> Option<UpstreamSession> {
        Some(self.session).filter(|session| session.id.is_some())
    }
}

/// Goes there.
pub(super) async fn visit(pool: &Pool, errand: Errand, lists: &catalog::Limits) -> Visit {
    let Errand { server, known, counts } = errand;
    let before = known.as_ref().map(|known| Arc::clone(&known.words));
    let greeting = match known.clone() {
        None => greet(pool, &server).await,
        Some(known) => again(pool, &server, known).await,
    };
    let greeting = match greeting {
        Ok(greeting) => greeting,
        Err(error) => return Visit { greeting: known, outcome: Err(error) },
    };
    let is_another = before.is_none_or(|before| before.message != greeting.words.message);
    let counts = if counts || is_another { Some(count(pool, &server, &greeting, lists).await) } else { None };
    let (name, version) = greeting.words.server_info_raw().map(name_and_version).unwrap_or_default();
    Visit { greeting: Some(greeting), outcome: Ok(Met { name, version, counts }) }
}

/// The first meeting, or a new one after the old session was lost.
async fn greet(pool: &Pool, server: &Arc<Server>) -> Result<Greeting, UpstreamError> {
    let is_legacy = match server.pinned() {
        Some(revision) => !revision.is_modern(),
        None => server.era().modern == Knowledge::No,
    };
    if is_legacy {
        return greet_legacy(pool, server).await;
    }
    match Box::pin(discover(pool, server, ClientCapabilities::default())).await? {
        Discovered::Modern { message, legacy_too } => modern(message, legacy_too),
        Discovered::Legacy => greet_legacy(pool, server).await,
    }
}

async fn greet_legacy(pool: &Pool, server: &Arc<Server>) -> Result<Greeting, UpstreamError> {
    let newest = Revision::LEGACY.last().copied().unwrap_or(Revision::V2025_11_25);
    let hello = Hello::Made {
        revision: server.pinned().filter(|pinned| !pinned.is_modern()).unwrap_or(newest),
        capabilities: ClientCapabilities::default(),
        client_name: CLIENT,
        client_version: env!("CARGO_PKG_VERSION"),
    };
    let made = Box::pin(initialize(pool, server, &hello)).await?;
    let revision = made.session.revision;
    let words = Facts::read(made.message, revision).ok_or_else(|| unreadable("initialize"))?;
    Ok(Greeting { versions: vec![revision], session: made.session, words: Arc::new(words) })
}

fn modern(message: Bytes, legacy_too: Vec<Revision>) -> Result<Greeting, UpstreamError> {
    let revision = Revision::V2026_07_28;
    let words = Facts::read(message, revision).ok_or_else(|| unreadable("server/discover"))?;
    let mut versions = legacy_too;
    versions.push(revision);
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions.dedup();
    let session = UpstreamSession { id: None, endpoint: None, revision, process: None };
    Ok(Greeting { versions, session, words: Arc::new(words) })
}

fn unreadable(what: &str) -> UpstreamError {
    UpstreamError::Protocol(format!("the answer to {what} cannot be read"))
}

/// A later meeting.
async fn again(pool: &Pool, server: &Arc<Server>, known: Greeting) -> Result<Greeting, UpstreamError> {
    if known.session.revision.is_modern() {
        return greet(pool, server).await;
    }
    let deadline = Instant::now() + server.backend.timeouts.connect + ANSWER_TIME;
    let out = Outgoing {
        body: Bytes::from_static(PING),
        session: Some(&known.session),
        revision: Some(known.session.revision),
        headers: &[],
        idle: ANSWER_TIME,
        deadline,
        idempotent: true,
    };
    match Box::pin(send(pool, server, out)).await {
        // An error, too, is an answer: of a server that has no `ping`.
        Ok(Answer::Message(..) | Answer::Stream(..) | Answer::Accepted) => Ok(known),
        Ok(Answer::Refused(refusal)) if matches!(refusal.status, 401 | 403 | 429 | 500..) => {
            Err(UpstreamError::Refused(refusal))
        }
        // Forgotten, or never one that could be pinged.
        Ok(Answer::Refused(_)) | Err(UpstreamError::SessionLost) => greet(pool, server).await,
        Err(error) => Err(error),
    }
}

async fn count(pool: &Pool, server: &Arc<Server>, greeting: &Greeting, limits: &catalog::Limits) -> Counts {
    let tools = list(pool, server, greeting, ListKind::Tools, limits).await;
    let prompts = list(pool, server, greeting, ListKind::Prompts, limits).await;
    let resources = list(pool, server, greeting, ListKind::Resources, limits).await;
    let number = |list: Arc<BackendList>| u32::try_from(list.items.len()).unwrap_or(u32::MAX);
    Counts {
        tools: tools.map(|list| list.map_or_else(Vec::new, |list| usable_tools(&list, limits))),
        prompts: prompts.map(|list| list.map_or(0, number)),
        resources: resources.map(|list| list.map_or(0, number)),
    }
}

/// A list; `Some(None)`: the server announces none.
async fn list(
    pool: &Pool,
    server: &Arc<Server>,
    greeting: &Greeting,
    kind: ListKind,
    limits: &catalog::Limits,
) -> Option<Option<Arc<BackendList>>> {
    if !greeting.words.has(kind) {
        return Some(None);
    }
    let read = read_list(pool, server, &greeting.session, ClientCapabilities::default(), kind, limits).await;
    read.map(Some)
        .inspect_err(|error| {
            tracing::debug!(backend = %server.backend.name, list = ?kind, %error, "a list was not counted");
        })
        .ok()
}

/// Of a raw `serverInfo`: what can be read of it.
fn name_and_version(raw: &[u8]) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Info {
        name: String,
        version: String,
    }
    let Info { name, version } = serde_json::from_slice(raw).unwrap_or_default();
    (shown(&name), shown(&version))
}

/// Without control characters, and not too long.
fn shown(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(TEXT).collect()
}

#[cfg(test)]
mod tests {
    use super::name_and_version;

    #[test]
    fn a_server_s_own_words_are_cut_and_cleaned() {
        let (long, cut) = ("x".repeat(500), "x".repeat(128));
        for (raw, name, version) in [
            (r#"{"name":"gh","version":"1.4.0","icons":[{}]}"#, "gh", "1.4.0"),
            (r#"{"name":"g\u0007\nh\u009b31m"}"#, "gh31m", ""),
            (r#"{"name":{"a":1},"version":"1"}"#, "", ""),
            (r#""name""#, "", ""),
            (&format!(r#"{{"name":"{long}","version":"{long}"}}"#), &cut, &cut),
        ] {
            assert_eq!(name_and_version(raw.as_bytes()), (name.to_owned(), version.to_owned()), "{raw}");
        }
    }
}
