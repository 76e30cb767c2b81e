//! The rules of the Lease: when to create, take, renew and wait, and until when a claim holds.
//!
//! Pure: told the time and what was read. The clocks of other machines are not trusted: a holder counts as silent when
//! this replica saw nothing change for the Lease's whole duration.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::Instant;

use super::{ADDRESS_ANNOTATION, Claim, DURATION, RENEW_DEADLINE};

/// A Lease as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Empty: nobody.
    pub holder: String,
    /// Changes with every write.
    pub version: String,
    /// As the holder promised.
    pub duration: Duration,
    /// Of the holder's config stream.
    pub address: Option<String>,
    pub transitions: i32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Create,
    Take,
    Renew,
    Wait,
}

#[derive(Debug)]
pub struct Elector {
    identity: String,
    /// Since when the Lease has looked as it does.
    seen: Option<(Seen, Instant)>,
    /// The Lease as this replica last wrote it, and when it asked to.
    held: Option<(Lease, Instant)>,
}

// === impl Seen ===

impl Seen {
    #[must_use]
    pub fn of(lease: &Lease) -> Self {
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Self {
            holder: spec.holder_identity.unwrap_or_default(),
            version: lease.metadata.resource_version.clone().unwrap_or_default(),
            duration: seconds.map_or(DURATION, Duration::from_secs),
            address: lease.metadata.annotations.as_ref().and_then(|all| all.get(ADDRESS_ANNOTATION)).cloned(),
            transitions: spec.lease_transitions.unwrap_or(0),
        }
    }
}

// === impl Elector ===

impl Elector {
    #[must_use]
    pub fn new(identity: String) -> Self {
        Self { identity, seen: None, held: None }
    }

    /// What to do about the Lease that was read at `now`; `None`: there is none.
    pub fn step(&mut self, now: Instant, seen: Option<Seen>) -> Step {
        let Some(seen) = seen else {
            (self.seen, self.held) = (None, None);
            return Step::Create;
        };
        let since = match &self.seen {
            Some((old, since)) if *old == seen => *since,
            _ => now,
        };
        let step = if seen.holder == self.identity {
            Step::Renew
        } else {
            self.held = None;
            let is_free = seen.holder.is_empty() || now.duration_since(since) >= seen.duration;
            if is_free { Step::Take } else { Step::Wait }
        };
        self.seen = Some((seen, since));
        step
    }

    /// The Lease was written; the write was asked for at `asked`.
    pub fn won(&mut self, asked: Instant, lease: Lease) {
        self.seen = Some((Seen::of(&lease), asked));
        self.held = Some((lease, asked));
    }

    #[must_use]
    pub fn claim(&self, now: Instant) -> Claim {
        let until = self.held.as_ref().map(|(_, asked)| *asked + RENEW_DEADLINE).filter(|until| now < *until);
        let transitions = self.seen.as_ref().map_or(0, |(seen, _)| seen.transitions);
        let others = self.seen.as_ref().filter(|(seen, since)| {
            seen.holder != self.identity && !seen.holder.is_empty() && now.duration_since(*since) < seen.duration
        });
        Claim { until, leader: others.and_then(|(seen, _)| seen.address.clone()), transitions }
    }

    /// The Lease to give back, if it is held.
    pub fn release(&mut self) -> Option<Lease> {
        self.held.take().map(|(lease, _)| lease)
    }
}

#[cfg(test)]
mod tests;
