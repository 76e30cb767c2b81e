//! A large JSON answer on its way through: verified and rewritten as it comes, never held whole.
//!
//! Nothing is sent before the first piece was understood, so an answer that is none becomes an error of ours. What goes
//! wrong later ends the client's connection: half an answer must not look like one.

use bytes::{Bytes, BytesMut};
use ringway_mcp::stream::{self, ResponseSplicer, StreamError, StreamLimits};
use tokio::sync::mpsc;

use super::call::Call;
use super::client::Client;
use super::rewrite;
use crate::fault::{Executed, Fault, Reason};
use crate::reply::Cut;
use crate::telemetry::labels::{Limit, Outcome};
use crate::upstream::JsonBody;

/// Where the pieces go.
enum Sink {
    /// Not begun: the first piece is not there yet.
    Held,
    Client(mpsc::Sender<Result<Bytes, Cut>>),
    /// The client reads events already: it gets one, of the whole.
    Gathered(BytesMut),
    /// The client is gone; a legacy call runs to its end all the same.
    Nowhere,
}

/// How a large answer ended.
pub(super) enum Ended {
    /// It is with the client, or nobody was there.
    Sent,
    /// To be sent as an event.
    Whole(Bytes),
}

/// Relays an answer and notes how it ended.
///
/// # Errors
/// Before the first piece: the backend's answer is none. Later errors cut the client's stream and are only recorded.
pub(super) async fn relay(call: &mut Call, client: &mut Client, mut body: JsonBody) -> Result<Ended, Fault> {
    let mut splicer = splicer(call)?;
    let mut sink = Sink::Held;
    let mut pieces = Vec::new();
    while let Some(read) = body.next().await {
        let pushed = match read {
            Ok(piece) => splicer.push(piece, &mut pieces).map_err(|error| bad(&error)),
            Err(error) => Err(error.into()),
        };
        if let Err(fault) = pushed {
            return cut(sink, fault).await;
        }
        for piece in pieces.drain(..) {
            sink = pass(call, client, sink, piece).await;
        }
        if call.session.is_none() && matches!(sink, Sink::Nowhere) {
            // A modern client that hung up has cancelled; dropping the body closes the upstream's connection.
            return Ok(Ended::Sent);
        }
    }
    match splicer.finish() {
        Ok(answer) => {
            note(call, &answer);
            Ok(match sink {
                Sink::Gathered(whole) => Ended::Whole(whole.freeze()),
                Sink::Held | Sink::Client(_) | Sink::Nowhere => Ended::Sent,
            })
        }
        Err(error) => cut(sink, bad(&error)).await,
    }
}

fn splicer(call: &Call) -> Result<ResponseSplicer, Fault> {
    let limits = &call.worker.shared.limits.answer;
    let limits = StreamLimits { depth: limits.depth, number_bytes: limits.number_bytes, ..StreamLimits::default() };
    let section = call.route.section(call.section)?;
    let pattern = rewrite::uris_of(call.method).filter(|_| section.uri_prefix.is_some());
    let (route, index) = (std::sync::Arc::clone(&call.route), call.section);
    let map = move |uri: &str| route.rules().sections.get(index).and_then(|section| section.visible_uri(uri));
    Ok(ResponseSplicer::new(&call.id, limits, pattern.unwrap_or(&ringway_mcp::walk::NOTHING), Box::new(map)))
}

async fn pass(call: &Call, client: &mut Client, sink: Sink, piece: Bytes) -> Sink {
    let patience = call.patience();
    let sink = match sink {
        Sink::Held => match client.begin_pieces(patience) {
            Some(sender) => Sink::Client(sender),
            None if matches!(client, Client::Reading(_)) => Sink::Gathered(BytesMut::new()),
            None => Sink::Nowhere,
        },
        begun => begun,
    };
    match sink {
        Sink::Client(sender) => match sender.send_timeout(Ok(piece), patience.stall).await {
            Ok(()) => Sink::Client(sender),
            Err(error) => {
                if matches!(error, mpsc::error::SendTimeoutError::Timeout(_)) {
                    call.worker.shared.limit(Limit::WriteStall);
                }
                Sink::Nowhere
            }
        },
        Sink::Gathered(mut whole) => {
            whole.extend_from_slice(&piece);
            Sink::Gathered(whole)
        }
        Sink::Held | Sink::Nowhere => Sink::Nowhere,
    }
}

/// What was begun is cut; what was not is a fault.
async fn cut(sink: Sink, fault: Fault) -> Result<Ended, Fault> {
    if let Sink::Client(sender) = sink {
        // A client that is gone needs no telling.
        let _gone = sender.send(Err(Cut)).await;
    }
    Err(fault)
}

fn bad(error: &StreamError) -> Fault {
    Fault::upstream(Reason::UpstreamBad, "The backend's answer is not a valid message")
        .executed(Executed::Unknown)
        .caused_by(error.to_string())
}

fn note(call: &mut Call, answer: &stream::Answer) {
    match answer.error_code {
        Some(code) => call.record.rpc_error(code),
        None if answer.is_error => call.record.succeed(Outcome::ToolError),
        None if answer.result_type.as_deref() == Some("input_required") => call.record.succeed(Outcome::InputRequired),
        None => call.record.succeed(Outcome::Ok),
    }
}
