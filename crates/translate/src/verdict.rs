//! What is to be said of each object in its status, as far as the objects alone decide it.
//!
//! Made by `translate` in a cluster, written by the operator, which adds what only the data plane knows (Programmed,
//! Reachable) and the summaries (Ready, Reconciling, Stalled). Conditions here are of the generation that was translated.

use std::collections::BTreeMap;

use ringway_snapshot::{ListenerName, ObjectName};

/// One verdict an object, broken ones included.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdicts {
    pub backends: BTreeMap<ObjectName, Verdict>,
    pub bridges: BTreeMap<ObjectName, Verdict>,
    pub routes: BTreeMap<ObjectName, RouteVerdict>,
    pub policies: BTreeMap<ObjectName, PolicyVerdict>,
    /// Only those of our class.
    pub gateways: BTreeMap<ObjectName, GatewayVerdict>,
    /// The install's own, which no object stands for.
    pub default_listener: Option<ListenerVerdict>,
    /// GatewayClasses that name our controller: accepted or not.
    pub classes: BTreeMap<String, Condition>,
}

/// True, or false with a reason and a message that names the field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub is_true: bool,
    /// CamelCase.
    pub reason: &'static str,
    pub message: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub accepted: Condition,
    pub resolved_refs: Condition,
    /// Stands only while true: some of the object is served, some is contested.
    pub conflicted: Option<Condition>,
    /// Part of the snapshot: what `Programmed` waits for.
    pub is_served: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct RouteVerdict {
    /// In the order of `parentRefs`; one for the default listener without any.
    pub parents: Vec<ParentVerdict>,
    /// Of the first listener that serves it.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ParentVerdict {
    /// As the route writes it, a Gateway API ParentReference.
    pub parent_ref: serde_json::Value,
    pub verdict: Verdict,
    /// Where it is served through this parent.
    pub listeners: Vec<ListenerName>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PolicyVerdict {
    /// Of the policy, whatever it targets.
    pub accepted: Condition,
    /// In the order of `targetRefs`, at most 16; fewer when some cannot be read.
    pub ancestors: Vec<AncestorVerdict>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AncestorVerdict {
    pub ancestor_ref: serde_json::Value,
    pub verdict: Verdict,
}

/// As Gateway API's GatewayStatus wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayVerdict {
    pub accepted: Condition,
    pub resolved_refs: Condition,
    /// In the order of `spec.listeners`.
    pub listeners: Vec<ListenerVerdict>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ListenerVerdict {
    pub name: String,
    pub accepted: Condition,
    pub resolved_refs: Condition,
    /// True is trouble, as Gateway API has it.
    pub conflicted: Condition,
    /// False when no kind that the listener names is supported: `supportedKinds` is empty then.
    pub supports_routes: bool,
    pub attached_routes: usize,
    /// In the snapshot.
    pub is_served: bool,
}

// === impl Condition ===

impl Condition {
    #[must_use]
    pub fn yes(reason: &'static str) -> Self {
        Self { is_true: true, reason, message: String::new() }
    }

    #[must_use]
    pub fn no(reason: &'static str, message: impl Into<String>) -> Self {
        Self { is_true: false, reason, message: message.into() }
    }
}
