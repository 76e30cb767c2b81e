//! A call in flight: sends it, relays what comes back, and ends it: by its answer, by its client, or by its deadline.
//!
//! Runs as a task of the worker. What a message means for the client is decided in `judge`; the order of events here.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use ringway_mcp::scan::{self, Envelope, Kind};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::call::Call;
use super::capabilities::{changed_list, owned};
use super::client::{Client, Patience};
use super::side::Side;
use super::{answer, rewrite};
use crate::fault::{Executed, Fault, Reason};
use crate::reply::Era;
use crate::session::asks::Ask;
use crate::session::bind::{Binder, Bound, Stale};
use crate::telemetry::labels::Outcome;
use crate::upstream::{self, Answer, Incoming, MessageStream, Outgoing, Refusal, UpstreamError, UpstreamSession};
use crate::worker::CallGuard;

/// What a cancelled call may still take to end in an orderly way.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// What keeps a call in touch with its session.
#[derive(Default)]
struct Ties {
    _registered: Option<CallGuard>,
    cancelled: Option<oneshot::Receiver<Bytes>>,
    side: Option<Side>,
    asked: bool,
}

/// How a call ended.
enum End {
    Answered(Bytes, StatusCode),
    /// The client hung up or cancelled, and nothing more is owed.
    Over(Reason),
}

/// Runs a call to its end.
pub(crate) async fn drive(mut call: Call, mut client: Client) {
    let patience = call.patience();
    let mut ties = Ties::default();
    let outcome = exchange(&mut call, &mut client, &mut ties).await;
    if ties.asked {
        call.worker.asks.close(call.number);
    }
    match outcome {
        Ok(End::Answered(data, status)) => {
            call.record.set_http_status(status.as_u16());
            call.record.add_bytes_out(data.len());
            client.finish(data, status, patience).await;
        }
        Ok(End::Over(reason)) => {
            let fault = Fault::client(reason, "The call was cancelled").executed(Executed::Unknown);
            call.record.fail(&fault, Some(crate::reply::error_code(reason)));
            client.fail(fault, call.era(), &call.id, patience).await;
        }
        Err(fault) => {
            call.record.fail(&fault, Some(crate::reply::error_code(fault.reason)));
            client.fail(fault, call.era(), &call.id, patience).await;
        }
    }
}

async fn exchange(call: &mut Call, client: &mut Client, ties: &mut Ties) -> Result<End, Fault> {
    let Some(session) = call.session.clone() else {
        modern_era(call).await?;
        let sent = std::time::Instant::now();
        let answer = first_answer(call, client, ties, None).await;
        call.record.waited(sent.elapsed());
        return match answer? {
            Some(answer) => settle(call, client, ties, answer, None).await,
            None => Ok(End::Over(Reason::Cancelled)),
        };
    };
    let (guard, cancelled) = call.worker.register_call((session.key(), call.id.clone()), call.number);
    ties._registered = Some(guard);
    ties.cancelled = Some(cancelled);
    let mut bound = call.bind(None).await?;
    let mut again = true;
    loop {
        if session.capabilities.asks()
            && ties.side.is_none()
            && call.worker.shared.owner.holder(session.key()).is_none()
        {
            ties.side = Some(Side::open(&call.worker, &call.server, &bound.upstream).await);
        }
        let sent = std::time::Instant::now();
        let answer = first_answer(call, client, ties, Some(&bound.upstream)).await;
        call.record.waited(sent.elapsed());
        match answer {
            // The backend forgot the session: made anew once, by one of all the calls that wait, and sent again.
            Ok(Some(Answer::Refused(Refusal { session_lost: true, .. }))) | Err(UpstreamError::SessionLost)
                if again =>
            {
                again = false;
                ties.side = None;
                bound = call.bind(Some(Stale(bound.seq))).await?;
            }
            Ok(Some(answer)) => return settle(call, client, ties, answer, Some(&bound.upstream)).await,
            Ok(None) => return Ok(End::Over(Reason::Cancelled)),
            Err(error) => return Err(error.into()),
        }
    }
}

/// A backend of the other era is treated like one that is down.
async fn modern_era(call: &Call) -> Result<(), Fault> {
    let other = || Fault::upstream(Reason::UpstreamEra, "The backend does not serve this protocol version");
    match call.server.era().modern {
        upstream::Knowledge::Known => Ok(()),
        upstream::Knowledge::No => Err(other()),
        upstream::Knowledge::Unknown => {
            upstream::discover(&call.worker.pool, &call.server, ringway_mcp::capability::ClientCapabilities(0)).await?;
            if call.server.era().modern == upstream::Knowledge::Known { Ok(()) } else { Err(other()) }
        }
    }
}

