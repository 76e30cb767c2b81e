//! Each condition and each reason once, on real objects, all of them beside one route in use: what is wrong with one object concerns no other.

mod cases;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ringway_e2e::cluster::install::{Install, NAMESPACE};
use ringway_e2e::cluster::namespace::Namespace;
use ringway_e2e::cluster::traffic::{self, Traffic};
use ringway_e2e::cluster::{Cluster, object};
use ringway_e2e::yaml;
use serde_json::Value;

use cases::{Case, GATEWAYS, LISTENERS, MATERIAL, WHOLE, backends, later, routes, unattached};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn every_reason_beside_a_route_in_use() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("conditions", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("c-good", "conditions", ""),
        yaml::route("c-good", "/c/good", &[("c-good", "")]),
    ]))?;
    for (kind, reason) in
        [("Accepted", "Accepted"), ("ResolvedRefs", "ResolvedRefs"), ("Programmed", "Programmed"), ("Ready", "Ready")]
    {
        for plural in ["mcpbackends", "mcproutes"] {
            namespace.condition(plural, "c-good", kind, (true, reason))?;
        }
    }
    let address = install.address()?;
    traffic::first_call(address, "/c/good", PATIENCE)?;
    let traffic = Traffic::start(address, "/c/good", 1);

    let cases: Vec<_> = backends().into_iter().chain(routes()).chain(unattached()).chain(later()).collect();
    namespace.apply(&yaml::documents(&[MATERIAL.to_owned(), unpaired(&cluster)?, GATEWAYS.to_owned()]))?;
    namespace.apply(&yaml::documents(&cases.iter().map(Case::yaml).collect::<Vec<_>>()))?;
    let wrong: Vec<_> =
        cases.iter().filter_map(|case| case.check(&namespace).err()).map(|error| format!("{error:#}")).collect();
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    for (gateway, kind, is_true, reason) in WHOLE {
        namespace.condition("gateways", gateway, kind, (*is_true, reason))?;
    }
    for (gateway, listener, kind, is_true, reason) in LISTENERS {
        namespace.listener((gateway, listener), kind, (*is_true, reason))?;
    }
    // One bad listener fails no other, and the Gateway says which.
    let partly = namespace.condition("gateways", "c-gateway", "Accepted", (true, "ListenersNotValid"))?;
    ensure!(partly.message.contains("certificate") && partly.message.contains("port"), "{partly}");
    let class = "/apis/gateway.networking.k8s.io/v1/gatewayclasses/ringway-e2e-parameters";
    cluster.until("the class to be refused", PATIENCE, class, |found| {
        object::condition(found, "Accepted").filter(|it| !it.is_true && it.reason == "InvalidParameters").map(drop)
    })?;

    // What pods found out of it comes a moment after what they said of its configuration.
    namespace.condition("mcpbackends", "c-unpaired", "Reachable", (false, "InvalidConfiguration"))?;
    told_once(&cluster, &namespace.object("mcpbackends", "c-private")?, ("Accepted", "Invalid"), "spec.url")?;

    traffic.goes_on(5, PATIENCE)?;
    traffic.stop_without_failure()?;
    namespace.ready("mcproutes", "c-good")
}

/// A condition that turned is an event of the object, one for the turn, in the words of the condition.
fn told_once(cluster: &Cluster, of: &Value, (condition, reason): (&str, &str), field: &str) -> Result<()> {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events");
    // Those of its namesake in an earlier run stay for an hour.
    let uid = object::text(of, "/metadata/uid").context("a uid")?;
    let is_it = |event: &&Value| {
        let is = |pointer, text| object::text(event, pointer) == Some(text);
        is("/regarding/uid", uid) && is("/action", condition) && is("/reason", reason)
    };
    let events = cluster.until("an event of what turned", PATIENCE, &path, |list| {
        let events: Vec<_> = list.get("items")?.as_array()?.iter().filter(is_it).cloned().collect();
        (!events.is_empty()).then_some(events)
    })?;
    let [event] = events.as_slice() else { bail!("{} events for one turn: {events:#?}", events.len()) };
    let note = object::text(event, "/note").unwrap_or_default();
    ensure!(object::text(event, "/type") == Some("Warning") && note.contains(field), "{event:#}");
    ensure!(event.get("series").is_none_or(Value::is_null), "told again: {event:#}");
    Ok(())
}

/// A certificate and the key of another one: of the install's own Secrets, so both can be read anywhere.
fn unpaired(cluster: &Cluster) -> Result<String> {
    let half = |secret: &str, key: &str| {
        let found = cluster.get(&format!("/api/v1/namespaces/{NAMESPACE}/secrets/{secret}"))?;
        let text = found.as_ref().and_then(|found| found.pointer("/data")?.get(key)?.as_str()).map(str::to_owned);
        text.with_context(|| format!("no {key} in Secret {secret}"))
    };
    let (certificate, key) = (half("ringway-ca", "tls.crt")?, half("ringway-dataplane-tls", "tls.key")?);
    Ok(format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{ name: c-unpaired }}\ntype: kubernetes.io/tls\n\
         data: {{ tls.crt: {certificate}, tls.key: {key} }}\n"
    ))
}

