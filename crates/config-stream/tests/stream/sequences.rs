//! Any sequence of states, through the catalogue and the assembler, ends in the last one.

use std::sync::Arc;

use proptest::prelude::*;
use prost::Message;
use ringway_config_stream::assembler::Assembler;
use ringway_config_stream::catalogue::{Base, Catalogue, Edition, Offer};
use ringway_config_stream::limits::{PART_BYTES, UPDATE_MESSAGE_BYTES};
use ringway_config_stream::store::Store;
use ringway_config_stream::{Key, Pod, wire};
use ringway_snapshot::Snapshot;

use crate::objects::{at, route, same, snapshots};

/// A pod, and what the replica knows of it.
#[derive(Default)]
struct Watch {
    store: Store,
    base: Base,
}

#[derive(Debug, Clone)]
enum Step {
    Publish(Snapshot),
    /// The pod takes what there is.
    Send,
    /// Is sent, and the stream breaks before the last part.
    SendHalf,
    /// The pod comes back, to this replica or to another, and says what it holds.
    Hello {
        is_other_replica: bool,
    },
    /// The process starts again from its disk.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => snapshots().prop_map(Step::Publish),
        4 => Just(Step::Send),
        1 => Just(Step::SendHalf),
        2 => any::<bool>().prop_map(|is_other_replica| Step::Hello { is_other_replica }),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..14)
}

/// Through the wire's own bytes.
fn messages(offer: &Arc<Offer>) -> Vec<wire::Update> {
    let reread = |update: wire::Update| {
        let bytes = update.encode_to_vec();
        assert!(bytes.len() < UPDATE_MESSAGE_BYTES);
        wire::Update::decode(bytes.as_slice()).expect("it is read back")
    };
    Arc::clone(offer).into_parts().map(reread).collect()
}

/// Who says that it holds nothing is told the whole of it, also where that is nothing.
fn adds_nothing(offer: &Offer, store: &Store) -> bool {
    let holds_nothing = store.hello(&Pod::default()).held.is_empty();
    offer.is_whole == holds_nothing && offer.changed.is_empty() && offer.removed.is_empty()
}

impl Watch {
    fn send(&mut self, catalogue: &Catalogue) -> Arc<Offer> {
        let offer = catalogue.current().offer(&self.base);
        let mut assembler = Assembler::default();
        let transactions: Vec<_> =
            messages(&offer).into_iter().filter_map(|part| assembler.part(part).expect("it keeps the rules")).collect();
        let [transaction] = <[_; 1]>::try_from(transactions).expect("one update, one transaction");
        assert_eq!(transaction.version, offer.version);
        self.store.take(transaction);
        self.base = Base::Edition(Arc::clone(catalogue.current()));
        offer
    }

