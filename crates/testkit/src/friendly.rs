//! Servers that do what the specification asks of each era, and no more: a test overrides the requests it is about.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::bell::Bell;
use crate::raw::{member, text};
use crate::upstream::{Reply, Request, Upstream};

/// A legacy server: sessions, `initialize`, a few lists. Sessions are named `PREFIX-1`, `PREFIX-2` …
#[derive(Debug)]
pub struct Legacy {
    prefix: String,
    made: AtomicUsize,
    sessions: Mutex<BTreeSet<String>>,
    tools: String,
}

/// A modern server: `server/discover`, a few lists.
#[derive(Debug)]
pub struct Modern {
    tools: String,
}

const LEGACY_CAPABILITIES: &str = r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"logging":{},"completions":{}}"#;

/// The items of `tools/list` for these names.
fn tools(names: &[&str]) -> String {
    let tools: Vec<_> =
        names.iter().map(|name| format!(r#"{{"name":"{name}","inputSchema":{{"type":"object"}}}}"#)).collect();
    tools.join(",")
}

/// A script for [`Legacy::start`] and [`Modern::start`]: a request that says `slow` rings its id, and is answered only
/// after "go".
pub fn slow(bell: &Arc<Bell>) -> impl Fn(&Request, &mut Reply<'_>) -> bool + Send + Sync + 'static {
    let bell = Arc::clone(bell);
    move |request, _| {
        if request.text().contains("slow") {
            bell.ring(&request.id());
            bell.wait("go");
        }
        false
    }
}

// === impl Legacy ===

impl Legacy {
    #[must_use]
    pub fn new(prefix: &str, names: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            prefix: prefix.to_owned(),
            made: AtomicUsize::new(0),
            sessions: Mutex::default(),
            tools: tools(names),
        })
    }

    /// Starts it. `own` answers first; true: it did.
    #[must_use]
    pub fn start(self: &Arc<Self>, own: impl Fn(&Request, &mut Reply<'_>) -> bool + Send + Sync + 'static) -> Upstream {
        let server = Arc::clone(self);
        Upstream::start(move |request, reply| {
            if !own(request, reply) {
                server.serve(request, reply);
            }
        })
    }

    /// Every session is gone, as after a restart.
    pub fn forget_sessions(&self) {
        self.sessions().clear();
    }

    /// Sessions that were opened in all.
    #[must_use]
    pub fn made(&self) -> usize {
        self.made.load(Ordering::SeqCst)
    }

    /// The sessions that are open.
    #[must_use]
    pub fn open(&self) -> Vec<String> {
        self.sessions().iter().cloned().collect()
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is the request's session one of ours?
    #[must_use]
    pub fn knows(&self, request: &Request) -> bool {
        request.session().is_some_and(|id| self.sessions().contains(id))
    }

    fn serve(&self, request: &Request, reply: &mut Reply<'_>) {
        let (method, id) = (request.method(), request.id());
        if method == "initialize" {
            return self.initialize(request, &id, reply);
        }
        if method == "server/discover" {
            let error = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Bad Request: Missing session ID"}}"#;
            return reply.answer("400 Bad Request", "", "application/json", error.as_bytes());
        }
        if !self.knows(request) {
            let error = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#;
            return reply.answer("404 Not Found", "", "application/json", error.as_bytes());
        }
        match request.verb.as_str() {
            "DELETE" => {
                self.sessions().remove(request.session().unwrap_or_default());
                reply.bare("200 OK");
            }
            "POST" if id == "null" || method.is_empty() => reply.accepted(),
            "POST" => reply.json(answer(&method, &id, &self.tools, "")),
            _ => reply.bare("405 Method Not Allowed"),
        }
    }

    fn initialize(&self, request: &Request, id: &str, reply: &mut Reply<'_>) {
        let params = member(&request.body, "params").unwrap_or(b"{}");
        let version = member(params, "protocolVersion").map_or_else(|| "2025-11-25".to_owned(), text);
        let session = format!("{}-{}", self.prefix, self.made.fetch_add(1, Ordering::SeqCst) + 1);
        self.sessions().insert(session.clone());
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"protocolVersion":"{version}","capabilities":{LEGACY_CAPABILITIES},"serverInfo":{{"name":"friendly","version":"1"}}}}}}"#
        );
        reply.answer("200 OK", &format!("Mcp-Session-Id: {session}\r\n"), "application/json", body.as_bytes());
    }
}

// === impl Modern ===

impl Modern {
    #[must_use]
    pub fn new(names: &[&str]) -> Arc<Self> {
        Arc::new(Self { tools: tools(names) })
    }

    /// Starts it. `own` answers first; true: it did.
    #[must_use]
    pub fn start(self: &Arc<Self>, own: impl Fn(&Request, &mut Reply<'_>) -> bool + Send + Sync + 'static) -> Upstream {
        let server = Arc::clone(self);
        Upstream::start(move |request, reply| {
            if !own(request, reply) {
                server.serve(request, reply);
            }
        })
    }

    fn serve(&self, request: &Request, reply: &mut Reply<'_>) {
        let (method, id) = (request.method(), request.id());
        match (request.verb.as_str(), method.as_str()) {
            ("POST", "initialize") => {
                let error = format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32022,"message":"Unsupported protocol version","data":{{"supported":["2026-07-28"],"requested":"2025-11-25"}}}}}}"#
                );
                reply.answer("400 Bad Request", "", "application/json", error.as_bytes());
            }
            ("POST", "server/discover") => reply.json(format!(
                r#"{{"jsonrpc":"2.0","id":{id},"result":{{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{LEGACY_CAPABILITIES},"ttlMs":60000,"cacheScope":"private"}}}}"#
            )),
            ("POST", _) if id == "null" => reply.accepted(),
            ("POST", "subscriptions/listen") => {
                reply.begin_events();
                reply.event(format!(
                    r#"{{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{{"notifications":{{}},"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}}}}}"#
                ));
                reply.peer_closed();
            }
            ("POST", _) => {
                reply.json(answer(&method, &id, &self.tools, r#""resultType":"complete","ttlMs":60000,"cacheScope":"private","#));
            }
            _ => reply.bare("405 Method Not Allowed"),
        }
    }
}

fn answer(method: &str, id: &str, tools: &str, more: &str) -> String {
    let result = match method {
        "tools/list" => format!(r#"{{{more}"tools":[{tools}]}}"#),
        "prompts/list" => format!(r#"{{{more}"prompts":[]}}"#),
        "resources/list" => format!(r#"{{{more}"resources":[]}}"#),
        "resources/templates/list" => format!(r#"{{{more}"resourceTemplates":[]}}"#),
        "tools/call" => format!(r#"{{{more}"content":[{{"type":"text","text":"done"}}]}}"#),
        "ping" | "logging/setLevel" | "resources/subscribe" => "{}".to_owned(),
        _ => {
            return format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"Method not found"}}}}"#);
        }
    };
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}
