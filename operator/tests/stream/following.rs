//! A pod and its replicas: first state, differences, rejections, breaks, replicas that are behind, disk.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use ringway_config_stream::{BackendFacts, Facts, Key, Kind, Reach, Rejection};
use ringway_snapshot::{ObjectName, Snapshot};
use tokio::time::Instant;

use crate::certificates::Authority;
use crate::objects::{at, put_backend, put_route, snapshot};
use crate::pod::TestPod;
use crate::replica::{Replica, until};
use crate::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_state_then_differences_and_what_the_pod_says() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let service = Service::start(replica.address).await;
    let pod = TestPod::start("p", &service.operator(), &authority);
    let state = replica.pod_is("p", |state| state.is_connected).await;
    assert_eq!((state.position.as_ref(), pod.applied()), (None, 0), "nothing is published, nothing is served");

    let mut now = snapshot(2_000);
    replica.publish(&now, at(1));
    pod.comes_to_serve(&now).await;
    replica.pod_is("p", |state| state.position == Some(at(1))).await;
    let whole = service.take_bytes();
    assert!(whole > 500_000, "{whole}");

    put_backend(&mut now, 7, "another token");
    now.routes.remove(&ObjectName::new("tools", "route-3"));
    replica.publish(&now, at(2));
    pod.comes_to_serve(&now).await;
    replica.pod_is("p", |state| state.position == Some(at(2))).await;
    let difference = service.take_bytes();
    assert!(difference < 4_000, "{difference}");

    // A position alone is small, and nothing is applied.
    let applied = pod.applied();
    replica.publish(&now, at(3));
    replica.pod_is("p", |state| state.position == Some(at(3))).await;
    assert!(service.take_bytes() < 500);
    assert_eq!(pod.applied(), applied);

    let refused = Rejection::new(&Key::new(Kind::Route, "tools/route-1"), "the port is not served");
    pod.obedient.refuses.lock().unwrap().push(refused.clone());
    put_route(&mut now, 1, "/other");
    replica.publish(&now, at(4));
    replica.pod_is("p", |state| state.rejections == [refused.clone()]).await;

    let facts = BackendFacts { reach: Reach::Failed, reason: "Timeout".into(), ..BackendFacts::default() };
    let name = ObjectName::new("tools", "backend-9");
    *pod.obedient.facts.lock().unwrap() =
        Arc::new(Facts { backends: [(name.clone().into(), facts.clone().into())].into(), ..Facts::default() });
    replica.pod_is("p", |state| state.facts.backends.get(&name).is_some_and(|found| **found == facts)).await;
    // What is served no longer has no facts.
    now.backends.remove(&name);
    *pod.obedient.facts.lock().unwrap() = Arc::default();
    replica.publish(&now, at(5));
    replica.pod_is("p", |state| state.facts.is_empty()).await;

    pod.stop().await;
    replica.pod_is("p", |state| !state.is_connected).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_difference_is_sent_to_a_pod_that_comes_back_also_to_another_replica() {
    let authority = Authority::new();
    let (one, other) = (Replica::start(&authority).await, Replica::start(&authority).await);
    let service = Service::start(one.address).await;
    let pod = TestPod::start("p", &service.operator(), &authority);
    let mut now = snapshot(2_000);
    one.publish(&now, at(1));
    other.publish(&now, at(1));
    pod.comes_to_serve(&now).await;
    one.pod_is("p", |state| state.position == Some(at(1))).await;
    service.take_bytes();

    for (replica, revision) in [(&one, 2), (&other, 3), (&one, 4)] {
        service.point_at(replica.address);
        put_backend(&mut now, 7, &format!("token {revision}"));
        one.publish(&now, at(revision));
        other.publish(&now, at(revision));
        service.cut();
        pod.comes_to_serve(&now).await;
        replica.pod_is("p", |state| state.is_connected && state.position == Some(at(revision))).await;
    }
    let bytes = service.take_bytes();
    assert!(bytes < 30_000, "three handshakes and three small differences: {bytes}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_behind_is_held_back_from_until_it_has_caught_up() {
    let authority = Authority::new();
    let (ahead, behind) = (Replica::start(&authority).await, Replica::start(&authority).await);
    let service = Service::start(ahead.address).await;
    let pod = TestPod::start("p", &service.operator(), &authority);
    let (old, mut now) = (snapshot(20), snapshot(20));
    put_route(&mut now, 1, "/new");
    ahead.publish(&now, at(5));
    behind.publish(&old, at(4));
    pod.comes_to_serve(&now).await;

    service.point_at(behind.address);
    service.cut();
    let state = behind.pod_is("p", |state| state.is_connected).await;
    assert_eq!(state.position, Some(at(5)), "it says what it serves");
    until("it holds", || pod.obedient.metrics.holds.value() > 0).await;
    until("it says so", || behind.publisher.counters().holds.get() == 1).await;
    behind.pod_is("p", |state| state.position == Some(at(5))).await;
    assert!(pod.serves(&now));

    put_route(&mut now, 2, "/newer");
    behind.publish(&now, at(6));
    pod.comes_to_serve(&now).await;
    behind.pod_is("p", |state| state.position == Some(at(6))).await;
    let applied = pod.obedient.applied.lock().unwrap();
    assert!(applied.iter().all(|snapshot| snapshot.routes[&ObjectName::new("tools", "route-1")].path == "/new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_hold_an_older_state_is_the_truth_as_with_a_restored_etcd() {
    let authority = Authority::new();
    let (hold, began) = (Duration::from_secs(3), Instant::now());
    let (lost, restored) = (Replica::start(&authority).await, Replica::start(&authority).await);
    let service = Service::start(lost.address).await;
    let pod = TestPod::start_holding("p", &service.operator(), &authority, hold);
    let (old, mut now) = (snapshot(20), snapshot(20));
    put_route(&mut now, 1, "/lost");
    lost.publish(&now, at(500));
    restored.publish(&old, at(100));
    pod.comes_to_serve(&now).await;
    service.point_at(restored.address);
    service.cut();
    until("it holds", || pod.obedient.metrics.holds.value() > 0).await;
    let held = Instant::now();
    assert!(pod.serves(&now));
    pod.comes_to_serve(&old).await;
    assert!(held.elapsed() > hold - Duration::from_millis(500), "{:?} {:?}", held.elapsed(), began.elapsed());
    restored.pod_is("p", |state| state.position == Some(at(100))).await;
    // It looked for another replica several times meanwhile.
    assert!(restored.publisher.counters().holds.get() > 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_operator_it_serves_on_and_starts_from_its_disk() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let address = replica.address;
    let operator = format!("localhost:{}", address.port());
    let pod = TestPod::start("p", &operator, &authority);
    let mut now = snapshot(200);
    replica.publish(&now, at(1));
    pod.comes_to_serve(&now).await;
    let began = Instant::now();
    replica.stop().await;
    assert!(began.elapsed() < Duration::from_secs(3), "a pod's stream does not hold up the end");
    until("it knows that the operator is gone", || pod.obedient.metrics.connected.value() == 0).await;
    assert!(pod.serves(&now));

    let pod = pod.restart("p", &operator).await;
    assert!(pod.serves(&now), "from disk, before anything else, with its secrets");
    let copy = fs::read_to_string(pod.state.path().join("snapshot")).unwrap();
    assert!(copy.contains("tools/backend-1") && !copy.contains("a-token-of-usual-length"));

    let replica = Replica::start_at(&authority, address).await;
    put_route(&mut now, 3, "/later");
    replica.publish(&now, at(2));
    pod.comes_to_serve(&now).await;
    assert_eq!(pod.applied(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_no_snapshot_is_no_obstacle() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let operator = format!("localhost:{}", replica.address.port());
    let now = snapshot(20);
    replica.publish(&now, at(1));
    let pod = TestPod::start("p", &operator, &authority);
    pod.comes_to_serve(&now).await;
    let (path, state) = (pod.state.path().join("snapshot"), Arc::clone(&pod.state));
    until("it is on disk", || path.is_file()).await;
    let tls = Arc::clone(&pod.tls);
    pod.stop().await;
    for foreign in ["", "no snapshot", "{\"format\":\"ringway-snapshot/0\"}\n"] {
        fs::write(&path, foreign).unwrap();
        let pod = TestPod::with_files("p", &operator, (Arc::clone(&tls), Arc::clone(&state)));
        assert_eq!(pod.applied(), 0, "{foreign:?}");
        pod.comes_to_serve(&now).await;
        pod.stop().await;
        assert!(fs::read_to_string(&path).unwrap().contains("tools/route-1"), "the disk has it again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_on_the_line_is_noticed_by_both_ends() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let service = Service::start(replica.address).await;
    let pod = TestPod::start("p", &service.operator(), &authority);
    let mut now = snapshot(20);
    replica.publish(&now, at(1));
    pod.comes_to_serve(&now).await;
    replica.pod_is("p", |state| state.position == Some(at(1))).await;
    service.silence();
    put_route(&mut now, 1, "/unheard");
    let began = Instant::now();
    replica.publish(&now, at(2));
    pod.comes_to_serve(&now).await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    until("the dead stream is gone", || replica.publisher.counters().connected.get() == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_certificates_are_shown_when_the_files_change() {
    let (old, new) = (Authority::new(), Authority::new());
    let (one, other) = (Replica::start(&old).await, Replica::start(&new).await);
    let service = Service::start(one.address).await;
    let pod = TestPod::start("p", &service.operator(), &old);
    let now = snapshot(20);
    one.publish(&now, at(1));
    other.publish(&now, at(1));
    one.pod_is("p", |state| state.position == Some(at(1))).await;
    service.point_at(other.address);
    new.write_pod_files(pod.tls.path());
    other.pod_is("p", |state| state.is_connected && state.position == Some(at(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_pod_holds_up_no_other_and_gets_the_newest() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let operator = format!("localhost:{}", replica.address.port());
    let (slow, fast) = (TestPod::start("slow", &operator, &authority), TestPod::start("fast", &operator, &authority));
    let mut now = snapshot(20);
    replica.publish(&now, at(1));
    slow.comes_to_serve(&now).await;
    fast.comes_to_serve(&now).await;
    *slow.obedient.slowness.lock().unwrap() = Duration::from_millis(1_500);
    let began = Instant::now();
    for revision in 2..42 {
        put_route(&mut now, 1, &format!("/{revision}"));
        replica.publish(&now, at(revision));
        replica.pod_is("fast", |state| state.position == Some(at(revision))).await;
    }
    let took = began.elapsed();
    slow.comes_to_serve(&now).await;
    assert!(slow.applied() < 10, "what it missed is not made up for: {}", slow.applied());
    assert!(took < Duration::from_secs(1_500 * 40 / 1_000), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_state_is_a_state_and_nothing_published_is_none() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let operator = format!("localhost:{}", replica.address.port());
    let pod = TestPod::start("p", &operator, &authority);
    let now = snapshot(20);
    replica.publish(&now, at(1));
    pod.comes_to_serve(&now).await;
    // A replica that has just started and knows nothing yet takes nothing away.
    let address = replica.address;
    replica.stop().await;
    let replica = Replica::start_at(&authority, address).await;
    replica.pod_is("p", |state| state.is_connected).await;
    assert!(pod.serves(&now));
    replica.publish(&Snapshot::default(), at(2));
    pod.comes_to_serve(&Snapshot::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_replica_serves_only_who_is_worse_off() {
    let authority = Authority::new();
    let (stale, fresh) = (Replica::start(&authority).await, Replica::start(&authority).await);
    let (old, new) = (snapshot(4), snapshot(8));
    stale.publish(&old, at(5));
    fresh.publish(&old, at(5));
    let service = Service::start(stale.address).await;
    let pod = TestPod::start_holding("p", &service.operator(), &authority, Duration::from_millis(500));
    pod.comes_to_serve(&old).await;
    stale.pod_is("p", |state| state.position == Some(at(5))).await;

    // Its stream ends, and it gets no other here.
    stale.publisher.offer_all(false);
    stale.pod_is("p", |state| !state.is_connected).await;
    fresh.publish(&new, at(6));
    service.point_at(fresh.address);
    pod.comes_to_serve(&new).await;
    fresh.pod_is("p", |state| state.position == Some(at(6))).await;

    // The only one that it reaches is behind: whatever the time, it keeps what it has.
    let refused = stale.publisher.counters().refused.get();
    service.point_at(stale.address);
    service.cut();
    until("the pod asked in vain", || stale.publisher.counters().refused.get() >= refused + 4).await;
    assert!(pod.serves(&new), "it went back");

    // A pod that has nothing is better off with it, and so is one that restarts from something older still.
    let empty = TestPod::start("empty", &service.operator(), &authority);
    empty.comes_to_serve(&old).await;
    let older = Replica::start(&authority).await;
    older.publish(&snapshot(2), at(4));
    service.point_at(older.address);
    let behind = TestPod::start("behind", &service.operator(), &authority);
    behind.comes_to_serve(&snapshot(2)).await;
    older.pod_is("behind", |state| state.position == Some(at(4))).await;
    service.point_at(stale.address);
    let behind = behind.restart("behind", &service.operator()).await;
    behind.comes_to_serve(&old).await;

    stale.publish(&new, at(6));
    stale.publisher.offer_all(true);
    stale.pod_is("p", |state| state.is_connected && state.position == Some(at(6))).await;
    behind.comes_to_serve(&new).await;
    for pod in [pod, empty, behind] {
        pod.stop().await;
    }
}
