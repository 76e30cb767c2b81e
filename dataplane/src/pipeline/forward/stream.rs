//! A legacy client's GET stream, and the GET streams of the backends that its session is bound to.
//!
//! The stream lives on one worker as one task: what the backends say is relayed, what changes in the merged lists is
//! announced, a silent stream gets comments. It ends with its client, with its session, when another connection takes
//! over, at its greatest age, or when the gateway drains.

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ringway_snapshot::BackendKey;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::admit::Inbound;
use super::super::exchange::Exchange;
use super::super::parse::Accepts;
use super::super::pick;
use super::super::route::LiveRoute;
use super::super::session::Scope;
use super::capabilities::change_notification;
use super::client::Client;
use super::outlet::Outlet;
use crate::catalog::{Changes, KindSet};
use crate::fault::{Fault, Reason};
use crate::reply::Reply;
use crate::session::Session;
use crate::session::owner::Holder;
use crate::telemetry::labels::{Limit, StreamKind, TaskName};
use crate::telemetry::record::Record;
use crate::upstream::{self, Incoming, Server, UpstreamError, jittered};
use crate::worker::{Notice, Task, Worker};

/// Between two tries to open a backend's stream again.
const REOPEN: Duration = Duration::from_secs(1);
const REOPEN_MOST: Duration = Duration::from_secs(30);

/// One client stream of the process; gives its place back when dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace {
    worker: Arc<Worker>,
    _counted: crate::telemetry::cells::Held,
}

struct Held {
    outlet: Outlet,
    readers: HashMap<BackendKey, Task>,
    heard: mpsc::Sender<(usize, Incoming)>,
    _place: StreamPlace,
    _record: Option<Record>,
}

/// Opens the stream. Its head goes out at once: one SDK waits for it without a limit.
///
/// # Errors
/// The client does not accept events; too many streams.
pub(crate) fn open(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    session: Arc<Session>,
    inbound: &Inbound<'_>,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    if !Accepts::of(inbound.headers).events {
        return Err(Fault::client(Reason::Accept, "Accept must allow text/event-stream"));
    }
    let place = StreamPlace::take(worker, StreamKind::Get)?;
    let (sender, events) = mpsc::channel(worker.shared.limits.stream_events.max(1));
    // A comment first: the channel is empty, so there is room.
    let _room = sender.try_send(Bytes::from_static(b": ok\n\n"));
    let (heard, hears) = mpsc::channel(64);
    let number = worker.asks.number();
    let notices = worker.register_stream(session.key(), number);
    let held = Held {
        outlet: Outlet {
            worker: Arc::clone(worker),
            route: Arc::clone(route),
            session,
            number,
            client: Client::Reading(sender),
            resumed: false,
        },
        readers: HashMap::new(),
        heard,
        _place: place,
        _record: exchange.record.take(),
    };
    worker.spawn(TaskName::ClientStream, held.run(notices, hears));
    Ok(Reply::Events(events))
}

// === impl Held ===

impl Held {
    async fn run(mut self, mut notices: mpsc::Receiver<Notice>, mut hears: mpsc::Receiver<(usize, Incoming)>) {
        self.take_over().await;
        for server in self.outlet.route.bound.servers.clone() {
            if self.is_bound(&server) {
                self.listen_to(server.backend.key);
            }
        }
        let viewer = pick::viewer(&Scope::Session(Arc::clone(&self.outlet.session)));
        let mut changes = self.outlet.worker.shared.catalog.changes(&self.outlet.route.bound, &viewer);
        let shared = Arc::clone(&self.outlet.worker.shared);
        let patience = self.outlet.patience();
        let ends = Instant::now() + jittered(shared.limits.stream_age);
        let mut draining = pin!(shared.drain.begun());
        while !self.outlet.client.is_gone() {
            tokio::select! {
                biased;
                () = self.outlet.client.closed() => break,
                () = &mut draining => break,
                notice = notices.recv() => match notice {
                    Some(Notice::Bound(backend)) => self.listen_to(backend),
                    Some(Notice::End) | None => break,
                },
                heard = hears.recv() => if let Some((section, incoming)) = heard {
                    self.outlet.relay(section, incoming).await;
                },
                kinds = next_change(&mut changes) => self.announce(kinds).await,
                () = tokio::time::sleep(shared.limits.stream_keepalive) => self.outlet.client.comment(patience).await,
                () = tokio::time::sleep_until(ends) => break,
            }
        }
        self.outlet.client.count_limit(&shared);
        self.outlet.worker.asks.close(self.outlet.number);
        self.outlet.worker.forget_stream(self.outlet.session.key(), self.outlet.number);
        shared.owner.clear_holder(self.outlet.session.key(), self.holder());
    }

