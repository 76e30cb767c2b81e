//! Lists: answered from the catalogue; a backend that announced another list on this session's own stream is listed
//! over the session itself.

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::sse;
use ringway_snapshot::BackendKey;

use super::super::authorize::Permit;
use super::super::pick;
use super::super::route::LiveRoute;
use super::super::session::Scope;
use super::capabilities::owned;
use crate::catalog::{BackendList, ListKind, OwnList, read_list};
use crate::fault::Fault;
use crate::reply::Reply;
use crate::session::Session;
use crate::session::owner::OwnList as State;
use crate::worker::Worker;

/// One page of a list.
///
/// # Errors
/// A cursor that is not ours; a route that wants all of its backends or none.
pub(crate) async fn page(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    kind: ListKind,
    id: &[u8],
) -> Result<Reply, Fault> {
    let viewer = pick::viewer(&permit.scope);
    let cursor = permit.message.envelope.params.as_ref().and_then(|p| p.cursor).map(|c| c.text(&permit.message.body));
    let own = match &permit.scope {
        Scope::Session(session) => own_lists(worker, route, session, kind).await,
        Scope::Modern(_) | Scope::Handshake => Vec::new(),
    };
    let page: Bytes = worker.shared.catalog.list(&route.bound, &viewer, kind, cursor.as_deref(), &own).await?;
    if permit.message.accepts_events && route.bound.servers.iter().any(|server| server.lists_in_events()) {
        return Ok(event(id, &page));
    }
    Ok(super::result(id, page))
}

/// An upstream that answers in events is answered for in events.
fn event(id: &[u8], page: &[u8]) -> Reply {
    let message = [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":"#, page, b"}"].concat();
    let mut out = Vec::with_capacity(message.len() + 64);
    sse::encode_event(&mut out, Some("message"), None, None, &message);
    Reply::Event(out.into())
}

/// The lists that this session sees differently from its viewer, read again where they changed.
async fn own_lists(worker: &Arc<Worker>, route: &LiveRoute, session: &Session, kind: ListKind) -> Vec<OwnList> {
    let owner = &worker.shared.owner;
    let mut own = Vec::new();
    for (backend, state) in owner.own_lists(session.key(), owned(kind)) {
        let list = match state {
            State::Shared => continue,
            State::Kept(list) => list,
            State::Dirty(version) => match Box::pin(read(worker, route, session, backend, kind)).await {
                Some(list) => {
                    owner.keep_list(session.key(), backend, owned(kind), version, Arc::clone(&list));
                    list
                }
                // The viewer's list is the next best answer.
                None => continue,
            },
        };
        own.push(OwnList { key: backend, kind, list });
    }
    own
}

async fn read(
    worker: &Arc<Worker>,
    route: &LiveRoute,
    session: &Session,
    backend: BackendKey,
    kind: ListKind,
) -> Option<Arc<BackendList>> {
    let section = route.rules().section_of(backend)?;
    let server = route.bound.servers.get(section.index)?;
    let binder = worker.binder(server);
    let bound = binder.known(session)?;
    let limits = worker.shared.catalog.limits();
    match read_list(&worker.pool, server, &bound.upstream, session.capabilities, kind, limits).await {
        Ok(list) => Some(list),
        Err(error) => {
            tracing::debug!(backend = %server.backend.name, %error, "a session's own list could not be read");
            None
        }
    }
}
