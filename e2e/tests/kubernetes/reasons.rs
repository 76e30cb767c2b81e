//! Every condition and every reason of `docs/conditions.md` was written by the operator in this run, and none that is not there: by the audit log, which
//! holds each status as it was sent. Last of the tests (`.config/nextest.toml`).

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use ringway_e2e::cluster::install::{self, Install};
use ringway_e2e::cluster::{Cluster, audit, object};
use serde_json::Value;

/// The sums: they repeat the reason of another condition.
const SUMS: &[&str] = &["Ready", "Reconciling", "Stalled"];

/// What is in the table and not seen, by kind, condition and reason, and why it cannot be.
const NOT_PROVOKED: &[(&str, &str, &str, &str)] = &[
    (
        "MCPBackend",
        "ResolvedRefs",
        "InvalidKind",
        "the resource refuses it at `kubectl apply`; only objects of an older one can have it",
    ),
    (
        "MCPRoute",
        "Programmed",
        "Rejected",
        "translation settles all that pods of the same version could refuse of a route",
    ),
    (
        "MCPBackend",
        "Reachable",
        "ConnectionFailed",
        "errors of the system that have no other name: none can be ordered",
    ),
    ("MCPBackend", "Reachable", "ProcessFailed", "stdio is refused in a cluster"),
    (
        "MCPBackend",
        "Reachable",
        "Busy",
        "clients would have to hold all of a backend's room in every pod during two visits",
    ),
];

/// Kind, condition, status, reason.
type Said = (String, String, String, String);

#[test]
fn each_reason_of_the_table_was_written_and_no_other() -> Result<()> {
    let cluster = Cluster::running()?;
    let _install = Install::shared(&cluster)?;
    let table = table(&install::read("docs/conditions.md")?)?;
    let seen = seen()?;
    let reasons: BTreeSet<&str> = table.iter().map(|(_, _, _, reason)| reason.as_str()).collect();
    let (sums, plain): (BTreeSet<&Said>, BTreeSet<&Said>) =
        seen.iter().partition(|(_, condition, _, _)| SUMS.contains(&condition.as_str()));
    let unknown: Vec<_> = plain.iter().filter(|said| !table.contains(**said)).collect();
    let strange: Vec<_> =
        sums.iter().filter(|(_, _, _, why)| why != "Ready" && !reasons.contains(why.as_str())).collect();
    let is_excused = |(kind, condition, _, reason): &Said| {
        NOT_PROVOKED.iter().any(|(of, what, why, _)| of == kind && what == condition && why == reason)
    };
    let missing: Vec<_> = table.iter().filter(|said| !seen.contains(*said) && !is_excused(said)).collect();
    let idle: Vec<_> = table.iter().filter(|said| seen.contains(*said) && is_excused(said)).collect();
    ensure!(
        unknown.is_empty() && strange.is_empty(),
        "written, and not in docs/conditions.md: {unknown:#?} {strange:#?}"
    );
    ensure!(missing.is_empty(), "in docs/conditions.md, and never written: {missing:#?}");
    ensure!(idle.is_empty(), "excused, and seen: {idle:#?}");
    for kind in ["MCPBackend", "MCPRoute", "ToolPolicy", "RESTBridge"] {
        for sum in SUMS {
            // Neither kind that is not served yet can wait for anything.
            let is_there = sums.iter().any(|(of, condition, _, _)| of == kind && condition == sum);
            let is_later = *sum == "Reconciling" && ["ToolPolicy", "RESTBridge"].contains(&kind);
            ensure!(is_there != is_later, "{sum} of {kind}: {is_there}");
        }
    }
    Ok(())
}

/// The rows of all tables, one for each kind: the heading says the condition.
fn table(page: &str) -> Result<BTreeSet<Said>> {
    let (mut rows, mut condition) = (BTreeSet::new(), "");
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            condition = heading.split(':').next().unwrap_or_default();
        }
        let cells: Vec<_> = line.split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let ["", status @ ("True" | "False" | "Unknown"), reason, kinds, text, ""] = cells.as_slice() else { continue };
        ensure!(!text.is_empty(), "no explanation of {reason}");
        for kind in kinds.split(", ") {
            let text = |text: &str| text.to_owned();
            let is_new = rows.insert((text(kind), text(condition), text(status), text(reason)));
            ensure!(is_new, "{condition} {status} {reason} of {kind} stands twice");
        }
    }
    ensure!(rows.len() > 80, "only {} rows were understood", rows.len());
    Ok(rows)
}

/// Every condition of every status that was written.
fn seen() -> Result<BTreeSet<Said>> {
    let mut seen = BTreeSet::new();
    for event in audit::events()? {
        if object::text(&event, "/objectRef/subresource") != Some("status") {
            continue;
        }
        let body = event.get("requestObject").with_context(|| format!("no body in {event:#}"))?;
        let kind = object::text(body, "/kind").context("kind of a status")?;
        let status = body.get("status").with_context(|| format!("no status in {body:#}"))?;
        add(&mut seen, kind, status);
        let parts = [("parents", kind), ("ancestors", kind), ("listeners", "listener")];
        for (list, kind) in parts {
            let parts = status.get(list).and_then(Value::as_array).into_iter().flatten();
            parts.for_each(|part| add(&mut seen, kind, part));
        }
    }
    Ok(seen)
}

fn add(seen: &mut BTreeSet<Said>, kind: &str, holder: &Value) {
    for condition in holder.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        let text = |field: &str| condition.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        seen.insert((kind.to_owned(), text("type"), text("status"), text("reason")));
    }
}
