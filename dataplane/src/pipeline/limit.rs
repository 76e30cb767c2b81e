//! The seventh stage: quotas and concurrency. What is taken is given back when the [`Slot`] is dropped.

use std::sync::Arc;

use crate::drain::Inflight;
use crate::fault::{Fault, Reason};
use crate::worker::Worker;

use super::authorize::Permit;
use super::session::Scope;
use crate::session::owner::SessionSlot;

/// A place among the calls in flight. The drain waits for it.
#[derive(Debug)]
pub(crate) struct Slot {
    _process: Inflight,
    _session: Option<SessionSlot>,
}

/// Takes a place.
///
/// # Errors
/// Too many calls of this session are in flight.
pub(crate) fn take(worker: &Arc<Worker>, permit: &Permit) -> Result<Slot, Fault> {
    let shared = &worker.shared;
    let session = match &permit.scope {
        Scope::Session(session) => Some(shared.owner.enter(&session.key(), shared.limits.session_inflight).ok_or_else(|| {
            shared.telemetry.limit("session.inflight");
            Fault::client(Reason::Rate, "Too many requests of this session are in flight")
                .retry_after(std::time::Duration::from_secs(1))
        })?),
        Scope::Modern(_) | Scope::Handshake => None,
    };
    Ok(Slot { _process: shared.drain.inflight(), _session: session })
}
