//! The round: observe, translate, publish, status, in this order, in `Reconciler::round`.
//!
//! Wakes on changes of the store, of the pods and of the Lease, gathers for a moment, and does what the changes ask for:
//! a status that somebody wrote is no reason to translate. Run by `app`; the only task that publishes.

mod lag;
mod pace;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use ringway_config_stream::{Position, Rejection};
use ringway_snapshot::ObjectName;
use ringway_translate::{Install, ObjectId, Translation, World, translate};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::admin::Health;
use crate::lease::Claim;
use crate::metrics::{Metrics, Step};
use crate::observe::kind::{Kind, Reach, Watched as _};
use crate::observe::pods::Fleet as SeenPods;
use crate::observe::store::{Observed, Trouble};
use crate::observe::{Observer, Ticks};
use crate::publish::{Pods, Publisher};
use crate::status::facts::Gathered;
use crate::status::fleet::{ABSENCE, Fleet, Published, ReadyPod};
use crate::status::needs::Needs;
use crate::status::writer::Writer;
use crate::status::{self, Changes};
use lag::Lag;
use pace::Pace;

/// How often the first round asks whether every list is in.
const FIRST_LOOK: Duration = Duration::from_millis(200);

/// What a round works with.
#[derive(Debug, Clone)]
pub struct Parts {
    pub observer: Arc<Observer>,
    pub publisher: Arc<Publisher>,
    pub writer: Arc<Writer>,
    pub install: Arc<Install>,
    pub claims: watch::Receiver<Claim>,
    pub metrics: Arc<Metrics>,
    pub health: Arc<Health>,
}

#[derive(Debug)]
pub struct Reconciler {
    parts: Parts,
    ticks: watch::Receiver<Ticks>,
    pods: watch::Receiver<Arc<Pods>>,
    fleet: watch::Receiver<Option<SeenPods>>,
    /// What the last translation included.
    translated: Option<Ticks>,
    /// All that a status follows from, on loan to the thread that works it out.
    state: Option<Box<State>>,
    pace: Pace,
    lag: Lag,
    absent_since: Option<Instant>,
    was_leader: bool,
}

#[derive(Debug, Default)]
struct State {
    translation: Translation,
    position: Position,
    refused: Vec<Rejection>,
    needs: Needs,
}

/// What woke the loop.
#[derive(Debug, Clone, Copy, Default)]
struct Woken {
    /// Every status may differ, not only those that were touched.
    is_wide: bool,
}

// === impl Reconciler ===

