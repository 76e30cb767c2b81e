//! The legacy handshake.
//!
//! One backend on the route: the client's own `initialize` goes there, and the session that comes back is bound in the
//! sealed id, so that it survives this process. Several: the gateway answers itself and waits for none of them; each is
//! bound at the first call to it.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;
use ringway_mcp::scan::{self, EnvelopeKey, Params, ResultKey};
use ringway_mcp::splice::{Edits, write_json_string};
use ringway_seal::{Binding, Bound, Label, SessionToken};

use super::super::authorize::Permit;
use super::super::exchange::Exchange;
use super::super::pick;
use super::super::route::LiveRoute;
use super::super::session;
use super::capabilities::Union;
use crate::catalog::Viewer;
use crate::clock;
use crate::fault::{Executed, Fault, Reason};
use crate::reply::{Chunks, Reply};
use crate::session::owner::bind::Begin;
use crate::session::{SessionKey, revision_code, revision_of};
use crate::telemetry::labels::SessionEvent;
use crate::upstream::{self, Established, Hello, Server};
use crate::worker::Worker;

/// Opens a session.
///
/// # Errors
/// The one backend cannot be reached or refuses; parameters are missing; too many sessions.
pub(crate) async fn open(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    let message = &permit.message;
    let params = message.envelope.params.as_ref().filter(|p| p.is_object).ok_or_else(|| pick::invalid("params"))?;
    let asked = params
        .protocol_version
        .ok_or_else(|| pick::invalid("params.protocolVersion"))?
        .text(&message.body)
        .into_owned();
    let id = message.id().ok_or_else(|| Fault::internal("A request without an id"))?;
    let mut token = token(route, &message.body, params)?;
    session::touch(worker, route, SessionKey(token.key), token.expires_at)?;
    let body: Chunks = match route.rules().sole() {
        Some(section) => {
            let server = route.server(section.index)?;
            if let Some(metrics) = route.backend_metrics.get(section.index) {
                exchange.note(|record| record.set_backend(metrics));
            }
            let asked = std::time::Instant::now();
            let made = upstream::initialize(&worker.pool, server, &Hello::Raw(message.body.clone())).await;
            exchange.note(|record| record.waited(asked.elapsed()));
            let made = made?;
            let (revision, body) = answer_of(route, &id, &made)?;
            token.revision = revision_code(revision);
            bind(worker, server, &mut token, made)?;
            body.into()
        }
        None => {
            let revision = negotiated(&asked);
            token.revision = revision_code(revision);
            let viewer = Viewer::new(revision, ClientCapabilities(token.capabilities));
            compose(worker, route, &id, revision, &viewer).await
        }
    };
    let bound = Bound { route: &route.rules().label, principal: &permit.caller.principal };
    let sealed = worker.shared.keyring.load().seal_session(&token, bound).map_err(|error| {
        Fault::upstream(Reason::UpstreamBad, "The backend's session id is too long").caused_by(error)
    })?;
    worker.shared.telemetry.metrics.session(SessionEvent::Created);
    exchange.note(|record| {
        if let Some(revision) = revision_of(token.revision) {
            record.set_revision(revision);
        }
        record.set_session(&token.key);
        record.set_client_name(token.client_name.as_str());
    });
    let session = HeaderValue::from_str(&sealed)
        .map_err(|error| Fault::internal("The session id is no header").caused_by(error))?;
    Ok(Reply::Json { status: StatusCode::OK, body, session: Some(session) })
}

fn token(route: &LiveRoute, body: &[u8], params: &Params) -> Result<SessionToken, Fault> {
    let info = params.client_info;
    let text = |s: Option<scan::Str>| s.map(|s| s.text(body).into_owned()).unwrap_or_default();
    let capabilities =
        params.capabilities.map_or(ClientCapabilities(0), |span| ClientCapabilities::from_json(body, span));
    let mut key = [0; 16];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| Fault::internal("No randomness"))?;
    Ok(SessionToken {
        key,
        expires_at: clock::unix_seconds() + route.rules().spec.sessions.max_lifetime.as_secs(),
        revision: 0,
        capabilities: capabilities.0,
        client_name: Label::cut(&text(info.and_then(|i| i.name))),
        client_version: Label::cut(&text(info.and_then(|i| i.version))),
        bindings: Vec::new(),
    })
}

