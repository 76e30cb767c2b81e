//! The lease holder knows the pods of every replica, for as long as they are there.

use std::future::pending;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ringway_config_stream::{BackendFacts, Facts, Key, Kind, Reach, Rejection};
use ringway_operator::publish;
use ringway_snapshot::ObjectName;
use tokio::sync::watch;

use crate::certificates::Authority;
use crate::objects::{at, put_route, snapshot};
use crate::pod::TestPod;
use crate::replica::{Replica, until};

fn facts(n: usize, tools: u32) -> Arc<Facts> {
    let facts = Arc::new(BackendFacts { reach: Reach::Reached, tools: Some(tools), ..BackendFacts::default() });
    let name = |n| Arc::new(ObjectName::new("tools", format!("backend-{n}")));
    let backends = (0..n).map(|n| (name(n), Arc::clone(&facts)));
    Arc::new(Facts { backends: backends.collect(), ..Facts::default() })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_of_another_replica_are_known_and_forgotten_with_it() {
    let authority = Authority::new();
    let (holder, other) = (Replica::start(&authority).await, Replica::start(&authority).await);
    let tls = Arc::new(ArcSwap::from_pointee(authority.client(Some((&authority, "operator")))));
    let (leads, leader) = watch::channel(None);
    let relay = tokio::spawn(publish::relay(Arc::clone(&other.publisher), leader, tls, pending()));
    let operator = format!("localhost:{}", other.address.port());
    let pod = TestPod::start("p", &operator, &authority);
    let mut now = snapshot(20);
    other.publish(&now, at(1));
    pod.comes_to_serve(&now).await;
    // More than one message of facts.
    *pod.obedient.facts.lock().unwrap() = facts(2_500, 1);
    other.pod_is("p", |state| state.facts.backends.len() == 2_500).await;
    assert!(holder.pod("p").is_none(), "nobody leads yet");

    leads.send(Some(holder.address.to_string())).unwrap();
    let known = holder.pod_is("p", |state| state.facts.backends.len() == 2_500).await;
    assert_eq!((known.is_connected, known.position.clone()), (true, Some(at(1))));

    let refused = Rejection::new(&Key::new(Kind::Route, "tools/route-1"), "no");
    pod.obedient.refuses.lock().unwrap().push(refused.clone());
    *pod.obedient.facts.lock().unwrap() = facts(2_500, 2);
    put_route(&mut now, 1, "/other");
    now.backends.remove(&ObjectName::new("tools", "backend-3"));
    other.publish(&now, at(2));
    let is_two = |facts: &Facts| facts.backends.values().all(|facts| facts.tools == Some(2));
    holder.pod_is("p", |state| state.position == Some(at(2)) && is_two(&state.facts)).await;
    holder.pod_is("p", |state| state.rejections == [refused.clone()]).await;

    pod.stop().await;
    holder.pod_is("p", |state| !state.is_connected).await;
    // The other leads by itself: what it relayed is not known here any more.
    leads.send(None).unwrap();
    until("the relay ended", || holder.pod("p").is_none()).await;
    assert_eq!(holder.publisher.counters().relays.get(), 0);
    leads.send(Some(holder.address.to_string())).unwrap();
    holder.pod_is("p", |_| true).await;
    relay.abort();
    until("the replica is gone", || holder.pod("p").is_none()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_holder_that_is_away_is_found_again() {
    let authority = Authority::new();
    let (holder, other) = (Replica::start(&authority).await, Replica::start(&authority).await);
    let address = holder.address;
    let tls = Arc::new(ArcSwap::from_pointee(authority.client(Some((&authority, "operator")))));
    let (_leads, leader) = watch::channel(Some(address.to_string()));
    tokio::spawn(publish::relay(Arc::clone(&other.publisher), leader, tls, pending()));
    let pod = TestPod::start("p", &format!("localhost:{}", other.address.port()), &authority);
    other.publish(&snapshot(20), at(1));
    holder.pod_is("p", |state| state.position == Some(at(1))).await;
    holder.stop().await;
    other.publish(&snapshot(22), at(2));
    pod.comes_to_serve(&snapshot(22)).await;
    let holder = Replica::start_at(&authority, address).await;
    holder.pod_is("p", |state| state.position == Some(at(2))).await;
}
