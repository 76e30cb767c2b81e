//! The fifth stage: in whose name the message stands: a legacy session, its making, or nobody's (modern).

use std::sync::{Arc, PoisonError};

use http::HeaderValue;
use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;
use ringway_seal::Bound;

use super::admit::{Inbound, PROTOCOL_VERSION};
use super::exchange::{Conn, Recent};
use super::identify::Caller;
use super::parse::{Claim, Message};
use super::route::LiveRoute;
use crate::clock;
use crate::fault::{Fault, Reason};
use crate::reply::SESSION_ID;
use crate::session::owner::{Facts, Touch};
use crate::session::{Session, SessionKey};
use crate::telemetry::labels::SessionEvent;
use crate::worker::Worker;

/// What a message belongs to.
#[derive(Debug)]
pub(crate) enum Scope {
    Modern(Modern),
    Handshake,
    Session(Arc<Session>),
}

/// A request that carries everything itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Modern {
    pub(crate) revision: Revision,
    pub(crate) capabilities: ClientCapabilities,
}

/// The scope of a POSTed message.
///
/// # Errors
/// A legacy message without a session id (400), or with one that is not good here (404).
pub(crate) fn of_message(
    worker: &Arc<Worker>,
    conn: &Conn,
    route: &Arc<LiveRoute>,
    inbound: &Inbound<'_>,
    caller: &Caller,
    message: &Message,
) -> Result<Scope, Fault> {
    match message.claim {
        Claim::Modern(revision) => {
            let declared = message.envelope.meta().and_then(|m| m.client_capabilities);
            let capabilities =
                declared.map_or(ClientCapabilities(0), |span| ClientCapabilities::from_json(&message.body, span));
            Ok(Scope::Modern(Modern { revision, capabilities }))
        }
        Claim::Handshake => {
            if inbound.headers.contains_key(SESSION_ID) {
                return Err(Fault::client(Reason::Request, "initialize must not carry a session id"));
            }
            Ok(Scope::Handshake)
        }
        Claim::Legacy => open(worker, conn, route, inbound, caller).map(Scope::Session),
    }
}

/// The session of a GET or DELETE.
///
/// # Errors
/// Without a session id there is no stream here (405, as for clients that probe); else as for a message.
pub(crate) fn of_stream(
    worker: &Arc<Worker>,
    conn: &Conn,
    route: &Arc<LiveRoute>,
    inbound: &Inbound<'_>,
    caller: &Caller,
) -> Result<Arc<Session>, Fault> {
    let modern = inbound
        .headers
        .get(PROTOCOL_VERSION)
        .and_then(|v| Revision::parse(v.as_bytes()))
        .is_some_and(Revision::is_modern);
    if modern || !inbound.headers.contains_key(SESSION_ID) {
        return Err(Fault::client(Reason::HttpMethod, "Only POST is served without a session"));
    }
    open(worker, conn, route, inbound, caller)
}

fn open(
    worker: &Arc<Worker>,
    conn: &Conn,
    route: &Arc<LiveRoute>,
    inbound: &Inbound<'_>,
    caller: &Caller,
) -> Result<Arc<Session>, Fault> {
    if let Some(version) = inbound.headers.get(PROTOCOL_VERSION)
        && Revision::parse(version.as_bytes()).is_none_or(Revision::is_modern)
    {
        return Err(Fault::client(Reason::Version, "MCP-Protocol-Version names no version of this session's era"));
    }
    let id = inbound
        .headers
        .get(SESSION_ID)
        .ok_or_else(|| Fault::client(Reason::Request, "Mcp-Session-Id header is required"))?;
    let session = match recent(worker, conn, route, caller, id) {
        Some(session) => session,
        None => unseal(worker, conn, route, caller, id)?,
    };
    if touch(worker, route, session.key(), session.token.expires_at)? == Use::First {
        for server in route.bound.servers.iter().filter(|_| !session.token.bindings.is_empty()) {
            worker.binder(server).adopt_sealed(&session);
        }
    }
    Ok(session)
}

/// The session that this connection used last, if it is this one and its id would be opened by the same key for the
/// same route and caller. The end of its life and its revocation are looked at on each use, in [`touch`].
fn recent(
    worker: &Worker,
    conn: &Conn,
    route: &Arc<LiveRoute>,
    caller: &Caller,
    id: &HeaderValue,
) -> Option<Arc<Session>> {
    let recent = conn.recent.lock().unwrap_or_else(PoisonError::into_inner);
    let recent = recent.as_ref()?;
    let same = recent.id == *id
        && Arc::ptr_eq(&recent.route, route)
        && recent.principal == caller.principal
        && Arc::ptr_eq(&recent.keyring, &worker.shared.keyring.load());
    same.then(|| Arc::clone(&recent.session))
}

fn unseal(
    worker: &Worker,
    conn: &Conn,
    route: &Arc<LiveRoute>,
    caller: &Caller,
    id: &HeaderValue,
) -> Result<Arc<Session>, Fault> {
    let text = id.to_str().map_err(|_| lost())?;
    let bound = Bound { route: &route.rules().label, principal: &caller.principal };
    let keyring = worker.shared.keyring.load_full();
    let session = Session::open(&keyring, text, bound, clock::unix_seconds()).map_err(|_| unknown(worker))?;
    let session = Arc::new(session);
    *conn.recent.lock().unwrap_or_else(PoisonError::into_inner) = Some(Recent {
        id: id.clone(),
        route: Arc::clone(route),
        principal: caller.principal.clone(),
        keyring,
        session: Arc::clone(&session),
    });
    Ok(session)
}

/// Whether this process knew the session before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    First,
    Again,
}

/// Notes a use of a session; its record is made at the first one, here or on the process that took over.
///
/// # Errors
/// Revoked; no room for a record.
pub(crate) fn touch(
    worker: &Arc<Worker>,
    route: &LiveRoute,
    key: SessionKey,
    expires_seconds: u64,
) -> Result<Use, Fault> {
    let idle = route.rules().spec.sessions.idle_timeout.as_secs();
    // Records are swept by the idle time of their route: that is what groups them.
    let facts =
        Facts { expires_at: expires_seconds.saturating_mul(1_000), group: u32::try_from(idle).unwrap_or(u32::MAX) };
    match worker.shared.owner.touch(key, facts, clock::unix_millis()) {
        Touch::Known => Ok(Use::Again),
        Touch::Created { evicted } => {
            if let Some(freed) = evicted {
                worker.end_freed(freed);
            }
            Ok(Use::First)
        }
        Touch::Revoked => Err(unknown(worker)),
        Touch::Busy => Err(Fault::new(crate::fault::Source::Gateway, Reason::Busy, "Too many sessions")
            .retry_after(std::time::Duration::from_secs(1))),
    }
}

fn unknown(worker: &Worker) -> Fault {
    worker.shared.telemetry.metrics.session(SessionEvent::Unknown);
    lost()
}

/// Forged, expired, revoked or foreign: the same bytes.
fn lost() -> Fault {
    Fault::client(Reason::Session, "Session not found")
}
