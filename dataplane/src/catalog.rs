//! Merged lists of many servers: tools, prompts and templates kept per (route, viewer); resources walked.
//!
//! One thread, the catalogue thread, owns the catalogue connections, reads lists when servers announce changes, and
//! merges. Workers hold a [`Catalog`] and read what it published; only what was never merged, a session's own lists
//! and resources need that thread. Names, URIs and cursors follow the route's configuration alone. Policy does not
//! stand here: the pipeline filters what is shown to a caller.
//!
//! Called by the pipeline (lists, names that prefixes do not decide, the gateway's own `initialize`), and by streams
//! ([`Changes`]).

pub(crate) mod backoff;
mod changes;
mod entry;
mod facts;
mod item;
mod keeper;
mod learned;
mod limits;
mod link;
mod list;
mod merge;
mod page;
mod start;
mod view;
mod viewer;
mod walk;
mod watch;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use ringway_mcp::capability::ClientCapabilities;
use ringway_mcp::headers::ParamHeader;
use ringway_seal::{Bound, Cursor, Keyring};
use ringway_snapshot::BackendKey;
use tokio::sync::{Notify, mpsc, oneshot, watch as channel};
use tokio::time::{Instant, timeout};

pub use changes::{Changes, KindSet};
pub use facts::{Facts, Hello, Presence, SectionHello};
pub use limits::Limits;
pub use link::ReadError;
pub use list::{BackendList, BadPage, DropReason, Dropped, ListItem, ListKind};
pub use merge::Conflict;
pub use viewer::Viewer;

use crate::fault::{Fault, Reason, Source};
use crate::state::route::{NameKind, Section};
use crate::telemetry::labels::Limit;
use crate::telemetry::metrics::Metrics;
use crate::upstream::{LiveRoute, Pool, Server, UpstreamSession};
use keeper::{Ask, Order, Routes};
use learned::Learned;
use link::Link;
use merge::{Merged, Owner};
use view::{Board, View};
use walk::Aim;

/// The catalogue, shared by all workers. Dropping the last handle ends its thread and its connections.
#[derive(Debug)]
pub struct Catalog {
    shared: Arc<Shared>,
    orders: mpsc::Sender<Order>,
    config: channel::Sender<Arc<Routes>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What workers and the catalogue thread both hold.
#[derive(Debug)]
struct Shared {
    board: Board,
    keyring: ArcSwap<Keyring>,
    limits: Arc<Limits>,
    metrics: Arc<Metrics>,
    learned: Mutex<Learned>,
    /// Ends the catalogue thread.
    stop: Notify,
}

/// A list that one session sees instead of its viewer's.
#[derive(Debug, Clone)]
pub struct OwnList {
    pub key: BackendKey,
    pub kind: ListKind,
    pub list: Arc<BackendList>,
}

/// Whose name it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    Unknown,
    /// Several backends claim it: served by none.
    Conflict,
    One {
        /// Section index on the route that was asked about.
        section: usize,
        own: Box<str>,
    },
}

/// Orders that wait for the catalogue thread.
const ORDERS: usize = 4096;
/// Beyond the deadline: time to merge and to be scheduled.
const GRACE: Duration = Duration::from_secs(5);

// === impl Catalog ===

impl Catalog {
    /// Obeys a new configuration: routes that are gone lose their views, changed ones are merged anew.
    pub fn apply(&self, routes: Vec<Arc<LiveRoute>>) {
        let routes = routes.into_iter().map(|live| (live.compiled.spec.name.clone(), live)).collect();
        self.config.send_replace(Arc::new(routes));
    }

    /// Seals cursors with another keyring from now on; those of accepted keys stay good.
    pub fn rekey(&self, keyring: Arc<Keyring>) {
        self.shared.keyring.store(keyring);
    }

