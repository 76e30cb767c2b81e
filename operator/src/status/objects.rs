//! The status of each kind, as it has to be.
//!
//! Pure; called by `status` for one object at a time.

use std::borrow::Cow;

use ringway_config_stream::{Key, Kind as Resource, Reach};
use ringway_crds::status::{FOUND_CHARACTERS, MOST_VERSIONS};
use ringway_snapshot::{ListenerName, ObjectName};
use ringway_translate::install::CONTROLLER_NAME;
use ringway_translate::verdict::{
    Condition as Stated, GatewayVerdict, ListenerVerdict, PolicyVerdict, RouteVerdict, Verdict,
};
use serde_json::{Map, Value, json};

use super::conditions::{Condition, State, cut, rendered, summary};
use super::patch::is_foreign;
use super::{Desired, Input, programmed, resolved, route_key, stated};
use crate::observe::entry::{Detail, Entry};
use crate::observe::kind::Kind;

const ROUTE_FIELDS: &[&str] = &["observedGeneration", "conditions", "parents", "url", "backends", "tools"];
/// Of Conflicted, where it is pods that found it.
const NAME_CONFLICT: &str = "NameConflict";
const MAX_FOUND: usize = FOUND_CHARACTERS as usize;
const MAX_VERSIONS: usize = MOST_VERSIONS as usize;
/// What pods find of a backend.
const FOUND: &[&str] = &["protocolVersions", "server", "tools", "prompts", "resources"];
const NULL: &Value = &Value::Null;

pub(super) fn backend(input: Input<'_>, name: &ObjectName, entry: &Entry, verdict: &Verdict) -> Desired {
    let key = Key::new(Resource::Backend, name);
    let facts = input.facts.backends.get(name).filter(|facts| facts.reach != Reach::Unknown);
    // Pods that come, or come back to another replica, know nothing yet: what was found before holds until they do.
    let old = entry.status.get("conditions").unwrap_or(NULL);
    let kept = Condition::kept(old, "Reachable", entry.generation).filter(|_| facts.is_none() && verdict.is_served);
    let found = FOUND.iter().filter(|_| kept.is_some());
    let found: Vec<_> = found.filter_map(|field| Some((*field, entry.status.get(*field)?.clone()))).collect();
    let reachable = match facts.map(|facts| (facts.reach, facts)) {
        Some((Reach::Reached, _)) => (State::True, Cow::Borrowed("Reached"), String::new()),
        Some((Reach::Failed, facts)) => (State::False, reason(&facts.reason), facts.message.clone()),
        Some((Reach::Unknown, _)) | None => (State::Unknown, Cow::Borrowed("NotTried"), String::new()),
    };
    let reachable = kept.unwrap_or_else(|| Condition::new("Reachable", reachable.0, reachable.1, reachable.2));
    let mut status = single(input, (Kind::MCPBackend, name), entry, verdict, Some(&key), reachable);
    status.extend(found.into_iter().map(|(field, value)| (field.to_owned(), value)));
    if let Some(facts) = facts {
        let versions: Vec<_> = facts.protocol_versions.iter().take(MAX_VERSIONS).map(|v| cut(v, MAX_FOUND)).collect();
        if !versions.is_empty() {
            status.insert("protocolVersions".to_owned(), json!(versions));
        }
        if !facts.server_name.is_empty() {
            let mut server = json!({ "name": cut(&facts.server_name, MAX_FOUND) });
            if !facts.server_version.is_empty() {
                server["version"] = json!(cut(&facts.server_version, MAX_FOUND));
            }
            status.insert("server".to_owned(), server);
        }
        for (field, count) in [("tools", facts.tools), ("prompts", facts.prompts), ("resources", facts.resources)] {
            if let Some(count) = count {
                status.insert(field.to_owned(), count.into());
            }
        }
    }
    endpoints(input, entry, &mut status);
    Desired {
        status,
        findings: &["protocolVersions", "server", "tools", "prompts", "resources", "endpoints"],
        fields: &[
            "observedGeneration",
            "conditions",
            "protocolVersions",
            "server",
            "tools",
            "prompts",
            "resources",
            "endpoints",
        ],
    }
}

pub(super) fn bridge(input: Input<'_>, name: &ObjectName, entry: &Entry, verdict: &Verdict) -> Desired {
    let reachable = Condition::new("Reachable", State::Unknown, "NotTried", String::new());
    let mut status = single(input, (Kind::RESTBridge, name), entry, verdict, None, reachable);
    endpoints(input, entry, &mut status);
    Desired { status, findings: &["endpoints"], fields: &["observedGeneration", "conditions", "endpoints"] }
}

