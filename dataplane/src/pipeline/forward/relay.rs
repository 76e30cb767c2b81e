//! A call in flight: sends it, relays what comes back, and ends it: by its answer, by its client, or by its deadline.
//!
//! Runs as a task of the worker. What a message means for the client is decided in `judge`; the order of events here.

mod judge;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use ringway_mcp::Revision;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::parse::trace::TRACEPARENT;
use super::call::Call;
use super::client::Client;
use super::side::Side;
use super::{event_id, large};
use crate::fault::{Executed, Fault, Reason};
use crate::session::bind::Stale;
use crate::telemetry::labels::Outcome;
use crate::telemetry::record::Attempt;
use crate::upstream::{
    self, Answer, CallAnswer, Incoming, MessageStream, Outgoing, Refusal, UpstreamError, UpstreamSession,
};
use crate::worker::CallGuard;
pub(super) use judge::{pong, withdrawn};

/// What a cancelled call may still take to end in an orderly way.
const CANCEL_GRACE: Duration = Duration::from_secs(5);

/// What keeps a call in touch with its session.
#[derive(Default)]
struct Ties {
    _registered: Option<CallGuard>,
    cancelled: Option<oneshot::Receiver<Bytes>>,
    side: Option<Side>,
    asked: bool,
    /// The newest event id of the call's stream, and how long to wait before resuming from it.
    resume: Option<Bytes>,
    retry: Option<u64>,
}

/// How a call ended.
enum End {
    Answered(Bytes, StatusCode),
    /// The client hung up or cancelled, and nothing more is owed.
    Over(Reason),
    /// The answer is with the client already, or nobody is there to have it.
    Sent,
    /// The backend closed the stream to be polled; the client comes back for the rest.
    Polled,
}

/// Runs a call to its end.
pub(crate) async fn drive(mut call: Call, mut client: Client) {
    let patience = call.patience();
    let mut ties = Ties::default();
    let outcome = exchange(&mut call, &mut client, &mut ties).await;
    if ties.asked {
        call.worker.asks.close(call.number);
    }
    client.count_limit(&call.worker.shared);
    match outcome {
        Ok(End::Answered(data, status)) => {
            call.record.set_http_status(status.as_u16());
            call.record.add_bytes_out(data.len());
            let id = ties.resume.take().map(|id| event_id::mark(call.server.backend.key, &id));
            client.finish(data, status, id.as_deref(), patience).await;
        }
        // The rest was noted while it passed.
        Ok(End::Sent) => call.record.set_http_status(StatusCode::OK.as_u16()),
        Ok(End::Polled) => call.record.succeed(Outcome::Ok),
        Ok(End::Over(reason)) => {
            let fault = Fault::client(reason, "The call was cancelled").executed(Executed::Unknown);
            call.record.fail(&fault, Some(crate::reply::error_code(reason)));
            client.fail(fault, call.era(), &call.id, patience).await;
        }
        Err(fault) => {
            call.worker.shared.backend_limit(&fault);
            call.record.fail(&fault, Some(crate::reply::error_code(fault.reason)));
            client.fail(fault, call.era(), &call.id, patience).await;
        }
    }
}

async fn exchange(call: &mut Call, client: &mut Client, ties: &mut Ties) -> Result<End, Fault> {
    let Some(session) = call.session.clone() else {
        modern_era(call).await?;
        let attempt = call.attempt(Revision::V2026_07_28);
        let ended = match first_answer(call, client, ties, None, &attempt).await {
            Ok(Some(answer)) => settle(call, client, ties, answer, None).await,
            Ok(None) => Ok(End::Over(Reason::Cancelled)),
            Err(error) => Err(error.into()),
        };
        call.tried(attempt, &ended);
        return ended;
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
            ties.side = Some(Box::pin(Side::open(&call.worker, &call.server, &bound.upstream)).await);
        }
        let attempt = call.attempt(bound.upstream.revision);
        let ended = match first_answer(call, client, ties, Some(&bound.upstream), &attempt).await {
            // Nothing ran: made anew once, by one of all the calls that wait, and sent again.
            answer if again && is_lost(&answer, call) => {
                drop(answer);
                again = false;
                ties.side = None;
                call.tried(attempt, &Err(UpstreamError::SessionLost.into()));
                bound = call.bind(Some(Stale(bound.seq))).await?;
                continue;
            }
            Ok(Some(answer)) => settle(call, client, ties, answer, Some(&bound.upstream)).await,
            Ok(None) => Ok(End::Over(Reason::Cancelled)),
            Err(error) => Err(error.into()),
        };
        call.tried(attempt, &ended);
        return ended;
    }
}

