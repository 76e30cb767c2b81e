use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use futures::FutureExt;

use super::*;
use crate::session::owner::bind::{Begin, BindLease, Orphan, Waited, Waiting};

fn lease(owner: &Arc<Sessions>, seen: Option<u64>) -> BindLease<u32, &'static str, &'static str> {
    match owner.begin_bind(key(1), B, seen) {
        Begin::Lease(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn wait(owner: &Arc<Sessions>) -> Waiting<u32, &'static str, &'static str> {
    match owner.begin_bind(key(1), B, None) {
        Begin::Wait(waiting) => waiting,
        other => panic!("{other:?}"),
    }
}

fn used() -> Arc<Sessions> {
    let owner = sessions(10);
    owner.touch(key(1), FACTS, 1);
    owner
}

#[test]
fn one_makes_the_binding_and_all_get_it() {
    let owner = used();
    assert!(matches!(owner.begin_bind(key(2), B, None), Begin::Gone));
    let first = lease(&owner, None);
    let waiting = [wait(&owner), wait(&owner)];
    let seq = first.commit(7).unwrap().seq;
    for each in waiting {
        assert!(matches!(each.ended().now_or_never(), Some(Waited::Bound(s, 7)) if s == seq));
    }
    assert!(matches!(owner.begin_bind(key(1), B, None), Begin::Bound(s, 7) if s == seq));
    assert_eq!(owner.binding(key(1), B), Some((seq, 7)));
    assert_eq!(owner.bindings(key(1)), [(B, 7)]);
}

#[test]
fn a_dead_binding_is_replaced_once() {
    let owner = used();
    let seq = lease(&owner, None).commit(7).unwrap().seq;
    let replaced = lease(&owner, Some(seq)).commit(8).unwrap();
    assert_eq!(replaced.replaced, Some(7));
    // Another call saw the same one die: it gets the new one and does not bind again.
    assert!(matches!(owner.begin_bind(key(1), B, Some(seq)), Begin::Bound(s, 8) if s == replaced.seq));
    assert_eq!(owner.metrics.session_events(SessionEvent::Rebound), 1);
}

#[test]
fn one_failure_is_for_all_who_wait() {
    let owner = used();
    let first = lease(&owner, None);
    let waiting = [wait(&owner), wait(&owner)];
    first.fail(&"refused");
    for each in waiting {
        assert!(matches!(each.ended().now_or_never(), Some(Waited::Failed("refused"))));
    }
    drop(lease(&owner, None));
}

#[test]
fn a_lease_given_up_goes_to_the_next_who_still_waits() {
    let owner = used();
    let first = lease(&owner, None);
    let (gone, second, third) = (wait(&owner), wait(&owner), wait(&owner));
    drop(gone);
    drop(first);
    let Some(Waited::Lease(second)) = second.ended().now_or_never() else { panic!("no lease") };
    // Dropped with the lease in its channel: it must not be lost.
    drop(second);
    let Some(Waited::Lease(third)) = third.ended().now_or_never() else { panic!("no lease") };
    third.commit(3).unwrap();
    assert_eq!(owner.bindings(key(1)), [(B, 3)]);
}

#[test]
fn a_lease_on_its_way_to_one_who_left_is_passed_on() {
    let owner = used();
    let first = lease(&owner, None);
    let (second, third) = (wait(&owner), wait(&owner));
    drop(first);
    drop(second);
    assert!(matches!(third.ended().now_or_never(), Some(Waited::Lease(_))));
    drop(lease(&owner, None));
}

#[test]
fn deletion_ends_the_wait_and_orphans_the_binding() {
    let owner = used();
    let first = lease(&owner, None);
    let waiting = wait(&owner);
    assert!(owner.tombstone(key(1), 100).new);
    assert!(matches!(waiting.ended().now_or_never(), Some(Waited::Gone)));
    assert!(matches!(first.commit(5), Err(Orphan(5))));
    // Nor does a late commit reach a record made anew.
    let late = {
        let owner = used();
        let late = lease(&owner, None);
        let _ = owner.sweep(FACTS.expires_at, |_| 1);
        owner.touch(key(1), FACTS, 1);
        let other = lease(&owner, None);
        assert!(matches!(late.commit(5), Err(Orphan(5))));
        other.commit(6).unwrap();
        owner.bindings(key(1))
    };
    assert_eq!(late, [(B, 6)]);
}

#[test]
fn threads_never_bind_at_the_same_time() {
    let owner = used();
    let (busy, made, given_up) = (AtomicBool::new(false), AtomicU32::new(0), AtomicU32::new(0));
    let make = |lease: BindLease<u32, &'static str, &'static str>, n: u32| {
        assert!(!busy.swap(true, SeqCst), "two leases at once");
        busy.store(false, SeqCst);
        if n.is_multiple_of(3) {
            given_up.fetch_add(1, SeqCst);
            drop(lease);
        } else if n.is_multiple_of(5) {
            lease.fail(&"refused");
        } else {
            made.fetch_add(1, SeqCst);
            let _ = lease.commit(n).unwrap();
        }
    };
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let (owner, make) = (&owner, &make);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                for n in 0..5_000 {
                    let seen = owner.binding(key(1), B).map(|(seq, _)| seq);
                    match owner.begin_bind(key(1), B, seen) {
                        Begin::Lease(lease) => make(lease, n + thread),
                        Begin::Wait(waiting) => match runtime.block_on(waiting.ended()) {
                            Waited::Lease(lease) => make(lease, n + thread),
                            Waited::Gone => panic!("gone"),
                            Waited::Bound(..) | Waited::Failed(_) => {}
                        },
                        Begin::Bound(..) => {}
                        Begin::Gone => panic!("gone"),
                    }
                }
            });
        }
    });
    let (made, given_up) = (made.load(SeqCst), given_up.load(SeqCst));
    assert!(made > 0 && given_up > 0, "{made} {given_up}");
    let rebound = owner.metrics.session_events(SessionEvent::Rebound);
    assert_eq!(rebound + 1, u64::from(made), "every commit but the first replaced one");
}
