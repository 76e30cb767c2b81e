//! A GET with the id of a call stream's event: the backend that gave the id replays, and the client hears the rest.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::admit::{Inbound, LAST_EVENT_ID};
use super::super::exchange::Exchange;
use super::super::route::LiveRoute;
use super::client::Client;
use super::event_id;
use super::outlet::Outlet;
use super::stream::StreamPlace;
use crate::fault::{Fault, Reason};
use crate::reply::Reply;
use crate::session::Session;
use crate::telemetry::labels::{StreamKind, TaskName};
use crate::upstream::{self, Server, UpstreamSession};
use crate::worker::Worker;

/// What a resume goes on from.
#[derive(Debug)]
pub(crate) struct Resume {
    section: usize,
    own: Bytes,
}

/// Reads `Last-Event-ID`; `None` when there is none, or it is not one that a call stream handed out here.
pub(crate) fn asked(route: &LiveRoute, inbound: &Inbound<'_>) -> Option<Resume> {
    let (backend, own) = event_id::unmark(inbound.headers.get(LAST_EVENT_ID)?.as_bytes())?;
    let section = route.rules().section_of(backend)?.index;
    Some(Resume { section, own: Bytes::copy_from_slice(own) })
}

/// Opens the resumed stream.
///
/// # Errors
/// Too many streams; the session is not bound to that backend (any more).
pub(crate) fn open(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    session: Arc<Session>,
    resume: Resume,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    let server = Arc::clone(route.server(resume.section)?);
    let binder = worker.binder(&server);
    let bound =
        binder.known(&session).ok_or_else(|| Fault::client(Reason::State, "Nothing can be resumed from this event"))?;
    let place = StreamPlace::take(worker, StreamKind::Post)?;
    let (sender, events) = mpsc::channel(worker.shared.limits.stream_events.max(1));
    // A comment first, so that the head goes out at once: the channel is empty, so there is room.
    let _room = sender.try_send(Bytes::from_static(b": ok\n\n"));
    let outlet = Outlet {
        worker: Arc::clone(worker),
        route: Arc::clone(route),
        session,
        number: worker.asks.number(),
        client: Client::Reading(sender),
        resumed: true,
    };
    let record = exchange.record.take();
    worker.spawn(TaskName::ClientStream, async move {
        run(outlet, server, bound.upstream, resume).await;
        drop((place, record));
    });
    Ok(Reply::Events(events))
}

async fn run(mut outlet: Outlet, server: Arc<Server>, session: UpstreamSession, resume: Resume) {
    let worker = Arc::clone(&outlet.worker);
    let limits = &worker.shared.limits;
    let opening = upstream::open_stream(&server, &session, Some(&resume.own));
    let mut stream = tokio::select! {
        () = outlet.client.closed() => return,
        opened = opening => match opened {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(backend = %server.backend.name, %error, "a stream could not be resumed");
                return;
            }
        },
    };
    let ends = Instant::now() + limits.stream_age;
    let mut draining = pin!(worker.shared.drain.begun());
    while !outlet.client.is_gone() {
        tokio::select! {
            biased;
            () = outlet.client.closed() => break,
            () = &mut draining => break,
            incoming = stream.next() => match incoming {
                Some(Ok(incoming)) => outlet.relay(resume.section, incoming).await,
                Some(Err(_)) | None => break,
            },
            () = tokio::time::sleep(limits.stream_keepalive) => {
                let patience = outlet.patience();
                outlet.client.comment(patience).await;
            }
            () = tokio::time::sleep_until(ends) => break,
        }
    }
    outlet.client.count_limit(&worker.shared);
    worker.asks.close(outlet.number);
}
