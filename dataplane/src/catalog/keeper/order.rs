//! What workers ask of the catalogue thread when a view cannot answer by itself.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::work::Waiter;
use super::{Keeper, WorkKey};
use crate::catalog::OwnList;
use crate::catalog::entry::Entry;
use crate::catalog::facts::{Hello, Presence};
use crate::catalog::list::ListKind;
use crate::catalog::merge::Merged;
use crate::catalog::view::View;
use crate::catalog::walk::{Aim, Stop, Walk};
use crate::fault::Fault;
use crate::telemetry::labels::TaskName;

/// One message to the catalogue thread.
#[derive(Debug)]
pub(crate) enum Order {
    /// The view was made or is to be looked after: its entries are started.
    Look(Arc<View>),
    /// Some list of the view is stale.
    Refresh(Arc<View>),
    /// Somebody waits.
    Ask { view: Arc<View>, ask: Ask, until: Instant },
}

/// A question with its answer's way back.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A merged list; with a session's own lists in place of the viewer's.
    List {
        kind: ListKind,
        own: Vec<OwnList>,
        reply: oneshot::Sender<Arc<Merged>>,
    },
    Hello {
        reply: oneshot::Sender<Arc<Hello>>,
    },
    /// A walk over resources.
    Walk {
        aim: Aim,
        reply: oneshot::Sender<Result<Bytes, Fault>>,
    },
}

// === impl Ask ===

impl Ask {
    /// The list that must be settled; `None`: all of them.
    pub(super) fn kind(&self) -> Option<ListKind> {
        match self {
            Self::List { kind, .. } => Some(*kind),
            Self::Walk { .. } => Some(ListKind::Resources),
            Self::Hello { .. } => None,
        }
    }

    pub(super) fn is_given_up(&self) -> bool {
        match self {
            Self::List { reply, .. } => reply.is_closed(),
            Self::Hello { reply } => reply.is_closed(),
            Self::Walk { reply, .. } => reply.is_closed(),
        }
    }
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn obey(&mut self, order: Order) {
        match order {
            Order::Look(view) => {
                self.adopt(&view);
            }
            Order::Refresh(view) => {
                if let Some(key) = self.adopt(&view)
                    && !self.refresh(&key)
                    && let Some(work) = self.works.get(&key)
                {
                    // Somebody else had it read meanwhile.
                    self.note_freshness(&key, work);
                }
            }
            Order::Ask { view, ask, until } => {
                // A route that is gone answers nobody: the asker sees its channel closed.
                let Some(key) = self.adopt(&view) else { return };
                let Some(work) = self.works.get_mut(&key) else { return };
                work.waiters.push(Waiter { ask, until });
            }
        }
    }

    /// Starts a walk over the connections of a view, as they are now.
    pub(super) fn walk(&self, key: &WorkKey, aim: Aim, reply: oneshot::Sender<Result<Bytes, Fault>>) {
        let Some(live) = self.routes.get(&key.0) else { return };
        let stops = live.compiled.sections.iter().zip(self.entries_of(key)).map(|(section, entry)| {
            let state = entry.map(|entry| entry.desk.state());
            let facts = state.as_ref().and_then(|state| state.facts.as_ref());
            let has = facts.is_none_or(|facts| facts.has(ListKind::Resources));
            let up = state.as_ref().filter(|state| has && state.presence == Presence::Up);
            let link = up.and_then(|state| state.link.clone());
            Stop {
                section: section.index,
                key: section.spec.key,
                missing: has && link.is_none(),
                link,
                entry: entry.map(Entry::weak),
            }
        });
        let walk = Walk {
            stops: stops.collect(),
            pool: Arc::clone(&self.shop.pool),
            live: Arc::clone(live),
            modern: key.1.revision.is_modern(),
        };
        let shared = Arc::clone(&self.shared);
        let task = async move {
            // Nobody may be left to hear it.
            let _ = reply.send(walk.run(&shared, aim).await);
        };
        drop(self.shop.tasks.spawn(TaskName::Other, task));
    }
}
