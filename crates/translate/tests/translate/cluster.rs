//! Whole clusters in; conditions, listeners, routes and problems out: `golden-cluster/*/{install.yaml,in.yaml,out.txt}`.
//!
//! `UPDATE=1 cargo test -p ringway-translate cluster` rewrites what comes out; read the difference before it is
//! committed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ringway_crds::GroupKind;
use ringway_snapshot::{Snapshot, Target};
use ringway_translate::verdict::{Condition, ListenerVerdict, Verdict, Verdicts};
use ringway_translate::{Install, Object, Translation, Unread, World, translate};

use super::worlds::{cluster_cases, documents, env, object};

#[test]
fn clusters_translate_as_written() {
    let mut differing = Vec::new();
    let cases = cluster_cases();
    assert!(cases.len() >= 6, "the golden clusters are gone");
    for (case, install) in cases {
        let (objects, problems): (Vec<_>, Vec<_>) = documents(&case.text).iter().map(|text| object(text)).unzip();
        let world = seen(objects.into_iter().flatten(), &install);
        let Translation { snapshot, problems: found, verdicts } = translate(&world, &install, &env);
        let mut out = conditions(&verdicts);
        out.push_str("---\n");
        out.push_str(&served(&snapshot));
        out.push_str("---\n");
        let all: BTreeSet<String> = problems.iter().flatten().chain(&found).map(ToString::to_string).collect();
        for problem in all {
            writeln!(out, "{problem}").expect("a String takes all");
        }
        assert!(!out.contains(super::worlds::SECRET), "{}: a secret value is shown", case.name);
        let expected = case.directory.join("out.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, &out).expect("out.txt can be written");
        } else if fs::read_to_string(&expected).unwrap_or_default() != out {
            differing.push(format!("{}: now\n{out}", case.name));
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n\n"));
}

/// Each reason that translation gives stands in the table for users, and each of the table in some golden cluster.
#[test]
fn every_reason_is_shown_once() {
    // Of `Programmed` and `Reachable` the operator and the data plane know.
    const STATED: [&str; 3] = ["Accepted", "ResolvedRefs", "Conflicted"];
    let mut shown = BTreeSet::new();
    for (case, _) in cluster_cases() {
        let text = fs::read_to_string(case.directory.join("out.txt")).unwrap_or_default();
        let lines = text.lines().map(|line| line.split(": ").next().unwrap_or_default().trim());
        let is_condition =
            |line: &&str| STATED.iter().any(|it| line.strip_prefix(it).is_some_and(|rest| rest.starts_with('=')));
        shown.extend(lines.filter(is_condition).map(str::to_owned));
    }
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conditions.md")).expect("docs");
    let (mut told, mut condition) = (BTreeSet::new(), "");
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            condition = heading.split(':').next().unwrap_or_default();
        }
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        if let (true, ["", status @ ("True" | "False"), reason, ..]) = (STATED.contains(&condition), cells.as_slice()) {
            told.insert(format!("{condition}={status} {reason}"));
        }
    }
    assert!(told.len() > 30, "docs/conditions.md was not understood: {told:?}");
    assert_eq!(shown, told, "golden clusters on the left, docs/conditions.md on the right");
}

/// What an operator sees whose rights are those that the chart gives: no Secrets outside of `secretNamespaces`.
fn seen(objects: impl Iterator<Item = Object>, install: &Install) -> World {
    let namespaces = install.cluster().map(|install| install.secret_namespaces.clone()).expect("a cluster");
    let (mut unread, mut read) = (BTreeSet::new(), Vec::new());
    for object in objects {
        let id = object.id().clone();
        let is_read = namespaces.holds(&id.name.namespace);
        if !is_read {
            unread.insert(id.name.namespace);
        }
        if is_read || id.kind != GroupKind::Secret {
            read.push(object);
        }
    }
    let mut world = World::from_objects(read);
    for namespace in unread {
        world.leave_unread(GroupKind::Secret, namespace, Unread::Forbidden);
    }
    world
}

/// The operator goes by what it may read, not by what the chart wrote: a RoleBinding that somebody made is enough.
#[test]
fn a_secret_that_could_be_read_is_used_wherever_it_is() {
    let (case, install) =
        cluster_cases().into_iter().find(|(case, _)| case.name == "tenants").expect("the golden cluster `tenants`");
    let objects: Vec<_> = documents(&case.text).iter().filter_map(|text| object(text).0).collect();
    let own = ringway_snapshot::ObjectName::new("other", "own-secret");
    let resolved = |world: &World| {
        let verdicts = translate(world, &install, &env).verdicts;
        verdicts.backends.get(&own).expect("there").resolved_refs.clone()
    };
    let refused = resolved(&seen(objects.iter().cloned(), &install));
    assert!(refused.message.contains("--namespace=other --clusterrole=ringway-secret-reader"), "{}", refused.message);
    let mut world = World::from_objects(objects);
    world.leave_unread(GroupKind::Secret, "other", Unread::Limit(500));
    let held = resolved(&world);
    assert!(held.is_true, "what is there was read: {}", held.message);
    world.remove(&ringway_translate::ObjectId {
        kind: GroupKind::Secret,
        name: ringway_snapshot::ObjectName::new("other", "token"),
    });
    let beyond = resolved(&world);
    assert!(beyond.message.contains("at most 500 namespaces"), "{}", beyond.message);
}

