//! Kubernetes' condition, as metav1.Condition has it.

use schemars::JsonSchema;

use crate::schema::{at_least, text};

#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    #[schemars(transform = text::condition_type)]
    pub kind: String,
    pub status: ConditionStatus,
    #[schemars(transform = at_least(0))]
    pub observed_generation: Option<i64>,
    /// RFC 3339.
    #[schemars(transform = text::time)]
    pub last_transition_time: String,
    #[schemars(transform = text::reason)]
    pub reason: String,
    #[schemars(transform = text::message)]
    pub message: String,
}

#[derive(Debug, JsonSchema)]
pub enum ConditionStatus {
    True,
    False,
    Unknown,
}
