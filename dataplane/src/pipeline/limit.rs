//! The seventh stage: quotas and concurrency. What is taken is given back when the [`Slot`] is dropped.

use std::sync::Arc;
use std::time::Duration;

use ringway_mcp::scan::Kind;

use crate::fault::{Fault, Reason, Source};
use crate::worker::Worker;

use super::authorize::Permit;
use super::exchange::Conn;
use super::session::Scope;
use crate::catalog::BackendList;
use crate::session::bind::SharedFault;
use crate::session::owner::{Enter, InUse};
use crate::telemetry::cells::Held;
use crate::telemetry::labels::Limit;
use crate::upstream::UpstreamSession;

/// A place among the calls in flight. The drain waits for it.
#[derive(Debug)]
pub(crate) struct Slot {
    _process: Held,
    _session: Option<SessionPlace>,
}

type SessionPlace = InUse<UpstreamSession, Arc<BackendList>, SharedFault>;

/// New work on a new connection is for another process. A connection that was there before the drain is about to close,
/// and what its client sent before it could know is served: refusing would fail calls at each rolling update.
///
/// # Errors
/// The gateway is shutting down.
pub(crate) fn refuse_late(conn: &Conn) -> Result<(), Fault> {
    if !conn.is_late {
        return Ok(());
    }
    Err(Fault::new(Source::Gateway, Reason::Busy, "The gateway is shutting down").retry_after(Duration::from_secs(1)))
}

/// Takes a place.
///
/// # Errors
/// Too many calls of this session are in flight; the gateway is shutting down.
pub(crate) fn take(worker: &Arc<Worker>, conn: &Conn, permit: &Permit) -> Result<Slot, Fault> {
    let shared = &worker.shared;
    // While draining, answers and cancellations still pass: calls in flight wait for them.
    if permit.message.kind == Kind::Request {
        refuse_late(conn)?;
    }
    let session = match &permit.scope {
        Scope::Session(session) => match shared.owner.enter(session.key(), shared.limits.session_inflight) {
            Enter::In(place) => Some(place),
            // Freed between two stages: the session lives on without a place.
            Enter::Gone => None,
            Enter::Full => {
                shared.limit(Limit::InflightSession);
                return Err(Fault::client(Reason::Rate, "Too many requests of this session are in flight")
                    .retry_after(Duration::from_secs(1)));
            }
        },
        Scope::Modern(_) | Scope::Handshake => None,
    };
    Ok(Slot { _process: shared.drain.enter(), _session: session })
}
