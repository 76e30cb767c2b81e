use k8s_openapi::api::coordination::v1::LeaseSpec;

use super::*;
use crate::lease::RETRY;

fn seen(holder: &str, version: u32) -> Seen {
    let address = (!holder.is_empty()).then(|| format!("{holder}:18000"));
    Seen { holder: holder.to_owned(), version: version.to_string(), duration: DURATION, address, transitions: 0 }
}

fn lease(holder: &str, version: u32) -> Lease {
    let mut lease = Lease::default();
    lease.metadata.resource_version = Some(version.to_string());
    lease.metadata.annotations = Some([(ADDRESS_ANNOTATION.to_owned(), format!("{holder}:18000"))].into());
    lease.spec = Some(LeaseSpec { holder_identity: Some(holder.to_owned()), ..LeaseSpec::default() });
    lease
}

#[test]
fn a_missing_or_free_lease_is_taken_at_once() {
    let now = Instant::now();
    let mut elector = Elector::new("a".to_owned());
    assert_eq!(elector.step(now, None), Step::Create);
    assert!(!elector.claim(now).is_current(now), "not before it was written");
    elector.won(now, lease("a", 1));
    assert!(elector.claim(now).is_current(now));
    assert_eq!(elector.step(now, Some(seen("", 2))), Step::Take);
    assert!(!elector.claim(now).is_current(now), "somebody freed it: it is not held any more");
}

#[test]
fn a_claim_ends_by_itself_before_another_may_begin() {
    let start = Instant::now();
    let (mut a, mut b) = (Elector::new("a".to_owned()), Elector::new("b".to_owned()));
    a.won(start, lease("a", 1));
    // `b` looks while `a` is cut off.
    let mut now = start;
    let taken = loop {
        match b.step(now, Some(seen("a", 1))) {
            Step::Wait => now += RETRY,
            other => break other,
        }
        assert!(now < start + DURATION * 2, "never taken");
    };
    assert_eq!(taken, Step::Take);
    assert!(now >= start + DURATION);
    assert!(a.claim(start + RENEW_DEADLINE - Duration::from_millis(1)).is_current(start));
    assert!(!a.claim(start + RENEW_DEADLINE).is_current(start + RENEW_DEADLINE));
    let claim = a.claim(start);
    assert!(!claim.is_current(start + RENEW_DEADLINE), "an old claim in a writer's hand ends, too");
}

#[test]
fn a_holder_that_renews_is_respected_whatever_its_clock_says() {
    let start = Instant::now();
    let mut elector = Elector::new("b".to_owned());
    for turn in 0..60 {
        let now = start + RETRY * turn;
        assert_eq!(elector.step(now, Some(seen("a", turn))), Step::Wait, "{turn}");
        assert_eq!(elector.claim(now).leader.as_deref(), Some("a:18000"));
    }
    let late = start + RETRY * 59 + DURATION;
    assert_eq!(elector.claim(late).leader, None, "nobody relays to a holder that fell silent");
}

#[test]
fn a_lost_lease_is_not_held_until_the_deadline() {
    let now = Instant::now();
    let mut elector = Elector::new("a".to_owned());
    elector.won(now, lease("a", 1));
    assert_eq!(elector.step(now + RETRY, Some(seen("b", 2))), Step::Wait);
    let claim = elector.claim(now + RETRY);
    assert!(!claim.is_current(now + RETRY));
    assert_eq!(claim.leader.as_deref(), Some("b:18000"));
    assert_eq!(elector.release(), None, "what is not held is not given back");
}

#[test]
fn a_restarted_pod_of_the_same_name_goes_on() {
    let now = Instant::now();
    let mut elector = Elector::new("a".to_owned());
    assert_eq!(elector.step(now, Some(seen("a", 7))), Step::Renew);
    assert!(!elector.claim(now).is_current(now), "only once the renewal was answered");
    elector.won(now, lease("a", 8));
    assert!(elector.claim(now).is_current(now));
    assert_eq!(elector.claim(now).leader, None, "it does not relay to itself");
}
