//! What the stages of one request learn about it, for its record and its reply.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::HeaderValue;
use ringway_mcp::Method;
use ringway_seal::Keyring;
use tokio::sync::Notify;

use super::admit::{Inbound, Verb};
use super::parse::trace;
use super::route::LiveRoute;
use super::session::Scope;
use crate::fault::{Fault, Reason};
use crate::reply::Era;
use crate::routes::Door;
use crate::session::Session;
use crate::telemetry::metrics::Operation;
use crate::telemetry::record::Record;
use crate::worker::Worker;

/// A client connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) remote: SocketAddr,
    pub(crate) door: Door,
    /// It was made while the gateway drained already: its client may choose another process for new work.
    pub(crate) is_late: bool,
    /// Told once nothing that it may ask for is served any more: its client needs another one.
    pub(crate) useless: Notify,
    /// The session that was used last: most connections have one, and opening its id costs more than comparing it.
    pub(super) recent: Mutex<Option<Recent>>,
}

/// A session id that was opened on this connection, with all that its opening depended on.
#[derive(Debug)]
pub(super) struct Recent {
    pub(super) id: HeaderValue,
    pub(super) route: Arc<LiveRoute>,
    pub(super) principal: String,
    pub(super) keyring: Arc<Keyring>,
    pub(super) session: Arc<Session>,
}

/// Grows while the request passes the stages.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// Moves into the call's task when there is one: the message ends there.
    pub(crate) record: Option<Record>,
    pub(crate) era: Era,
    /// The request's raw id.
    pub(crate) id: Option<Bytes>,
    /// The browser origin to name in the reply.
    pub(crate) origin: Option<HeaderValue>,
    /// The methods of this path.
    pub(crate) allow: &'static str,
}

// === impl Conn ===

impl Conn {
    pub(crate) fn new(remote: SocketAddr, door: Door, is_late: bool) -> Self {
        Self { remote, door, is_late, useless: Notify::new(), recent: Mutex::new(None) }
    }
}

// === impl Exchange ===

impl Exchange {
    pub(crate) fn begin(worker: &Worker, conn: &Conn, version: http::Version) -> Self {
        let mut record = Record::start(&worker.shared.telemetry, Operation::Rpc(Method::Other));
        record.set_client(conn.remote);
        record.set_http_version(version);
        Self { record: Some(record), era: Era::Unknown, id: None, origin: None, allow: "POST, GET, DELETE" }
    }

    /// The route is known: its label, and whether a browser may read the reply.
    ///
    /// # Errors
    /// The Origin is not one of the route's.
    pub(crate) fn routed(&mut self, route: &Arc<LiveRoute>, inbound: &Inbound<'_>) -> Result<(), Fault> {
        self.note(|record| {
            record.set_route(&route.metrics);
            trace::of_headers(record, inbound.headers);
            match inbound.verb {
                Verb::Get => record.set_operation(Operation::Get),
                Verb::Delete => record.set_operation(Operation::Delete),
                Verb::Post | Verb::Preflight => {}
            }
        });
        let Some(origin) = inbound.origin else { return Ok(()) };
        if !route.origins.allows(origin.as_bytes()) {
            return Err(Fault::client(Reason::Origin, "Origin not allowed"));
        }
        self.origin = Some(origin.clone());
        Ok(())
    }

    /// The session or the modern request's version is known.
    pub(crate) fn scoped(&mut self, scope: &Scope) {
        match scope {
            Scope::Modern(modern) => self.note(|record| record.set_revision(modern.revision)),
            Scope::Session(session) => self.note(|record| {
                record.set_revision(session.revision);
                record.set_session(&session.token.key);
                record.set_client_name(session.token.client_name.as_str());
            }),
            Scope::Handshake => {}
        }
    }

    pub(crate) fn note(&mut self, write: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.record {
            write(record);
        }
    }
}