    /// The limits of lists, also for [`read_list`].
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// One page of a list: the whole JSON-RPC `result` object.
    ///
    /// Cached bytes when the view was merged before: no channel, no waiting. Otherwise the catalogue thread is asked, and
    /// a backend that never answered is waited for until the deadline, once. `own` replaces the viewer's list of some
    /// backends and is merged for this call alone.
    ///
    /// # Errors
    /// [`Reason::State`] for a cursor that is not ours or leads nowhere; a missing backend where the route's
    /// `onBackendFailure` is `Fail`; [`Reason::Busy`].
    pub async fn list(
        &self,
        route: &Arc<LiveRoute>,
        viewer: &Viewer,
        kind: ListKind,
        cursor: Option<&str>,
        own: &[OwnList],
    ) -> Result<Bytes, Fault> {
        let cursor = cursor.map(|text| self.open(route, kind, text)).transpose()?;
        if kind == ListKind::Resources {
            let from = match cursor {
                Some(Cursor::Walk { backend, upstream }) => Some((BackendKey(backend), upstream)),
                _ => None,
            };
            return self.walk(route, viewer, Aim::Page(from)).await;
        }
        let merged = self.merged(route, viewer, kind, own).await?;
        if let Some(section) = &merged.failed {
            return Err(missing_fault(section));
        }
        match cursor {
            Some(Cursor::After { backend, name, .. }) => {
                merged.after(BackendKey(backend), &name).map_err(|_| stale_cursor())
            }
            _ => Ok(merged.start()),
        }
    }

    /// Whose a visible name is, where several prefixes fit it (`CompiledRoute::candidates`).
    ///
    /// A backend whose list is not known may have the name: it is answered when nobody else has it.
    pub async fn resolve(&self, route: &Arc<LiveRoute>, viewer: &Viewer, kind: NameKind, visible: &str) -> Resolution {
        let list = match kind {
            NameKind::Tool => ListKind::Tools,
            NameKind::Prompt => ListKind::Prompts,
        };
        let Ok(merged) = self.merged(route, viewer, list, &[]).await else { return Resolution::Unknown };
        let index_of = |key: BackendKey| route.compiled.section_of(key).map(|section| section.index);
        match merged.owner(visible) {
            Some(Owner::Conflict) => Resolution::Conflict,
            Some(Owner::One { section, own }) => {
                let section = merged.sources.get(*section).and_then(|(key, _)| index_of(*key));
                section.map_or(Resolution::Unknown, |section| Resolution::One { section, own: own.clone() })
            }
            None => {
                let unknown = |section: usize| {
                    let key = route.compiled.sections.get(section).map(|section| section.spec.key);
                    let name = route.compiled.sections.get(section).map(|section| section.spec.section.as_str());
                    let listed = merged.sources.iter().any(|(of, list)| Some(*of) == key && list.is_some());
                    !listed && merged.missing.iter().any(|missing| Some(&**missing) == name)
                };
                let candidate =
                    route.compiled.candidates(kind, visible).into_iter().find(|candidate| unknown(candidate.section));
                candidate
                    .map_or(Resolution::Unknown, |one| Resolution::One { section: one.section, own: one.own.into() })
            }
        }
    }

    /// The section that lists a URI which does not name its section itself: an http(s) link, or one without our prefix.
    ///
    /// Known from walks; the first question about an unknown one walks all resources, at most once per `walk_rest`.
    pub async fn resolve_uri(&self, route: &Arc<LiveRoute>, viewer: &Viewer, uri: &str) -> Option<usize> {
        let name = &route.compiled.spec.name;
        let known =
            |section: &str| route.compiled.sections.iter().find(|one| one.spec.section == section).map(|one| one.index);
        let found = self.shared.learned().find(name, uri);
        if let Some(section) = found {
            return known(&section);
        }
        if !self.shared.learned().begins_walk(name, viewer, Instant::now(), self.shared.limits.walk_rest) {
            return None;
        }
        // What was learned counts, however the walk ended.
        drop(self.walk(route, viewer, Aim::Learn).await);
        let found = self.shared.learned().find(name, uri);
        found.and_then(|section| known(&section))
    }

    /// What the servers said of themselves. Waits at most `wait` for those that were never tried to the end.
    pub async fn hello(&self, route: &Arc<LiveRoute>, viewer: &Viewer, wait: Duration) -> Arc<Hello> {
        let Ok(view) = self.view(route, viewer) else { return Arc::new(Hello::blank(route.compiled.sections.len())) };
        let hello = view.hello();
        let met = hello.sections.len() == route.compiled.sections.len()
            && hello.sections.iter().all(|section| section.state != Presence::Unseen);
        if met {
            return hello;
        }
        let (reply, answer) = oneshot::channel();
        let until = Instant::now() + wait;
        if self.orders.try_send(Order::Ask { view: Arc::clone(&view), ask: Ask::Hello { reply }, until }).is_err() {
            return Arc::new(Hello::blank(route.compiled.sections.len()));
        }
        match timeout(wait + GRACE, answer).await {
            Ok(Ok(hello)) => hello,
            _ => Arc::new(Hello::blank(route.compiled.sections.len())),
        }
    }

