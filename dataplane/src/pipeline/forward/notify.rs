//! Notifications of legacy clients.

use std::sync::Arc;

use ringway_mcp::Method;

use super::super::parse::Message;
use super::super::route::LiveRoute;
use super::answer;
use crate::fault::Fault;
use crate::peer::Message as Mail;
use crate::reply::Reply;
use crate::session::Session;
use crate::worker::Worker;

/// Takes a notification in; always 202.
pub(crate) async fn forward(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    session: &Session,
    message: &Message,
) -> Result<Reply, Fault> {
    match message.method {
        Method::Cancelled => cancel(worker, session, message).await,
        // With one backend the handshake was the client's own; with several the gateway sent its own to each.
        Method::Initialized if route.rules().sole().is_none() => {}
        Method::Initialized | Method::RootsListChanged | Method::Progress => {
            to_bound(worker, route, session, message).await
        }
        _ => {}
    }
    Ok(Reply::Accepted)
}

/// The call may be held by any worker.
async fn cancel(worker: &Worker, session: &Session, message: &Message) {
    let Some(request) = message.envelope.params.as_ref().and_then(|p| p.request_id) else { return };
    let request = message.body.slice(request.span.range());
    worker
        .shared
        .mailboxes
        .broadcast(|| Mail::Cancel { session: session.key(), request: request.clone(), body: message.body.clone() })
        .await;
}

async fn to_bound(worker: &Arc<Worker>, route: &Arc<LiveRoute>, session: &Session, message: &Message) {
    for server in &route.bound.servers {
        let binder = worker.binder(server);
        if let Some(bound) = binder.known(session) {
            answer::post(worker, server, &bound.upstream, message.body.clone()).await;
        }
    }
}
