//! A small MCP server of either era whose lists, paging and failures a test sets while it runs.

use std::collections::{BTreeMap, HashSet};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How a list is cut into pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::catalog) enum Paging {
    Whole,
    /// So many items a page; the cursor is the next index.
    Of(usize),
    /// The same cursor for ever.
    Loop,
}

#[derive(Debug)]
pub(in crate::catalog) struct Script {
    pub modern: bool,
    pub tools: Vec<Value>,
    pub prompts: Option<Vec<Value>>,
    pub resources: Option<Vec<Value>>,
    pub paging: Paging,
    pub list_changed: bool,
    /// GET streams are offered.
    pub get: bool,
    /// Every connection is closed without an answer.
    pub down: bool,
    /// One more tool per capability of the client.
    pub by_capabilities: bool,
    /// Tools that come with `notifications/initialized`, announced.
    pub late: Vec<Value>,
    pub ttl: u64,
    pub public: bool,
    /// `prompts/list` fails.
    pub broken_prompts: bool,
}

#[derive(Debug)]
struct State {
    script: Script,
    /// What was asked, by method (`GET` and `DELETE` too).
    asked: BTreeMap<String, usize>,
    /// Session id → capabilities.
    sessions: BTreeMap<String, Value>,
    streams: Vec<mpsc::UnboundedSender<Bytes>>,
    ids: HashSet<(String, String)>,
    made: usize,
}

pub(in crate::catalog) struct Fake {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

type Body = BoxBody<Bytes, Infallible>;

pub(in crate::catalog) fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

pub(in crate::catalog) fn resource(uri: &str) -> Value {
    json!({"uri": uri, "name": uri})
}

impl Default for Script {
    fn default() -> Self {
        Self {
            modern: false,
            tools: vec![],
            prompts: None,
            resources: None,
            paging: Paging::Whole,
            list_changed: true,
            get: true,
            down: false,
            by_capabilities: false,
            late: vec![],
            ttl: 60_000,
            public: true,
            broken_prompts: false,
        }
    }
}

impl Fake {
    pub(in crate::catalog) async fn start(script: Script) -> Self {
        Self::start_at(([127, 0, 0, 1], 0).into(), script).await
    }

