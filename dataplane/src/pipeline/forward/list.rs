//! Lists: answered from the catalogue; a backend that announced another list on this session's own stream is listed
//! over the session itself.

use std::sync::Arc;

use bytes::Bytes;

use super::super::authorize::Permit;
use super::super::pick;
use super::super::route::LiveRoute;
use super::super::session::Scope;
use crate::catalog::{ListKind, OwnList, read_list};
use crate::fault::Fault;
use crate::reply::Reply;
use crate::session::Session;
use crate::session::bind::Binder;
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
    Ok(super::result(id, page))
}

/// The lists that this session sees differently from its viewer, read again where they changed.
async fn own_lists(worker: &Arc<Worker>, route: &LiveRoute, session: &Session, kind: ListKind) -> Vec<OwnList> {
    let shared = &worker.shared;
    let mut own = Vec::new();
    for backend in shared.owner.changed_lists(&session.key(), kind.index()) {
        let Some(section) = route.rules().section_of(backend) else { continue };
        let Some(server) = route.bound.servers.get(section.index) else { continue };
        let binder = Binder { owner: &shared.owner, pool: &worker.pool, server };
        let Some(bound) = binder.known(session) else { continue };
        match read_list(&worker.pool, server, &bound.upstream, kind).await {
            Ok(list) => own.push(OwnList { key: backend, kind, list }),
            // The viewer's list is the next best answer.
            Err(error) => tracing::debug!(backend = %server.backend.name, %error, "a session's own list could not be read"),
        }
    }
    own
}