    /// Changes of this viewer's lists from now on.
    #[must_use]
    pub fn changes(&self, route: &Arc<LiveRoute>, viewer: &Viewer) -> Changes {
        let Ok(view) = self.view(route, viewer) else { return Changes::ended() };
        let changes = Changes::new(view.versions.subscribe(), self.shared.limits.coalesce);
        // A full channel: the next question about the view has it looked after.
        drop(self.orders.try_send(Order::Look(view)));
        changes
    }

    /// The annotated arguments of a tool by its own name, if it has any. Of the tools merged last for this viewer.
    #[must_use]
    pub fn param_headers(
        &self,
        route: &Arc<LiveRoute>,
        viewer: &Viewer,
        section: usize,
        own_tool: &str,
    ) -> Option<Arc<[ParamHeader]>> {
        let key = route.compiled.sections.get(section)?.spec.key;
        let view = self.shared.board.view(&route.compiled.spec.name, viewer)?;
        view.params().get(&key)?.get(own_tool).cloned()
    }

    /// Is a session's own list what its viewer sees anyhow? Then it need not be kept.
    #[must_use]
    pub fn same_as_viewer(&self, route: &Arc<LiveRoute>, viewer: &Viewer, own: &OwnList) -> bool {
        let merged = self.shared.board.view(&route.compiled.spec.name, viewer).and_then(|view| view.merged(own.kind));
        merged.is_some_and(|merged| {
            merged
                .sources
                .iter()
                .any(|(key, list)| *key == own.key && list.as_ref().is_some_and(|list| list.is_same_as(&own.list)))
        })
    }

    /// Does the list that was merged last for this viewer hold the visible name? Never waits.
    #[must_use]
    pub fn holds(&self, route: &LiveRoute, viewer: &Viewer, kind: NameKind, visible: &str) -> bool {
        let list = match kind {
            NameKind::Tool => ListKind::Tools,
            NameKind::Prompt => ListKind::Prompts,
        };
        self.kept(route, viewer, list).is_some_and(|merged| merged.owner(visible).is_some())
    }

    /// Names that several sections claim, as merged last for this viewer.
    #[must_use]
    pub fn conflicts(&self, route: &Arc<LiveRoute>, viewer: &Viewer, kind: ListKind) -> Vec<Conflict> {
        self.kept(route, viewer, kind).map(|merged| merged.conflicts.clone()).unwrap_or_default()
    }

    /// What was left out and why, by section name, as merged last for this viewer.
    #[must_use]
    pub fn dropped(&self, route: &Arc<LiveRoute>, viewer: &Viewer, kind: ListKind) -> Vec<(Box<str>, Dropped)> {
        self.kept(route, viewer, kind).map(|merged| merged.dropped.clone()).unwrap_or_default()
    }

    /// Viewers that something is kept for, over all routes.
    #[must_use]
    pub fn views(&self) -> usize {
        self.shared.board.all().len()
    }

    fn kept(&self, route: &LiveRoute, viewer: &Viewer, kind: ListKind) -> Option<Arc<Merged>> {
        self.shared.board.view(&route.compiled.spec.name, viewer)?.merged(kind)
    }

    async fn merged(
        &self,
        route: &LiveRoute,
        viewer: &Viewer,
        kind: ListKind,
        own: &[OwnList],
    ) -> Result<Arc<Merged>, Fault> {
        let view = self.view(route, viewer)?;
        let own: Vec<OwnList> = own.iter().filter(|own| own.kind == kind).cloned().collect();
        if own.is_empty()
            && let Some(merged) = view.merged(kind)
        {
            if view.claims_refresh(self.shared.board.now()) {
                // A full channel: stale for a little longer.
                drop(self.orders.try_send(Order::Refresh(view)));
            }
            return Ok(merged);
        }
        let (reply, answer) = oneshot::channel();
        self.ask(view, Ask::List { kind, own, reply }, answer).await
    }

    async fn walk(&self, route: &LiveRoute, viewer: &Viewer, aim: Aim) -> Result<Bytes, Fault> {
        let view = self.view(route, viewer)?;
        let (reply, answer) = oneshot::channel();
        self.ask(view, Ask::Walk { aim, reply }, answer).await?
    }

