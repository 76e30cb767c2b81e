//! A call to one backend: from the picked section to a task that holds it.
//!
//! A call belongs to a task of its worker, never to hyper's service future, which is dropped with the connection: the
//! lost connection of a legacy client is no cancellation.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use ringway_mcp::{Method, headers};
use smallvec::SmallVec;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::super::admit;
use super::super::exchange::Exchange;
use super::super::limit::Slot;
use super::super::parse::Message;
use super::super::parse::trace::{self, TRACESTATE};
use super::super::pick::{Picked, Subject, SubjectKind, Target};
use super::super::route::LiveRoute;
use super::super::session::Scope;
use super::client::Client;
use super::{relay, rewrite};
use crate::fault::{Executed, Fault, Reason};
use crate::reply::Reply;
use crate::session::Session;
use crate::state::route::NameKind;
use crate::telemetry::labels::TaskName;
use crate::telemetry::metrics::BackendMetrics;
use crate::telemetry::record::{Record, Target as Subjects};
use crate::upstream::Server;
use crate::worker::Worker;

pub(crate) type Headers = SmallVec<[(HeaderName, HeaderValue); 4]>;

/// Everything that a call in flight needs.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) worker: Arc<Worker>,
    pub(crate) route: Arc<LiveRoute>,
    pub(crate) section: usize,
    pub(crate) server: Arc<Server>,
    pub(crate) metrics: Arc<BackendMetrics>,
    /// `None`: modern.
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) method: Method,
    pub(crate) id: Bytes,
    pub(crate) body: Bytes,
    pub(crate) headers: Headers,
    pub(crate) number: u64,
    pub(crate) deadline: Instant,
    pub(crate) idle: Duration,
    pub(crate) record: Record,
    pub(crate) _slot: Slot,
}

/// Starts a call and waits for the head of its reply.
///
/// # Errors
/// Whatever kept the backend from answering.
pub(crate) async fn start(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    picked: &Picked,
    target: &Target<'_>,
    slot: Slot,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    let Picked { section, subject } = picked;
    let message = &target.permit.message;
    let server = Arc::clone(route.server(*section)?);
    let session = match &target.permit.scope {
        Scope::Session(session) => Some(Arc::clone(session)),
        Scope::Modern(_) => None,
        Scope::Handshake => return Err(Fault::internal("A call during the handshake")),
    };
    let metrics = route.backend_metrics(*section)?;
    exchange.note(|record| {
        record.set_backend(metrics);
        name(worker, route, record, target, subject);
    });
    let context = exchange.record.as_mut().and_then(Record::context_to_splice);
    let headers = check_and_make_headers(worker, route, picked, target)?;
    let (idle, most) = patience(route, picked, message, &server);
    let id = message.id().ok_or_else(|| Fault::internal("A request without an id"))?;
    let body = rewrite::request(message, subject, session.is_some(), context.as_ref().map(|context| &context[..]))?;
    // Last: until here a fault is noted in it.
    let record = exchange.record.take().ok_or_else(|| Fault::internal("A request without a record"))?;
    let call = Call {
        id,
        body,
        method: message.method,
        number: worker.asks.number(),
        deadline: Instant::now() + most,
        idle,
        worker: Arc::clone(worker),
        route: Arc::clone(route),
        section: *section,
        server,
        metrics: Arc::clone(metrics),
        session,
        headers,
        record,
        _slot: slot,
    };
    run(worker, call, message.accepts_events).await
}

/// How long the backend may be silent, and how long the call may last: an override's `timeout` stands in place of the
/// backend's `request`.
fn patience(route: &LiveRoute, picked: &Picked, message: &Message, server: &Server) -> (Duration, Duration) {
    let timeouts = server.backend.timeouts;
    let visible = rewrite::subject_of(message, picked.subject.kind).map(|s| s.text(&message.body));
    let own = picked.subject.own.as_deref().or(visible.as_deref()).unwrap_or_default();
    let kind = match (picked.subject.kind, message.method) {
        (SubjectKind::Uri | SubjectKind::RefUri, _) => None,
        (_, Method::ToolsCall) => Some(NameKind::Tool),
        _ => Some(NameKind::Prompt),
    };
    let rule = route.rules().sections.get(picked.section).and_then(|section| section.override_of(kind, own));
    let idle = rule.and_then(|rule| rule.timeout).unwrap_or(timeouts.request);
    (idle, timeouts.max_request.max(idle))
}

