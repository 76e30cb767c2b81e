//! Who of the replicas writes: a Lease of the API server, with a claim that knows when it ends.
//!
//! The rules are in [`elector`], pure; here is the I/O around them. A holder that cannot renew stops before anybody else
//! may begin, by its own monotonic clock. Every write to the Lease names the resourceVersion that it saw. Run by `app`;
//! writers ask [`Claim::is_current`] before each write.

pub mod elector;

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::Instant;

use elector::{Elector, Seen, Step};

/// How long a holder that fell silent is respected.
pub const DURATION: Duration = Duration::from_secs(15);
/// How long after its last renewal a holder takes itself for one. The rest is for writes that are under way.
pub const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the Lease is renewed or asked for.
pub const RETRY: Duration = Duration::from_secs(2);
/// A call that takes longer has failed; well inside the deadline.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// For writes that are under way at the end: each has its own, shorter limit.
const END_OF_WRITES: Duration = Duration::from_secs(5);
/// Where other replicas find the holder's config stream.
pub const ADDRESS_ANNOTATION: &str = "ringway.dev/address";

/// What this replica may do, and where the holder is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// Until when this replica may write; `None`: another holds the Lease, or nobody.
    until: Option<Instant>,
    /// `ip:port` of another replica that holds it.
    pub leader: Option<String>,
    /// Counts holders; a name for the claim in logs.
    pub transitions: i32,
}

/// Who this replica is.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub namespace: String,
    /// Of the Lease.
    pub lease: String,
    /// Of the pod; must differ between replicas.
    pub identity: String,
    /// `ip:port` of the config stream.
    pub address: String,
}

// === impl Claim ===

impl Claim {
    /// To be asked before every write.
    #[must_use]
    pub fn is_current(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    #[must_use]
    pub fn held_until(until: Instant) -> Self {
        Self { until: Some(until), ..Self::default() }
    }
}

/// What others learn by the Lease.
#[derive(Debug)]
pub struct Told {
    pub claims: watch::Sender<Claim>,
    /// When the last call was begun that the API server answered with the Lease as it stands, or that there is none.
    pub answered: watch::Sender<Instant>,
}

/// Claims the Lease and keeps it, until `shutdown`; then releases it, once the `writes` of the claim have ended.
pub async fn run(
    client: Client,
    candidate: Candidate,
    told: Told,
    shutdown: impl Future<Output = ()>,
    writes: impl Future<Output = ()>,
) {
    let api: Api<Lease> = Api::namespaced(client, &candidate.namespace);
    let mut elector = Elector::new(candidate.identity.clone());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        turn(&api, &candidate, &mut elector, &told.answered).await;
        let claim = elector.claim(Instant::now());
        told.claims.send_if_modified(|old| changed(old, claim, Instant::now()));
        tokio::select! {
            () = tokio::time::sleep(RETRY) => {}
            () = &mut shutdown => break,
        }
    }
    told.claims.send_replace(Claim::default());
    if tokio::time::timeout(END_OF_WRITES, writes).await.is_err() {
        tracing::warn!("writes under way did not end; the lease is released all the same");
    }
    if let Some(lease) = elector.release() {
        let lease = free(lease);
        match call(api.replace(lease.metadata.name.as_deref().unwrap_or_default(), &PostParams::default(), &lease))
            .await
        {
            Ok(_) => tracing::info!("lease released"),
            Err(error) => tracing::warn!(error, "the lease could not be released; it ends by itself"),
        }
    }
}