    pub(in crate::catalog) async fn start_at(address: SocketAddr, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = State {
            script,
            asked: BTreeMap::new(),
            sessions: BTreeMap::new(),
            streams: vec![],
            ids: HashSet::new(),
            made: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let state = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    // A server that is down closes without an answer.
                    drop(
                        hyper::server::conn::http1::Builder::new()
                            .serve_connection(TokioIo::new(stream), service)
                            .await,
                    );
                });
            }
        });
        Self { address, state, task }
    }

    /// A legacy server with these tools.
    pub(in crate::catalog) async fn tools(names: &[&str]) -> Self {
        Self::start(Script { tools: names.iter().map(|name| tool(name)).collect(), ..Script::default() }).await
    }

    pub(in crate::catalog) fn script(&self, edit: impl FnOnce(&mut Script)) {
        edit(&mut self.lock().script);
    }

    /// Changes the script and says so on all streams.
    pub(in crate::catalog) fn announce(&self, what: &str, edit: impl FnOnce(&mut Script)) {
        let mut state = self.lock();
        edit(&mut state.script);
        state.tell(what);
    }

    /// How often a method was asked.
    pub(in crate::catalog) fn asked(&self, method: &str) -> usize {
        self.lock().asked.get(method).copied().unwrap_or_default()
    }

    pub(in crate::catalog) fn asked_at_all(&self) -> usize {
        self.lock().asked.values().sum()
    }

    pub(in crate::catalog) fn streams(&self) -> usize {
        let mut state = self.lock();
        state.streams.retain(|stream| !stream.is_closed());
        state.streams.len()
    }

    pub(in crate::catalog) fn sessions(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Forgets all sessions, as after a restart, and closes their streams.
    pub(in crate::catalog) fn forget_sessions(&self) {
        let mut state = self.lock();
        state.sessions.clear();
        state.streams.clear();
    }

    pub(in crate::catalog) fn set_down(&self, down: bool) {
        let mut state = self.lock();
        state.script.down = down;
        if down {
            state.streams.clear();
            state.sessions.clear();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn tell(&mut self, what: &str) {
        let event = format!(
            "event: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{what}/list_changed\"}}\n\n"
        );
        self.streams.retain(|stream| stream.send(Bytes::from(event.clone())).is_ok());
    }

    fn capabilities(&self) -> Value {
        let flag = json!({"listChanged": self.script.list_changed});
        let mut capabilities = json!({"tools": flag});
        if self.script.prompts.is_some() {
            capabilities["prompts"] = flag.clone();
        }
        if self.script.resources.is_some() {
            capabilities["resources"] = flag;
        }
        capabilities
    }

    fn list(&self, kind: &str, mut items: Vec<Value>, params: &Value, capabilities: &Value) -> Value {
        if kind == "tools" && self.script.by_capabilities {
            for one in ["roots", "sampling", "elicitation"].iter().filter(|one| capabilities.get(**one).is_some()) {
                items.push(tool(one));
            }
        }
        let from: usize = params["cursor"].as_str().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let (page, next) = match self.script.paging {
            Paging::Whole => (items, None),
            Paging::Of(size) => {
                let end = (from + size).min(items.len());
                (items[from..end].to_vec(), (end < items.len()).then(|| end.to_string()))
            }
            Paging::Loop => (items, Some("0".to_owned())),
        };
        let mut result = json!({kind: page});
        if let Some(next) = next {
            result["nextCursor"] = json!(next);
        }
        if self.script.modern {
            result["resultType"] = json!("complete");
            result["ttlMs"] = json!(self.script.ttl);
            result["cacheScope"] = json!(if self.script.public { "public" } else { "private" });
        }
        result
    }

    fn result(&mut self, method: &str, params: &Value, capabilities: &Value) -> Result<Value, Value> {
        let unknown = json!({"code": -32601, "message": "Method not found"});
        match method {
            "tools/list" => Ok(self.list("tools", self.script.tools.clone(), params, capabilities)),
            "prompts/list" if self.script.broken_prompts => Err(json!({"code": -32603, "message": "broken"})),
            "prompts/list" => self
                .script
                .prompts
                .clone()
                .map(|items| self.list("prompts", items, params, capabilities))
                .ok_or(unknown),
            "resources/list" => self
                .script
                .resources
                .clone()
                .map(|items| self.list("resources", items, params, capabilities))
                .ok_or(unknown),
            "resources/templates/list" if self.script.resources.is_some() => {
                Ok(self.list("resourceTemplates", vec![], params, capabilities))
            }
            _ => Err(unknown),
        }
    }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Body>, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let method = message["method"].as_str().unwrap_or_else(|| head.method.as_str()).to_owned();
    let mut state = state.lock().unwrap();
    if state.script.down {
        return Err(std::io::Error::other("down"));
    }
    *state.asked.entry(method.clone()).or_default() += 1;
    let session = head.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    Ok(if state.script.modern {
        modern(&mut state, &head, &method, &message)
    } else {
        legacy(&mut state, &head, &method, &message, session)
    })
}

fn legacy(
    state: &mut State,
    head: &http::request::Parts,
    method: &str,
    message: &Value,
    session: Option<String>,
) -> Response<Body> {
    if method == "initialize" {
        state.made += 1;
        let id = format!("session-{}", state.made);
        state.sessions.insert(id.clone(), message["params"]["capabilities"].clone());
        let version = message["params"]["protocolVersion"].clone();
        let result = json!({"protocolVersion": version, "capabilities": state.capabilities(), "serverInfo": {"name": "fake", "version": "1"}, "instructions": "Be \"kind\"."});
        let mut response = reply(message, Ok(result));
        response.headers_mut().insert("mcp-session-id", id.parse().unwrap());
        return response;
    }
    let Some(capabilities) = session.as_ref().and_then(|id| state.sessions.get(id)).cloned() else {
        let status = if session.is_some() { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        return whole(
            status,
            json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "no session"}}).to_string(),
        );
    };
    if head.method == Method::GET {
        return if state.script.get { open(state, None) } else { whole(StatusCode::METHOD_NOT_ALLOWED, String::new()) };
    }
    if head.method == Method::DELETE {
        state.sessions.remove(&session.unwrap_or_default());
        return whole(StatusCode::OK, String::new());
    }
    if message.get("id").is_none() {
        if method == "notifications/initialized" && !state.script.late.is_empty() {
            let late = std::mem::take(&mut state.script.late);
            state.script.tools.extend(late);
            state.tell("tools");
        }
        return whole(StatusCode::ACCEPTED, String::new());
    }
    if !state.ids.insert((session.unwrap_or_default(), message["id"].to_string())) {
        return reply(message, Err(json!({"code": -32600, "message": "id used twice in a session"})));
    }
    let result = state.result(method, &message["params"], &capabilities);
    reply(message, result)
}

