mod binding;
mod model;

use super::bind::Begin;
use super::*;

pub(super) type Sessions = Owner<u32, &'static str, &'static str>;

pub(super) const FACTS: Facts = Facts { expires_at: 1_000_000_000, group: 1 };
pub(super) const B: BackendKey = BackendKey(7);

pub(super) fn key(n: u64) -> SessionKey {
    let mut key = [0; 16];
    key[8..].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    SessionKey(key)
}

pub(super) fn sessions(capacity: usize) -> Arc<Sessions> {
    Owner::new(capacity, Metrics::new())
}

/// Keys that fall into one shard.
fn together(count: usize) -> Vec<SessionKey> {
    (0..).map(key).filter(|key| key.0[15].is_multiple_of(64)).take(count).collect()
}

#[test]
fn a_record_is_made_at_first_use_and_known_after() {
    let owner = sessions(10);
    assert!(matches!(owner.touch(key(1), FACTS, 5), Touch::Created { evicted: None }));
    assert!(matches!(owner.touch(key(1), FACTS, 6), Touch::Known));
    assert!(matches!(owner.touch(key(2), FACTS, FACTS.expires_at), Touch::Revoked));
    assert_eq!((owner.len(), owner.metrics.sessions.value()), (1, 1));
}

#[test]
fn a_full_owner_drops_the_longest_idle_or_refuses() {
    let keys = together(4);
    let owner = sessions(3);
    for (at, key) in keys.iter().take(3).enumerate() {
        owner.touch(*key, FACTS, at as u64);
    }
    assert!(matches!(owner.touch(keys[3], FACTS, EVICTABLE_AFTER), Touch::Busy));
    assert_eq!(owner.metrics.session_events(SessionEvent::RejectedCap), 1);
    let Enter::In(in_use) = owner.enter(keys[0], 1) else { panic!("no room") };
    let later = EVICTABLE_AFTER + 2_000;
    let Touch::Created { evicted: Some(freed) } = owner.touch(keys[3], FACTS, later) else { panic!("nobody went") };
    assert_eq!(freed.key, keys[1], "the oldest that is not in use");
    drop(in_use);
    assert_eq!((owner.len(), owner.metrics.sessions.value()), (3, 3));
}

#[test]
fn sweeping_frees_what_is_idle_but_nothing_in_use() {
    let owner = sessions(10);
    for n in 0..6 {
        owner.touch(key(n), Facts { expires_at: if n == 5 { 60 } else { 1_000_000 }, group: n as u32 }, 10);
    }
    let holder = Holder { worker: 1, number: 2 };
    owner.set_holder(key(0), holder).unwrap();
    let Enter::In(call) = owner.enter(key(1), 9) else { panic!() };
    let Begin::Lease(lease) = owner.begin_bind(key(2), B, None) else { panic!() };
    let idle = |group: u32| if group == 4 { 1_000 } else { 100 };
    let swept = |now| {
        let mut keys: Vec<_> = owner.sweep(now, idle).into_iter().map(|freed| freed.key).collect();
        keys.sort();
        keys
    };
    let sorted = |numbers: &[u64]| {
        let mut keys: Vec<_> = numbers.iter().copied().map(key).collect();
        keys.sort();
        keys
    };
    assert_eq!(swept(109), sorted(&[5]));
    assert_eq!(swept(110), sorted(&[3]));
    drop((call, lease));
    assert!(owner.clear_holder(key(0), holder));
    assert_eq!(swept(150), sorted(&[]), "they were in use at 110");
    assert_eq!(swept(210), sorted(&[0, 1, 2]));
    assert_eq!(swept(1_010), sorted(&[4]));
    assert_eq!((owner.len(), owner.metrics.sessions.value()), (0, 0));
    assert_eq!(owner.metrics.session_events(SessionEvent::Expired), 6);
}

#[test]
fn in_flight_is_limited_and_given_back() {
    let owner = sessions(10);
    assert!(matches!(owner.enter(key(1), 2), Enter::Gone));
    owner.touch(key(1), FACTS, 1);
    let (one, two) = (owner.enter(key(1), 2), owner.enter(key(1), 2));
    assert!(matches!(owner.enter(key(1), 2), Enter::Full));
    drop(one);
    assert!(matches!(owner.enter(key(1), 2), Enter::In(_)));
    // A record made anew does not pay for the old one's calls.
    let _ = owner.sweep(FACTS.expires_at, |_| 1);
    owner.touch(key(1), FACTS, 2);
    let new = owner.enter(key(1), 1);
    drop(two);
    assert!(matches!(owner.enter(key(1), 1), Enter::Full));
    drop(new);
}

#[test]
fn a_deleted_session_stays_dead_until_its_end() {
    let owner = sessions(10);
    owner.touch(key(1), FACTS, 1);
    let Begin::Lease(lease) = owner.begin_bind(key(1), B, None) else { panic!() };
    lease.commit(42).unwrap();
    let dead = owner.tombstone(key(1), 500);
    assert!(dead.new);
    assert_eq!(dead.freed.unwrap().bindings, [(B, 42)]);
    assert!(matches!(owner.touch(key(1), FACTS, 2), Touch::Revoked));
    assert!(owner.binding(key(1), B).is_none());
    let again = owner.tombstone(key(1), 400);
    assert!(!again.new && again.freed.is_none());
    let _ = owner.sweep(499, |_| 1);
    assert!(matches!(owner.touch(key(1), FACTS, 499), Touch::Revoked));
    let _ = owner.sweep(500, |_| 1);
    assert!(matches!(owner.touch(key(1), FACTS, 500), Touch::Created { .. }));
    assert_eq!(owner.metrics.session_events(SessionEvent::Deleted), 1);
}

