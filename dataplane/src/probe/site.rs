//! One backend between visits: when the next one is due, and what the last ones add up to.
//!
//! Sync; goes nowhere itself. Owned by `keeper`.

use std::sync::Arc;
use std::time::Duration;

use ringway_config_stream::{BackendFacts, Reach};
use ringway_mcp::Revision;
use ringway_snapshot::Target;
use tokio::time::Instant;

use super::limits::Limits;
use super::tally::Tools;
use super::verdict;
use super::visit::{Counts, Errand, Greeting, Met, Visit};
use crate::catalog::backoff::Backoff;
use crate::upstream::{Server, UpstreamError, UpstreamSession, jittered};

/// One backend.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) server: Arc<Server>,
    pub(super) found: BackendFacts,
    greeting: Option<Greeting>,
    tools: Option<Vec<Box<str>>>,
    is_seen: bool,
    /// In a row.
    failures: usize,
    backoff: Backoff,
    due: Instant,
    counts_due: Instant,
    is_under_way: bool,
}

// === impl Site ===

impl Site {
    pub(super) fn new(server: Arc<Server>, limits: &Limits, now: Instant) -> Self {
        Self {
            server,
            found: BackendFacts::default(),
            greeting: None,
            tools: None,
            is_seen: false,
            failures: 0,
            backoff: Backoff::new(limits.backoff),
            due: now,
            counts_due: now,
            is_under_way: false,
        }
    }

    /// The configuration came again. False: it is another server now.
    pub(super) fn renew(&mut self, server: &Arc<Server>, limits: &Limits, now: Instant) -> bool {
        if !self.server.is_same_as(server) {
            return false;
        }
        if endpoints(&self.server) != endpoints(server) {
            // Another pod may answer where the last one did not, and may be another version.
            self.backoff = Backoff::new(limits.backoff);
            self.due = self.due.min(now + limits.backoff.0);
            self.counts_due = self.counts_due.min(now + limits.backoff.0);
        }
        self.server = Arc::clone(server);
        true
    }

    /// The session to end when the backend is not visited any more.
    pub(super) fn leave(self) -> Option<(Arc<Server>, UpstreamSession)> {
        let session = self.greeting.and_then(Greeting::leave)?;
        Some((self.server, session))
    }

    pub(super) fn tools(&self) -> Tools<'_> {
        match &self.tools {
            Some(tools) => Tools::Known(tools),
            None if self.is_seen => Tools::Unknown,
            None => Tools::Unseen,
        }
    }

    /// Since when a visit has been due.
    pub(super) fn due(&mut self, limits: &Limits, now: Instant) -> Option<Instant> {
        if self.is_under_way {
            return None;
        }
        if self.is_well() && self.server.take_doubted() {
            self.due = self.due.min(now + jittered(limits.backoff.0));
        }
        (self.due <= now).then_some(self.due)
    }

    /// A visit that is due, unless clients show anyhow that the server answers.
    pub(super) fn errand(&mut self, interval: Duration, now: Instant) -> Option<Errand> {
        let counts = now >= self.counts_due;
        if self.is_well() && !counts && self.server.take_answered() {
            self.rest(interval, now);
            return None;
        }
        self.is_under_way = true;
        Some(Errand { server: Arc::clone(&self.server), known: self.greeting.clone(), counts })
    }

    fn is_well(&self) -> bool {
        self.found.reach == Reach::Reached && self.failures == 0
    }

    /// Nothing is under way, and nothing is to be for a while.
    pub(super) fn rest(&mut self, interval: Duration, now: Instant) {
        self.is_under_way = false;
        self.due = now + jittered(interval);
    }

    /// Takes in what came of a visit. True: what is known of the tools is another.
    pub(super) fn take(&mut self, visit: Visit, limits: &Limits, interval: Duration, now: Instant) -> bool {
        self.is_under_way = false;
        // What the visit itself left behind is no client's doing.
        self.server.take_answered();
        self.server.take_doubted();
        self.greeting = visit.greeting;
        let was_seen = std::mem::replace(&mut self.is_seen, true);
        match visit.outcome {
            Ok(met) => {
                self.failures = 0;
                self.backoff = Backoff::new(limits.backoff);
                self.due = now + jittered(interval);
                self.meet(met, limits, now) || !was_seen
            }
            Err(error) => {
                self.miss(&error, limits, now);
                !was_seen
            }
        }
    }

    fn meet(&mut self, met: Met, limits: &Limits, now: Instant) -> bool {
        let Met { name, version, counts } = met;
        let found = &mut self.found;
        found.reach = Reach::Reached;
        found.reason.clear();
        found.message.clear();
        found.server_name = name;
        found.server_version = version;
        let versions = self.greeting.iter().flat_map(|greeting| &greeting.versions);
        found.protocol_versions = versions.map(|revision: &Revision| revision.as_str().to_owned()).collect();
        let Some(Counts { tools, prompts, resources }) = counts else { return false };
        // A list that could not be read is tried again sooner.
        let is_whole = tools.is_some() && prompts.is_some() && resources.is_some();
        self.counts_due = now + jittered(if is_whole { limits.lists } else { limits.interval });
        let found = &mut self.found;
        found.prompts = prompts.or(found.prompts);
        found.resources = resources.or(found.resources);
        let Some(tools) = tools else { return false };
        found.tools = Some(u32::try_from(tools.len()).unwrap_or(u32::MAX));
        let is_another = self.tools.as_ref() != Some(&tools);
        self.tools = Some(tools);
        is_another
    }

    fn miss(&mut self, error: &UpstreamError, limits: &Limits, now: Instant) {
        if matches!(error, UpstreamError::Busy(_)) {
            // Clients use all that there is: no news about the server.
            self.due = now + jittered(limits.interval);
            return;
        }
        self.failures += 1;
        self.due = now + self.backoff.next();
        if self.found.reach == Reach::Reached && self.failures < limits.failures {
            return;
        }
        let (reason, message) = verdict::of(error);
        if self.found.reach != Reach::Failed || self.found.reason != reason {
            tracing::info!(backend = %self.server.backend.name, %error, reason, "backend not reached");
        }
        // What was known of it stays: it is the same server when it comes back.
        self.found.reach = Reach::Failed;
        reason.clone_into(&mut self.found.reason);
        self.found.message = message;
    }
}

fn endpoints(server: &Server) -> Option<&[std::net::SocketAddr]> {
    match &server.backend.target {
        Target::Http(target) => target.endpoints.as_deref(),
        Target::Stdio(_) => None,
    }
}
