use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::*;
use crate::certificates::leaf::{self, Leaf, Part};
use crate::certificates::tls;

const NAME: &str = "ringway-operator.ringway-system.svc";
const DAY: Duration = Duration::from_secs(86_400);

fn leaf(authority: &Authority, part: Part, now: Timestamp) -> Leaf {
    let addresses = ["10.0.0.7".parse().expect("an address")];
    leaf::issue(&authority.signer, part, &[NAME.to_owned()], &addresses, now).expect("issued")
}

/// A whole handshake in memory, each side with its own view of whom to trust.
fn shake(server: (&Leaf, &str), client: (&Leaf, &str), name: &str) -> Result<(), String> {
    let server = tls::server(server.0, server.1).expect("server settings");
    let client = tls::client(client.0, client.1).expect("client settings");
    let mut server = ServerConnection::new(Arc::new(server)).expect("a server");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut client = ClientConnection::new(Arc::new(client), name).expect("a client");
    for _ in 0..8 {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).expect("written");
        server.read_tls(&mut bytes.as_slice()).expect("read");
        server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        let mut bytes = Vec::new();
        server.write_tls(&mut bytes).expect("written");
        client.read_tls(&mut bytes.as_slice()).expect("read");
        client.process_new_packets().map_err(|error| format!("client: {error}"))?;
        if !client.is_handshaking() && !server.is_handshaking() {
            return Ok(());
        }
    }
    Err("no end".to_owned())
}

fn stored(authority: &Authority) -> Authority {
    Authority::parse("ringway-ca", &authority.to_data()).expect("what was written can be read")
}

#[test]
fn both_ends_know_each_other_and_nobody_else() {
    let now = Timestamp::now();
    let authority = Authority::new("test", now).expect("made");
    assert_eq!(stored(&authority), authority);
    let (server, client) = (leaf(&authority, Part::Operator, now), leaf(&authority, Part::Dataplane, now));
    let bundle = authority.bundle();
    assert_eq!(shake((&server, &bundle), (&client, &bundle), NAME), Ok(()));
    assert_eq!(shake((&server, &bundle), (&server, &bundle), "10.0.0.7"), Ok(()), "a relay, by address");
    assert!(shake((&server, &bundle), (&client, &bundle), "other.svc").is_err());
    assert!(shake((&client, &bundle), (&client, &bundle), NAME).is_err(), "a pod cannot pass for a replica");
    let stranger = Authority::new("test", now).expect("made");
    let fake = leaf(&stranger, Part::Dataplane, now);
    assert!(shake((&server, &bundle), (&fake, &bundle), NAME).is_err(), "same name, another key");
}

#[test]
fn an_authority_turns_over_without_a_gap() {
    // Handshakes check against the real clock, so the past is moved, not the present.
    let now = Timestamp::now();
    let born = now - LIFE * 2 / 3 - DAY;
    let old = Authority::new("test", born).expect("made");
    assert!(old.due("test", now - DAY * 2).expect("decided").is_none());
    let introduced = stored(&old).due("test", now).expect("decided").expect("due");
    assert_eq!(introduced.signer, old.signer, "it still signs");
    assert!(introduced.next.is_some());
    assert_eq!(stored(&introduced), introduced);
    assert!(introduced.due("test", now + INTRODUCTION / 2).expect("decided").is_none());
    let promoted = introduced.due("test", now + INTRODUCTION).expect("decided").expect("due");
    assert_eq!(Some(&promoted.signer), introduced.next.as_ref());
    assert_eq!(stored(&promoted), promoted);

    let (server, pod) = (leaf(&promoted, Part::Operator, now), leaf(&old, Part::Dataplane, now));
    // A pod with the oldest leaf, whose bundle is the introduced one, meets a replica that was promoted; and the reverse.
    let (before, after) = (introduced.bundle(), promoted.bundle());
    assert_eq!(shake((&server, &after), (&pod, &before), NAME), Ok(()));
    let (server, pod) = (leaf(&old, Part::Operator, now), leaf(&promoted, Part::Dataplane, now));
    assert_eq!(shake((&server, &before), (&pod, &after), NAME), Ok(()));

    let gone = promoted.due("test", born + LIFE).expect("decided").expect("due");
    assert!(gone.retired.is_empty());
    assert_eq!(gone.signer, promoted.signer);
}

#[test]
fn an_authority_that_has_ended_is_replaced_at_once() {
    // An operator that was off for months, or a cluster restored from a backup.
    let now = Timestamp::now();
    let old = Authority::new("test", now - LIFE - DAY).expect("made");
    let new = stored(&old).due("test", now).expect("decided").expect("due");
    assert!(new.signer != old.signer && new.next.is_none() && new.retired.is_empty());
    assert_eq!(stored(&new).due("test", now).expect("decided"), None, "once");
    let (bundle, server, pod) = (new.bundle(), leaf(&new, Part::Operator, now), leaf(&new, Part::Dataplane, now));
    assert_eq!(shake((&server, &bundle), (&pod, &bundle), NAME), Ok(()), "it can sign");

    // One that was made in time signs now, however short its introduction was.
    let introduced = Authority { next: Some(new.signer.clone()), ..old.clone() };
    let promoted = introduced.due("test", now).expect("decided").expect("due");
    assert_eq!(promoted, Authority { signer: new.signer, next: None, retired: Vec::new() });
    // And one that has ended as well does not.
    let ended = Authority { next: Some(old.signer.clone()), ..old.clone() };
    assert_ne!(ended.due("test", now).expect("decided").expect("due").signer, old.signer);
}

#[test]
fn a_leaf_is_due_in_its_last_third_and_when_another_signs() {
    let now = Timestamp::now();
    let authority = Authority::new("test", now).expect("made");
    let certificate = leaf(&authority, Part::Dataplane, now).certificate_pem;
    let due = |authority: &Authority, days| leaf::is_due(&authority.signer, &certificate, now + DAY * days);
    assert!(!due(&authority, 0) && !due(&authority, 4));
    assert!(due(&authority, 5) && due(&authority, 8));
    assert!(due(&Authority::new("test", now).expect("made"), 0));
    assert!(leaf::is_due(&authority.signer, "garbage", now));
    let end = now + LIFE - DAY;
    let late = leaf(&authority, Part::Operator, end).certificate_pem;
    assert_eq!(
        Validity::of_pem(&late).expect("read").end,
        Validity::of_pem(&authority.signer.certificate_pem).expect("read").end
    );
}

#[test]
fn a_secret_that_is_no_authority_is_refused_without_showing_it() {
    let authority = Authority::new("test", Timestamp::now()).expect("made");
    for key in [CERTIFICATE, KEY] {
        let mut data = authority.to_data();
        data.remove(key);
        let error = Authority::parse("ringway-ca", &data).expect_err("refused").to_string();
        assert!(error.contains(key) && error.contains("ringway-ca"), "{error}");
        data.insert(key.to_owned(), "hunter2".to_owned());
        let error = format!("{:?}", Authority::parse("ringway-ca", &data).expect_err("refused"));
        assert!(!error.contains("hunter2"), "{error}");
    }
}
