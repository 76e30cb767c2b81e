//! DELETE: the session is revoked, also across a restart, and what it holds upstream is given back.

use std::sync::Arc;

use http::StatusCode;

use super::super::route::LiveRoute;
use crate::fault::Fault;
use crate::peer::Message as Mail;
use crate::reply::Reply;
use crate::session::Session;
use crate::telemetry::labels::TaskName;
use crate::upstream::{self, Server, UpstreamSession};
use crate::worker::Worker;

/// Ends a session. The upstream sessions end in the background: a slow backend is no reason for the client to wait.
pub(crate) async fn session(worker: &Arc<Worker>, route: &Arc<LiveRoute>, session: &Session) -> Result<Reply, Fault> {
    let shared = &worker.shared;
    let key = session.key();
    let bound: Vec<(Arc<Server>, UpstreamSession)> = route
        .bound
        .servers
        .iter()
        .filter_map(|server| {
            let binder = worker.binder(server);
            binder.known(session).map(|bound| (Arc::clone(server), bound.upstream))
        })
        .collect();
    let expires = session.token.expires_at.saturating_mul(1_000);
    // What it was bound to was collected above, the sealed binding included.
    let freed = shared.owner.tombstone(key, expires);
    if let (true, Some(journal)) = (freed.new, &shared.journal)
        && let Err(error) = journal.append(key, expires).await
    {
        tracing::error!(%error, "a deleted session is not on disk: it would live again after a restart");
    }
    shared.mailboxes.broadcast(|| Mail::EndStream { session: key }).await;
    let worker = Arc::clone(worker);
    worker.clone().spawn(TaskName::EndSession, async move {
        for (server, upstream) in bound {
            upstream::end_session(&worker.pool, &server, &upstream).await;
        }
    });
    Ok(Reply::Bare(StatusCode::OK))
}