/// Sends the call and waits for the head of the answer; meanwhile the server may ask on the side. `None`: the client
/// ended the call.
async fn first_answer(
    call: &mut Call,
    client: &mut Client,
    ties: &mut Ties,
    session: Option<&UpstreamSession>,
) -> Result<Option<Answer>, UpstreamError> {
    let worker = call.worker.clone();
    let server = call.server.clone();
    let headers = call.headers.clone();
    let out = Outgoing {
        body: call.body.clone(),
        session,
        revision: Some(session.map_or(ringway_mcp::Revision::V2026_07_28, |s| s.revision)),
        headers: &headers,
        idle: call.idle,
        deadline: call.deadline,
        idempotent: call.is_idempotent(),
    };
    let mut sending = std::pin::pin!(upstream::send(&worker.pool, &server, out));
    // A legacy client that is gone has not cancelled: only a modern one is watched.
    let modern = call.session.is_none();
    loop {
        let message = tokio::select! {
            biased;
            answer = &mut sending => return answer.map(Some),
            body = cancelled(&mut ties.cancelled) => {
                call.cancel_upstream(session, body).await;
                return match tokio::time::timeout(CANCEL_GRACE, &mut sending).await {
                    Ok(answer) => answer.map(Some),
                    Err(_elapsed) => Ok(None),
                };
            }
            () = client.closed(), if modern => return Ok(None),
            incoming = next_of(&mut ties.side) => incoming,
        };
        call.relay(client, ties, session, message, false).await;
    }
}

/// Reads the answer to its end.
async fn settle(
    call: &mut Call,
    client: &mut Client,
    ties: &mut Ties,
    answer: Answer,
    session: Option<&UpstreamSession>,
) -> Result<End, Fault> {
    match answer {
        Answer::Message(data, _) => {
            let envelope = call.scan(&data)?;
            call.final_answer(&data, &envelope, StatusCode::OK)
        }
        Answer::Stream(stream, _) => read_stream(call, client, ties, stream, session).await,
        Answer::Accepted => {
            Err(Fault::upstream(Reason::UpstreamBad, "The backend did not answer the request")
                .executed(Executed::Unknown))
        }
        Answer::Refused(refusal) => call.refused(refusal),
    }
}

async fn read_stream(
    call: &mut Call,
    client: &mut Client,
    ties: &mut Ties,
    mut stream: MessageStream,
    session: Option<&UpstreamSession>,
) -> Result<End, Fault> {
    let modern = call.session.is_none();
    // An answer in events is an answer in events.
    client.begin_stream(call.patience());
    let keepalive = call.worker.shared.limits.stream_keepalive;
    let mut limit = call.deadline;
    loop {
        let incoming = tokio::select! {
            biased;
            incoming = stream.next() => match incoming {
                Some(Ok(incoming)) => incoming,
                Some(Err(error)) => return Err(error.into()),
                None => return Err(Fault::upstream(Reason::UpstreamBad, "The backend's stream ended without an answer").executed(Executed::Unknown)),
            },
            body = cancelled(&mut ties.cancelled) => {
                call.cancel_upstream(session, body).await;
                limit = limit.min(Instant::now() + CANCEL_GRACE);
                continue;
            }
            () = client.closed(), if modern => return Ok(End::Over(Reason::Cancelled)),
            incoming = next_of(&mut ties.side) => {
                call.relay(client, ties, session, incoming, false).await;
                continue;
            }
            () = tokio::time::sleep(keepalive) => {
                client.comment(call.patience()).await;
                continue;
            }
            () = tokio::time::sleep_until(limit) => {
                return match limit < call.deadline {
                    true => Ok(End::Over(Reason::Cancelled)),
                    false => Err(Fault::upstream(Reason::UpstreamTimeout, "The call took too long").executed(Executed::Unknown)),
                };
            }
        };
        if let Some((data, envelope)) = call.relay(client, ties, session, incoming, true).await {
            stream.finish();
            return call.final_answer(&data, &envelope, StatusCode::OK);
        }
    }
}

async fn cancelled(receiver: &mut Option<oneshot::Receiver<Bytes>>) -> Bytes {
    let body = match receiver {
        Some(waiting) => waiting.await.ok(),
        None => None,
    };
    *receiver = None;
    match body {
        Some(body) => body,
        None => std::future::pending().await,
    }
}

async fn next_of(side: &mut Option<Side>) -> Incoming {
    match side {
        Some(side) => side.next().await,
        None => std::future::pending().await,
    }
}

// === impl Call ===

impl Call {
    fn era(&self) -> Era {
        if self.session.is_some() { Era::Legacy } else { Era::Modern }
    }

    fn patience(&self) -> Patience {
        let limits = &self.worker.shared.limits;
        Patience { events: limits.stream_events, stall: limits.write_stall }
    }

    fn is_idempotent(&self) -> bool {
        use ringway_mcp::Method;
        matches!(self.method, Method::PromptsGet | Method::ResourcesRead | Method::CompletionComplete)
    }