    async fn ask<T>(&self, view: Arc<View>, ask: Ask, answer: oneshot::Receiver<T>) -> Result<T, Fault> {
        let until = Instant::now() + self.shared.limits.deadline;
        self.orders.try_send(Order::Ask { view, ask, until }).map_err(|_| busy("the catalogue has too much to do"))?;
        // A walk begins when the backends are met and has a deadline of its own.
        match timeout(self.shared.limits.deadline * 2 + GRACE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            _ => Err(busy("the catalogue cannot answer now")),
        }
    }

    fn view(&self, route: &LiveRoute, viewer: &Viewer) -> Result<Arc<View>, Fault> {
        let board = &self.shared.board;
        let view = board.ensure(&route.compiled.spec.name, viewer, &self.shared.limits).map_err(|limit| {
            self.shared.metrics.limit_hit(Limit::Viewers);
            busy("too many kinds of clients").caused_by(limit)
        })?;
        view.touch(board.now());
        Ok(view)
    }

    fn open(&self, route: &LiveRoute, kind: ListKind, text: &str) -> Result<Cursor, Fault> {
        let cursor = self
            .shared
            .keyring()
            .open_cursor(text, bound(&route.compiled.label))
            .map_err(|error| bad_cursor().caused_by(error))?;
        let fits = match &cursor {
            Cursor::After { list, .. } => kind.sealed() == Some(*list),
            Cursor::Walk { .. } => kind == ListKind::Resources,
        };
        if fits { Ok(cursor) } else { Err(bad_cursor()) }
    }
}

/// Reads a whole list of one server over a session's own connection, with ids that no client of ours uses.
///
/// # Errors
/// [`ReadError`].
pub async fn read_list(
    pool: &Pool,
    server: &Arc<Server>,
    session: &UpstreamSession,
    capabilities: ClientCapabilities,
    kind: ListKind,
    limits: &Limits,
) -> Result<Arc<BackendList>, ReadError> {
    let link = Link::borrowed(Arc::clone(server), session, capabilities);
    let deadline = Instant::now() + limits.deadline;
    // What the answer's stream announces on the way is told on the session's stream as well.
    Box::pin(link.list(pool, kind, limits, deadline, &mut KindSet::default())).await.map(Arc::new)
}

/// The own names of the tools of a list that a route may show.
#[must_use]
pub fn usable_tools(list: &BackendList, limits: &Limits) -> Vec<Box<str>> {
    item::usable_tools(list, limits)
}

/// A tool's name as clients of a section see it; `None`: they do not.
#[must_use]
pub fn visible_tool(section: &Section, own: &str) -> Option<String> {
    item::visible_name(section, ListKind::Tools, own).ok().flatten()
}

// === impl Shared ===

impl Shared {
    fn keyring(&self) -> Arc<Keyring> {
        self.keyring.load_full()
    }

    fn learned(&self) -> MutexGuard<'_, Learned> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Merged lists are shared by all callers of a route, and a cursor holds a name in them or a server's own cursor: it is
/// tied to the route and to no principal. What a caller may see is decided when the page is served.
const fn bound(route: &str) -> Bound<'_> {
    Bound { route, principal: "" }
}

fn seal(keyring: &Keyring, route: &str, cursor: &Cursor) -> Option<String> {
    keyring.seal_cursor(cursor, bound(route)).inspect_err(|error| tracing::warn!(%route, %error, "no cursor")).ok()
}

fn seal_after(keyring: &Keyring, route: &str, kind: ListKind, backend: BackendKey, name: &str) -> Option<String> {
    let cursor = Cursor::After { list: kind.sealed()?, backend: backend.0, name: name.to_owned() };
    seal(keyring, route, &cursor)
}

fn bad_cursor() -> Fault {
    Fault::client(Reason::State, "invalid cursor")
}

fn stale_cursor() -> Fault {
    Fault::client(Reason::State, "the cursor is no longer valid: list again from the start")
}

fn busy(message: &'static str) -> Fault {
    Fault::new(Source::Gateway, Reason::Busy, message).retry_after(Duration::from_secs(1))
}

fn missing_fault(section: &str) -> Fault {
    Fault::upstream(Reason::UpstreamConnect, format!("the MCP server behind `{section}` does not answer"))
}

#[cfg(test)]
mod tests;
