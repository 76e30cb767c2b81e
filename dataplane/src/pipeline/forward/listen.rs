//! `subscriptions/listen`: one stream to a modern client, fed by the catalogue (list changes) and by one upstream
//! `listen` per backend whose resources it names.
//!
//! The upstream requests carry the client's own id, so that the subscription id on every notice is the client's.

mod upstream_listen;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::scan::Span;
use ringway_mcp::splice::write_json_string;
use ringway_mcp::value;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::authorize::Permit;
use super::super::exchange::Exchange;
use super::super::limit::Slot;
use super::super::pick;
use super::super::route::LiveRoute;
use super::capabilities::change_notification;
use super::client::{Client, Patience};
use super::stream::{StreamPlace, next_change};
use crate::catalog::{Changes, KindSet, ListKind};
use crate::fault::{Fault, Reason};
use crate::reply::Reply;
use crate::telemetry::labels::{StreamKind, TaskName};
use crate::telemetry::record::Record;
use crate::upstream::jittered;
use crate::worker::{Task, Worker};
use upstream_listen::{Heard, Subscription};

/// Resources that one `listen` may name.
const MAX_URIS: usize = 1_024;

/// What a client wants to hear of.
#[derive(Debug, Default)]
struct Filter {
    lists: Vec<ListKind>,
    /// As the client wrote them.
    uris: Vec<String>,
}

struct Listening {
    worker: Arc<Worker>,
    client: Client,
    id: Bytes,
    filter: Filter,
    _readers: Vec<Task>,
    _place: StreamPlace,
    _slot: Slot,
    _record: Option<Record>,
}

/// Opens the stream.
///
/// # Errors
/// No filter, too many resources, a client that accepts no events, too many streams.
pub(crate) async fn open(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    id: Bytes,
    slot: Slot,
    exchange: &mut Exchange,
) -> Result<Reply, Fault> {
    if !permit.message.accepts_events {
        return Err(Fault::client(Reason::Accept, "Accept must allow text/event-stream"));
    }
    let filter = Filter::of(permit)?;
    let place = StreamPlace::take(worker, StreamKind::Listen)?;
    let (heard, hears) = mpsc::channel(64);
    let subscriptions = upstream_listen::subscriptions(worker, route, permit, &id, &filter.uris).await;
    let changes = worker.shared.catalog.changes(&route.bound, &pick::viewer(&permit.scope));
    let expected = subscriptions.len();
    let readers = subscriptions
        .into_iter()
        .map(|s: Subscription| worker.spawn_owned(TaskName::UpstreamStream, s.run(heard.clone())))
        .collect();
    let (sender, events) = mpsc::channel(worker.shared.limits.stream_events.max(1));
    let listening = Listening {
        worker: Arc::clone(worker),
        client: Client::Reading(sender),
        id,
        filter,
        _readers: readers,
        _place: place,
        _slot: slot,
        _record: exchange.record.take(),
    };
    worker.spawn(TaskName::ClientStream, listening.run(expected, hears, changes));
    Ok(Reply::Events(events))
}

// === impl Filter ===

impl Filter {
    fn of(permit: &Permit) -> Result<Self, Fault> {
        let body = &permit.message.body;
        let span = permit.message.envelope.params.as_ref().and_then(|p| p.notifications);
        let span = span.ok_or_else(|| pick::invalid("params.notifications"))?;
        let flag = |key| value::find(body, span, key).and_then(|v| value::as_bool(body, v)).unwrap_or(false);
        let mut lists = Vec::new();
        for (key, kind) in [
            ("toolsListChanged", ListKind::Tools),
            ("promptsListChanged", ListKind::Prompts),
            ("resourcesListChanged", ListKind::Resources),
        ] {
            if flag(key) {
                lists.push(kind);
            }
        }
        let uris = value::find(body, span, "resourceSubscriptions").map(|list: Span| {
            value::elements(body, list).filter_map(|v| value::string(body, v)).map(|s| s.text(body).into_owned())
        });
        let uris: Vec<String> = uris.into_iter().flatten().take(MAX_URIS + 1).collect();
        if uris.len() > MAX_URIS {
            return Err(Fault::client(Reason::Params, "Invalid params: too many resourceSubscriptions"));
        }
        Ok(Self { lists, uris })
    }
}

// === impl Listening ===

