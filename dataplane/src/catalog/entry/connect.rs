//! Connecting a catalogue connection in the viewer's era, and what a failure says about the server.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::{Desk, ListState, News, Outcome, Shop, Site};
use crate::catalog::changes::KindSet;
use crate::catalog::facts::{Facts, Presence};
use crate::catalog::link::Link;
use crate::catalog::list::ListKind;
use crate::fault::Executed;
use crate::telemetry::labels::MissReason;
use crate::upstream::{Discovered, Hello, Knowledge, UpstreamError, discover, initialize};

const CLIENT: &str = "ringway";

// === impl Site ===

impl Site {
    /// A connection in the viewer's era, its facts noted.
    pub(super) async fn connect(&self, deadline: Instant) -> Result<Link, UpstreamError> {
        let Ok(hands) = timeout_at(deadline, shake_hands(&self.desk, &self.shop)).await else {
            return Err(UpstreamError::Timeout { executed: Executed::Unknown });
        };
        let (link, facts) = hands?;
        let returned = self.desk.up(&link, facts);
        // Kept lists are compared once they are read; what the server has of resources may be anything now.
        self.tell(if returned { KindSet::default().with(ListKind::Resources) } else { KindSet::default() });
        Ok(link)
    }

    /// Notes that the server does not answer, or not in this era.
    pub(super) fn down(&self, error: &UpstreamError) -> Outcome {
        let mut state = self.desk.state();
        let before = state.presence;
        let outcome = if matches!(error, UpstreamError::Era) {
            state.presence = Presence::OtherEra;
            state.facts = None;
            state.lists = [const { ListState::Unread }; 3];
            Outcome::OtherEra
        } else {
            state.presence = Presence::Down;
            state.miss = reason(error);
            Outcome::Failed
        };
        let (backend, now) = (state.server.backend.name.clone(), state.presence);
        drop(state);
        if before != now {
            tracing::warn!(%backend, viewer = %self.desk.key.1.revision, state = ?now, %error, "backend missing from lists");
            self.tell(ListKind::ALL.into_iter().collect());
        }
        outcome
    }

    pub(super) fn tell(&self, kinds: KindSet) {
        // The keeper lives longer than its entries.
        let _ = self.shop.news.send(News { key: self.desk.key, kinds, announced: KindSet::default() });
    }

    pub(super) fn announced(&self, announced: KindSet) {
        if !announced.is_empty() {
            // As above.
            let _ = self.shop.news.send(News { key: self.desk.key, kinds: KindSet::default(), announced });
        }
    }
}

// === impl Desk ===

impl Desk {
    /// Notes a connection; true when the server was away before.
    fn up(&self, link: &Link, facts: Facts) -> bool {
        let mut state = self.state();
        for (kind, list) in ListKind::KEPT.iter().zip(&mut state.lists) {
            if !facts.has(*kind) {
                *list = ListState::Absent;
            } else if matches!(list, ListState::Absent) {
                *list = ListState::Unread;
            }
        }
        let returned = matches!(state.presence, Presence::Down | Presence::OtherEra);
        if returned {
            tracing::info!(backend = %state.server.backend.name, "backend is back");
        }
        state.presence = Presence::Up;
        state.facts = Some(Arc::new(facts));
        state.link = Some(link.clone());
        returned
    }
}

async fn shake_hands(desk: &Desk, shop: &Shop) -> Result<(Link, Facts), UpstreamError> {
    let server = Arc::clone(&desk.state().server);
    let viewer = desk.key.1;
    if viewer.revision.is_modern() {
        return match Box::pin(discover(&shop.pool, &server, viewer.capabilities)).await? {
            Discovered::Modern { message, .. } => {
                let facts = Facts::read(message, viewer.revision).ok_or_else(|| unreadable("server/discover"))?;
                Ok((Link::own(server, None, viewer.revision, viewer.capabilities), facts))
            }
            Discovered::Legacy => Err(UpstreamError::Era),
        };
    }
    if server.era().legacy == Knowledge::No {
        return Err(UpstreamError::Era);
    }
    let hello = Hello::Made {
        revision: viewer.revision,
        capabilities: viewer.capabilities,
        client_name: CLIENT,
        client_version: env!("CARGO_PKG_VERSION"),
    };
    let made = Box::pin(initialize(&shop.pool, &server, &hello)).await?;
    let revision = made.session.revision;
    let facts = Facts::read(made.message, revision).ok_or_else(|| unreadable("initialize"))?;
    Ok((Link::own(server, Some(made.session), revision, viewer.capabilities), facts))
}

fn unreadable(what: &str) -> UpstreamError {
    UpstreamError::Protocol(format!("the answer to {what} cannot be read"))
}

fn reason(error: &UpstreamError) -> MissReason {
    match error {
        UpstreamError::Connect(_) | UpstreamError::Busy(_) | UpstreamError::Closed { .. } => MissReason::Connect,
        UpstreamError::Timeout { .. } => MissReason::Timeout,
        UpstreamError::Refused(_) | UpstreamError::SessionLost => MissReason::Http,
        _ => MissReason::Protocol,
    }
}