    /// From now on this worker holds the session's stream; a stream elsewhere ends.
    async fn take_over(&self) {
        let shared = &self.outlet.worker.shared;
        let key = self.outlet.session.key();
        // Without a record nobody looks for the holder either.
        let old = shared.owner.set_holder(key, self.holder()).unwrap_or_default();
        if let Some(old) =
            old.and_then(|old| u16::try_from(old.worker).ok()).filter(|old| *old != self.outlet.worker.id)
        {
            shared.mailboxes.send(old, crate::peer::Message::EndStream { session: key }).await;
        }
    }

    fn holder(&self) -> Holder {
        Holder { worker: u32::from(self.outlet.worker.id), number: self.outlet.number }
    }

    fn is_bound(&self, server: &Arc<Server>) -> bool {
        let binder = self.outlet.worker.binder(server);
        binder.known(&self.outlet.session).is_some()
    }

    fn listen_to(&mut self, backend: BackendKey) {
        let Some(section) = self.outlet.route.rules().section_of(backend).map(|s| s.index) else { return };
        let Some(server) = self.outlet.route.bound.servers.get(section).cloned() else { return };
        let reader = read(
            Arc::clone(&self.outlet.worker),
            server,
            Arc::clone(&self.outlet.session),
            section,
            self.heard.clone(),
        );
        // In place of an older reader, which was bound to another upstream session.
        self.readers.insert(backend, self.outlet.worker.spawn_owned(TaskName::UpstreamStream, reader));
    }

    async fn announce(&mut self, kinds: KindSet) {
        let patience = self.outlet.patience();
        for method in kinds.iter().map(change_notification).collect::<BTreeSet<_>>() {
            let data = format!(r#"{{"jsonrpc":"2.0","method":"{}"}}"#, method.as_str());
            self.outlet.client.event(data.as_bytes(), patience).await;
        }
    }
}

/// Never resolves once the route is gone: the stream has other ends.
pub(super) async fn next_change(changes: &mut Changes) -> KindSet {
    match changes.next().await {
        Some(kinds) => kinds,
        None => std::future::pending().await,
    }
}

/// Reads one backend's stream and opens it again when it ends, to whatever session is bound then.
async fn read(
    worker: Arc<Worker>,
    server: Arc<Server>,
    session: Arc<Session>,
    section: usize,
    heard: mpsc::Sender<(usize, Incoming)>,
) {
    let mut pause = REOPEN;
    loop {
        let binder = worker.binder(&server);
        let Some(bound) = binder.known(&session) else { return };
        match upstream::open_stream(&server, &bound.upstream, None).await {
            Ok(mut stream) => {
                while let Some(Ok(incoming)) = stream.next().await {
                    pause = REOPEN;
                    if heard.send((section, incoming)).await.is_err() {
                        return;
                    }
                }
            }
            // The backend offers none, or the session is gone: the next call binds anew and says so.
            Err(UpstreamError::NoStream405 | UpstreamError::SessionLost) => return,
            Err(_) => {}
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(REOPEN_MOST);
    }
}

// === impl StreamPlace ===

impl StreamPlace {
    pub(super) fn take(worker: &Arc<Worker>, kind: StreamKind) -> Result<Self, Fault> {
        let streams: &AtomicUsize = &worker.shared.streams;
        if streams.fetch_add(1, Ordering::Relaxed) >= worker.shared.limits.streams {
            streams.fetch_sub(1, Ordering::Relaxed);
            worker.shared.limit(Limit::Streams);
            return Err(Fault::client(Reason::Rate, "Too many streams").retry_after(Duration::from_secs(1)));
        }
        Ok(Self { worker: Arc::clone(worker), _counted: worker.shared.telemetry.metrics.stream(kind) })
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.worker.shared.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
