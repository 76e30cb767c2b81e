//! Sends patches: server-side apply on `/status`, a few at a time, only while the Lease is held.
//!
//! Decides nothing about a status. Of each object only the newest patch waits; a failed one is tried again later and
//! later. Fed by `reconcile`, run by `app`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::api::{Patch as Body, PatchParams};
use kube::core::DynamicObject;
use kube::{Api, Client};
use ringway_translate::ObjectId;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::patch::Content;
use super::{Changes, FACTS_INTERVAL, Patch};
use crate::events::Events;
use crate::lease::Claim;
use crate::metrics::{Metrics, WriteOutcome};
use crate::observe::Observer;
use crate::observe::kind::Watched as _;

/// Writes under way: enough for some hundred a second, little beside what an API server grants a client.
const CONCURRENCY: usize = 8;
/// Shorter than what is left of a Lease whose holder has just ceased to count as one.
const TIMEOUT: Duration = Duration::from_secs(4);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);
/// Somebody else writes what is ours, or an old CustomResourceDefinition drops a field of it: after this it is written
/// again, then after twice as long, and so on.
const CONTEST_INTERVAL: Duration = Duration::from_secs(60);
const LAST_CONTEST: Duration = Duration::from_secs(3_600);
const MANAGER: &str = "ringway-operator";

/// What a write needs.
#[derive(Clone)]
pub struct Context {
    pub client: Client,
    pub observer: Arc<Observer>,
    pub claims: watch::Receiver<Claim>,
    pub events: Events,
    pub metrics: Arc<Metrics>,
    /// Who gives the Lease back waits for these.
    pub writes: TaskTracker,
}

pub struct Writer {
    context: Context,
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: BTreeMap<ObjectId, Job>,
    under_way: BTreeMap<ObjectId, Content>,
    written: BTreeMap<ObjectId, Written>,
}

#[derive(Debug)]
struct Job {
    patch: Patch,
    not_before: Instant,
    failures: u32,
}

/// What was written last. Not the status itself: there are 10,000 of these, for hours.
#[derive(Debug)]
struct Written {
    content: Content,
    when: Instant,
    /// How often the same was written again.
    contests: u32,
}

// === impl Context ===

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}

// === impl Writer ===

impl Writer {
    #[must_use]
    pub fn new(context: Context) -> Arc<Self> {
        Arc::new(Self { context, queue: Mutex::default(), wake: Notify::new() })
    }

    /// Takes what came out for `only`, or for every object: what waited for these and is not wanted any more goes.
    pub fn submit(&self, changes: Changes, only: Option<&BTreeSet<ObjectId>>) {
        self.queue().submit(changes, only, Instant::now());
        self.count();
        self.wake.notify_one();
    }

    /// How many patches wait or are under way.
    #[must_use]
    pub fn backlog(&self) -> usize {
        let queue = self.queue();
        queue.waiting.len() + queue.under_way.len()
    }

    /// Runs for ever.
    pub async fn run(self: Arc<Self>) {
        loop {
            let (jobs, next) = self.queue().due(Instant::now());
            for (id, job) in jobs {
                let writer = Arc::clone(&self);
                self.context.writes.spawn(async move { writer.perform(id, job).await });
            }
            match next {
                Some(next) => drop(tokio::time::timeout_at(next, self.wake.notified()).await),
                None => self.wake.notified().await,
            }
        }
    }

    async fn perform(&self, id: ObjectId, job: Job) {
        let outcome = self.write(&job.patch).await;
        self.context.metrics.status_write(outcome);
        self.queue().end(id, job, outcome, Instant::now());
        self.count();
        self.wake.notify_one();
    }

