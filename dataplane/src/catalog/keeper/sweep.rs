//! What comes and goes: views taken up, configuration applied, idle views and unused entries let go, memory bounded.

use std::collections::HashSet;
use std::sync::Arc;

use ringway_snapshot::{HttpTarget, Target};

use super::work::Work;
use super::{Keeper, Routes, WorkKey};
use crate::catalog::entry::{Entry, EntryKey};
use crate::catalog::list::ListKind;
use crate::catalog::view::{View, millis};
use crate::upstream::Server;

// === impl Keeper ===

impl Keeper {
    /// Takes up a view: its entries run from now on. `None`: its route is gone.
    pub(super) fn adopt(&mut self, view: &Arc<View>) -> Option<WorkKey> {
        let key = (view.route.clone(), view.viewer);
        if !self.routes.contains_key(&key.0) {
            let gone = view.route.clone();
            self.shared.board.retain(|view| view.route != gone);
            return None;
        }
        let known = self.works.get(&key).is_some_and(|work| Arc::ptr_eq(&work.view, view));
        if !known {
            self.works.insert(key.clone(), Work::new(Arc::clone(view)));
            self.start_entries(&key);
            // One viewer may have made room for this one.
            self.release();
        }
        Some(key)
    }

    fn start_entries(&mut self, (route, viewer): &WorkKey) {
        let Some(live) = self.routes.get(route).cloned() else { return };
        for (section, server) in live.compiled.sections.iter().zip(&live.servers) {
            let key = (section.spec.key, *viewer);
            if !self.entries.contains_key(&key) {
                self.entries.insert(key, Entry::start(key, Arc::clone(server), self.shop.clone()));
            }
        }
    }

    pub(super) fn apply(&mut self, routes: &Arc<Routes>) {
        let before = std::mem::replace(&mut self.routes, Arc::clone(routes));
        self.shared.board.retain(|view| routes.contains_key(&view.route));
        self.shared.learned().retain(|route| routes.contains_key(route));
        self.works.retain(|(route, _), _| routes.contains_key(route));
        for server in routes.values().flat_map(|live| &live.servers) {
            self.exchange(server);
        }
        self.release();
        let keys: Vec<WorkKey> = self.works.keys().cloned().collect();
        for key in &keys {
            self.start_entries(key);
        }
        for ((route, _), work) in &mut self.works {
            let same = before.get(route).zip(routes.get(route)).is_some_and(|(old, new)| Arc::ptr_eq(old, new));
            if !same {
                work.renew();
            }
        }
    }

    /// Gives entries their backend's new run time; one that means another server ends, and starts anew.
    fn exchange(&mut self, server: &Arc<Server>) {
        self.entries.retain(|key, entry| {
            if key.0 != server.backend.key {
                return true;
            }
            let mut state = entry.desk.state();
            if Arc::ptr_eq(&state.server, server) {
                return true;
            }
            if !is_same_server(&state.server, server) {
                return false;
            }
            state.link = state.link.as_ref().map(|link| link.over(Arc::clone(server)));
            state.server = Arc::clone(server);
            true
        });
    }

    /// Lets go of views that nobody used for long, and of what they held.
    pub(super) fn sweep(&mut self) {
        let now = self.shared.board.now();
        let rested = now.saturating_sub(millis(self.shared.limits.idle));
        self.shared.board.retain(|view| view.is_watched() || view.used() > rested);
        self.release();
    }

    /// Drops works whose view is gone and entries that no work needs.
    fn release(&mut self) {
        let board = &self.shared.board;
        self.works.retain(|(route, viewer), work| {
            board.view(route, viewer).is_some_and(|view| Arc::ptr_eq(&view, &work.view))
        });
        let needed: HashSet<EntryKey> = self
            .works
            .keys()
            .filter_map(|(route, viewer)| Some((self.routes.get(route)?, *viewer)))
            .flat_map(|(live, viewer)| live.compiled.sections.iter().map(move |section| (section.spec.key, viewer)))
            .collect();
        self.entries.retain(|key, _| needed.contains(key));
    }

    /// Evicts merged lists of the views used least lately, never those of `but`.
    pub(super) fn keep_budget(&mut self, but: &WorkKey) {
        let weight = |work: &Work| {
            ListKind::KEPT
                .iter()
                .filter_map(|kind| work.view.merged(*kind))
                .map(|merged| merged.weight())
                .sum::<usize>()
        };
        let mut total: usize = self.works.values().map(weight).sum();
        if total <= self.shared.limits.budget {
            return;
        }
        let mut others: Vec<(u64, WorkKey)> = self
            .works
            .iter()
            .filter(|(key, _)| *key != but)
            .map(|(key, work)| (work.view.used(), key.clone()))
            .collect();
        others.sort_by_key(|(used, _)| *used);
        for (_, key) in others {
            if total <= self.shared.limits.budget {
                return;
            }
            if let Some(work) = self.works.get_mut(&key) {
                total = total.saturating_sub(weight(work));
                work.evict();
            }
        }
    }
}

/// Would a connection made to the one be right for the other? A Service's endpoints come and go.
fn is_same_server(old: &Server, new: &Server) -> bool {
    let (old, new) = (&old.backend, &new.backend);
    let target = match (&old.target, &new.target) {
        (Target::Http(old), Target::Http(new)) => {
            *old == HttpTarget { endpoints: old.endpoints.clone(), ..new.clone() }
        }
        (old, new) => old == new,
    };
    target
        && old.credentials == new.credentials
        && old.protocol_version == new.protocol_version
        && old.transport == new.transport
}
