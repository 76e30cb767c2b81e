//! The catalogue thread's loop: keeps entries for what is in use, merges when a source changed, answers who waits.
//!
//! The only writer of views. Merging and waiting happen here; reading upstreams in `entry`, walking resources in `walk`.

mod order;
mod sweep;
mod work;

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use ringway_snapshot::ObjectName;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::Shared;
use super::changes::KindSet;
use super::entry::{Entry, EntryKey, News, Shop};
use super::viewer::Viewer;
use crate::upstream::LiveRoute;

pub(super) use order::{Ask, Order};
use work::Work;

/// Routes of the present configuration.
pub(super) type Routes = HashMap<ObjectName, Arc<LiveRoute>, RandomState>;

type WorkKey = (ObjectName, Viewer);

/// All that the catalogue thread owns.
#[derive(Debug)]
pub(super) struct Keeper {
    shared: Arc<Shared>,
    shop: Shop,
    routes: Arc<Routes>,
    entries: HashMap<EntryKey, Entry, RandomState>,
    works: HashMap<WorkKey, Work, RandomState>,
    next_sweep: Instant,
}

/// What the loop waits for.
#[derive(Debug)]
pub(super) struct Inputs {
    pub orders: mpsc::Receiver<Order>,
    pub config: watch::Receiver<Arc<Routes>>,
    pub news: mpsc::UnboundedReceiver<News>,
}

// === impl Keeper ===

impl Keeper {
    #[must_use]
    pub(super) fn new(shared: Arc<Shared>, shop: Shop) -> Self {
        let next_sweep = Instant::now() + shared.limits.idle / 4;
        Self {
            shared,
            shop,
            routes: Arc::default(),
            entries: HashMap::default(),
            works: HashMap::default(),
            next_sweep,
        }
    }

    /// Runs until the catalogue is dropped.
    pub(super) async fn run(mut self, mut inputs: Inputs) {
        loop {
            let due = self.next_due();
            tokio::select! {
                biased;
                changed = inputs.config.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let routes = Arc::clone(&inputs.config.borrow_and_update());
                    self.apply(&routes);
                }
                Some(news) = inputs.news.recv() => {
                    self.hear(news);
                    // Many backends answer at once: one merge for all of them.
                    while let Ok(news) = inputs.news.try_recv() {
                        self.hear(news);
                    }
                }
                order = inputs.orders.recv() => {
                    let Some(order) = order else { return };
                    self.obey(order);
                }
                () = self.shared.stop.notified() => return,
                () = sleep_until(due) => {}
            }
            self.work_off();
        }
    }

    fn hear(&mut self, news: News) {
        let (backend, viewer) = news.key;
        for ((route, of), work) in &mut self.works {
            let concerned =
                *of == viewer && self.routes.get(route).is_some_and(|live| live.compiled.section_of(backend).is_some());
            if concerned {
                work.hear(news.kinds, news.announced);
            }
        }
    }

    /// Merges and answers whatever is due, then sweeps.
    fn work_off(&mut self) {
        let now = Instant::now();
        let keys: Vec<WorkKey> = self.works.keys().cloned().collect();
        for key in keys {
            self.advance(&key, now);
        }
        if now >= self.next_sweep {
            self.sweep();
            self.next_sweep = now + self.shared.limits.idle / 4;
        }
    }

    fn next_due(&self) -> Instant {
        self.works.values().filter_map(Work::next_due).chain([self.next_sweep]).min().unwrap_or(self.next_sweep)
    }

    /// Has every stale list of a view read again. False: none is.
    fn refresh(&self, key: &WorkKey) -> bool {
        let now = Instant::now();
        let mut any = false;
        for entry in self.entries_of(key).flatten() {
            let stale = entry.desk.state().stale_kinds(&self.shared.limits, now);
            if !stale.is_empty() {
                entry.refresh(stale);
                any = true;
            }
        }
        any
    }

    /// By section index.
    fn entries_of<'a>(&'a self, (route, viewer): &'a WorkKey) -> impl Iterator<Item = Option<&'a Entry>> {
        let sections = self.routes.get(route).map_or(&[][..], |live| &live.compiled.sections);
        sections.iter().map(|section| self.entries.get(&(section.spec.key, *viewer)))
    }
}

/// Lists that a reader of a view may have seen.
pub(super) fn everything() -> KindSet {
    super::list::ListKind::ALL.into_iter().collect()
}