pub(crate) fn conditions(verdicts: &Verdicts) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a String takes all");
    for (name, class) in &verdicts.classes {
        line(format!("GatewayClass {name}"));
        line(condition("Accepted", class));
    }
    if let Some(listener) = &verdicts.default_listener {
        line("default listener".to_owned());
        line(of_listener(listener));
    }
    for (name, gateway) in &verdicts.gateways {
        line(format!("Gateway {name}"));
        line(condition("Accepted", &gateway.accepted));
        line(condition("ResolvedRefs", &gateway.resolved_refs));
        for listener in &gateway.listeners {
            line(format!("  listener {}", listener.name));
            line(of_listener(listener));
        }
    }
    for (name, backend) in &verdicts.backends {
        line(format!("MCPBackend {name}"));
        line(of_verdict(backend));
    }
    for (name, bridge) in &verdicts.bridges {
        line(format!("RESTBridge {name}"));
        line(of_verdict(bridge));
    }
    for (name, route) in &verdicts.routes {
        line(format!("MCPRoute {name} {}", route.url.as_deref().unwrap_or("without url")));
        for parent in &route.parents {
            line(format!("  parent {}", parent.parent_ref));
            line(of_verdict(&parent.verdict));
            let listeners: Vec<_> = parent.listeners.iter().map(ToString::to_string).collect();
            line(format!("    on [{}]", listeners.join(", ")));
        }
    }
    for (name, policy) in &verdicts.policies {
        line(format!("ToolPolicy {name}"));
        line(condition("Accepted", &policy.accepted));
        for ancestor in &policy.ancestors {
            line(format!("  ancestor {}", ancestor.ancestor_ref));
            line(of_verdict(&ancestor.verdict));
        }
    }
    out
}

fn condition(kind: &str, condition: &Condition) -> String {
    let Condition { is_true, reason, message } = condition;
    let status = if *is_true { "True" } else { "False" };
    let colon = if message.is_empty() { "" } else { ": " };
    format!("    {kind}={status} {reason}{colon}{message}")
}

fn of_verdict(verdict: &Verdict) -> String {
    let mut lines = vec![condition("Accepted", &verdict.accepted), condition("ResolvedRefs", &verdict.resolved_refs)];
    lines.extend(verdict.conflicted.as_ref().map(|conflicted| condition("Conflicted", conflicted)));
    lines.push(format!("    {}", if verdict.is_served { "served" } else { "not served" }));
    lines.join("\n")
}

fn of_listener(listener: &ListenerVerdict) -> String {
    let lines = [
        condition("Accepted", &listener.accepted),
        condition("ResolvedRefs", &listener.resolved_refs),
        condition("Conflicted", &listener.conflicted),
        format!(
            "    {}, {}, attached: {}",
            if listener.is_served { "served" } else { "not served" },
            if listener.supports_routes { "MCPRoutes may attach" } else { "no kind may attach" },
            listener.attached_routes,
        ),
    ];
    lines.join("\n")
}

pub(crate) fn served(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let mut line = |text: String| writeln!(out, "{text}").expect("a String takes all");
    for (name, listener) in &snapshot.listeners {
        let tls = serde_json::to_string(&listener.tls).expect("plain data");
        line(format!("listener {name} port {} host {:?} tls {tls}", listener.port, listener.hostname));
    }
    for (name, backend) in &snapshot.backends {
        match &backend.target {
            Target::Http(target) => line(format!("backend {name} {} {:?}", target.hostname, target.dial)),
            Target::Stdio(target) => line(format!("backend {name} {}", target.command)),
        }
    }
    for (name, route) in &snapshot.routes {
        let listeners: Vec<_> = route.listeners.iter().map(ToString::to_string).collect();
        let sections: Vec<_> = route
            .backends
            .iter()
            .map(|entry| format!("{}={} as `{}`", entry.section, entry.backend, entry.prefix))
            .collect();
        line(format!(
            "route {name} {:?} {} on [{}]: {}",
            route.hostnames,
            route.path,
            listeners.join(", "),
            sections.join(", ")
        ));
    }
    out
}