/// The binding stands in the record, whose end ends it, and in the id, which survives this process; a child process
/// cannot stand in an id.
fn bind(worker: &Worker, server: &Arc<Server>, token: &mut SessionToken, made: Established) -> Result<(), Fault> {
    if made.session.process.is_none() {
        token.bindings.push(Binding {
            backend: server.backend.key.0,
            upstream_session: made.session.id.clone(),
            revision: revision_code(made.session.revision),
            endpoint: made.session.endpoint,
            server_capabilities: 0,
        });
    }
    match worker.shared.owner.begin_bind(SessionKey(token.key), server.backend.key, None) {
        Begin::Lease(lease) => lease.commit(made.session).map(drop).map_err(|_| Fault::internal("The session is gone")),
        Begin::Bound(..) | Begin::Wait(_) | Begin::Gone => Err(Fault::internal("A new session was bound already")),
    }
}

/// The backend's own answer, without what is not served here, and with the route's instructions where it has some.
fn answer_of(route: &LiveRoute, id: &[u8], made: &Established) -> Result<(Revision, Bytes), Fault> {
    let data = &made.message;
    let bad = |what: &'static str| Fault::upstream(Reason::UpstreamBad, what).executed(Executed::Yes);
    let envelope = scan::scan(data, &scan::Limits::default())
        .map_err(|e| bad("The backend's answer is not a valid message").caused_by(e))?;
    let result = envelope.result.as_ref().ok_or_else(|| bad("The backend refused the session"))?;
    let version = result.protocol_version.map(|v| v.text(data).into_owned()).unwrap_or_default();
    let revision = Revision::parse(version.as_bytes())
        .filter(|r| !r.is_modern())
        .ok_or_else(|| bad("The backend chose a protocol version that is not known"))?;
    let mut edits = Edits::new();
    if let Some(field) = envelope.field(EnvelopeKey::Id) {
        edits.replace(field.value, id);
    }
    if let Some(capabilities) = result.capabilities {
        drop_tasks(&mut edits, data, capabilities);
    }
    if let Some(instructions) = &route.rules().spec.instructions {
        let mut text = Vec::new();
        write_json_string(&mut text, instructions);
        edits.set_member(result.object, result.field(ResultKey::Instructions), "instructions", &text);
    }
    let body =
        edits.apply(data).map_err(|error| Fault::internal("The answer could not be rewritten").caused_by(error))?;
    Ok((revision, body))
}

/// Tasks are not served yet; a client that is told of them would use them.
fn drop_tasks(edits: &mut Edits, data: &[u8], capabilities: scan::Span) {
    if let Some(value) = ringway_mcp::value::find(data, capabilities, "tasks") {
        // Kept in place under a name that no client knows: the bytes around it stay as they came.
        let members = ringway_mcp::value::members(data, capabilities);
        if let Some(member) = members.into_iter().find(|m| m.value == value) {
            edits.replace(member.key.quoted(), br#""dev.ringway/tasks""#);
        }
    }
}

/// The revision that a route with several backends speaks with a client that asked for `asked`.
fn negotiated(asked: &str) -> Revision {
    let served = [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];
    Revision::parse(asked.as_bytes()).filter(|r| served.contains(r)).unwrap_or(Revision::V2025_11_25)
}

/// The gateway's own answer. A backend that was not seen yet counts as having every capability: a client asks once.
async fn compose(worker: &Worker, route: &LiveRoute, id: &[u8], revision: Revision, viewer: &Viewer) -> Chunks {
    let hello = worker.shared.catalog.hello(&route.bound, viewer, std::time::Duration::ZERO).await;
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id);
    out.extend_from_slice(br#","result":{"protocolVersion":""#);
    out.extend_from_slice(revision.as_str().as_bytes());
    out.extend_from_slice(br#"","capabilities":"#);
    out.extend_from_slice(Union::of(&hello).to_json(revision).as_bytes());
    out.extend_from_slice(br#","serverInfo":{"name":"ringway","title":"#);
    write_json_string(&mut out, &route.rules().spec.name.name);
    out.extend_from_slice(concat!(r#","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#).as_bytes());
    if let Some(instructions) = &route.rules().spec.instructions {
        out.extend_from_slice(br#","instructions":"#);
        write_json_string(&mut out, instructions);
    }
    out.extend_from_slice(b"}}");
    out.into()
}