fn modern(state: &mut State, head: &http::request::Parts, method: &str, message: &Value) -> Response<Body> {
    let named = head.headers.get("mcp-method").and_then(|value| value.to_str().ok());
    let version = head.headers.get("mcp-protocol-version").and_then(|value| value.to_str().ok());
    let meta = &message["params"]["_meta"];
    if method == "initialize"
        || version != Some("2026-07-28")
        || meta["io.modelcontextprotocol/protocolVersion"] != "2026-07-28"
    {
        let error =
            json!({"code": -32022, "message": "Unsupported protocol version", "data": {"supported": ["2026-07-28"]}});
        return status(StatusCode::BAD_REQUEST, reply(message, Err(error)));
    }
    if named != Some(method) {
        return status(
            StatusCode::BAD_REQUEST,
            reply(message, Err(json!({"code": -32020, "message": "Header mismatch"}))),
        );
    }
    let capabilities = meta["io.modelcontextprotocol/clientCapabilities"].clone();
    match method {
        "server/discover" => {
            let info = json!({"io.modelcontextprotocol/serverInfo": {"name": "fake", "version": "2"}});
            let result = json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": state.capabilities(), "ttlMs": 0, "cacheScope": "private", "_meta": info});
            reply(message, Ok(result))
        }
        "subscriptions/listen" if state.script.get => {
            let ack = json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {"notifications": message["params"]["notifications"]}});
            open(state, Some(ack))
        }
        _ => {
            let result = state.result(method, &message["params"], &capabilities);
            reply(message, result)
        }
    }
}

fn open(state: &mut State, first: Option<Value>) -> Response<Body> {
    let (sender, inbox) = mpsc::unbounded_channel::<Bytes>();
    sender.send(Bytes::from_static(b": hello\n\n")).unwrap();
    if let Some(first) = first {
        sender.send(Bytes::from(format!("data: {first}\n\n"))).unwrap();
    }
    state.streams.push(sender);
    let frames = stream::unfold(inbox, |mut inbox| async move {
        let bytes = inbox.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), inbox))
    });
    Response::builder().header("content-type", "text/event-stream").body(StreamBody::new(frames).boxed()).unwrap()
}

fn reply(message: &Value, result: Result<Value, Value>) -> Response<Body> {
    let id = &message["id"];
    let text = match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error}),
    };
    whole(StatusCode::OK, text.to_string())
}

fn whole(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).boxed();
    Response::builder().status(status).header("content-type", "application/json").body(body).unwrap()
}

fn status(status: StatusCode, mut response: Response<Body>) -> Response<Body> {
    *response.status_mut() = status;
    response
}