/// A kind whose conditions are one list.
fn single(
    input: Input<'_>,
    id: (Kind, &ObjectName),
    entry: &Entry,
    verdict: &Verdict,
    key: Option<&Key>,
    reachable: Condition,
) -> Map<String, Value> {
    let old = entry.status.get("conditions").unwrap_or(NULL);
    let parts = [
        stated("Accepted", &verdict.accepted),
        resolved(input, entry, &verdict.resolved_refs),
        programmed(input, id, entry, verdict.is_served, old, key),
    ];
    let mut conditions = parts.to_vec();
    conditions.extend(summary(&parts));
    conditions.push(reachable);
    conditions.extend(verdict.conflicted.as_ref().map(|conflicted| stated("Conflicted", conflicted)));
    let mut status = Map::new();
    status.insert("observedGeneration".to_owned(), entry.generation.into());
    status.insert("conditions".to_owned(), rendered(&conditions, old, entry.generation, input.now));
    status
}

fn endpoints(input: Input<'_>, entry: &Entry, status: &mut Map<String, Value>) {
    let Detail::Backend { service: Some(service) } = &entry.detail else { return };
    let (ready, total) = input.facts.endpoints.get(service).copied().unwrap_or_default();
    status.insert("endpoints".to_owned(), json!({ "ready": ready, "total": total }));
}

pub(super) fn route(input: Input<'_>, name: &ObjectName, entry: &Entry, verdict: &RouteVerdict) -> Desired {
    let mut parents = foreign(&entry.status, "parents");
    if verdict.parents.is_empty() {
        return withdrawn(entry, parents);
    }
    let mut parts = Vec::new();
    for parent in &verdict.parents {
        let old = old_part(&entry.status, "parents", "parentRef", &parent.parent_ref);
        let conditions = [
            stated("Accepted", &parent.verdict.accepted),
            resolved(input, entry, &parent.verdict.resolved_refs),
            programmed(input, (Kind::MCPRoute, name), entry, parent.verdict.is_served, old, Some(&route_key(name))),
        ];
        let conflicted = parent.verdict.conflicted.as_ref().map(|conflicted| stated("Conflicted", conflicted));
        parts.extend(conditions.iter().cloned());
        let conditions: Vec<_> = conditions.into_iter().chain(conflicted).collect();
        let conditions = rendered(&conditions, old, entry.generation, input.now);
        parents.push(json!({
            "parentRef": parent.parent_ref, "controllerName": CONTROLLER_NAME, "conditions": conditions,
        }));
    }
    let facts = input.facts.routes.get(name).filter(|facts| facts.tools.is_some() || !facts.clashes.is_empty());
    let old = entry.status.get("conditions").unwrap_or(NULL);
    // As with a backend: what was found before holds until a pod knows more.
    let is_old = entry.status.get("observedGeneration").and_then(Value::as_i64) == Some(entry.generation);
    let is_kept = facts.is_none() && is_old && verdict.parents.iter().any(|parent| parent.verdict.is_served);
    let clash = Condition::kept(old, "Conflicted", entry.generation);
    let clash = clash.filter(|clash| is_kept && clash.reason == NAME_CONFLICT);
    let mut conditions = summary(&parts);
    let clashes = facts.map(|facts| facts.clashes.as_slice()).unwrap_or_default();
    conditions.extend(conflicted(verdict, clashes).or(clash));
    let mut status = Map::new();
    status.insert("observedGeneration".to_owned(), entry.generation.into());
    status.insert("conditions".to_owned(), rendered(&conditions, old, entry.generation, input.now));
    status.insert("parents".to_owned(), parents.into());
    if let Some(url) = &verdict.url {
        status.insert("url".to_owned(), url.as_str().into());
    }
    if let Some(route) = input.snapshot.routes.get(name) {
        status.insert("backends".to_owned(), route.backends.len().into());
    }
    let tools = facts.and_then(|facts| facts.tools).map(Value::from);
    let old_tools = entry.status.get("tools").filter(|_| is_kept).cloned();
    status.extend(tools.or(old_tools).map(|tools| ("tools".to_owned(), tools)));
    Desired { status, findings: &["tools"], fields: ROUTE_FIELDS }
}

/// Of a route whose parents are all of other controllers, nothing is said; what was, is taken back.
fn withdrawn(entry: &Entry, foreign: Vec<Value>) -> Desired {
    let stands = entry.status.get("parents").and_then(Value::as_array).map_or(0, Vec::len);
    if stands == foreign.len() {
        return Desired { status: Map::new(), findings: &[], fields: &[] };
    }
    let status = Map::from_iter([("parents".to_owned(), foreign.into())]);
    Desired { status, findings: &[], fields: ROUTE_FIELDS }
}

/// What translation or the pods say of contested names; stands only while true.
fn conflicted(verdict: &RouteVerdict, clashes: &[String]) -> Option<Condition> {
    if let Some(stated) = verdict.parents.iter().find_map(|parent| parent.verdict.conflicted.as_ref()) {
        return Some(Condition::new("Conflicted", State::True, stated.reason, stated.message.clone()));
    }
    let message = format!("more than one backend has {}; none of them is served under it", clashes.join(", "));
    (!clashes.is_empty()).then(|| Condition::new("Conflicted", State::True, NAME_CONFLICT, message))
}

