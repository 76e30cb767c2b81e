//! Whether the operator may read Secrets or ConfigMaps somewhere: asked of the API server by access reviews, so that
//! nothing is listed only to be refused.
//!
//! Rights come and go while the operator runs: a RoleBinding that is made is noticed within [`look`], one that is taken
//! away [`REVOKED_AFTER`] later. Called by `watch` around each narrow watch.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::kind::{Kind, Watched as _};
use super::store::Scope;
use super::watch::{CALL, Failure};

/// How often it is asked again of each namespace, where few are read.
const LOOK: Duration = Duration::from_secs(10);
/// Where many are, they take turns this far apart: one namespace must not cost the API server more for there being others.
const TURN: Duration = Duration::from_millis(100);
/// How long a right must be gone before what was read by it goes, too: an API server that has just started denies
/// everything until it has read its own rules.
pub(super) const REVOKED_AFTER: Duration = Duration::from_secs(5);
/// For how long an answer about all namespaces is shared by those who ask about one of them.
const SHARED: Duration = Duration::from_secs(1);
/// All that a watch does. A list by name is a list.
const VERBS: [&str; 2] = ["list", "watch"];

/// What was found out of each kind for all namespaces at once; asked first, since it spares asking in each of them.
#[derive(Debug, Default)]
pub(super) struct Rights {
    everywhere: Mutex<BTreeMap<Kind, (Instant, bool)>>,
}

/// Since when a right has been denied.
#[derive(Debug, Default)]
pub(super) struct Denial {
    since: Option<Instant>,
}

// === impl Rights ===

impl Rights {
    /// Whether everything in `scope` may be listed and watched.
    ///
    /// # Errors
    /// The API server does not say.
    pub(super) async fn may_read(&self, client: &Client, scope: &Scope) -> Result<bool, Failure> {
        if self.may_read_everywhere(client, scope.kind).await? {
            return Ok(true);
        }
        may(client, scope.kind, scope.namespace.as_deref()).await
    }

    /// Who comes while it is being asked waits for that answer.
    async fn may_read_everywhere(&self, client: &Client, kind: Kind) -> Result<bool, Failure> {
        let mut everywhere = self.everywhere.lock().await;
        if let Some((asked, may)) = everywhere.get(&kind)
            && asked.elapsed() < SHARED
        {
            return Ok(*may);
        }
        let (asked, may) = (Instant::now(), may(client, kind, None).await?);
        everywhere.insert(kind, (asked, may));
        Ok(may)
    }
}

/// How long until it is asked again, when so many kinds in namespaces are watched.
pub(super) fn look(watches: usize) -> Duration {
    LOOK.max(TURN * u32::try_from(watches).unwrap_or(u32::MAX))
}

/// `None`: in all namespaces.
async fn may(client: &Client, kind: Kind, namespace: Option<&str>) -> Result<bool, Failure> {
    let api: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    for verb in VERBS {
        let review = review(kind, namespace, verb);
        let answer = timeout(CALL, api.create(&PostParams::default(), &review)).await??;
        if !answer.status.is_some_and(|status| status.allowed) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn review(kind: Kind, namespace: Option<&str>, verb: &str) -> SelfSubjectAccessReview {
    let resource = ResourceAttributes {
        group: Some(kind.group().to_owned()),
        version: kind.versions().first().map(|version| (*version).to_owned()),
        resource: Some(kind.plural().to_owned()),
        namespace: namespace.map(str::to_owned),
        verb: Some(verb.to_owned()),
        ..ResourceAttributes::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(resource), ..Default::default() };
    SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
}

// === impl Denial ===

impl Denial {
    /// It was denied at `now`; true: that is to be believed. `holds`: something was read by it.
    pub(super) fn is_final(&mut self, now: Instant, holds: bool) -> bool {
        let since = *self.since.get_or_insert(now);
        !holds || now.duration_since(since) >= REVOKED_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_that_was_never_there_is_denied_at_once_and_one_that_is_lost_a_little_later() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        assert!(Denial::default().is_final(start, false));
        let mut lost = Denial::default();
        assert!(!lost.is_final(start, true) && !lost.is_final(after(4), true));
        assert!(lost.is_final(after(5), true));
    }

    #[test]
    fn many_namespaces_take_turns() {
        assert_eq!((look(0), look(100)), (LOOK, LOOK));
        assert_eq!(look(500), Duration::from_secs(50));
    }

    #[test]
    fn a_review_asks_for_one_verb_where_it_is_needed() {
        let of = |namespace| {
            let review = review(Kind::Secret, namespace, "list");
            serde_json::to_value(review).expect("it has a JSON form")["spec"]["resourceAttributes"].take()
        };
        let expected = serde_json::json!({
            "group": "", "version": "v1", "resource": "secrets", "namespace": "tools", "verb": "list",
        });
        assert_eq!(of(Some("tools")), expected);
        assert_eq!(of(None).get("namespace"), None, "that is everywhere");
    }
}
