//! The ninth stage: the message is answered, by the gateway itself or by a backend.
//!
//! Needs a permit, which only `authorize` makes. Each way of answering stands in a file of its own.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod capabilities;
pub(crate) mod client;
pub(crate) mod discover;
pub(crate) mod end;
pub(crate) mod event_id;
pub(crate) mod initialize;
pub(crate) mod level;
pub(crate) mod list;
pub(crate) mod listen;
pub(crate) mod notify;
pub(crate) mod outlet;
pub(crate) mod relay;
pub(crate) mod resume;
pub(crate) mod rewrite;
pub(crate) mod side;
pub(crate) mod stream;

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::Method;
use ringway_mcp::scan::Kind;

use super::authorize::Permit;
use super::exchange::Exchange;
use super::limit::Slot;
use super::pick::{Place, Target};
use super::route::LiveRoute;
use super::session::Scope;
use crate::catalog::ListKind;
use crate::fault::{Fault, Reason};
use crate::reply::Reply;
use crate::worker::Worker;

/// Answers a message.
///
/// # Errors
/// Whatever keeps it from being answered as asked.
pub(crate) async fn send(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    target: Target<'_>,
    slot: Slot,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    if let Place::Section(picked) = &target.place {
        return call::start(worker, route, picked, &target, slot, exchange).await;
    }
    let permit = &target.permit;
    // What is rare or large stands on the heap: the future of every request has room for the largest of its parts.
    match (&permit.scope, permit.message.kind) {
        (Scope::Handshake, _) => Box::pin(initialize::open(worker, route, permit, exchange)).await,
        (Scope::Session(session), Kind::Response) => answer::deliver(worker, session, &permit.message).await,
        (Scope::Session(session), Kind::Notification) => {
            Box::pin(notify::forward(worker, route, session, &permit.message)).await
        }
        (Scope::Modern(_), Kind::Notification | Kind::Response) => Ok(Reply::Accepted),
        (_, Kind::Request) => request(worker, route, permit, slot, exchange).await,
    }
}

/// The requests that the gateway answers itself.
async fn request(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    slot: Slot,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    let id = permit.message.id().ok_or_else(|| Fault::internal("A request without an id"))?;
    match permit.message.method {
        Method::Ping => Ok(result(&id, Bytes::from_static(b"{}"))),
        Method::ToolsList => list::page(worker, route, permit, ListKind::Tools, &id).await,
        Method::PromptsList => list::page(worker, route, permit, ListKind::Prompts, &id).await,
        Method::ResourcesList => list::page(worker, route, permit, ListKind::Resources, &id).await,
        Method::ResourcesTemplatesList => list::page(worker, route, permit, ListKind::Templates, &id).await,
        Method::ServerDiscover => Box::pin(discover::answer(worker, route, permit, &id)).await,
        Method::SubscriptionsListen => Box::pin(listen::open(worker, route, permit, id, slot, exchange)).await,
        Method::LoggingSetLevel => Box::pin(level::set(worker, route, permit, &id)).await,
        _ => Err(Fault::client(Reason::Method, "Method not found")),
    }
}

/// A JSON-RPC result in the client's id; `result` is raw JSON and is not copied.
pub(crate) fn result(id: &[u8], result: Bytes) -> Reply {
    let mut chunks = crate::reply::Chunks::default();
    let mut head = Vec::with_capacity(id.len() + 32);
    head.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    head.extend_from_slice(id);
    head.extend_from_slice(br#","result":"#);
    // One piece for small results: a second write costs more than a copy.
    if result.len() <= 2_048 {
        head.extend_from_slice(&result);
        head.push(b'}');
        chunks.push(head.into());
    } else {
        chunks.push(head.into());
        chunks.push(result);
        chunks.push(Bytes::from_static(b"}"));
    }
    Reply::json(chunks)
}
