//! What a message of the backend means for the client of a call: an answer, something to pass on, a question, a refusal.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use ringway_mcp::Revision;
use ringway_mcp::scan::{self, Envelope, Kind};

use super::super::call::Call;
use super::super::capabilities::{changed_list, owned};
use super::super::client::{Client, Patience};
use super::super::{answer, event_id, rewrite};
use super::{End, Ties};
use crate::fault::{Executed, Fault, Reason};
use crate::reply::Era;
use crate::session::SessionKey;
use crate::session::asks::Ask;
use crate::session::bind::{Bound, Stale};
use crate::telemetry::labels::Outcome;
use crate::telemetry::record::Attempt;
use crate::upstream::{self, Incoming, MessageStream, Refusal, UpstreamSession};
use crate::worker::Worker;

/// A backend's wish to be left alone before a resume is granted up to this.
const RESUME_PAUSE: Duration = Duration::from_secs(30);

// === impl Call ===

impl Call {
    pub(super) fn era(&self) -> Era {
        if self.session.is_some() { Era::Legacy } else { Era::Modern }
    }

    pub(in super::super) fn patience(&self) -> Patience {
        let limits = &self.worker.shared.limits;
        Patience { events: limits.stream_events, stall: limits.write_stall }
    }

    pub(super) fn is_idempotent(&self) -> bool {
        use ringway_mcp::Method;
        matches!(self.method, Method::PromptsGet | Method::ResourcesRead | Method::CompletionComplete)
    }

    /// Begins a request to the backend, in the record's eyes.
    pub(super) fn attempt(&mut self, revision: Revision) -> Attempt {
        self.record.attempt(&self.metrics, self.method).to(&self.server.backend, revision)
    }

    /// Ends it.
    pub(super) fn tried(&mut self, attempt: Attempt, ended: &Result<End, Fault>) {
        match ended {
            Ok(End::Answered(..) | End::Sent) => self.record.tried_and_answered(attempt),
            Ok(End::Polled) => self.record.tried(attempt, Outcome::Ok),
            Ok(End::Over(_)) => self.record.tried(attempt, Outcome::Cancelled),
            Err(fault) => self.record.tried_in_vain(attempt, fault),
        }
    }

    /// The time counts as the upstream's, as it opens a session there.
    pub(super) async fn bind(&mut self, stale: Option<Stale>) -> Result<Bound, Fault> {
        let begun = std::time::Instant::now();
        let bound = self.bound(stale).await;
        self.record.waited(begun.elapsed());
        bound
    }

    async fn bound(&self, stale: Option<Stale>) -> Result<Bound, Fault> {
        let session = self.session.as_ref().ok_or_else(|| Fault::internal("A modern call binds nothing"))?;
        let shared = &self.worker.shared;
        let binder = self.worker.binder(&self.server);
        let bound = binder.bind(session, stale).await?;
        if bound.fresh
            && let Some(holder) = shared.owner.holder(session.key())
        {
            let backend = self.server.backend.key;
            let mail = crate::peer::Message::Bound { session: session.key(), backend };
            shared.mailboxes.send(u16::try_from(holder.worker).unwrap_or(u16::MAX), mail).await;
        }
        Ok(bound)
    }

    pub(super) fn scan(&self, data: &[u8]) -> Result<Envelope, Fault> {
        scan::scan(data, &self.worker.shared.limits.answer).map_err(|error| {
            Fault::upstream(Reason::UpstreamBad, "The backend's answer is not a valid message")
                .executed(Executed::Unknown)
                .caused_by(error)
        })
    }

