//! MCP servers as child processes: which process serves a call, and the calls themselves.
//!
//! A legacy session has a process of its own, an uninitialised one is kept warm for the next session, and modern
//! callers share one. Ids, routing and cancelling on a process are in [`table`], its life in [`process`].

mod lines;
mod process;
mod table;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use ringway_mcp::scan;
use ringway_snapshot::StdioTarget;

use self::process::Place;
use self::table::{Closed, Delivery, Inbox, Outbound};
use super::handshake::WIDE;
use super::server::{Counted, Level, lock};
use super::stream::{Incoming, Pace};
use super::{Answer, Head, MessageStream, NoConnection, Outgoing, Server, UpstreamError, UpstreamSession, Why};
use crate::fault::Executed;

pub use self::process::Process;

/// The processes of one backend that belong to no session.
#[derive(Debug)]
pub(super) struct StdioSide {
    target: StdioTarget,
    /// Processes of this backend, those of sessions too. Not part of the backend's own counts: a process's task must
    /// not keep the backend alive, whose end is what ends the processes below.
    pub(super) processes: Arc<AtomicUsize>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// Started, not initialised.
    spare: Option<Process>,
    /// For calls without a session.
    shared: Option<Process>,
}

/// The messages of one call, or of the standing stream.
#[derive(Debug)]
pub(super) struct ChildStream {
    inbox: Inbox,
    process: Process,
    first: Option<Delivery>,
    pace: Pace,
    standing: bool,
    /// The response was read, or the stream failed.
    done: bool,
    limit: usize,
    _count: Counted,
}

// === impl StdioSide ===

impl StdioSide {
    pub(super) fn new(target: StdioTarget) -> Self {
        Self { target, processes: Arc::default(), kept: Mutex::default() }
    }

    fn start(&self, server: &Server) -> Result<Process, UpstreamError> {
        let place =
            Place::take(&self.processes, self.target.max_processes).ok_or(UpstreamError::Busy("maxProcesses"))?;
        let limit = server.backend.limits.max_response_bytes;
        Process::start(&self.target, &server.backend.name.to_string(), limit, place)
            .map_err(|text| UpstreamError::Connect(NoConnection::new(Why::Process, text)))
    }

    fn spare_or_new(&self, server: &Server) -> Result<Process, UpstreamError> {
        let spare = lock(&self.kept).spare.take().filter(Process::is_alive);
        spare.map_or_else(|| self.start(server), Ok)
    }

    fn shared(&self, server: &Server) -> Result<Process, UpstreamError> {
        let mut kept = lock(&self.kept);
        if let Some(process) = kept.shared.as_ref().filter(|process| process.is_alive()) {
            return Ok(process.clone());
        }
        let spare = kept.spare.take().filter(Process::is_alive);
        let process = spare.map_or_else(|| self.start(server), Ok)?;
        kept.shared = Some(process.clone());
        Ok(process)
    }
}

/// A process for one legacy session.
pub(super) fn process_for_session(server: &Server, side: &StdioSide) -> Result<Process, UpstreamError> {
    side.spare_or_new(server)
}

/// A process to ask for its era.
pub(super) fn process_for_probe(server: &Server, side: &StdioSide) -> Result<Process, UpstreamError> {
    let shared = lock(&side.kept).shared.clone().filter(Process::is_alive);
    shared.map_or_else(|| side.spare_or_new(server), Ok)
}

/// A probed process goes on as the shared one, or, still uninitialised, as the spare.
pub(super) fn keep_probed(side: &StdioSide, process: Process, modern: bool) {
    let mut kept = lock(&side.kept);
    let place = if modern { &mut kept.shared } else { &mut kept.spare };
    if place.as_ref().is_none_or(|old| !old.is_alive()) && process.is_alive() {
        *place = Some(process);
    }
}

/// Starts a spare after a session was opened: the command works, and the next session need not wait for its start.
pub(super) fn keep_warm(server: &Server, side: &StdioSide) {
    if lock(&side.kept).spare.as_ref().is_some_and(Process::is_alive) {
        return;
    }
    // Out of places or out of processes: the next session will see for itself.
    if let Ok(spare) = side.start(server) {
        lock(&side.kept).spare = Some(spare);
    }
}

