//! A running gateway with its routes, and clients of both eras that speak to it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringway_dataplane::app::{Gateway, LimitSettings, Listen, LogTarget, Settings, TlsFiles};
use ringway_seal::Keyring;
use ringway_snapshot::{
    Backend, BackendLimits, HttpTarget, ObjectName, Route, RouteBackend, Selection, Sessions, Snapshot, Target,
    Timeouts,
};
use ringway_testkit::PATIENCE;
use ringway_testkit::ask::Ask;
use ringway_testkit::client::{Answer, Client, once};
use ringway_testkit::objects;
use ringway_testkit::upstream::Upstream;

/// What a modern request carries in `_meta`.
pub(crate) const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// One backend of a route.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    name: String,
    address: SocketAddr,
    prefix: String,
    pub(crate) tools: Selection,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: BackendLimits,
}

/// What a gateway is started with.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) routes: Vec<(String, Vec<Part>)>,
    pub(crate) limits: LimitSettings,
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) tombstones: Option<PathBuf>,
    pub(crate) key: u8,
    pub(crate) sessions: Sessions,
    pub(crate) origins: Vec<String>,
}

/// A running gateway of four workers.
#[derive(Debug)]
pub(crate) struct Stage {
    gateway: Option<Gateway>,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// A legacy session; each of its messages may go over a connection of its own.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    address: SocketAddr,
    path: String,
    pub(crate) id: String,
    revision: &'static str,
}

/// One backend under `prefix`.
pub(crate) fn part(name: &str, upstream: &Upstream, prefix: &str) -> Part {
    Part::at(name, upstream.address(), prefix)
}

// === impl Part ===

impl Part {
    pub(crate) fn at(name: &str, address: SocketAddr, prefix: &str) -> Self {
        Self {
            name: name.to_owned(),
            address,
            prefix: prefix.to_owned(),
            tools: Selection::default(),
            timeouts: Timeouts::default(),
            limits: BackendLimits::default(),
        }
    }

    fn name(&self) -> ObjectName {
        ObjectName::new("tests", &self.name)
    }

    fn backend(&self) -> Backend {
        let target = HttpTarget {
            path: "/secret-path/mcp".to_owned(),
            host_header: "inner.secret-host.test".to_owned(),
            ..objects::http_target(self.address)
        };
        Backend { timeouts: self.timeouts, limits: self.limits, ..objects::backend(self.name(), Target::Http(target)) }
    }

    fn section(&self) -> RouteBackend {
        RouteBackend { tools: self.tools.clone(), ..objects::section(&self.name, self.name(), &self.prefix) }
    }
}

// === impl Setup ===

impl Setup {
    /// Routes by path.
    pub(crate) fn new(routes: &[(&str, &[Part])]) -> Self {
        Self {
            routes: routes.iter().map(|(path, parts)| ((*path).to_owned(), parts.to_vec())).collect(),
            limits: LimitSettings::default(),
            tls: None,
            tombstones: None,
            key: 7,
            sessions: Sessions::default(),
            origins: Vec::new(),
        }
    }

    pub(crate) fn snapshot(&self, generation: u64) -> Snapshot {
        let mut backends = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for (path, parts) in &self.routes {
            let name = ObjectName::new("tests", path.trim_start_matches('/'));
            for part in parts {
                let backend = part.backend();
                backends.insert(backend.name.clone(), Arc::new(backend));
            }
            let route = Route {
                path: path.clone(),
                sessions: self.sessions,
                allowed_origins: self.origins.clone(),
                ..objects::route(name.clone(), parts.iter().map(Part::section).collect())
            };
            routes.insert(name, Arc::new(route));
        }
        Snapshot { generation, listeners: BTreeMap::new(), backends, routes }
    }

    pub(crate) fn start(&self) -> Stage {
        let settings = Settings {
            listen: Listen::Own { address: "127.0.0.1:0".parse().unwrap(), tls: self.tls.clone() },
            admin: Some("127.0.0.1:0".parse().unwrap()),
            debug: None,
            workers: 4,
            keyring: Keyring::new([self.key; 32], []).unwrap(),
            tombstone_file: self.tombstones.clone(),
            access_log: LogTarget::Off,
            traces: None,
            limits: self.limits.clone(),
        };
        let gateway = Gateway::start(settings, self.snapshot(1)).unwrap();
        let (address, admin) = (gateway.local_addr(), gateway.admin_addr().unwrap());
        Stage { gateway: Some(gateway), address, admin }
    }
}

// === impl Stage ===

impl Stage {
    /// Seals with `primary` from now on, and still accepts `others`.
    pub(crate) fn rekey(&self, primary: u8, others: &[u8]) {
        let others = others.iter().map(|key| [*key; 32]);
        self.gateway.as_ref().unwrap().rekey(Keyring::new([primary; 32], others).unwrap());
    }