pub(super) fn policy(input: Input<'_>, name: &ObjectName, entry: &Entry, verdict: &PolicyVerdict) -> Desired {
    let mut ancestors = foreign(&entry.status, "ancestors");
    // Without any target that can be read, this is all that can be said.
    let mut parts: Vec<_> =
        verdict.ancestors.is_empty().then(|| stated("Accepted", &verdict.accepted)).into_iter().collect();
    for ancestor in &verdict.ancestors {
        let old = old_part(&entry.status, "ancestors", "ancestorRef", &ancestor.ancestor_ref);
        let conditions = [
            stated("Accepted", &ancestor.verdict.accepted),
            resolved(input, entry, &ancestor.verdict.resolved_refs),
            programmed(input, (Kind::ToolPolicy, name), entry, ancestor.verdict.is_served, old, None),
        ];
        let rendered = rendered(&conditions, old, entry.generation, input.now);
        parts.extend(conditions);
        ancestors.push(json!({
            "ancestorRef": ancestor.ancestor_ref, "controllerName": CONTROLLER_NAME, "conditions": rendered,
        }));
    }
    let old = entry.status.get("conditions").unwrap_or(NULL);
    let mut status = Map::new();
    status.insert("observedGeneration".to_owned(), entry.generation.into());
    status.insert("conditions".to_owned(), rendered(&summary(&parts), old, entry.generation, input.now));
    status.insert("ancestors".to_owned(), ancestors.into());
    Desired { status, findings: &[], fields: &["observedGeneration", "conditions", "ancestors"] }
}

pub(super) fn gateway(input: Input<'_>, name: &ObjectName, entry: &Entry, verdict: &GatewayVerdict) -> Desired {
    let old = entry.status.get("conditions").unwrap_or(NULL);
    let is_served = verdict.listeners.iter().any(|listener| listener.is_served);
    let conditions = [
        stated("Accepted", &verdict.accepted),
        resolved(input, entry, &verdict.resolved_refs),
        programmed(input, (Kind::Gateway, name), entry, is_served, old, None),
    ];
    let listeners: Vec<_> = verdict.listeners.iter().map(|it| listener(input, name, entry, it)).collect();
    let mut status = Map::new();
    status.insert("conditions".to_owned(), rendered(&conditions, old, entry.generation, input.now));
    status.insert("listeners".to_owned(), listeners.into());
    let service = ObjectName::new(input.install.namespace.as_str(), input.install.name.as_str());
    let service = input.observed.find(Kind::Service, &service);
    if let Some(Detail::Service { addresses }) = service.map(|service| &service.detail)
        && !addresses.is_empty()
    {
        status.insert("addresses".to_owned(), addresses.clone().into());
    }
    Desired { status, findings: &[], fields: &["conditions", "listeners", "addresses"] }
}

fn listener(input: Input<'_>, gateway: &ObjectName, entry: &Entry, verdict: &ListenerVerdict) -> Value {
    let name = Value::from(verdict.name.as_str());
    let old = old_part(&entry.status, "listeners", "name", &name);
    let key = Key::new(Resource::Listener, ListenerName::new(gateway.clone(), verdict.name.as_str()));
    let conditions = [
        stated("Accepted", &verdict.accepted),
        resolved(input, entry, &verdict.resolved_refs),
        programmed(input, (Kind::Gateway, gateway), entry, verdict.is_served, old, Some(&key)),
        stated("Conflicted", &verdict.conflicted),
    ];
    let kinds = if verdict.supports_routes {
        json!([{ "group": Kind::MCPRoute.group(), "kind": Kind::MCPRoute.kind() }])
    } else {
        json!([])
    };
    json!({
        "name": name, "attachedRoutes": verdict.attached_routes, "supportedKinds": kinds,
        "conditions": rendered(&conditions, old, entry.generation, input.now),
    })
}

pub(super) fn class(input: Input<'_>, entry: &Entry, accepted: &Stated) -> Desired {
    let old = entry.status.get("conditions").unwrap_or(NULL);
    let conditions = rendered(&[stated("Accepted", accepted)], old, entry.generation, input.now);
    let status = Map::from_iter([("conditions".to_owned(), conditions)]);
    Desired { status, findings: &[], fields: &["conditions"] }
}

/// Entries of other controllers, as they stand: the list is written whole.
fn foreign(status: &Value, list: &str) -> Vec<Value> {
    let entries = status.get(list).and_then(Value::as_array).into_iter().flatten();
    entries.filter(|entry| is_foreign(entry)).cloned().collect()
}

/// The conditions of our entry for `value`, as they stand.
fn old_part<'a>(status: &'a Value, list: &str, key: &str, value: &Value) -> &'a Value {
    let entries = status.get(list).and_then(Value::as_array).into_iter().flatten();
    let mut ours = entries.filter(|entry| {
        let controller = entry.get("controllerName").and_then(Value::as_str);
        controller.is_none_or(|name| name == CONTROLLER_NAME) && entry.get(key) == Some(value)
    });
    ours.find_map(|entry| entry.get("conditions")).unwrap_or(NULL)
}

/// What a pod calls a failure, if it is a word that a condition may hold.
fn reason(text: &str) -> Cow<'static, str> {
    let is_word = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.len() <= MAX_FOUND
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_word { text.to_owned().into() } else { "Unreachable".into() }
}