    async fn write(&self, patch: &Patch) -> WriteOutcome {
        if !self.context.claims.borrow().is_current(Instant::now()) {
            return WriteOutcome::Dropped;
        }
        let resource = patch.id.kind.resource(&patch.api_version);
        let client = self.context.client.clone();
        let api: Api<DynamicObject> = if patch.id.kind.is_namespaced() {
            Api::namespaced_with(client, &patch.id.name.namespace, &resource)
        } else {
            Api::all_with(client, &resource)
        };
        let params = PatchParams::apply(MANAGER).force();
        let body = Body::Apply(patch.body());
        let answer = tokio::time::timeout(TIMEOUT, api.patch_status(&patch.id.name.name, &params, &body)).await;
        let (kind, name) = (patch.id.kind, &patch.id.name);
        match answer {
            Ok(Ok(mut object)) => {
                object.metadata.managed_fields = None;
                self.context.observer.wrote(kind, object);
                self.context.events.tell(&patch.reference(), &patch.transitions);
                WriteOutcome::Done
            }
            // Deleted, or made anew: its next event says more.
            Ok(Err(kube::Error::Api(status))) if status.is_not_found() || status.is_conflict() => {
                tracing::debug!(%kind, %name, message = status.message, "status not written");
                WriteOutcome::Dropped
            }
            Ok(Err(error)) => {
                tracing::warn!(%kind, %name, error = &error as &dyn std::error::Error, "status not written");
                WriteOutcome::Failed
            }
            Err(_) => {
                tracing::warn!(%kind, %name, "status not written: the API server does not answer");
                WriteOutcome::Failed
            }
        }
    }

    fn count(&self) {
        self.context.metrics.backlog.set(i64::try_from(self.backlog()).unwrap_or(i64::MAX));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writer").field("backlog", &self.backlog()).finish_non_exhaustive()
    }
}

// === impl Queue ===

impl Queue {
    fn submit(&mut self, changes: Changes, only: Option<&BTreeSet<ObjectId>>, now: Instant) {
        let wanted: BTreeSet<ObjectId> = changes.patches.iter().map(|patch| patch.id.clone()).collect();
        self.waiting.retain(|id, _| wanted.contains(id) || only.is_some_and(|only| !only.contains(id)));
        if only.is_none() {
            self.written.retain(|_, written| now.duration_since(written.when) < LAST_CONTEST * 2);
        }
        for patch in changes.patches {
            let id = patch.id.clone();
            if self.under_way.get(&id) == Some(&patch.content) {
                // What waits behind it is outdated.
                self.waiting.remove(&id);
                continue;
            }
            if self.waiting.get(&id).is_some_and(|job| job.patch.content == patch.content) {
                continue;
            }
            let not_before = match self.written.get(&id) {
                Some(written) if written.content == patch.content => {
                    let pause = CONTEST_INTERVAL.saturating_mul(1 << written.contests.min(6)).min(LAST_CONTEST);
                    written.when + pause
                }
                Some(written) if changes.deferrable.contains(&id) => written.when + FACTS_INTERVAL,
                _ => now,
            };
            self.waiting.insert(id, Job { patch, not_before, failures: 0 });
        }
    }

    /// What can be begun now, and when to look again.
    fn due(&mut self, now: Instant) -> (Vec<(ObjectId, Job)>, Option<Instant>) {
        let room = CONCURRENCY.saturating_sub(self.under_way.len());
        let free = self.waiting.iter().filter(|(id, _)| !self.under_way.contains_key(*id));
        let due: Vec<_> = free.filter(|(_, job)| job.not_before <= now).map(|(id, _)| id.clone()).take(room).collect();
        let mut jobs = Vec::new();
        for id in due {
            if let Some(job) = self.waiting.remove(&id) {
                self.under_way.insert(id.clone(), job.patch.content.clone());
                jobs.push((id, job));
            }
        }
        let next = self.waiting.values().map(|job| job.not_before).filter(|when| *when > now).min();
        (jobs, next)
    }

    fn end(&mut self, id: ObjectId, job: Job, outcome: WriteOutcome, now: Instant) {
        self.under_way.remove(&id);
        match outcome {
            WriteOutcome::Done => {
                let content = job.patch.content;
                let before = self.written.remove(&id).filter(|before| before.content == content);
                let contests = before.map_or(0, |before| before.contests.saturating_add(1));
                self.written.insert(id, Written { content, when: now, contests });
            }
            WriteOutcome::Dropped => {}
            WriteOutcome::Failed => {
                let failures = job.failures.saturating_add(1);
                let pause = FIRST_RETRY.saturating_mul(1 << failures.min(7).saturating_sub(1)).min(LAST_RETRY);
                // What is newer has come meanwhile: it inherits the pause, since it is the API server that is ill.
                let job = self.waiting.remove(&id).unwrap_or(job);
                self.waiting.insert(id, Job { not_before: now + pause, failures, ..job });
            }
        }
    }
}

#[cfg(test)]
mod tests;