    pub(crate) fn apply(&self, snapshot: Snapshot) {
        self.gateway.as_ref().unwrap().apply(snapshot);
    }

    /// Stops at once, as a process that is killed, but for the port.
    pub(crate) fn kill(mut self) {
        self.stop();
    }

    /// Begins to stop as at SIGTERM; the thread ends when the gateway has.
    pub(crate) fn drain(mut self, grace: Duration) -> JoinHandle<()> {
        let gateway = self.gateway.take().unwrap();
        std::thread::spawn(move || gateway.shutdown(grace))
    }

    fn stop(&mut self) {
        if let Some(gateway) = self.gateway.take() {
            gateway.shutdown(Duration::ZERO);
        }
    }

    /// A request on a connection of its own.
    pub(crate) fn ask(&self, ask: &Ask) -> Answer {
        once(self.address, ask)
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// The value of a metric, all of its series together.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = once(self.admin, &Ask::new("GET", "/metrics").with("Connection", "close")).text();
        let series = text.lines().filter(|line| line.starts_with(name));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop();
    }
}

// === impl Session ===

impl Session {
    /// Opens a session that can be asked by elicitation.
    pub(crate) fn open(stage: &Stage, path: &str) -> Self {
        Self::open_with(stage, path, r#"{"elicitation":{}}"#)
    }

    pub(crate) fn open_with(stage: &Stage, path: &str, capabilities: &str) -> Self {
        Self::open_asking(stage, path, &initialize(capabilities), "2025-11-25")
    }

    /// Opens a session of an older revision that can be asked by elicitation.
    pub(crate) fn open_of(stage: &Stage, path: &str, revision: &'static str) -> Self {
        let body = initialize(r#"{"elicitation":{}}"#).replace("2025-11-25", revision);
        Self::open_asking(stage, path, &body, revision)
    }

    fn open_asking(stage: &Stage, path: &str, body: &str, revision: &'static str) -> Self {
        let answer = stage.ask(&Ask::post(path, body));
        assert_eq!(answer.status, 200, "{}", answer.text());
        let id = answer.head.field("mcp-session-id").unwrap_or_else(|| panic!("no session: {}", answer.text()));
        let session = Self { revision, ..Self::known(stage, path, id) };
        assert_eq!(session.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).status, 202);
        session
    }

    /// A session that was opened by other means.
    pub(crate) fn known(stage: &Stage, path: &str, id: &str) -> Self {
        Self { address: stage.address, path: path.to_owned(), id: id.to_owned(), revision: "2025-11-25" }
    }

    /// The same session, at another gateway.
    pub(crate) fn at(&self, stage: &Stage) -> Self {
        Self { address: stage.address, ..self.clone() }
    }

    /// A message of this session, not sent yet.
    pub(crate) fn message(&self, body: impl AsRef<[u8]>) -> Ask {
        self.own(Ask::post(&self.path, body))
    }

    pub(crate) fn own(&self, ask: Ask) -> Ask {
        ask.with("Mcp-Session-Id", &self.id).with("MCP-Protocol-Version", self.revision)
    }

    /// Sends a message on a connection of its own.
    pub(crate) fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        once(self.address, &self.message(body))
    }

    /// Calls a tool on a connection of its own.
    pub(crate) fn call(&self, id: u32, name: &str) -> Answer {
        self.post(call(id, name))
    }

    pub(crate) fn delete(&self) -> Answer {
        once(self.address, &self.own(Ask::new("DELETE", &self.path)))
    }

    pub(crate) fn stream(&self) -> Ask {
        self.own(Ask::get(&self.path))
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }
}

pub(crate) fn initialize(capabilities: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{{"name":"tests","version":"1"}}}}}}"#
    )
}

/// A legacy call.
pub(crate) fn call(id: u32, name: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{}}}}}}"#)
}

/// A modern call.
pub(crate) fn modern_call(id: u32, name: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{name}","arguments":{{}},{META}}}}}"#
    )
}

/// A modern request with the headers that go with it.
pub(crate) fn modern(path: &str, method: &str, name: Option<&str>, body: impl AsRef<[u8]>) -> Ask {
    let ask = Ask::post(path, body).with("MCP-Protocol-Version", "2026-07-28").with("Mcp-Method", method);
    match name {
        Some(name) => ask.with("Mcp-Name", name),
        None => ask,
    }
}

/// Looks again and again until something is so; never longer than the patience of all peers.
pub(crate) fn until(what: &str, mut found: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found() {
        assert!(Instant::now() < deadline, "{what}: never");
        std::thread::yield_now();
    }
}