    /// Passes one message on. Returns the answer when this is it (`main`: it came on the call's own stream).
    pub(super) async fn relay(
        &mut self,
        client: &mut Client,
        ties: &mut Ties,
        session: Option<&UpstreamSession>,
        incoming: Incoming,
        main: bool,
    ) -> Option<(Bytes, Envelope)> {
        let (data, event) = match incoming {
            Incoming::Message { data, event_id } => (data, event_id.filter(|_| main)),
            Incoming::Prime { event_id, retry } if main => {
                self.prime(client, ties, event_id, retry).await;
                return None;
            }
            Incoming::Prime { .. } | Incoming::Comment => return None,
        };
        if event.is_some() {
            ties.resume.clone_from(&event);
        }
        let event = event.filter(|_| self.session.is_some()).map(|id| event_id::mark(self.server.backend.key, &id));
        let event = event.as_deref();
        let envelope = match self.scan(&data) {
            Ok(envelope) => envelope,
            Err(fault) => {
                tracing::debug!(backend = %self.server.backend.name, %fault, "an event was dropped");
                return None;
            }
        };
        match envelope.kind {
            Kind::Response => main.then_some((data, envelope)),
            Kind::Notification => {
                self.notice(client, ties, &data, &envelope, event).await;
                None
            }
            Kind::Request => {
                if let Some(session) = session {
                    self.ask(client, ties, (session, event), &data, &envelope).await;
                }
                None
            }
        }
    }

    /// The backend announces that its stream can be resumed. Clients before 2025-11-25 read the empty data as a message.
    async fn prime(&mut self, client: &mut Client, ties: &mut Ties, event_id: Option<Bytes>, retry: Option<u64>) {
        if event_id.is_some() {
            ties.resume.clone_from(&event_id);
        }
        ties.retry = retry.or(ties.retry);
        if self.polls() && client.takes_events() {
            let id = event_id.map(|id| event_id::mark(self.server.backend.key, &id));
            client.prime(id.as_deref(), retry, self.patience()).await;
        }
    }

