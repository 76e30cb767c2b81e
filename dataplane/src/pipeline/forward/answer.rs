//! A client's answer to a request of a backend: it goes to the worker that put the request.

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::scan::scan;
use ringway_mcp::splice::Edits;
use tokio::time::Instant;

use super::super::parse::Message;
use crate::fault::Fault;
use crate::peer::{Address, Message as Mail};
use crate::reply::Reply;
use crate::session::{Session, SessionKey};
use crate::telemetry::labels::TaskName;
use crate::upstream::{self, Outgoing};
use crate::worker::Worker;

/// Sends an answer on its way. One that nobody waits for any more is taken and dropped: clients answer late, and some
/// lose their connection on any status but 202.
pub(crate) async fn deliver(worker: &Arc<Worker>, session: &Session, message: &Message) -> Result<Reply, Fault> {
    let address = message.id().and_then(|id| Address::of_raw_id(&id));
    if let Some(address) = address.filter(|a| a.incarnation == worker.shared.incarnation) {
        let body = message.body.clone();
        if address.worker == worker.id {
            take(worker, address.number, session.key(), body);
        } else {
            let mail = Mail::Answer { number: address.number, session: session.key(), body };
            worker.shared.mailboxes.send(address.worker, mail).await;
        }
    }
    Ok(Reply::Accepted)
}

/// On the worker that put the request: gives the backend its own id back and posts the answer.
pub(crate) fn take(worker: &Arc<Worker>, number: u64, session: SessionKey, body: Bytes) {
    let Some(ask) = worker.asks.take(number, session) else { return };
    let worker = Arc::clone(worker);
    worker.clone().spawn(TaskName::Call, async move {
        // Scanned before it travelled; the id is where it was.
        let Ok(envelope) = scan(&body, &worker.shared.limits.message) else { return };
        let Some(id) = envelope.id else { return };
        let mut edits = Edits::new();
        edits.replace(id.span, &ask.id);
        let Ok(body) = edits.apply(&body) else { return };
        post(&worker, &ask.server, &ask.upstream, body).await;
    });
}

/// Posts a notification or response; what the backend says to it is of no consequence to anybody.
pub(crate) async fn post(
    worker: &Worker,
    server: &Arc<upstream::Server>,
    session: &upstream::UpstreamSession,
    body: Bytes,
) {
    let timeouts = server.backend.timeouts;
    let wait = timeouts.connect + worker.shared.limits.backend_wait;
    let out = Outgoing {
        body,
        session: Some(session),
        revision: Some(session.revision),
        headers: &[],
        idle: wait,
        deadline: Instant::now() + wait,
        idempotent: false,
    };
    if let Err(error) = upstream::send(&worker.pool, server, out).await {
        tracing::debug!(backend = %server.backend.name, %error, "a notification or response was not taken");
    }
}
