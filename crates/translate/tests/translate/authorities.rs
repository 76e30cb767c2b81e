//! What certificates may weigh: of one object, and of all.

use std::fmt::Write as _;

use ringway_translate::{Install, Object, Problem, Translation, World, translate};
use serde_json::{Value, json};

/// As PEM, with a line of prose that must not count.
fn certificate(bytes: usize) -> String {
    let mut pem = "a certificate of nobody\n-----BEGIN CERTIFICATE-----\n".to_owned();
    for _ in 0..bytes / 48 {
        writeln!(pem, "{}", "A".repeat(64)).expect("a String takes all");
    }
    pem + "-----END CERTIFICATE-----\n"
}

fn map(name: &str, pem: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": { "ca.crt": pem } })
}

fn backend(name: &str, created: &str, authorities: &[&str]) -> Value {
    let references: Vec<_> = authorities.iter().map(|name| json!({ "name": name })).collect();
    json!({
        "apiVersion": "ringway.dev/v1alpha1", "kind": "MCPBackend",
        "metadata": { "name": name, "creationTimestamp": created },
        "spec": { "url": "https://a.example.com", "tls": { "caCertificateRefs": references } },
    })
}

fn translated(objects: &[Value]) -> Translation {
    let objects = objects.iter().map(|object| Object::from_json(object).0.expect("an object"));
    translate(&World::from_objects(objects), &Install::Standalone, &|_| None)
}

fn served(translation: &Translation) -> Vec<&str> {
    translation.snapshot.backends.keys().map(|name| name.name.as_str()).collect()
}

fn errors(translation: &Translation) -> Vec<String> {
    translation.problems.iter().filter(|problem| problem.is_error()).map(Problem::to_string).collect()
}

#[test]
fn the_authorities_of_one_backend_are_bounded_together() {
    let half = certificate(80 << 10);
    let translation = translated(&[
        map("half", &half),
        backend("fits", "2026-01-01T00:00:00Z", &["half", "half"]),
        backend("more", "2026-01-01T00:00:00Z", &["half", "half", "half"]),
    ]);
    assert_eq!(served(&translation), ["fits"]);
    let errors = errors(&translation);
    let [error] = errors.as_slice() else { panic!("{errors:?}") };
    assert!(error.contains("MCPBackend default/more: spec.tls.caCertificateRefs[2]: InvalidRef"), "{error}");
    assert!(error.contains("more than 262144 bytes"), "{error}");
}

#[test]
fn what_all_backends_bring_is_bounded_and_the_older_are_served() {
    let almost_all = certificate(180 << 10);
    let mut objects = vec![map("ca", &almost_all)];
    // 128 MiB hold fewer than 546 of them. The oldest has the last name.
    let names: Vec<_> = (0..600).map(|index| format!("b{:03}", 999 - index)).collect();
    objects.extend(
        names.iter().enumerate().map(|(index, name)| {
            backend(name, &format!("2026-01-01T{:02}:{:02}:00Z", index / 60, index % 60), &["ca"])
        }),
    );
    let translation = translated(&objects);
    let served = served(&translation);
    assert!((530..546).contains(&served.len()), "{}", served.len());
    let mut oldest: Vec<_> = names[..served.len()].iter().map(String::as_str).collect();
    oldest.reverse();
    assert_eq!(served, oldest);
    let errors = errors(&translation);
    assert_eq!(errors.len(), 600 - served.len());
    assert!(errors.iter().all(|error| error.contains("spec.tls: OutOfRange: there is no room")), "{}", errors[0]);
    objects.reverse();
    let again = translated(&objects);
    assert_eq!(again.snapshot.backends, translation.snapshot.backends, "whatever their order");
}
