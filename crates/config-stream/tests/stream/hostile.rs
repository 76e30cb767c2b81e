//! Whatever comes from the wire: an error or a transaction within the bounds, never a panic.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;
use ringway_config_stream::assembler::{Assembler, ProtocolError};
use ringway_config_stream::resource::{DecodeError, Encoded, Object, hash};
use ringway_config_stream::store::Store;
use ringway_config_stream::{Facts, Key, Kind, Pod, Rejection, wire};

use crate::objects::{backend, listener, route};

fn resource(kind: i32, name: String, body: Vec<u8>, secrets: Vec<Vec<u8>>) -> wire::Resource {
    let secrets: Vec<Bytes> = secrets.into_iter().map(Bytes::from).collect();
    wire::Resource { kind, name, hash: hash(&body, &secrets), body: body.into(), secrets }
}

fn part(version: u64, changed: &[wire::Resource]) -> wire::Update {
    let changed = changed.iter().map(|resource| resource.encode_to_vec().into()).collect();
    wire::Update { version, changed, ..wire::Update::default() }
}

fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let good = prop_oneof![
        Just(Object::Backend(std::sync::Arc::new(backend(1, 2, b"s")))),
        Just(Object::Route(std::sync::Arc::new(route(1, 2, 3)))),
        Just(Object::Listener(std::sync::Arc::new(listener(1, 2, b"s")))),
    ]
    .prop_map(|object| object.encode().expect("it is small").body.to_vec());
    let damaged = (good.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut body, at, byte)| {
        let at = at.index(body.len());
        body[at] = byte;
        body
    });
    let cut = (good.clone(), any::<prop::sample::Index>()).prop_map(|(mut body, at)| {
        body.truncate(at.index(body.len()));
        body
    });
    prop_oneof![good, damaged, cut, prop::collection::vec(any::<u8>(), 0..64), Just(vec![b'['; 5_000])]
}

fn updates() -> impl Strategy<Value = wire::Update> {
    let name = prop_oneof![Just("tools/b1".to_owned()), Just("tools/r1".to_owned()), ".{0,20}"];
    let secrets = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..4), 0..4);
    let changed = (0_i32..5, name.clone(), bodies(), secrets)
        .prop_map(|(kind, name, body, secrets)| resource(kind, name, body, secrets).encode_to_vec());
    let changed = prop_oneof![9 => changed, 1 => prop::collection::vec(any::<u8>(), 0..20)].prop_map(Bytes::from);
    let removed = (-1_i32..5, name).prop_map(|(kind, name)| wire::Gone { kind, name });
    let lists = (prop::collection::vec(changed, 0..4), prop::collection::vec(removed, 0..3));
    (0_u64..3, any::<bool>(), any::<bool>(), lists).prop_map(|(version, is_whole, is_last, (changed, removed))| {
        wire::Update { version, is_whole, is_last, position: None, changed, removed }
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(update) = wire::Update::decode(bytes.as_slice()) {
            let _ = Assembler::default().part(update);
        }
        if let Ok(facts) = wire::Facts::decode(bytes.as_slice()) {
            let _ = Facts::from_wire(facts).to_wire();
        }
        if let Ok(report) = wire::PodReport::decode(bytes.as_slice()) {
            let _ = report.pod.map(Pod::from_wire);
            let _ = Rejection::all_from_wire(report.rejections, report.has_more_rejections);
        }
    }

    #[test]
    fn no_update_panics_and_the_store_stays_whole(updates in prop::collection::vec(updates(), 1..6)) {
        let (mut assembler, mut store) = (Assembler::default(), Store::default());
        for update in updates {
            if let Ok(Some(transaction)) = assembler.part(update) {
                store.take(transaction);
            }
            let snapshot = store.snapshot();
            let objects = snapshot.listeners.len() + snapshot.backends.len() + snapshot.routes.len();
            prop_assert_eq!(store.hello(&Pod::default()).held.len(), objects);
        }
    }
}