    /// The client knows how to come back for the rest of a stream.
    fn polls(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.revision >= Revision::V2025_11_25)
    }

    /// The stream ended without an answer: a client that can polls for the rest, for any other we do. `None`: the client
    /// will come back.
    pub(super) async fn resume(
        &self,
        client: &Client,
        ties: &Ties,
        session: Option<&UpstreamSession>,
    ) -> Result<Option<MessageStream>, Fault> {
        let cut = || {
            Fault::upstream(Reason::UpstreamBad, "The backend's stream ended without an answer")
                .executed(Executed::Unknown)
        };
        let (Some(from), Some(session)) = (&ties.resume, session) else { return Err(cut()) };
        if self.polls() && !matches!(client, Client::Waiting { .. }) {
            return Ok(None);
        }
        tokio::time::sleep(Duration::from_millis(ties.retry.unwrap_or(1_000)).min(RESUME_PAUSE)).await;
        upstream::open_stream(&self.server, session, Some(from)).await.map(Some).map_err(|error| cut().caused_by(error))
    }

    async fn notice(
        &mut self,
        client: &mut Client,
        ties: &Ties,
        data: &Bytes,
        envelope: &Envelope,
        event: Option<&[u8]>,
    ) {
        use ringway_mcp::Method;
        let method = envelope.known_method().unwrap_or(Method::Other);
        if let Some(session) = &self.session {
            if let Some(kind) = changed_list(method) {
                self.worker.shared.owner.mark_list_changed(session.key(), self.server.backend.key, owned(kind));
            }
            if method == Method::Cancelled {
                let key = session.key();
                if let Some(data) = withdrawn(&self.worker, key, self.number, data, envelope).filter(|_| ties.asked) {
                    client.event_with(&data, event, self.patience()).await;
                }
                return;
            }
        }
        if !client.takes_events() {
            return;
        }
        let rules = self.route.rules();
        if let Some(section) = rules.sections.get(self.section)
            && let Ok(data) = rewrite::notification(section, data, envelope)
        {
            client.event_with(&data, event, self.patience()).await;
        }
    }

    /// A request of the server to the client: the client sees an id of ours. A ping is for the gateway.
    async fn ask(
        &mut self,
        client: &mut Client,
        ties: &mut Ties,
        (upstream, event): (&UpstreamSession, Option<&[u8]>),
        data: &Bytes,
        envelope: &Envelope,
    ) {
        let (Some(session), Some(id)) = (self.session.clone(), envelope.id) else { return };
        let raw = data.slice(id.span.range());
        if envelope.known_method() == Some(ringway_mcp::Method::Ping) {
            Box::pin(answer::post(&self.worker, &self.server, upstream, pong(&raw))).await;
            return;
        }
        if !client.takes_events() {
            Box::pin(answer::post(&self.worker, &self.server, upstream, nobody(&raw))).await;
            return;
        }
        ties.asked = true;
        let number = self.worker.asks.open(Ask {
            session: session.key(),
            server: self.server.clone(),
            upstream: upstream.clone(),
            id: raw,
            owner: self.number,
        });
        if let Ok(data) = rewrite::with_id(data, envelope, self.worker.address(number).raw_id().as_bytes()) {
            client.event_with(&data, event, self.patience()).await;
        }
    }

    /// The client's own cancellation, byte for byte: ids are the same on both hops.
    pub(super) async fn cancel_upstream(&self, session: Option<&UpstreamSession>, body: Bytes) {
        if let Some(session) = session {
            answer::post(&self.worker, &self.server, session, body).await;
        }
    }

    pub(super) fn final_answer(&mut self, data: &Bytes, envelope: &Envelope, status: StatusCode) -> Result<End, Fault> {
        if envelope.kind != Kind::Response || !self.is_mine(data, envelope) {
            return Err(Fault::upstream(Reason::UpstreamBad, "The backend answered another request")
                .executed(Executed::Unknown));
        }
        let section = self.route.section(self.section)?;
        match &envelope.error {
            Some(error) => self.record.rpc_error(error.code.unwrap_or_default()),
            None => self.record.succeed(outcome_of(data, envelope)),
        }
        let data = rewrite::answer(self.method, section, &self.id, data, envelope)?;
        Ok(End::Answered(data, status))
    }

    /// The id must be the request's, but an error may also have none, or the literal that some servers put there.
    fn is_mine(&self, data: &[u8], envelope: &Envelope) -> bool {
        let Some(id) = envelope.id else { return envelope.error.is_some() };
        let raw = id.raw(data);
        raw == self.id || (envelope.error.is_some() && (raw == b"null" || raw == br#""server-error""#))
    }

    /// A refusal with a JSON-RPC error in it is the backend's answer; any other is its failure, and says nothing.
    pub(super) fn refused(&mut self, refusal: Refusal) -> Result<End, Fault> {
        if refusal.session_lost {
            return Err(Fault::client(Reason::Session, "Session not found"));
        }
        let bad =
            || Fault::upstream(Reason::UpstreamBad, "The backend refused the request").executed(Executed::Unknown);
        if matches!(refusal.status, 401 | 403) {
            return Err(Fault::upstream(Reason::UpstreamBad, "The backend did not accept the gateway's credentials"));
        }
        let error = refusal.message.ok_or_else(bad)?;
        let data =
            Bytes::from([br#"{"jsonrpc":"2.0","id":"#.as_slice(), &self.id, br#","error":"#, &error, b"}"].concat());
        let envelope = self.scan(&data).map_err(|_| bad())?;
        let status = match (self.session.is_none(), refusal.status) {
            (true, 400..=499) => StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::OK),
            _ => StatusCode::OK,
        };
        self.final_answer(&data, &envelope, status)
    }
}

fn outcome_of(data: &[u8], envelope: &Envelope) -> Outcome {
    let Some(result) = &envelope.result else { return Outcome::Ok };
    if result.is_error {
        Outcome::ToolError
    } else if result.result_type.is_some_and(|kind| kind.is(data, "input_required")) {
        Outcome::InputRequired
    } else {
        Outcome::Ok
    }
}

/// A backend's `notifications/cancelled` for a request that it put to the client, with the id that the client knows.
pub(in super::super) fn withdrawn(
    worker: &Worker,
    session: SessionKey,
    owner: u64,
    data: &Bytes,
    envelope: &Envelope,
) -> Option<Bytes> {
    let id = envelope.params.as_ref().and_then(|p| p.request_id)?;
    let number = worker.asks.number_of(session, owner, id.raw(data))?;
    let mut edits = ringway_mcp::splice::Edits::new();
    edits.replace(id.span, worker.address(number).raw_id().as_bytes());
    edits.apply(data).ok()
}

/// The answer to a ping.
pub(in super::super) fn pong(id: &[u8]) -> Bytes {
    [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":{}}"#].concat().into()
}

/// The answer to a request that no client can be asked.
fn nobody(id: &[u8]) -> Bytes {
    let error = br#","error":{"code":-32601,"message":"The client has no open stream to be asked on"}}"#;
    [br#"{"jsonrpc":"2.0","id":"#.as_slice(), id, error].concat().into()
}
