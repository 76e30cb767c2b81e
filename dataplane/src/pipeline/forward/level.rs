//! `logging/setLevel`: to every bound backend, and kept for those that are bound later.
//!
//! Clients send it right after `initialize`, so it must not fail because one backend has no logging.

use std::sync::Arc;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::Instant;

use super::super::authorize::Permit;
use super::super::route::LiveRoute;
use super::super::session::Scope;
use crate::fault::{Fault, Reason};
use crate::reply::Reply;
use crate::session::owner::LogLevel;
use crate::upstream::{self, Answer, Outgoing};
use crate::worker::Worker;

/// Sets the level of a session.
///
/// # Errors
/// A level that does not exist; with one backend whatever that one answers.
pub(crate) async fn set(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    id: &[u8],
) -> Result<Reply, Fault> {
    let message = &permit.message;
    let level =
        message.envelope.params.as_ref().and_then(|p| p.level).map(|l| l.text(&message.body)).unwrap_or_default();
    let known = LogLevel::parse(level.as_bytes());
    let known = known.ok_or_else(|| Fault::client(Reason::Params, "Invalid params: unknown log level"))?;
    let Scope::Session(session) = &permit.scope else { return Err(Fault::client(Reason::Method, "Method not found")) };
    worker.shared.owner.set_log_level(session.key(), known);
    let bound: Vec<_> = route
        .bound
        .servers
        .iter()
        .filter_map(|server| {
            let binder = worker.binder(server);
            binder.known(session).map(|bound| (server, bound.upstream))
        })
        .collect();
    let answers = join_all(bound.iter().map(|(server, upstream)| {
        let wait = server.backend.timeouts.connect + worker.shared.limits.backend_wait;
        upstream::send(
            &worker.pool,
            server,
            Outgoing {
                body: message.body.clone(),
                session: Some(upstream),
                revision: Some(upstream.revision),
                headers: &[],
                idle: wait,
                deadline: Instant::now() + wait,
                idempotent: true,
            },
        )
    }))
    .await;
    // One backend: its answer is the answer.
    if route.rules().sole().is_some()
        && let Some(Ok(Answer::Message(answer, _))) = answers.into_iter().next()
    {
        return Ok(Reply::json(answer));
    }
    Ok(super::result(id, Bytes::from_static(b"{}")))
}
