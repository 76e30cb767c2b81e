//! What is counted of the operator's stream.

use crate::telemetry::cells::{Counter, Gauge};

#[derive(Debug, Default)]
pub struct StreamMetrics {
    /// 1 while a replica of the operator is followed.
    pub connected: Gauge,
    /// Unix seconds of the last update that was taken. 0: none since the start.
    pub updated_at: Gauge,
    pub updates: Counter,
    /// Updates held back from, since they were older than what is served.
    pub holds: Counter,
}
