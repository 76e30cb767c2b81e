//! A connected entry: the first read, then a fresh one whenever the server, or the keeper, says that it is due.

use std::sync::Arc;

use futures::future::join_all;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Actor, ListState, Outcome, Site, Standing};
use crate::catalog::changes::KindSet;
use crate::catalog::link::{Link, ReadError, is_unreachable};
use crate::catalog::list::{BackendList, ListKind};
use crate::catalog::watch::{Signal, Watch};
use crate::telemetry::labels::TaskName;

/// What a select of a connected entry saw.
enum Seen {
    Order(Option<KindSet>),
    News,
    Due,
}

// === impl Actor ===

impl Actor {
    pub(super) async fn serve(&mut self, link: &Link, deadline: Instant) -> Outcome {
        let (signal, _standing) = self.site.watch(link);
        // A server that opens the stream at once can announce whatever changes from here on.
        if timeout(self.site.shop.limits.watch_head, signal.news()).await.is_err() {
            tracing::trace!(backend = %link.server.backend.name, "no head of the stream yet");
        }
        signal.reading_begins();
        self.site.note_watch(&signal);
        if let Err(outcome) = self.read(ListKind::KEPT.into_iter().collect(), &signal, deadline).await {
            return outcome;
        }
        // What was announced before this is in what was just read.
        signal.take_said();
        let mut not_before = Instant::now() + self.site.shop.limits.coalesce;
        loop {
            let dirty = signal.changed();
            let seen = tokio::select! {
                order = self.orders.recv() => Seen::Order(order),
                () = signal.news() => Seen::News,
                () = sleep_until(not_before), if !dirty.is_empty() => Seen::Due,
            };
            match seen {
                Seen::Order(None) => return Outcome::Unwanted,
                Seen::Order(Some(kinds)) => signal.mark(kinds),
                Seen::News if signal.is_lost() => return Outcome::SessionLost,
                Seen::News => self.site.note_watch(&signal),
                Seen::Due => {
                    let kinds = signal.take_changed();
                    let said = signal.take_said();
                    let deadline = Instant::now() + self.site.shop.limits.deadline;
                    if let Err(outcome) = self.read(kinds, &signal, deadline).await {
                        return outcome;
                    }
                    // Templates change with resources, whose own bit tells of both.
                    self.site.announced(said.iter().filter(|kind| *kind != ListKind::Templates).collect());
                    not_before = Instant::now() + self.site.shop.limits.coalesce;
                }
            }
        }
    }

    /// Reads the lists of `kinds` that the server has, side by side; each is published when it is there.
    async fn read(&mut self, kinds: KindSet, signal: &Signal, deadline: Instant) -> Result<(), Outcome> {
        let site = self.site.clone();
        if kinds.contains(ListKind::Resources) {
            // Walked, never kept: the change alone is news.
            site.tell(KindSet::default().with(ListKind::Resources));
        }
        let facts = site.desk.state().facts.clone();
        let kept = ListKind::KEPT
            .into_iter()
            .filter(|kind| kinds.contains(*kind) && facts.as_ref().is_some_and(|facts| facts.has(*kind)));
        let reads = join_all(kept.map(|kind| site.read_one(kind, signal, deadline)));
        tokio::pin!(reads);
        loop {
            tokio::select! {
                results = &mut reads => return results.into_iter().collect(),
                order = self.orders.recv() => match order {
                    Some(kinds) => signal.mark(kinds),
                    None => return Err(Outcome::Unwanted),
                },
            }
        }
    }
}

// === impl Site ===

impl Site {
    fn watch(&self, link: &Link) -> (Arc<Signal>, Standing) {
        let signal = Arc::new(Signal::default());
        let facts = self.desk.state().facts.clone();
        let announced =
            ListKind::ALL.into_iter().filter(|kind| facts.as_ref().is_some_and(|facts| facts.list_changed(*kind)));
        let watch = Watch {
            link: link.clone(),
            pool: Arc::clone(&self.shop.pool),
            signal: Arc::clone(&signal),
            limits: Arc::clone(&self.shop.limits),
            announced: announced.collect(),
        };
        let task = self.shop.tasks.spawn(TaskName::UpstreamStream, watch.run());
        (signal, Standing(task.abort_handle()))
    }

    /// Publishes whether changes are told; freshness depends on it.
    fn note_watch(&self, signal: &Signal) {
        let watched = signal.is_watched();
        let before = std::mem::replace(&mut self.desk.state().watched, watched);
        if before != watched {
            self.tell(KindSet::default());
        }
    }

    async fn read_one(&self, kind: ListKind, signal: &Signal, deadline: Instant) -> Result<(), Outcome> {
        let Some(link) = self.desk.state().link.clone() else { return Err(Outcome::Failed) };
        let mut noticed = KindSet::default();
        let read = link.list(&self.shop.pool, kind, &self.shop.limits, deadline, &mut noticed).await;
        signal.mark(noticed);
        match read {
            Ok(list) => self.listed(kind, list),
            Err(error) if error.is_session_lost() => return Err(Outcome::SessionLost),
            Err(ReadError::Upstream(error)) if is_unreachable(&error) => return Err(self.down(&error)),
            Err(error) => self.unlisted(kind, &error),
        }
        Ok(())
    }

    fn listed(&self, kind: ListKind, list: BackendList) {
        let mut state = self.desk.state();
        let Some(slot) = state.lists.get_mut(kind.slot()) else { return };
        // An equal list keeps its place, so that nothing is merged again for it.
        let kept = match slot {
            ListState::Read { list: old, .. } if old.is_same_as(&list) => Some(Arc::clone(old)),
            _ => None,
        };
        let changed = kept.is_none();
        *slot = ListState::Read { list: kept.unwrap_or_else(|| Arc::new(list)), at: Instant::now() };
        drop(state);
        self.tell(if changed { KindSet::default().with(kind) } else { KindSet::default() });
    }

    fn unlisted(&self, kind: ListKind, error: &ReadError) {
        let mut state = self.desk.state();
        let backend = state.server.backend.name.clone();
        if let Some(slot) = state.lists.get_mut(kind.slot()) {
            *slot = slot.failed();
        }
        drop(state);
        tracing::warn!(%backend, list = kind.member(), %error, "a list cannot be read");
        self.tell(KindSet::default().with(kind));
    }
}
