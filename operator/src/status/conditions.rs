//! Conditions: made, summed up, and written as Kubernetes has them.
//!
//! Pure. `lastTransitionTime` is kept while the status of a condition stays.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::{Value, json};

/// Kubernetes allows 32 KiB; nobody reads it.
const MAX_MESSAGE: usize = 2048;
/// Waits for other objects, not for a change of this one.
const WAITING: &[&str] = &[
    "Pending",
    "NoMatchingParent",
    "TargetNotFound",
    "GatewayNotFound",
    "RefNotFound",
    "BackendNotFound",
    "RefNotPermitted",
    "RefNotAccepted",
    "InvalidRef",
    "NoDataPlane",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    True,
    False,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    pub kind: &'static str,
    pub state: State,
    pub reason: Cow<'static, str>,
    pub message: String,
}

// === impl State ===

impl State {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

// === impl Condition ===

impl Condition {
    #[must_use]
    pub fn new(kind: &'static str, state: State, reason: impl Into<Cow<'static, str>>, message: String) -> Self {
        Self { kind, state, reason: reason.into(), message }
    }

    /// As it stands in `conditions`, if it is of this generation.
    #[must_use]
    pub fn kept(conditions: &Value, kind: &'static str, generation: i64) -> Option<Self> {
        let stands = find(conditions, kind)?;
        if stands.get("observedGeneration").and_then(Value::as_i64) != Some(generation) {
            return None;
        }
        let text = |field: &str| stands.get(field).and_then(Value::as_str);
        let states = [State::True, State::False, State::Unknown];
        let state = states.into_iter().find(|state| Some(state.as_str()) == text("status"))?;
        Some(Self::new(kind, state, text("reason")?.to_owned(), text("message").unwrap_or_default().to_owned()))
    }

    fn is_true(&self) -> bool {
        self.state == State::True
    }
}

/// Ready, and Reconciling or Stalled while they are true. `parts`: what has to be True, the first fault first.
#[must_use]
pub fn summary(parts: &[Condition]) -> Vec<Condition> {
    let waits = |part: &&Condition| WAITING.contains(&part.reason.as_ref()) || part.state == State::Unknown;
    // `Invalid` of Programmed only repeats what the others say.
    let faults =
        || parts.iter().filter(|part| !part.is_true() && (part.kind, &*part.reason) != ("Programmed", "Invalid"));
    let terminal = faults().find(|part| !waits(part));
    let first = terminal.or_else(|| faults().next()).or_else(|| parts.iter().find(|part| !part.is_true()));
    let Some(fault) = first else { return vec![Condition::new("Ready", State::True, "Ready", String::new())] };
    let message = match fault.message.as_str() {
        "" => format!("{} is {}", fault.kind, fault.state.as_str()),
        message => format!("{}: {message}", fault.kind),
    };
    let more = if terminal.is_some() { "Stalled" } else { "Reconciling" };
    vec![
        Condition::new("Ready", State::False, fault.reason.clone(), message.clone()),
        Condition::new(more, State::True, fault.reason.clone(), message),
    ]
}

/// As `conditions` of a status; `old` is the list as it stands.
#[must_use]
pub fn rendered(conditions: &[Condition], old: &Value, generation: i64, now: Timestamp) -> Value {
    let now = format!("{now:.0}");
    let render = |condition: &Condition| {
        let state = condition.state.as_str();
        let since = find(old, condition.kind)
            .filter(|old| old.get("status").and_then(Value::as_str) == Some(state))
            .and_then(|old| old.get("lastTransitionTime").and_then(Value::as_str));
        json!({
            "type": condition.kind, "status": state, "reason": condition.reason,
            "message": cut(&condition.message, MAX_MESSAGE), "observedGeneration": generation,
            "lastTransitionTime": since.unwrap_or(&now),
        })
    };
    conditions.iter().map(render).collect()
}

/// The condition of a type in a list of conditions.
#[must_use]
pub fn find<'a>(conditions: &'a Value, kind: &str) -> Option<&'a Value> {
    conditions.as_array()?.iter().find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
}

/// Whether `conditions` say True of this very generation.
#[must_use]
pub fn is_true_for(conditions: &Value, kind: &str, generation: i64) -> bool {
    find(conditions, kind).is_some_and(|condition| {
        condition.get("status").and_then(Value::as_str) == Some("True")
            && condition.get("observedGeneration").and_then(Value::as_i64) == Some(generation)
    })
}

/// At most `most` characters.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        None => text.into(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect::<String>().into(),
    }
}
