//! When a call is tried again, and when an endpoint is left alone.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::Duration;
use crate::schema::{range, span};

/// Only what is safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retries {
    /// Beside the first one. Default: 1.
    #[schemars(transform = range(0, 10))]
    pub attempts: Option<u32>,
    /// Of the calls of the last seconds. Default: 20.
    #[schemars(transform = range(0, 100))]
    pub budget_percent: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    /// Default: 10s.
    #[schemars(transform = span("1s", "1h"))]
    pub interval: Option<Duration>,
    pub outlier: Option<Outlier>,
}

/// An endpoint that fails again and again gets no calls for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Outlier {
    /// Default: 5.
    #[schemars(transform = range(1, 1000))]
    pub consecutive_failures: Option<u32>,
    /// Default: 30s.
    #[schemars(transform = span("1s", "1h"))]
    pub eject_for: Option<Duration>,
}
