//! One backend as one viewer sees it: a task that connects, reads, watches and reads again, for as long as it is wanted.
//!
//! Everything an entry knows lies in its [`Desk`], which `keeper` reads when it merges. The task ends, and its upstream
//! session with it, when the keeper lets go of the [`Entry`].

mod connect;
mod serve;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ringway_snapshot::BackendKey;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use super::backoff::Backoff;
use super::changes::KindSet;
use super::facts::{Facts, Presence};
use super::limits::Limits;
use super::link::Link;
use super::list::{BackendList, ListKind};
use super::viewer::Viewer;
use crate::telemetry::labels::{MissReason, TaskName};
use crate::telemetry::tasks::Tasks;
use crate::upstream::{Pool, Server, end_session};

/// Which entry.
pub(super) type EntryKey = (BackendKey, Viewer);

/// The keeper's hold on an entry. Dropping it ends the task.
#[derive(Debug)]
pub(super) struct Entry {
    pub desk: Arc<Desk>,
    orders: mpsc::UnboundedSender<KindSet>,
}

/// What an entry knows; short locks only.
#[derive(Debug)]
pub(super) struct Desk {
    pub key: EntryKey,
    state: Mutex<State>,
}

/// The knowledge itself.
#[derive(Debug)]
pub(super) struct State {
    pub server: Arc<Server>,
    pub presence: Presence,
    pub facts: Option<Arc<Facts>>,
    /// By [`ListKind::slot`].
    pub lists: [ListState; 3],
    /// A change would be told to us.
    pub watched: bool,
    pub link: Option<Link>,
    /// Why it is down, for the metric.
    pub miss: MissReason,
}

/// One list.
#[derive(Debug, Clone, Default)]
pub(super) enum ListState {
    #[default]
    Unread,
    /// The server's capabilities do not announce it.
    Absent,
    Read {
        list: Arc<BackendList>,
        at: Instant,
    },
    /// The last read failed; what was read before it.
    Failed {
        last: Option<Arc<BackendList>>,
        at: Instant,
    },
}

/// News for the keeper.
#[derive(Debug, Clone, Copy)]
pub(super) struct News {
    pub key: EntryKey,
    /// Lists that may differ now; empty: only freshness or presence.
    pub kinds: KindSet,
    /// Lists that the server itself said have changed: clients hear of it also where nothing differs, since what they
    /// know may be older than what was read last.
    pub announced: KindSet,
}

/// What every entry shares.
#[derive(Debug, Clone)]
pub(super) struct Shop {
    pub pool: Arc<Pool>,
    pub limits: Arc<Limits>,
    pub tasks: Tasks,
    pub news: mpsc::UnboundedSender<News>,
}

/// Why a connection is over.
#[derive(Debug)]
enum Outcome {
    /// Nobody wants the entry any more.
    Unwanted,
    /// The server forgot the session.
    SessionLost,
    OtherEra,
    Failed,
}

struct Actor {
    site: Site,
    orders: mpsc::UnboundedReceiver<KindSet>,
    /// A session that may still exist at the server although its connection broke.
    left: Option<Link>,
}

/// The part of an entry's task that several futures of it share.
#[derive(Debug, Clone)]
struct Site {
    desk: Arc<Desk>,
    shop: Shop,
}

/// Aborts a watch when its connection is over.
struct Standing(AbortHandle);

// === impl Entry ===

impl Entry {
    /// Starts the task.
    pub(super) fn start(key: EntryKey, server: Arc<Server>, shop: Shop) -> Self {
        let state = State {
            server,
            presence: Presence::Unseen,
            facts: None,
            lists: [const { ListState::Unread }; 3],
            watched: false,
            link: None,
            miss: MissReason::Timeout,
        };
        let desk = Arc::new(Desk { key, state: Mutex::new(state) });
        let (orders, inbox) = mpsc::unbounded_channel();
        let tasks = shop.tasks.clone();
        let actor = Actor { site: Site { desk: Arc::clone(&desk), shop }, orders: inbox, left: None };
        drop(tasks.spawn(TaskName::Catalog, actor.run()));
        Self { desk, orders }
    }

    /// Where the entry's task hears what is to be read again, without holding it.
    pub(super) fn weak(&self) -> mpsc::WeakUnboundedSender<KindSet> {
        self.orders.downgrade()
    }

    /// Asks for fresh lists.
    pub(super) fn refresh(&self, kinds: KindSet) {
        // An ended task has nothing to refresh.
        let _ = self.orders.send(kinds);
    }
}

// === impl Desk ===

impl Desk {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection was lost and the next one is being made: a walk waits for it.
    pub(crate) fn is_between(&self) -> bool {
        let state = self.state();
        state.presence == Presence::Up && state.link.is_none()
    }