/// The backend forgot the session, or the endpoint that held it is gone and the session may be opened elsewhere.
fn is_lost(answer: &Result<Option<CallAnswer>, UpstreamError>, call: &Call) -> bool {
    match answer {
        Ok(Some(CallAnswer::Whole(Answer::Refused(Refusal { session_lost, .. })))) => *session_lost,
        Err(UpstreamError::SessionLost) => call.server.moves_sessions(),
        _ => false,
    }
}

/// A backend of the other era is treated like one that is down.
async fn modern_era(call: &Call) -> Result<(), Fault> {
    let other = || Fault::upstream(Reason::UpstreamEra, "The backend does not serve this protocol version");
    match call.server.era().modern {
        upstream::Knowledge::Known => Ok(()),
        upstream::Knowledge::No => Err(other()),
        upstream::Knowledge::Unknown => {
            Box::pin(upstream::discover(
                &call.worker.pool,
                &call.server,
                ringway_mcp::capability::ClientCapabilities(0),
            ))
            .await?;
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
    attempt: &Attempt,
) -> Result<Option<CallAnswer>, UpstreamError> {
    let worker = call.worker.clone();
    let server = call.server.clone();
    let mut headers = call.headers.clone();
    if let Some(context) = attempt.traceparent().and_then(|context| HeaderValue::from_bytes(&context).ok()) {
        headers.push((TRACEPARENT, context));
    }
    let out = Outgoing {
        body: call.body.clone(),
        session,
        revision: Some(session.map_or(Revision::V2026_07_28, |s| s.revision)),
        headers: &headers,
        idle: call.idle,
        deadline: call.deadline,
        idempotent: call.is_idempotent(),
    };
    let mut sending = std::pin::pin!(upstream::send_call(&worker.pool, &server, out));
    // A legacy client that is gone has not cancelled: only a modern one is watched.
    let modern = call.session.is_none();
    loop {
        let message = tokio::select! {
            biased;
            answer = &mut sending => return answer.map(Some),
            body = cancelled(&mut ties.cancelled) => {
                Box::pin(call.cancel_upstream(session, body)).await;
                return match tokio::time::timeout(CANCEL_GRACE, &mut sending).await {
                    Ok(answer) => answer.map(Some),
                    Err(_elapsed) => Ok(None),
                };
            }
            () = client.closed(), if modern => return Ok(None),
            incoming = next_of(&mut ties.side) => incoming,
        };
        Box::pin(call.relay(client, ties, session, message, false)).await;
    }
}

/// Reads the answer to its end.
async fn settle(
    call: &mut Call,
    client: &mut Client,
    ties: &mut Ties,
    answer: CallAnswer,
    session: Option<&UpstreamSession>,
) -> Result<End, Fault> {
    let answer = match answer {
        CallAnswer::Whole(answer) => answer,
        CallAnswer::Large(body) => {
            return Box::pin(large::relay(call, client, body)).await.map(|ended| match ended {
                large::Ended::Sent => End::Sent,
                large::Ended::Whole(data) => End::Answered(data, StatusCode::OK),
            });
        }
    };
    match answer {
        Answer::Message(data, _) => {
            let envelope = call.scan(&data)?;
            call.final_answer(&data, &envelope, StatusCode::OK)
        }
        Answer::Stream(stream, _) => Box::pin(read_stream(call, client, ties, stream, session)).await,
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
                None => match call.resume(client, ties, session).await? {
                    Some(resumed) => {
                        stream = resumed;
                        continue;
                    }
                    None => return Ok(End::Polled),
                },
            },
            body = cancelled(&mut ties.cancelled) => {
                Box::pin(call.cancel_upstream(session, body)).await;
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