impl Reconciler {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            ticks: parts.observer.ticks(),
            pods: parts.publisher.pods(),
            fleet: parts.observer.fleet(),
            translated: None,
            state: Some(Box::default()),
            pace: Pace::default(),
            lag: Lag::default(),
            absent_since: None,
            was_leader: false,
            parts,
        }
    }

    /// Runs for ever.
    pub async fn run(mut self) {
        self.every_list().await;
        let mut woken = Woken { is_wide: true };
        loop {
            self.parts.health.round_begins();
            self.round(woken).await;
            self.parts.health.round_ends();
            woken = self.change().await;
            let has_changed = self.translated.is_none_or(|done| done.config != self.ticks.borrow().config);
            tokio::time::sleep(self.pace.gather(has_changed)).await;
        }
    }

    /// The order of everything. Each part sees what the part before it left.
    async fn round(&mut self, woken: Woken) {
        let is_first = self.translated.is_none();
        // observe
        let ticks = *self.ticks.borrow_and_update();
        let has_changed = self.translated.is_none_or(|translated| translated.config != ticks.config);
        let touched = self.parts.observer.touched();
        let (observed, ticks) =
            if has_changed { self.parts.observer.settled(is_first).await } else { self.parts.observer.observed() };
        // translate
        if has_changed {
            let Some(translation) = self.translate(&observed).await else { return };
            self.translated = Some(ticks);
            // publish
            if !self.publish(translation, &observed).await {
                return;
            }
        } else if self.translated.is_none_or(|translated| translated.config != ticks.config) {
            // Changed since a moment ago: the verdicts are of other generations. The next round begins at once.
            return;
        }
        self.watch_pods();
        // status
        if self.leads() {
            let all = woken.is_wide || has_changed || !self.was_leader;
            if all || !touched.is_empty() {
                self.status(observed, if all { None } else { Some(touched) }).await;
            }
        }
        self.was_leader = self.leads();
        self.measure();
    }

    /// Waits until every kind was listed: what is published before would take away what is served.
    async fn every_list(&self) {
        loop {
            let missing = self.parts.observer.missing();
            if missing.is_empty() {
                return;
            }
            self.parts.health.waiting_for(missing);
            tokio::time::sleep(FIRST_LOOK).await;
        }
    }

    /// Waits for what asks for a round. News of pods do so when a look at every status is affordable.
    async fn change(&mut self) -> Woken {
        loop {
            let wide = self.pace.wide();
            tokio::select! {
                // Their senders live as long as this.
                _ = self.ticks.changed() => return Woken { is_wide: false },
                _ = self.parts.claims.changed() => return Woken { is_wide: true },
                () = tokio::time::sleep_until(wide.unwrap_or_else(Instant::now)), if wide.is_some() => {
                    self.pace.wide_begins();
                    return Woken { is_wide: true };
                }
                _ = self.pods.changed() => {}
                _ = self.fleet.changed() => {}
            }
            self.watch_pods();
            // Who comes to hold the Lease looks at every status anyway.
            if self.leads() {
                self.pace.ask_wide();
            }
        }
    }

    async fn translate(&mut self, observed: &Observed) -> Option<Translation> {
        let objects: Vec<_> = Kind::ALL
            .into_iter()
            .flat_map(|kind| observed.of(kind))
            .filter_map(|(_, entry)| entry.object.clone())
            .collect();
        let install = Arc::clone(&self.parts.install);
        let began = Instant::now();
        let mut world = World::from_objects(objects);
        for (scope, why) in observed.unread() {
            world.leave_unread(scope.kind, scope.namespace.as_deref().unwrap_or_default(), why);
        }
        let work = move || translate(&world, &install, &|_| None);
        let translation = match tokio::task::spawn_blocking(work).await {
            Ok(translation) => translation,
            Err(error) => {
                // A fault of ours: what is served stays, and the next change tries again.
                tracing::error!(error = &error as &dyn std::error::Error, "translation broke off");
                return None;
            }
        };
        self.pace.translated(began.elapsed());
        self.parts.metrics.step(Step::Translate, began.elapsed());
        Some(translation)
    }

    /// On a thread of its own: what is new is found by comparison, and encoded. False: it broke off.
    async fn publish(&mut self, translation: Translation, observed: &Observed) -> bool {
        let (began, position) = (Instant::now(), observed.position());
        let (publisher, at) = (Arc::clone(&self.parts.publisher), position.clone());
        let work = move || {
            let refused = publisher.publish(&translation.snapshot, at);
            (translation, refused)
        };
        let (translation, refused) = match tokio::task::spawn_blocking(work).await {
            Ok(published) => published,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "publishing broke off");
                // Made anew by translating once more.
                self.translated = None;
                return false;
            }
        };
        let Some(state) = &mut self.state else { return false };
        state.refused = refused;
        state.needs.update(observed, &translation.verdicts);
        state.translation = translation;
        self.lag.published(self.pace.woken(), position.clone());
        state.position = position;
        self.parts.metrics.publishes.inc();
        self.parts.metrics.step(Step::Publish, began.elapsed());
        self.parts.health.published();
        true
    }

    /// Works out what differs, on a thread of its own: 10,000 objects take a while.
    async fn status(&mut self, observed: Observed, only: Option<BTreeSet<ObjectId>>) {
        let (Some(state), Some(install)) = (self.state.take(), self.parts.install.cluster().cloned()) else { return };
        let (pods, seen) = (self.pods.borrow().clone(), self.fleet.borrow().clone().unwrap_or_default());
        let absent_for = self.absent_since.map_or(Duration::ZERO, |since| since.elapsed());
        let began = Instant::now();
        let work = move || {
            let namespace = install.namespace.as_str();
            let ready = ready(&seen, &pods, namespace);
            let facts = Gathered::of(&ready, status::endpoints(&observed, only.as_ref()), only.as_ref());
            let published = Published { position: &state.position, refused: &state.refused };
            let fleet = Fleet::new(ready, &state.needs, published, absent_for);
            let input = status::Input {
                observed: &observed,
                verdicts: &state.translation.verdicts,
                snapshot: &state.translation.snapshot,
                needs: &state.needs,
                fleet: &fleet,
                facts: &facts,
                install: &install,
                now: Timestamp::now(),
            };
            let changes = status::changes(input, only.as_ref());
            (changes, only, state)
        };
        let (changes, only): (Changes, _) = match tokio::task::spawn_blocking(work).await {
            Ok((changes, only, state)) => {
                self.state = Some(state);
                (changes, only)
            }
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "status broke off");
                self.state = Some(Box::default());
                // What was lent is lost: made anew by translating once more.
                self.translated = None;
                return;
            }
        };
        self.parts.writer.submit(changes, only.as_ref());
        self.parts.metrics.step(Step::Status, began.elapsed());
        match only {
            None => self.pace.wide_done(began.elapsed()),
            Some(_) => self.pace.narrow_done(began.elapsed()),
        }
    }

    /// Since when there has been no ready pod, and whether all have what was published.
    fn watch_pods(&mut self) {
        let (pods, seen) = (self.pods.borrow().clone(), self.fleet.borrow().clone().unwrap_or_default());
        let namespace = self.parts.install.cluster().map(|install| install.namespace.clone()).unwrap_or_default();
        let ready = ready(&seen, &pods, &namespace);
        self.parts.metrics.ready_pods.set(i64::try_from(ready.len()).unwrap_or(i64::MAX));
        if !ready.is_empty() {
            self.absent_since = None;
        } else if self.absent_since.is_none() {
            self.absent_since = Some(Instant::now());
            self.pace.ask_wide_after(ABSENCE);
        }
        if let Some(state) = &self.state {
            for lag in self.lag.acknowledged(&ready, &state.position) {
                self.parts.metrics.lag.observe(lag.as_secs_f64());
            }
        }
    }

    fn leads(&self) -> bool {
        self.parts.claims.borrow().is_current(Instant::now())
    }

    fn measure(&self) {
        let metrics = &self.parts.metrics;
        let observed = self.parts.observer.view();
        let troubles = self.parts.observer.troubles();
        for kind in Kind::ALL {
            metrics.objects(kind.kind(), observed.count(kind));
            // Gateway API not being there is no trouble.
            let is_trouble = |trouble| kind.reach() != Reach::Optional || trouble != Trouble::Absent;
            let of_kind = troubles.iter().filter(|(scope, trouble)| scope.kind == kind && is_trouble(**trouble));
            metrics.troubles(kind.kind(), of_kind.count());
        }
        let problems = self.state.as_ref().map_or(0, |state| state.translation.problems.len());
        metrics.problems.set(i64::try_from(problems).unwrap_or(i64::MAX));
        metrics.leader.set(i64::from(self.leads()));
    }
}

/// Pods that the API server calls ready, with what they say of themselves. A pod that ends is not waited for.
fn ready<'a>(seen: &'a SeenPods, pods: &'a Pods, namespace: &str) -> Vec<ReadyPod<'a>> {
    let ready = seen.iter().filter(|(_, pod)| pod.is_ready && !pod.is_terminating);
    ready
        .map(|(name, seen)| {
            let state = pods.get(&ObjectName::new(namespace, name.as_str()));
            // Another pod of the same name says nothing of this one.
            let state = state.filter(|state| state.pod.uid.is_empty() || state.pod.uid == seen.uid);
            ReadyPod {
                name,
                position: state.and_then(|state| state.position.as_ref()),
                rejections: state.map(|state| state.rejections.as_slice()).unwrap_or_default(),
                has_more_rejections: state.is_some_and(|state| state.has_more_rejections),
                facts: state.map(|state| &*state.facts),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