    /// Has the server's answer for `kind` come, or is it known not to come soon?
    pub(super) fn is_settled(&self, kind: Option<ListKind>) -> bool {
        let state = self.state();
        match (state.presence, kind) {
            (Presence::Unseen, _) => false,
            (Presence::Up, Some(kind)) => !matches!(state.lists.get(kind.slot()), Some(ListState::Unread)),
            _ => true,
        }
    }
}

// === impl State ===

impl State {
    /// When the first list that nobody would tell us of is to be read again.
    pub(super) fn stale_at(&self, limits: &Limits) -> Option<Instant> {
        ListKind::KEPT.into_iter().filter_map(|kind| self.fresh_until(kind, limits)).min()
    }

    /// Lists that are to be read again.
    pub(super) fn stale_kinds(&self, limits: &Limits, now: Instant) -> KindSet {
        ListKind::KEPT
            .into_iter()
            .filter(|kind| self.fresh_until(*kind, limits).is_some_and(|until| until <= now))
            .collect()
    }

    /// `None`: a change will be told, or the entry reads again by itself.
    fn fresh_until(&self, kind: ListKind, limits: &Limits) -> Option<Instant> {
        if self.presence != Presence::Up {
            return None;
        }
        let told = self.watched && self.facts.as_ref().is_some_and(|facts| facts.list_changed(kind));
        match self.lists.get(kind.slot())? {
            ListState::Read { list, at } if !told => Some(*at + self.ttl(list, limits)),
            ListState::Failed { at, .. } => Some(*at + limits.backoff.1),
            _ => None,
        }
    }

    fn ttl(&self, list: &BackendList, limits: &Limits) -> std::time::Duration {
        let modern = self.facts.as_ref().is_some_and(|facts| facts.revision.is_modern());
        if modern { list.ttl.unwrap_or_default().max(limits.ttl_floor) } else { limits.legacy_ttl }
    }
}

// === impl ListState ===

impl ListState {
    pub(super) fn list(&self) -> Option<&Arc<BackendList>> {
        match self {
            Self::Read { list, .. } => Some(list),
            Self::Failed { last, .. } => last.as_ref(),
            Self::Unread | Self::Absent => None,
        }
    }

    fn failed(&self) -> Self {
        Self::Failed { last: self.list().cloned(), at: Instant::now() }
    }
}

// === impl Standing ===

impl Drop for Standing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

// === impl Actor ===

impl Actor {
    async fn run(mut self) {
        let limits = Arc::clone(&self.site.shop.limits);
        let mut backoff = Backoff::new(limits.backoff);
        loop {
            let begun = Instant::now();
            let outcome = self.connection().await;
            // A connection that held for a while ends a series of failures.
            let held = begun.elapsed() > limits.deadline.max(limits.backoff.1);
            if held {
                backoff = Backoff::new(limits.backoff);
            }
            let wait = match outcome {
                Outcome::Unwanted => return self.leave().await,
                Outcome::OtherEra => limits.era_horizon,
                // At once, unless it happens again and again.
                Outcome::SessionLost if held => continue,
                Outcome::SessionLost | Outcome::Failed => backoff.next(),
            };
            if !self.rest(wait).await {
                return self.leave().await;
            }
        }
    }

    /// Waits; false when nobody wants the entry any more. Orders are moot: all is read after the wait.
    async fn rest(&mut self, wait: std::time::Duration) -> bool {
        let until = Instant::now() + wait;
        loop {
            match timeout_at(until, self.orders.recv()).await {
                Ok(Some(_)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
    }

    async fn leave(&mut self) {
        let link = self.site.desk.state().link.take().or_else(|| self.left.take());
        if let Some(Link { server, session: Some(session), .. }) = link {
            end_session(&self.site.shop.pool, &server, &session).await;
        }
    }

    /// From connecting to the end.
    async fn connection(&mut self) -> Outcome {
        let deadline = Instant::now() + self.site.shop.limits.deadline;
        let connected = {
            let site = self.site.clone();
            let connecting = site.connect(deadline);
            tokio::pin!(connecting);
            loop {
                tokio::select! {
                    connected = &mut connecting => break connected,
                    // Refreshes are moot before the first read.
                    order = self.orders.recv() => if order.is_none() { return Outcome::Unwanted },
                }
            }
        };
        let link = match connected {
            Ok(link) => link,
            Err(error) => return self.site.down(&error),
        };
        if let Some(Link { server, session: Some(session), .. }) = self.left.take() {
            let pool = Arc::clone(&self.site.shop.pool);
            drop(
                self.site
                    .shop
                    .tasks
                    .spawn(TaskName::EndSession, async move { end_session(&pool, &server, &session).await }),
            );
        }
        let outcome = self.serve(&link, deadline).await;
        let mut state = self.site.desk.state();
        state.watched = false;
        match outcome {
            Outcome::Unwanted => {}
            Outcome::SessionLost => state.link = None,
            Outcome::OtherEra | Outcome::Failed => self.left = state.link.take(),
        }
        outcome
    }
}
