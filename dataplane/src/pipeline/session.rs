//! The fifth stage: in whose name the message stands: a legacy session, its making, or nobody's (modern).

use std::sync::Arc;

use ringway_mcp::capability::ClientCapabilities;
use ringway_mcp::Revision;
use ringway_seal::Bound;

use super::admit::{Inbound, PROTOCOL_VERSION};
use super::identify::Caller;
use super::parse::{Claim, Message};
use super::route::LiveRoute;
use crate::clock;
use crate::fault::{Fault, Reason};
use crate::reply::SESSION_ID;
use crate::session::Session;
use crate::worker::Shared;

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
    shared: &Shared,
    route: &LiveRoute,
    inbound: &Inbound<'_>,
    caller: &Caller,
    message: &Message,
) -> Result<Scope, Fault> {
    match message.claim {
        Claim::Modern(revision) => {
            let declared = message.envelope.meta().and_then(|m| m.client_capabilities);
            let capabilities = declared.map_or(ClientCapabilities(0), |span| ClientCapabilities::from_json(&message.body, span));
            Ok(Scope::Modern(Modern { revision, capabilities }))
        }
        Claim::Handshake => {
            if inbound.headers.contains_key(SESSION_ID) {
                return Err(Fault::client(Reason::Request, "initialize must not carry a session id"));
            }
            Ok(Scope::Handshake)
        }
        Claim::Legacy => open(shared, route, inbound, caller).map(|session| Scope::Session(Arc::new(session))),
    }
}

/// The session of a GET or DELETE.
///
/// # Errors
/// Without a session id there is no stream here (405, as for clients that probe); else as for a message.
pub(crate) fn of_stream(shared: &Shared, route: &LiveRoute, inbound: &Inbound<'_>, caller: &Caller) -> Result<Arc<Session>, Fault> {
    let modern = inbound.headers.get(PROTOCOL_VERSION).and_then(|v| Revision::parse(v.as_bytes())).is_some_and(Revision::is_modern);
    if modern || !inbound.headers.contains_key(SESSION_ID) {
        return Err(Fault::client(Reason::HttpMethod, "Only POST is served without a session"));
    }
    open(shared, route, inbound, caller).map(Arc::new)
}

fn open(shared: &Shared, route: &LiveRoute, inbound: &Inbound<'_>, caller: &Caller) -> Result<Session, Fault> {
    if let Some(version) = inbound.headers.get(PROTOCOL_VERSION)
        && Revision::parse(version.as_bytes()).is_none_or(Revision::is_modern)
    {
        return Err(Fault::client(Reason::Version, "MCP-Protocol-Version names no version of this session's era"));
    }
    let id = inbound.headers.get(SESSION_ID).ok_or_else(|| Fault::client(Reason::Request, "Mcp-Session-Id header is required"))?;
    let text = id.to_str().map_err(|_| lost())?;
    let bound = Bound { route: &route.rules().label, principal: &caller.principal };
    let session = Session::open(&shared.keyring, text, bound, clock::unix_seconds()).map_err(|_| lost())?;
    let now = clock::unix_millis();
    if shared.owner.touch(&session.key(), session.token.expires_at.saturating_mul(1_000), now).revoked {
        return Err(lost());
    }
    Ok(session)
}

/// Forged, expired, revoked or foreign: the same bytes.
fn lost() -> Fault {
    Fault::client(Reason::Session, "Session not found")
}