    /// Says to `catalogue`'s replica what it holds.
    fn hello(&mut self, catalogue: &Catalogue) {
        let hello = self.store.hello(&Pod::default());
        let held = |held: wire::Held| (Key::from_wire(held.kind, held.name).expect("a key"), held.hash);
        self.base = catalogue.current().recognise(hello.held.into_iter().map(held));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_sequence_ends_in_the_last_state(steps in steps(), last in snapshots()) {
        let (mut here, mut there) = (Catalogue::default(), Catalogue::default());
        let mut watch = Watch::default();
        here.publish(&Snapshot::default(), at(0));
        there.publish(&Snapshot::default(), at(0));
        for (step, revision) in steps.into_iter().zip(1..) {
            match step {
                Step::Publish(snapshot) => {
                    here.publish(&snapshot, at(revision));
                    there.publish(&snapshot, at(revision));
                }
                Step::Send => drop(watch.send(&here)),
                Step::SendHalf => {
                    let parts = messages(&here.current().offer(&watch.base));
                    let mut assembler = Assembler::default();
                    for part in parts.into_iter().filter(|part| !part.is_last) {
                        prop_assert!(assembler.part(part).expect("it keeps the rules").is_none());
                    }
                    watch.hello(&here);
                }
                Step::Hello { is_other_replica } => {
                    if is_other_replica {
                        std::mem::swap(&mut here, &mut there);
                    }
                    watch.hello(&here);
                }
                Step::Restart => {
                    watch.store = Store::restored(watch.store.snapshot().clone(), watch.store.position().clone());
                    watch.hello(&here);
                }
            }
        }
        here.publish(&last, at(100));
        watch.send(&here);
        prop_assert!(same(watch.store.snapshot(), &last));
        prop_assert_eq!(watch.store.position(), &at(100));
        // Who is told what the pod holds has nothing to add.
        watch.hello(&here);
        prop_assert!(adds_nothing(&watch.send(&here), &watch.store));
        there.publish(&last, at(100));
        watch.hello(&there);
        prop_assert!(adds_nothing(&watch.send(&there), &watch.store));
    }
}

#[test]
fn parts_are_bounded_and_a_large_resource_travels_alone() {
    let mut snapshot = Snapshot::default();
    for (n, padding) in [10, PART_BYTES / 2, PART_BYTES / 2 + 1, 3 * PART_BYTES, 10, 20].into_iter().enumerate() {
        let route = route(n, 1, padding);
        snapshot.routes.insert(route.name.clone(), Arc::new(route));
    }
    let mut catalogue = Catalogue::default();
    catalogue.publish(&snapshot, at(1));
    let parts = messages(&catalogue.current().offer(&Base::Nothing));
    assert_eq!(parts.iter().map(|part| part.changed.len()).collect::<Vec<_>>(), [2, 1, 1, 2]);
    assert_eq!(parts.iter().filter(|part| part.is_last).count(), 1);
    assert!(parts.iter().all(|part| part.is_whole && part.position.is_some() == part.is_last));
}

#[test]
fn what_is_gone_travels_in_bounded_parts_too() {
    let mut snapshot = Snapshot::default();
    for n in 0..30_000 {
        let mut route = route(n, 1, 0);
        route.name.namespace = "a-namespace-with-a-long-name-as-tenants-have-them".into();
        snapshot.routes.insert(route.name.clone(), Arc::new(route));
    }
    let mut catalogue = Catalogue::default();
    catalogue.publish(&snapshot, at(1));
    let mut watch = Watch::default();
    watch.send(&catalogue);
    catalogue.publish(&Snapshot::default(), at(2));
    assert!(messages(&catalogue.current().offer(&watch.base)).len() > 1);
    let offer = watch.send(&catalogue);
    assert_eq!((offer.removed.len(), offer.changed.len()), (30_000, 0));
    assert!(watch.store.snapshot().routes.is_empty());
}

#[test]
fn one_change_among_many_is_one_resource_for_every_pod() {
    let mut snapshot = Snapshot::default();
    for n in 0..1_000 {
        let route = route(n, 1, 0);
        snapshot.routes.insert(route.name.clone(), Arc::new(route));
    }
    let mut catalogue = Catalogue::default();
    assert!(catalogue.publish(&snapshot, at(1)));
    assert!(!catalogue.publish(&snapshot, at(1)), "nothing is new");
    let first: Arc<Edition> = Arc::clone(catalogue.current());
    let changed = route(7, 2, 0);
    snapshot.routes.insert(changed.name.clone(), Arc::new(changed));
    assert!(catalogue.publish(&snapshot, at(2)));
    let offer = catalogue.current().offer(&Base::Edition(Arc::clone(&first)));
    assert_eq!((offer.changed.len(), offer.removed.len(), offer.is_whole), (1, 0, false));
    let again = catalogue.current().offer(&Base::Edition(first));
    assert!(Arc::ptr_eq(&offer, &again), "pods at one place share the work");
    let whole = || catalogue.current().offer(&Base::Nothing);
    assert!(Arc::ptr_eq(&whole(), &whole()), "and so do pods that have nothing");
    let bytes = |offer: Arc<Offer>| offer.into_parts().flat_map(|part| part.changed).map(|one| one.as_ptr());
    assert!(bytes(whole()).eq(bytes(whole())), "nothing is copied for a pod");
    assert!(catalogue.publish(&snapshot, at(3)), "a position alone is published, too");
    assert_eq!(catalogue.current().version, 3);
}