pub(super) async fn send(server: &Arc<Server>, side: &StdioSide, out: Outgoing<'_>) -> Result<Answer, UpstreamError> {
    let count = server.admit(&out)?;
    let envelope = scan(&out.body, &WIDE).map_err(|e| UpstreamError::Protocol(format!("own message: {e}")))?;
    let process = match out.session.and_then(|session| session.process.clone()) {
        Some(process) => process,
        None => side.shared(server)?,
    };
    let pace = out.pace();
    let outbound = lock(&process.wire().table).outbound(&out.body, &envelope);
    match outbound.map_err(|_| UpstreamError::SessionLost)? {
        Outbound::Moot => Ok(Answer::Accepted),
        Outbound::OneWay(line) => {
            write(&process, line, pace).await?;
            Ok(Answer::Accepted)
        }
        Outbound::Request(line, inbox) => {
            let limit = server.backend.limits.max_response_bytes;
            let stream =
                ChildStream { inbox, process, first: None, pace, standing: false, done: false, limit, _count: count };
            write(&stream.process, line, pace).await?;
            first_answer(stream).await
        }
    }
}

async fn write(process: &Process, line: bytes::Bytes, pace: Pace) -> Result<(), UpstreamError> {
    match pace.limit(process.wire().stdin.send(line)).await {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) => Err(UpstreamError::SessionLost),
        None => Err(UpstreamError::Timeout { executed: Executed::No }),
    }
}

/// A response that comes first is the whole answer; else the answer is a stream.
async fn first_answer(mut stream: ChildStream) -> Result<Answer, UpstreamError> {
    let head = Head { session_id: None, endpoint: None };
    let delivery = stream.receive().await?;
    if delivery.last {
        stream.done = true;
        return Ok(Answer::Message(delivery.data, head));
    }
    stream.first = Some(delivery);
    Ok(Answer::Stream(MessageStream::child(stream), head))
}

pub(super) fn open_stream(server: &Arc<Server>, session: &UpstreamSession) -> Result<MessageStream, UpstreamError> {
    let process = session.process.clone().ok_or(UpstreamError::NoStream405)?;
    let count = server.live.count(Level::Streams, usize::MAX).ok_or(UpstreamError::Busy("streams"))?;
    let inbox = lock(&process.wire().table).listen().map_err(|_| UpstreamError::SessionLost)?;
    Ok(MessageStream::child(ChildStream {
        inbox,
        process,
        first: None,
        pace: Pace::STANDING,
        standing: true,
        done: false,
        limit: server.backend.limits.max_response_bytes,
        _count: count,
    }))
}

// === impl ChildStream ===

impl ChildStream {
    pub(super) async fn next(&mut self) -> Option<Result<Incoming, UpstreamError>> {
        if self.done {
            return None;
        }
        let delivery = match self.first.take() {
            Some(first) => first,
            None => match self.receive().await {
                Ok(delivery) => delivery,
                // The standing stream of a process that ended, or one that a newer stream replaced.
                Err(UpstreamError::Closed { .. }) if self.standing => {
                    self.done = true;
                    return None;
                }
                Err(error) => {
                    self.cancel();
                    return Some(Err(error));
                }
            },
        };
        self.done = delivery.last;
        Some(Ok(Incoming::Message { data: delivery.data, event_id: None }))
    }

    async fn receive(&mut self) -> Result<Delivery, UpstreamError> {
        let pace = self.pace;
        match pace.limit(self.inbox.next()).await {
            Some(Some(delivery)) => Ok(delivery),
            Some(None) => Err(self.why_closed()),
            None => Err(UpstreamError::Timeout { executed: Executed::Unknown }),
        }
    }

    fn why_closed(&self) -> UpstreamError {
        match lock(&self.process.wire().table).closed() {
            Some(Closed::TooLarge) => UpstreamError::TooLarge { limit: self.limit },
            Some(Closed::Ended(text)) => UpstreamError::closed(Executed::Unknown, text),
            None => UpstreamError::closed(Executed::Unknown, "replaced by another stream"),
        }
    }

    pub(super) fn finish(mut self) {
        // Answered: the process has nothing to stop.
        self.done = true;
        lock(&self.process.wire().table).abandon(self.inbox.number);
    }

    fn cancel(&mut self) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let wire = self.process.wire();
        if self.standing {
            lock(&wire.table).unlisten(self.inbox.number);
            return;
        }
        let cancelled = lock(&wire.table).abandon(self.inbox.number);
        if let Some(line) = cancelled {
            // A process that does not read its input will not stop for this either.
            drop(wire.stdin.try_send(line));
        }
    }
}

impl Drop for ChildStream {
    fn drop(&mut self) {
        self.cancel();
    }
}
