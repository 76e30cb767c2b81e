//! Child processes that speak MCP over their standard streams.

use std::sync::Arc;

use ringway_snapshot::StdioTarget;

use super::stream::Incoming;
use super::{Answer, MessageStream, Outgoing, Server, UpstreamError, UpstreamSession};

/// A handle of a child process.
#[derive(Debug, Clone)]
pub struct Process {
    stopped: Arc<std::sync::atomic::AtomicBool>,
}

#[derive(Debug)]
pub(super) struct StdioSide {
    target: StdioTarget,
}

#[derive(Debug)]
pub(super) struct ChildStream;

impl Process {
    pub(super) fn stop(&self) {
        self.stopped.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

impl StdioSide {
    pub(super) fn new(target: StdioTarget) -> Self {
        Self { target }
    }
}

impl ChildStream {
    #[expect(clippy::unused_async, reason = "replaced within the hour")]
    pub(super) async fn next(&mut self) -> Option<Result<Incoming, UpstreamError>> {
        None
    }

    pub(super) fn finish(self) {}
}

fn unavailable(side: &StdioSide) -> UpstreamError {
    UpstreamError::Connect(format!("{}: child processes are not started yet", side.target.command))
}

#[expect(clippy::unused_async, reason = "replaced within the hour")]
pub(super) async fn send(_: &Arc<Server>, side: &StdioSide, _: Outgoing<'_>) -> Result<Answer, UpstreamError> {
    Err(unavailable(side))
}

pub(super) fn open_stream(_: &Arc<Server>, _: &UpstreamSession) -> Result<MessageStream, UpstreamError> {
    Err(UpstreamError::NoStream405)
}

pub(super) fn process_for_session(_: &Arc<Server>, side: &StdioSide) -> Result<Process, UpstreamError> {
    Err(unavailable(side))
}

pub(super) fn process_for_probe(_: &Arc<Server>, side: &StdioSide) -> Result<Process, UpstreamError> {
    Err(unavailable(side))
}

pub(super) fn keep_probed(_: &StdioSide, _: Process, _: bool) {}
