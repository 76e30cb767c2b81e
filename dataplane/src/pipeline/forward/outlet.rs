//! A client's event stream that is no call: what backends say is put into the client's words and sent.
//!
//! Used by the GET stream and by resumed streams; calls have their own relay, which knows its answer.

use std::sync::Arc;

use bytes::Bytes;
use ringway_mcp::Method;
use ringway_mcp::scan::{self, Envelope, Kind};

use super::super::route::LiveRoute;
use super::capabilities::{changed_list, owned};
use super::client::{Client, Patience};
use super::{answer, event_id, relay, rewrite};
use crate::session::Session;
use crate::session::asks::Ask;
use crate::upstream::Incoming;
use crate::worker::Worker;

/// The stream and what it belongs to.
#[derive(Debug)]
pub(super) struct Outlet {
    pub(super) worker: Arc<Worker>,
    pub(super) route: Arc<LiveRoute>,
    pub(super) session: Arc<Session>,
    /// Names the stream on its worker.
    pub(super) number: u64,
    pub(super) client: Client,
    /// A resumed call stream: answers and event ids pass, too.
    pub(super) resumed: bool,
}

// === impl Outlet ===

impl Outlet {
    pub(super) fn patience(&self) -> Patience {
        let limits = &self.worker.shared.limits;
        Patience { events: limits.stream_events, stall: limits.write_stall }
    }

    /// Sends one thing that the backend of `section` said.
    pub(super) async fn relay(&mut self, section: usize, incoming: Incoming) {
        let (data, id) = match incoming {
            Incoming::Message { data, event_id } => (data, event_id.filter(|_| self.resumed)),
            Incoming::Prime { event_id, retry } if self.resumed => {
                let id = event_id.map(|id| self.marked(section, &id));
                return self.client.prime(id.as_deref(), retry, self.patience()).await;
            }
            Incoming::Prime { .. } | Incoming::Comment => return,
        };
        let id = id.map(|id| self.marked(section, &id));
        let Ok(envelope) = scan::scan(&data, &self.worker.shared.limits.answer) else { return };
        match envelope.kind {
            Kind::Response if self.resumed => self.answer(section, &data, &envelope, id.as_deref()).await,
            // Answers to calls travel on the calls' own streams.
            Kind::Response => {}
            Kind::Notification => self.notice(section, &data, &envelope, id.as_deref()).await,
            Kind::Request => self.ask(section, &data, &envelope, id.as_deref()).await,
        }
    }

    fn marked(&self, section: usize, id: &[u8]) -> Vec<u8> {
        self.route.rules().sections.get(section).map(|s| event_id::mark(s.spec.key, id)).unwrap_or_default()
    }

    async fn answer(&mut self, section: usize, data: &Bytes, envelope: &Envelope, id: Option<&[u8]>) {
        let Some(rules) = self.route.rules().sections.get(section) else { return };
        if let Ok(data) = rewrite::resumed_answer(rules, data, envelope) {
            self.client.event_with(&data, id, self.patience()).await;
        }
    }

    async fn notice(&mut self, section: usize, data: &Bytes, envelope: &Envelope, id: Option<&[u8]>) {
        let Some(rules) = self.route.rules().sections.get(section) else { return };
        let method = envelope.known_method().unwrap_or(Method::Other);
        if let Some(kind) = changed_list(method) {
            self.worker.shared.owner.mark_list_changed(self.session.key(), rules.spec.key, owned(kind));
        }
        if method == Method::Cancelled {
            if let Some(data) = relay::withdrawn(&self.worker, self.session.key(), self.number, data, envelope) {
                self.client.event_with(&data, id, self.patience()).await;
            }
            return;
        }
        if let Ok(data) = rewrite::notification(rules, data, envelope) {
            self.client.event_with(&data, id, self.patience()).await;
        }
    }

    async fn ask(&mut self, section: usize, data: &Bytes, envelope: &Envelope, event: Option<&[u8]>) {
        let Some(server) = self.route.bound.servers.get(section).cloned() else { return };
        let binder = self.worker.binder(&server);
        let (Some(bound), Some(id)) = (binder.known(&self.session), envelope.id) else { return };
        let raw = data.slice(id.span.range());
        if envelope.known_method() == Some(Method::Ping) {
            answer::post(&self.worker, &server, &bound.upstream, relay::pong(&raw)).await;
            return;
        }
        let ask = Ask { session: self.session.key(), server, upstream: bound.upstream, id: raw, owner: self.number };
        let number = self.worker.asks.open(ask);
        if let Ok(data) = rewrite::with_id(data, envelope, self.worker.address(number).raw_id().as_bytes()) {
            self.client.event_with(&data, event, self.patience()).await;
        }
    }
}