#[test]
fn what_cannot_be_read_stops_nothing_else_and_leaves_the_last_good_form() {
    let good = Object::Backend(std::sync::Arc::new(backend(1, 2, b"s"))).encode().expect("small").to_wire();
    let other = Object::Route(std::sync::Arc::new(route(1, 2, 3))).encode().expect("small").to_wire();
    let update = |version, changed: Vec<wire::Resource>| wire::Update {
        is_whole: true,
        is_last: true,
        ..part(version, &changed)
    };
    let mut store = Store::default();
    let mut assembler = Assembler::default();
    let first = assembler.part(update(1, vec![good.clone()])).expect("rules").expect("last");
    assert!(store.take(first));
    let broken = resource(good.kind, good.name.clone(), br#"{"name":"tools/b1","later":1}"#.to_vec(), vec![]);
    let second = assembler.part(update(2, vec![broken, other])).expect("rules").expect("last");
    assert!(store.take(second));
    assert_eq!((store.snapshot().backends.len(), store.snapshot().routes.len()), (1, 1));
    let rejections: Vec<_> = store.unreadable().collect();
    assert_eq!((rejections.len(), rejections[0].kind, rejections[0].name.as_str()), (1, Kind::Backend, "tools/b1"));
    assert!(rejections[0].reason.contains("cannot read it"), "{}", rejections[0].reason);
    // It is asked for again, since another form is held.
    assert_eq!(
        store.hello(&Pod::default()).held.iter().find(|held| held.name == "tools/b1").map(|held| held.hash),
        Some(good.hash)
    );
    let third = assembler.part(update(3, vec![good])).expect("rules").expect("last");
    store.take(third);
    assert_eq!(store.unreadable().count(), 0);
    assert!(store.snapshot().routes.is_empty());
}

#[test]
fn secrets_that_do_not_fit_their_places_are_an_error() {
    let good = Object::Listener(std::sync::Arc::new(listener(1, 2, b"key"))).encode().expect("small");
    assert_eq!(good.secrets.len(), 3);
    assert!(!String::from_utf8_lossy(&good.body).contains("key\""), "the body shows stars");
    let with = |secrets: Vec<Bytes>| Encoded { hash: hash(&good.body, &secrets), secrets, ..good.clone() };
    let fewer = with(good.secrets[..2].to_vec()).decode();
    assert_eq!(fewer, Err(DecodeError::Secrets { expected: 3, found: 2 }));
    let more = with(vec![Bytes::new(); 4]).decode();
    assert_eq!(more, Err(DecodeError::Secrets { expected: 3, found: 4 }));
    let moved = Encoded { secrets: vec!["a".into(), "b".into(), "c".into()], ..good.clone() };
    assert_eq!(moved.decode(), Err(DecodeError::Hash));
    let renamed = Encoded { key: Key::new(Kind::Listener, "other/gateway/l1"), ..good };
    assert_eq!(renamed.decode(), Err(DecodeError::Name("tools/gateway/l1".into())));
    assert!(!format!("{renamed:?}").contains("key"), "{renamed:?}");
}

#[test]
fn who_breaks_the_rules_is_cut_off() {
    let route = || Object::Route(std::sync::Arc::new(route(1, 2, 3))).encode().expect("small").to_wire();
    let mut assembler = Assembler::default();
    assert!(assembler.part(part(1, &[])).is_ok());
    assert_eq!(assembler.part(part(2, &[])).err(), Some(ProtocolError::Mixed { open: 1, found: 2 }));
    let twice = assembler.part(part(1, &[route(), route()])).err();
    assert_eq!(twice, Some(ProtocolError::Twice(Key::new(Kind::Route, "tools/r1"))));
    // A kind of a later version may be what forbids something: it is not passed over.
    let unknown = wire::Resource { kind: 9, ..route() };
    assert!(matches!(assembler.part(part(1, &[unknown])).err(), Some(ProtocolError::Key(_))));
    let large = resource(3, "tools/r2".into(), vec![b' '; 17 << 20], vec![]);
    assert_eq!(assembler.part(part(1, &[large])).err(), Some(ProtocolError::TooLarge("a resource")));
    let garbage = wire::Update { changed: vec![Bytes::from_static(&[0xff])], ..part(1, &[]) };
    assert!(matches!(assembler.part(garbage).err(), Some(ProtocolError::Resource(_))));
    let mut endless = (0..).map(|_| assembler.part(part(1, &[])));
    assert_eq!(endless.find_map(Result::err), Some(ProtocolError::TooLarge("its number of parts")));
}

#[test]
fn what_is_too_large_is_refused_and_keeps_its_last_form() {
    use ringway_config_stream::catalogue::{Base, Catalogue};
    let mut snapshot = ringway_snapshot::Snapshot::default();
    let mut put = |padding| {
        let route = route(1, 1, padding);
        snapshot.routes.insert(route.name.clone(), std::sync::Arc::new(route));
        snapshot.clone()
    };
    let mut catalogue = Catalogue::default();
    catalogue.publish(&put(1), crate::objects::at(1));
    let small = catalogue.current().offer(&Base::Nothing).changed[0].hash;
    catalogue.publish(&put(17 << 20), crate::objects::at(2));
    let refused: Vec<_> = catalogue.refused().collect();
    assert_eq!((refused.len(), refused[0].name.as_str()), (1, "tools/r1"));
    assert_eq!(catalogue.current().offer(&Base::Nothing).changed[0].hash, small);
    catalogue.publish(&put(2), crate::objects::at(3));
    assert_eq!(catalogue.refused().count(), 0);
    assert_ne!(catalogue.current().offer(&Base::Nothing).changed[0].hash, small);
}