    async fn bind(&self, stale: Option<Stale>) -> Result<Bound, Fault> {
        let session = self.session.as_ref().ok_or_else(|| Fault::internal("A modern call binds nothing"))?;
        let shared = &self.worker.shared;
        let binder = Binder { owner: &shared.owner, pool: &self.worker.pool, server: &self.server };
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

    fn scan(&self, data: &[u8]) -> Result<Envelope, Fault> {
        scan::scan(data, &self.worker.shared.limits.message).map_err(|error| {
            Fault::upstream(Reason::UpstreamBad, "The backend's answer is not a valid message")
                .executed(Executed::Unknown)
                .caused_by(error)
        })
    }

    /// Passes one message on. Returns the answer when this is it (`main`: it came on the call's own stream).
    async fn relay(
        &mut self,
        client: &mut Client,
        ties: &mut Ties,
        session: Option<&UpstreamSession>,
        incoming: Incoming,
        main: bool,
    ) -> Option<(Bytes, Envelope)> {
        // A priming event announces ids to resume by; the streams that clients get from us have none.
        let Incoming::Message { data, .. } = incoming else { return None };
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
                self.notice(client, ties, &data, &envelope).await;
                None
            }
            Kind::Request => {
                if let Some(session) = session {
                    self.ask(client, ties, session, &data, &envelope).await;
                }
                None
            }
        }
    }

    async fn notice(&mut self, client: &mut Client, ties: &Ties, data: &Bytes, envelope: &Envelope) {
        use ringway_mcp::Method;
        let method = envelope.known_method().unwrap_or(Method::Other);
        if let Some(session) = &self.session {
            if let Some(kind) = changed_list(method) {
                self.worker.shared.owner.mark_list_changed(session.key(), self.server.backend.key, owned(kind));
            }
            if method == Method::Cancelled {
                self.withdraw(client, ties, data, envelope).await;
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
            client.event(&data, self.patience()).await;
        }
    }

    /// The server withdraws a request that it put to the client.
    async fn withdraw(&self, client: &mut Client, ties: &Ties, data: &Bytes, envelope: &Envelope) {
        let Some(session) = self.session.as_ref().filter(|_| ties.asked) else { return };
        let Some(id) = envelope.params.as_ref().and_then(|p| p.request_id) else { return };
        let Some(number) = self.worker.asks.number_of(session.key(), self.number, id.raw(data)) else { return };
        let mut edits = ringway_mcp::splice::Edits::new();
        edits.replace(id.span, self.worker.address(number).raw_id().as_bytes());
        if let Ok(data) = edits.apply(data) {
            client.event(&data, self.patience()).await;
        }
    }

    /// A request of the server to the client: the client sees an id of ours. A ping is for the gateway.
    async fn ask(
        &mut self,
        client: &mut Client,
        ties: &mut Ties,
        upstream: &UpstreamSession,
        data: &Bytes,
        envelope: &Envelope,
    ) {
        let (Some(session), Some(id)) = (self.session.clone(), envelope.id) else { return };
        let raw = data.slice(id.span.range());
        if envelope.known_method() == Some(ringway_mcp::Method::Ping) {
            answer::post(&self.worker, &self.server, upstream, pong(&raw)).await;
            return;
        }
        if !client.takes_events() {
            answer::post(&self.worker, &self.server, upstream, nobody(&raw)).await;
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
            client.event(&data, self.patience()).await;
        }
    }

    /// The client's own cancellation, byte for byte: ids are the same on both hops.
    async fn cancel_upstream(&self, session: Option<&UpstreamSession>, body: Bytes) {
        if let Some(session) = session {
            answer::post(&self.worker, &self.server, session, body).await;
        }
    }

    fn final_answer(&mut self, data: &Bytes, envelope: &Envelope, status: StatusCode) -> Result<End, Fault> {
        if envelope.kind != Kind::Response || !self.is_mine(data, envelope) {
            return Err(Fault::upstream(Reason::UpstreamBad, "The backend answered another request")
                .executed(Executed::Unknown));
        }
        let section =
            self.route.rules().sections.get(self.section).ok_or_else(|| Fault::internal("The route changed"))?;
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
    fn refused(&mut self, refusal: Refusal) -> Result<End, Fault> {
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

/// The answer to a ping.
pub(super) fn pong(id: &[u8]) -> Bytes {
    [br#"{"jsonrpc":"2.0","id":"#, id, br#","result":{}}"#].concat().into()
}

/// The answer to a request that no client can be asked.
pub(super) fn nobody(id: &[u8]) -> Bytes {
    let error = br#","error":{"code":-32601,"message":"The client has no open stream to be asked on"}}"#;
    [br#"{"jsonrpc":"2.0","id":"#.as_slice(), id, error].concat().into()
}