/// One look at the Lease, and what follows from it. Failures leave the claim to run out.
async fn turn(api: &Api<Lease>, candidate: &Candidate, elector: &mut Elector, answered: &watch::Sender<Instant>) {
    // Before the call: the holder's time is counted from when it asked, not from when it was answered.
    let asked = Instant::now();
    let seen = match call(api.get_opt(&candidate.lease)).await {
        Ok(lease) => lease,
        Err(error) => return tracing::warn!(error, "the lease cannot be read"),
    };
    answered.send_replace(asked);
    let step = elector.step(asked, seen.as_ref().map(Seen::of));
    let written = match (step, seen) {
        (Step::Wait, _) => return,
        (Step::Create, _) => call(api.create(&PostParams::default(), &mine(candidate, None))).await,
        (Step::Take | Step::Renew, seen) => {
            call(api.replace(&candidate.lease, &PostParams::default(), &mine(candidate, seen))).await
        }
    };
    match written {
        Ok(lease) => elector.won(asked, lease),
        // Somebody else was faster; the next look says who.
        Err(error) => tracing::info!(error, "the lease was not written"),
    }
}

/// True: someone has to know at once. A renewal alone wakes nobody, unless it came late: what was to be written after the
/// claim had run out was not.
fn changed(old: &mut Claim, new: Claim, now: Instant) -> bool {
    let (held, holds) = (old.until.is_some(), new.until.is_some());
    let has_lapsed = held && !old.is_current(now);
    match (held, holds) {
        (false, true) => tracing::info!(transitions = new.transitions, "lease acquired"),
        (true, false) => tracing::warn!("lease lost"),
        (true, true) if has_lapsed => tracing::warn!("lease renewed late"),
        _ => {}
    }
    let differs = held != holds || has_lapsed || old.leader != new.leader || old.transitions != new.transitions;
    *old = new;
    differs
}

/// The Lease as this replica wants it; `seen` lends the resourceVersion that the write depends on.
fn mine(candidate: &Candidate, seen: Option<Lease>) -> Lease {
    let now = MicroTime(Timestamp::now());
    let mut lease = seen.unwrap_or_else(|| Lease {
        metadata: ObjectMeta {
            name: Some(candidate.lease.clone()),
            namespace: Some(candidate.namespace.clone()),
            ..ObjectMeta::default()
        },
        ..Lease::default()
    });
    let annotations = lease.metadata.annotations.get_or_insert_default();
    annotations.insert(ADDRESS_ANNOTATION.to_owned(), candidate.address.clone());
    lease.metadata.managed_fields = None;
    let spec = lease.spec.get_or_insert_default();
    if spec.holder_identity.as_deref() != Some(candidate.identity.as_str()) {
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |transitions| transitions.saturating_add(1)));
        spec.acquire_time = Some(now.clone());
    }
    spec.holder_identity = Some(candidate.identity.clone());
    spec.lease_duration_seconds = i32::try_from(DURATION.as_secs()).ok();
    spec.renew_time = Some(now);
    lease
}

/// Nobody's, so that the next one need not wait.
fn free(mut lease: Lease) -> Lease {
    lease.metadata.managed_fields = None;
    if let Some(annotations) = &mut lease.metadata.annotations {
        annotations.remove(ADDRESS_ANNOTATION);
    }
    let transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions);
    let now = MicroTime(Timestamp::now());
    lease.spec = Some(LeaseSpec {
        // As client-go does: an empty holder, and a second to live.
        holder_identity: Some(String::new()),
        lease_duration_seconds: Some(1),
        lease_transitions: transitions,
        renew_time: Some(now.clone()),
        acquire_time: Some(now),
        ..LeaseSpec::default()
    });
    lease
}

async fn call<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, String> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {} s", CALL_TIMEOUT.as_secs())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_is_told_only_when_it_came_late() {
        let now = Instant::now();
        let claim = |seconds| Claim::held_until(now + Duration::from_secs(seconds));
        let mut known = Claim::default();
        assert!(changed(&mut known, claim(10), now), "acquired");
        assert!(!changed(&mut known, claim(12), now + Duration::from_secs(2)), "renewed");
        assert!(changed(&mut known, claim(22), now + Duration::from_secs(12)), "nothing could be written for a moment");
        assert!(!changed(&mut known, claim(24), now + Duration::from_secs(14)), "renewed");
        assert!(changed(&mut known, Claim::default(), now + Duration::from_secs(30)), "lost");
    }
}