impl Listening {
    async fn run(mut self, expected: usize, mut hears: mpsc::Receiver<Heard>, mut changes: Changes) {
        let shared = Arc::clone(&self.worker.shared);
        let early = self.acknowledge(expected, &mut hears).await;
        for heard in early {
            self.pass_on(heard).await;
        }
        let ends = Instant::now() + jittered(shared.limits.stream_age);
        let mut draining = pin!(shared.drain.begun());
        while !self.client.is_gone() {
            tokio::select! {
                biased;
                () = self.client.closed() => return,
                () = &mut draining => break,
                Some(heard) = hears.recv() => self.pass_on(heard).await,
                kinds = next_change(&mut changes) => self.announce(kinds).await,
                () = tokio::time::sleep(shared.limits.stream_keepalive) => self.client.comment(self.patience()).await,
                () = tokio::time::sleep_until(ends) => break,
            }
        }
        self.client.count_limit(&shared);
        self.end().await;
    }

    fn patience(&self) -> Patience {
        let limits = &self.worker.shared.limits;
        Patience { events: limits.stream_events, stall: limits.write_stall }
    }

    /// The first message of the stream: what is honoured. Waits for the backends' own acknowledgements, not for ever.
    async fn acknowledge(&mut self, expected: usize, hears: &mut mpsc::Receiver<Heard>) -> Vec<Heard> {
        let deadline = Instant::now() + self.worker.shared.limits.backend_wait;
        let (mut honoured, mut early, mut answered) = (Vec::new(), Vec::new(), 0);
        while answered < expected {
            match tokio::time::timeout_at(deadline, hears.recv()).await {
                Ok(Some(Heard::Acknowledged(uris))) => {
                    answered += 1;
                    honoured.extend(uris);
                }
                Ok(Some(other)) => early.push(other),
                Ok(None) | Err(_) => break,
            }
        }
        // In the order of the request.
        let uris: Vec<&String> = self.filter.uris.iter().filter(|uri| honoured.contains(*uri)).collect();
        let mut out =
            br#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"notifications":{"#
                .to_vec();
        for kind in &self.filter.lists {
            out.extend_from_slice(format!("\"{}\":true,", flag_name(*kind)).as_bytes());
        }
        if !self.filter.uris.is_empty() {
            out.extend_from_slice(br#""resourceSubscriptions":["#);
            for (i, uri) in uris.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_json_string(&mut out, uri);
            }
            out.extend_from_slice(b"],");
        }
        if out.last() == Some(&b',') {
            out.pop();
        }
        out.extend_from_slice(b"},");
        self.write_subscription(&mut out);
        out.extend_from_slice(b"}}");
        self.client.event(&out, self.patience()).await;
        early
    }

    fn write_subscription(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""_meta":{"io.modelcontextprotocol/subscriptionId":"#);
        out.extend_from_slice(&self.id);
        out.push(b'}');
    }

    async fn pass_on(&mut self, heard: Heard) {
        if let Heard::Notice(data) = heard {
            self.client.event(&data, self.patience()).await;
        }
    }

    async fn announce(&mut self, kinds: KindSet) {
        let wanted: Vec<_> = self.filter.lists.iter().map(|kind| change_notification(*kind)).collect();
        for method in kinds.iter().map(change_notification).filter(|m| wanted.contains(m)).collect::<BTreeSet<_>>() {
            let mut out = format!(r#"{{"jsonrpc":"2.0","method":"{}","params":{{"#, method.as_str()).into_bytes();
            self.write_subscription(&mut out);
            out.extend_from_slice(b"}}");
            self.client.event(&out, self.patience()).await;
        }
    }

    /// The graceful end: a result, so that the client knows to listen again elsewhere.
    async fn end(mut self) {
        let mut out = br#"{"jsonrpc":"2.0","id":"#.to_vec();
        out.extend_from_slice(&self.id);
        out.extend_from_slice(br#","result":{"resultType":"complete","#);
        self.write_subscription(&mut out);
        out.extend_from_slice(b"}}");
        let patience = self.patience();
        self.client.event(&out, patience).await;
    }
}

fn flag_name(kind: ListKind) -> &'static str {
    match kind {
        ListKind::Tools => "toolsListChanged",
        ListKind::Prompts => "promptsListChanged",
        ListKind::Resources | ListKind::Templates => "resourcesListChanged",
    }
}
