//! The difference between a status that stands and one that has to be, and what is sent for it.
//!
//! Pure. Times of transition do not count, and foreign conditions and fields are neither compared nor sent.

use ringway_translate::ObjectId;
use ringway_translate::install::CONTROLLER_NAME;
use serde_json::{Map, Value, json};

use super::Desired;
use super::conditions::find;
use crate::events::Transition;
use crate::observe::entry::Entry;
use k8s_openapi::api::core::v1::ObjectReference;
use xxhash_rust::xxh3::xxh3_64;

/// Conditions that are ours, there or not.
const OWN_CONDITIONS: &[&str] =
    &["Accepted", "ResolvedRefs", "Programmed", "Reachable", "Conflicted", "Ready", "Reconciling", "Stalled"];
/// Changes of these are told as events, when they turn.
const TOLD: &[&str] = &["Accepted", "ResolvedRefs", "Programmed", "Reachable"];

/// Lists that hold entries of other controllers, too, and are written whole.
const SHARED_LISTS: &[&str] = &["parents", "ancestors"];

/// The later counts for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// Counts and names that pods found.
    Findings,
    Conditions,
}

/// What is the same in two patches that say the same, whatever they say of times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    uid: String,
    status: u64,
}

/// A whole status of ours, for server-side apply.
#[derive(Debug, Clone)]
pub struct Patch {
    pub id: ObjectId,
    pub api_version: String,
    pub content: Content,
    pub generation: i64,
    pub resource_version: u64,
    pub status: Map<String, Value>,
    pub transitions: Vec<Transition>,
}

/// `None`: what stands says the same.
pub(super) fn difference(old: &Value, desired: &Desired) -> Option<Difference> {
    let mut found = None;
    for field in desired.fields {
        let (old, new) = (old.get(*field).unwrap_or(&Value::Null), desired.status.get(*field).unwrap_or(&Value::Null));
        let is_same = if *field == "conditions" { same_conditions(old, new) } else { timeless(old) == timeless(new) };
        if !is_same {
            let is_finding = desired.findings.contains(field);
            let difference = if is_finding { Difference::Findings } else { Difference::Conditions };
            found = found.max(Some(difference));
        }
    }
    found
}

fn same_conditions(old: &Value, new: &Value) -> bool {
    OWN_CONDITIONS.iter().all(|kind| find(old, kind).map(timeless) == find(new, kind).map(timeless))
}

/// Without the times of transition, at any depth; of null and an empty list neither is anything.
fn timeless(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(key, _)| *key != "lastTransitionTime");
            fields.map(|(key, value)| (key.clone(), timeless(value))).collect()
        }
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Array(items) => items.iter().map(timeless).collect(),
        other => other.clone(),
    }
}

/// Whether an entry of a list is another controller's.
pub(super) fn is_foreign(entry: &Value) -> bool {
    entry.get("controllerName").and_then(Value::as_str) != Some(CONTROLLER_NAME)
}

// === impl Patch ===

impl Patch {
    pub(super) fn new(id: ObjectId, entry: &Entry, status: Map<String, Value>) -> Self {
        let transitions = transitions(&entry.status, &status);
        Self {
            id,
            api_version: entry.api_version.clone(),
            content: Content::new(entry.uid.clone(), &status),
            generation: entry.generation,
            resource_version: entry.resource_version,
            status,
            transitions,
        }
    }

    /// As it is sent. The uid makes it fail on an object that was deleted and made anew, the resourceVersion where another
    /// controller's entry would be written back as it was.
    #[must_use]
    pub fn body(&self) -> Value {
        let mut metadata = json!({ "name": self.id.name.name, "uid": self.content.uid });
        let lists = SHARED_LISTS.iter().filter_map(|list| self.status.get(*list)?.as_array());
        if self.resource_version > 0 && lists.flatten().any(is_foreign) {
            metadata["resourceVersion"] = self.resource_version.to_string().into();
        }
        if !self.id.name.namespace.is_empty() {
            metadata["namespace"] = self.id.name.namespace.as_str().into();
        }
        json!({ "apiVersion": self.api_version, "kind": self.id.kind.kind(), "metadata": metadata, "status": self.status })
    }

    /// For events.
    #[must_use]
    pub fn reference(&self) -> ObjectReference {
        let name = &self.id.name;
        ObjectReference {
            api_version: Some(self.api_version.clone()),
            kind: Some(self.id.kind.kind().to_owned()),
            name: Some(name.name.clone()),
            namespace: Some(name.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            uid: Some(self.content.uid.clone()),
            ..ObjectReference::default()
        }
    }
}

impl Content {
    #[must_use]
    pub fn new(uid: String, status: &Map<String, Value>) -> Self {
        // Its keys are in order, so equal values have equal texts.
        let text: Map<_, _> = status.iter().map(|(key, value)| (key.clone(), timeless(value))).collect();
        Self { uid, status: xxh3_64(Value::Object(text).to_string().as_bytes()) }
    }
}

/// What turned. The way to a first True is no news, a first False is; waiting is none either way.
fn transitions(old: &Value, new: &Map<String, Value>) -> Vec<Transition> {
    let mut told = Vec::new();
    let mut compare = |old: &Value, new: &Value| {
        for kind in TOLD {
            let Some(new) = find(new, kind) else { continue };
            let text = |condition: &Value, field: &str| {
                condition.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let (state, reason) = (text(new, "status"), text(new, "reason"));
            let was = find(old, kind).map(|old| (text(old, "status"), text(old, "reason")));
            let has_turned = match was {
                Some((was, before)) => was != state || (state == "False" && before != reason),
                None => state == "False" || *kind == "Programmed",
            };
            // `Invalid` of Programmed only repeats what the others say.
            let is_news =
                state != "Unknown" && reason != "Pending" && (*kind, reason.as_str()) != ("Programmed", "Invalid");
            if has_turned && is_news {
                let (is_true, message) = (state == "True", text(new, "message"));
                told.push(Transition { condition: (*kind).to_owned(), is_true, reason, message });
            }
        }
    };
    let nothing = Value::Null;
    compare(old.get("conditions").unwrap_or(&nothing), new.get("conditions").unwrap_or(&nothing));
    for (list, key) in [("parents", "parentRef"), ("ancestors", "ancestorRef"), ("listeners", "name")] {
        for part in new.get(list).and_then(Value::as_array).into_iter().flatten() {
            let before = old.get(list).and_then(Value::as_array).into_iter().flatten();
            let before = before.into_iter().find(|old| old.get(key) == part.get(key));
            let before = before.and_then(|part| part.get("conditions")).unwrap_or(&nothing);
            compare(before, part.get("conditions").unwrap_or(&nothing));
        }
    }
    told
}