/// The younger of two routes on one listener is on another one, too, and is served there.
#[test]
fn a_route_that_lost_some_of_its_places_is_told() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    let route = |name: &str, section: &str| {
        format!(
            "apiVersion: ringway.dev/v1alpha1\nkind: MCPRoute\nmetadata: {{ name: {name} }}\nspec:\n  path: /partly\n  \
             parentRefs: [{{ name: partly{section} }}]\n  backends: [{{ ref: {{ name: partly }} }}]\n  \
             authentication: {{ anonymous: true }}\n  authorization: Open\n"
        )
    };
    namespace.servers("partly", 1)?;
    namespace.apply(&yaml::documents(&[
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: partly }\nspec:\n  \
         gatewayClassName: ringway\n  listeners:\n  \
         - { name: one, port: 80, protocol: HTTP, hostname: one.example.com }\n  \
         - { name: two, port: 80, protocol: HTTP, hostname: two.example.com }\n"
            .to_owned(),
        yaml::service("partly", "partly", ""),
        // Of the same second or not, by name or by age: this one is first.
        route("partly-a", ", sectionName: one"),
    ]))?;
    namespace.apply(&route("partly-b", ""))?;
    let told = namespace.condition("mcproutes", "partly-b", "Conflicted", (true, "RouteConflict"))?;
    ensure!(told.message.contains("partly-a"), "{told}");
    for route in ["partly-a", "partly-b"] {
        namespace.ready("mcproutes", route)?;
    }
    Ok(())
}

#[test]
fn contested_names_are_told_and_fail_nothing() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    namespace.servers("contested", 1)?;
    // `time` of the first is shown as the second's `add` is. What servers have is not known to the operator.
    let clash = |rename: &str| {
        format!(
            "apiVersion: ringway.dev/v1alpha1\nkind: MCPRoute\nmetadata: {{ name: contested }}\nspec:\n  path: /contested\n  \
             authentication: {{ anonymous: true }}\n  authorization: Open\n  backends:\n  \
             - {{ ref: {{ name: contested-a }}, prefix: '', tools: {{ override: [{{ name: time, rename: {rename} }}] }} }}\n  \
             - {{ ref: {{ name: contested-b }}, prefix: b }}\n"
        )
    };
    namespace.apply(&yaml::documents(&[
        yaml::service("contested-a", "contested", ""),
        yaml::service("contested-b", "contested", ""),
        clash("b_add"),
    ]))?;
    namespace.ready("mcproutes", "contested")?;
    // What servers have is known once somebody asked.
    let address = install.address()?;
    let told = ringway_e2e::wait::until("an answer", PATIENCE, || {
        let listed = ringway_e2e::session::Session::open(address, "/contested", &serde_json::json!({}))
            .and_then(|mut session| session.names("tools/list", "tools"));
        Ok(listed.ok())
    })?;
    ensure!(!told.iter().any(|name| name == "b_add"), "a contested name is served: {told:?}");
    let path = namespace.path("mcproutes", "contested");
    let conflicted = cluster.until("Conflicted", PATIENCE, &path, |found| {
        object::condition(found, "Conflicted").filter(|found| found.is_true && found.reason == "NameConflict")
    })?;
    ensure!(conflicted.message.contains("b_add"), "{conflicted}");
    namespace.ready("mcproutes", "contested")?;
    // It stands only while it is true.
    namespace.apply(&clash("now"))?;
    cluster.until("no conflict", PATIENCE, &path, |found| {
        let is_current = object::condition(found, "Ready").is_some_and(|ready| ready.is_true);
        (is_current && object::condition(found, "Conflicted").is_none()).then_some(())
    })
}

#[test]
fn without_a_data_plane_nothing_is_programmed() -> Result<()> {
    let cluster = Cluster::running()?;
    let install = Install::shared(&cluster)?;
    let namespace = Namespace::of_the_release(&cluster);
    install.scale("dataplane", 0)?;
    namespace.servers("absent", 1)?;
    namespace.apply(&yaml::documents(&[
        yaml::service("absent", "absent", ""),
        yaml::route("absent", "/absent", &[("absent", "")]),
        "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: { name: absent }\nspec:\n  \
         gatewayClassName: ringway\n  \
         listeners: [{ name: http, port: 80, protocol: HTTP, hostname: absent.example.com }]\n"
            .to_owned(),
    ]))?;
    let outcome = namespace.condition("mcproutes", "absent", "Programmed", (false, "NoDataPlane"));
    let ready = namespace.condition("mcproutes", "absent", "Ready", (false, "NoDataPlane"));
    let gateway = namespace.condition("gateways", "absent", "Programmed", (false, "NoDataPlane"));
    let listener = namespace.listener(("absent", "http"), "Programmed", (false, "NoDataPlane"));
    install.scale("dataplane", 2)?;
    outcome.and(ready).and(gateway).and(listener)?;
    namespace.ready("mcproutes", "absent").with_context(|| install.describe())
}