/// The visible name of what is called, for log and labels.
fn name(worker: &Worker, route: &LiveRoute, record: &mut Record, target: &Target<'_>, subject: &Subject) {
    let message = &target.permit.message;
    let listed = |kind, name: &str| {
        let viewer = super::super::pick::viewer(&target.permit.scope);
        worker.shared.catalog.holds(&route.bound, &viewer, kind, name)
    };
    let Some(text) = rewrite::subject_of(message, subject.kind).map(|s| s.text(&message.body)) else { return };
    match (subject.kind, message.method) {
        (SubjectKind::Uri | SubjectKind::RefUri, _) => record.set_resource(&text),
        (_, Method::ToolsCall) => record.set_name(Subjects::Tool, &text, listed(NameKind::Tool, &text)),
        _ => record.set_name(Subjects::Prompt, &text, listed(NameKind::Prompt, &text)),
    }
    if let Some(own) = &subject.own {
        record.set_own_name(own);
    }
}

async fn run(worker: &Worker, call: Call, accepts_events: bool) -> Result<Reply, Fault> {
    let (head, reply) = oneshot::channel();
    let client = Client::Waiting { head, accepts_events };
    // On the heap at once: it is large, and starting a task moves it more than once.
    worker.spawn(TaskName::Call, Box::pin(relay::drive(call, client)));
    // The task answers on every way out but a panic.
    reply.await.unwrap_or_else(|_| Err(Fault::internal("The call failed").executed(Executed::Unknown)))
}

/// The headers of the upstream request: those that the route forwards, and the routing headers made anew.
fn check_and_make_headers(
    worker: &Worker,
    route: &LiveRoute,
    picked: &Picked,
    target: &Target<'_>,
) -> Result<Headers, Fault> {
    let message = &target.permit.message;
    let mut out = Headers::new();
    let backend = &route.server(picked.section)?.backend;
    for name in backend.forward_headers.iter().filter(|name| !trace::owns(name)) {
        for value in target.inbound.headers.get_all(name.as_str()) {
            if let Ok(name) = HeaderName::try_from(name.as_str()) {
                out.push((name, value.clone()));
            }
        }
    }
    if let Some(state) = &message.tracestate {
        out.push((TRACESTATE, state.clone()));
    }
    if matches!(target.permit.scope, Scope::Modern(_)) {
        modern_headers(&mut out, message, &picked.subject);
        params(worker, route, picked, target, &mut out)?;
    }
    Ok(out)
}

fn modern_headers(out: &mut Headers, message: &Message, subject: &Subject) {
    out.push((admit::MCP_METHOD, HeaderValue::from_static(message.method.as_str())));
    if !matches!(subject.kind, SubjectKind::Name | SubjectKind::Uri) {
        return;
    }
    let name = match &subject.own {
        Some(own) => Some(std::borrow::Cow::Borrowed(own.as_str())),
        None => rewrite::subject_of(message, subject.kind).map(|s| s.text(&message.body)),
    };
    if let Some(value) = name.and_then(|name| HeaderValue::from_str(&headers::encode_value(&name)).ok()) {
        out.push((admit::MCP_NAME, value));
    }
}

/// `Mcp-Param-*`: what the tool's schema maps is checked against the body, and all of them go on as they came. None may
/// stand twice.
fn params(
    worker: &Worker,
    route: &LiveRoute,
    picked: &Picked,
    target: &Target<'_>,
    out: &mut Headers,
) -> Result<(), Fault> {
    const PREFIX: &str = "mcp-param-";
    let message = &target.permit.message;
    if message.method == Method::ToolsCall {
        let name = rewrite::subject_of(message, SubjectKind::Name).map(|s| s.text(&message.body)).unwrap_or_default();
        let own = picked.subject.own.as_deref().unwrap_or(&name);
        let viewer = super::super::pick::viewer(&target.permit.scope);
        let arguments = message.envelope.params.as_ref().and_then(|p| p.arguments);
        for param in worker
            .shared
            .catalog
            .param_headers(&route.bound, &viewer, picked.section, own)
            .iter()
            .flat_map(|p| p.iter())
        {
            let header = format!("{PREFIX}{}", param.name.to_ascii_lowercase());
            let value = target.inbound.headers.get(&header).map(|v| v.as_bytes());
            headers::check_param(value, &message.body, arguments, param)
                .map_err(|fault| Fault::client(Reason::Header, fault.to_string()))?;
        }
    }
    for name in target.inbound.headers.keys().filter(|name| name.as_str().starts_with(PREFIX)) {
        let mut values = target.inbound.headers.get_all(name).iter();
        out.extend(values.next().map(|value| (name.clone(), value.clone())));
        // Two values are two opinions, of which one was compared with the body.
        if values.next().is_some() {
            return Err(Fault::client(Reason::Header, format!("{name} stands more than once")));
        }
    }
    Ok(())
}
