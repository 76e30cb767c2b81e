//! One upstream `subscriptions/listen` for the resources of one backend that a client subscribed to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;
use ringway_mcp::scan::{self, Kind};
use ringway_mcp::splice::write_json_string;
use ringway_mcp::{Method, Revision, value};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::super::admit;
use super::super::super::authorize::Permit;
use super::super::super::pick;
use super::super::super::route::LiveRoute;
use super::super::rewrite;
use crate::upstream::{self, Answer, Incoming, MessageStream, Outgoing, Server};
use crate::worker::Worker;

/// Between two tries to listen again.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MOST: Duration = Duration::from_secs(30);

/// What a backend's stream says.
#[derive(Debug)]
pub(super) enum Heard {
    /// The visible URIs that the backend honours; once.
    Acknowledged(Vec<String>),
    /// A notification in the client's words.
    Notice(Bytes),
}

/// The part of a `listen` that one backend serves.
#[derive(Debug)]
pub(super) struct Subscription {
    worker: Arc<Worker>,
    route: Arc<LiveRoute>,
    server: Arc<Server>,
    section: usize,
    /// Own → visible.
    uris: BTreeMap<String, String>,
    body: Bytes,
}

/// Splits the client's URIs among the backends that have them.
pub(super) async fn subscriptions(
    worker: &Arc<Worker>,
    route: &Arc<LiveRoute>,
    permit: &Permit,
    id: &[u8],
    uris: &[String],
) -> Vec<Subscription> {
    let mut by_section: BTreeMap<usize, BTreeMap<String, String>> = BTreeMap::new();
    let viewer = pick::viewer(&permit.scope);
    for visible in uris {
        let found = match route.rules().section_of_uri(visible) {
            Some((section, own)) => Some((section.index, own.into_owned())),
            None => worker
                .shared
                .catalog
                .resolve_uri(&route.bound, &viewer, visible)
                .await
                .map(|index| (index, visible.clone())),
        };
        if let Some((index, own)) = found {
            by_section.entry(index).or_default().insert(own, visible.clone());
        }
    }
    let meta = permit.message.envelope.meta().map(|m| m.object.span.of(&permit.message.body)).unwrap_or(b"{}");
    by_section
        .into_iter()
        .filter_map(|(section, uris)| {
            let server = Arc::clone(route.bound.servers.get(section)?);
            let body = request(id, uris.keys(), meta);
            Some(Subscription { worker: Arc::clone(worker), route: Arc::clone(route), server, section, uris, body })
        })
        .collect()
}

fn request<'a>(id: &[u8], uris: impl Iterator<Item = &'a String>, meta: &[u8]) -> Bytes {
    let mut out = br#"{"jsonrpc":"2.0","id":"#.to_vec();
    out.extend_from_slice(id);
    out.extend_from_slice(br#","method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["#);
    for (i, uri) in uris.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_json_string(&mut out, uri);
    }
    out.extend_from_slice(br#"]},"_meta":"#);
    out.extend_from_slice(meta);
    out.extend_from_slice(b"}}");
    out.into()
}

// === impl Subscription ===

impl Subscription {
    /// Listens until the client's stream is gone; again and again, since the client's stream outlives a backend's.
    pub(super) async fn run(self, heard: mpsc::Sender<Heard>) {
        let mut acknowledged = false;
        let mut pause = AGAIN;
        while !heard.is_closed() {
            if let Some(stream) = self.open().await {
                pause = AGAIN;
                self.read(stream, &heard, &mut acknowledged).await;
            }
            if !acknowledged {
                acknowledged = true;
                if heard.send(Heard::Acknowledged(Vec::new())).await.is_err() {
                    return;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_MOST);
        }
    }

    async fn open(&self) -> Option<MessageStream> {
        let headers = [(admit::MCP_METHOD, HeaderValue::from_static(Method::SubscriptionsListen.as_str()))];
        let out = Outgoing {
            body: self.body.clone(),
            session: None,
            revision: Some(Revision::V2026_07_28),
            headers: &headers,
            idle: Outgoing::NO_IDLE,
            deadline: Instant::now() + Duration::from_secs(86_400),
            idempotent: true,
        };
        match upstream::send(&self.worker.pool, &self.server, out).await {
            Ok(Answer::Stream(stream, _)) => Some(stream),
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(backend = %self.server.backend.name, %error, "listen failed");
                None
            }
        }
    }

    async fn read(&self, mut stream: MessageStream, heard: &mpsc::Sender<Heard>, acknowledged: &mut bool) {
        while let Some(Ok(incoming)) = stream.next().await {
            let Incoming::Message { data, .. } = incoming else { continue };
            let Ok(envelope) = scan::scan(&data, &self.worker.shared.limits.answer) else { continue };
            let said = match (envelope.kind, envelope.known_method()) {
                // The end of the stream, graceful or not.
                (Kind::Response, _) => return,
                (Kind::Notification, Some(Method::SubscriptionsAcknowledged)) if !*acknowledged => {
                    *acknowledged = true;
                    let honoured = envelope.params.as_ref().and_then(|p| p.notifications);
                    Heard::Acknowledged(self.honoured(&data, honoured))
                }
                (Kind::Notification, Some(Method::ResourcesUpdated)) => {
                    let Some(section) = self.route.rules().sections.get(self.section) else { return };
                    match rewrite::notification(section, &data, &envelope) {
                        Ok(data) => Heard::Notice(data),
                        Err(_) => continue,
                    }
                }
                _ => continue,
            };
            if heard.send(said).await.is_err() {
                return;
            }
        }
    }

    fn honoured(&self, data: &[u8], filter: Option<scan::Span>) -> Vec<String> {
        let Some(list) = filter.and_then(|span| value::find(data, span, "resourceSubscriptions")) else {
            return Vec::new();
        };
        value::elements(data, list)
            .filter_map(|v| value::string(data, v))
            .filter_map(|own| self.uris.get(own.text(data).as_ref()).cloned())
            .collect()
    }
}