#[test]
fn tombstones_are_bounded_and_the_oldest_goes() {
    let keys = together(record::TOMBSTONES_PER_SHARD + 2);
    let owner = sessions(10);
    owner.restore(keys.iter().map(|key| (*key, FACTS.expires_at)));
    assert_eq!(owner.metrics.tombstones_dropped.value(), 2);
    assert!(matches!(owner.touch(keys[0], FACTS, 1), Touch::Created { .. }));
    assert!(matches!(owner.touch(keys[2], FACTS, 1), Touch::Revoked));
    assert!(matches!(owner.touch(*keys.last().unwrap(), FACTS, 1), Touch::Revoked));
}

#[test]
fn a_later_holder_is_not_cleared_by_an_earlier_one() {
    let owner = sessions(10);
    let (old, new) = (Holder { worker: 1, number: 1 }, Holder { worker: 2, number: 1 });
    assert_eq!(owner.set_holder(key(1), old), Err(Gone));
    owner.touch(key(1), FACTS, 1);
    assert_eq!(owner.set_holder(key(1), old), Ok(None));
    assert_eq!(owner.set_holder(key(1), new), Ok(Some(old)));
    assert!(!owner.clear_holder(key(1), old));
    assert_eq!(owner.holder(key(1)), Some(new));
    assert!(owner.clear_holder(key(1), new));
    assert_eq!(owner.holder(key(1)), None);
}

#[test]
fn log_levels_are_kept() {
    let owner = sessions(10);
    assert!(!owner.set_log_level(key(1), LogLevel::Alert));
    owner.touch(key(1), FACTS, 1);
    assert_eq!(owner.log_level(key(1)), None);
    assert!(owner.set_log_level(key(1), LogLevel::Warning));
    assert_eq!(owner.log_level(key(1)), Some(LogLevel::Warning));
    assert_eq!(LogLevel::parse(b"notice"), Some(LogLevel::Notice));
    assert_eq!(LogLevel::parse(b"trace"), None);
    assert!(LogLevel::Debug < LogLevel::Emergency);
}

#[test]
fn an_own_list_is_dropped_when_it_changed_while_read() {
    let owner = sessions(10);
    owner.touch(key(1), FACTS, 1);
    assert!(!owner.mark_list_changed(key(1), B, ListKind::Tools), "not bound");
    let Begin::Lease(lease) = owner.begin_bind(key(1), B, None) else { panic!() };
    let seq = lease.commit(1).unwrap().seq;
    assert!(owner.own_lists(key(1), ListKind::Tools).is_empty());
    assert!(owner.mark_list_changed(key(1), B, ListKind::Tools));
    let dirty = || match owner.own_lists(key(1), ListKind::Tools).as_slice() {
        [(B, OwnList::Dirty(version))] => *version,
        other => panic!("{other:?}"),
    };
    let first = dirty();
    assert!(owner.mark_list_changed(key(1), B, ListKind::Tools));
    assert!(!owner.keep_list(key(1), B, ListKind::Tools, first, "old"));
    assert!(owner.keep_list(key(1), B, ListKind::Tools, dirty(), "new"));
    assert_eq!(owner.own_lists(key(1), ListKind::Tools), [(B, OwnList::Kept("new"))]);
    assert!(owner.own_lists(key(1), ListKind::Prompts).is_empty());

    let Begin::Lease(lease) = owner.begin_bind(key(1), B, Some(seq)) else { panic!() };
    let committed = lease.commit(2).unwrap();
    assert!(committed.had_own_lists);
    assert!(owner.own_lists(key(1), ListKind::Tools).is_empty());
}

#[test]
fn threads_keep_the_count_right() {
    let owner = sessions(4);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let owner = &owner;
            scope.spawn(move || {
                for n in 0..20_000u64 {
                    let session = key(n.wrapping_mul(7 + thread) % 97);
                    match n % 11 {
                        0..=6 => drop(owner.touch(session, Facts { expires_at: u64::MAX, group: 0 }, n)),
                        7 => drop(owner.enter(session, 3)),
                        8 if n % 501 == 8 => drop(owner.tombstone(session, n + 50)),
                        9 => drop(owner.begin_bind(session, B, None)),
                        _ => drop(owner.sweep(n, |_| 3)),
                    }
                }
            });
        }
    });
    let held: usize = owner.shards.iter().map(|shard| shard.lock().unwrap().sessions.len()).sum();
    assert_eq!(owner.len(), held);
    assert_eq!(owner.metrics.sessions.value(), i64::try_from(held).unwrap());
    assert!(held <= 4, "{held}");
    assert!(owner.metrics.session_events(SessionEvent::Expired) > 0);
    assert!(owner.metrics.session_events(SessionEvent::Deleted) > 0);
    assert!(owner.metrics.session_events(SessionEvent::RejectedCap) > 0);
}
