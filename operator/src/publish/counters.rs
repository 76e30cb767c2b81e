//! What is counted of the stream. Registered by whoever serves `/metrics`.

use std::sync::atomic::AtomicI64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Handles; cloned, they count the same.
#[derive(Debug, Clone)]
pub struct Counters {
    /// Pods with a stream to this replica.
    pub connected: Gauge<i64, AtomicI64>,
    /// Replicas that relay to this one.
    pub relays: Gauge<i64, AtomicI64>,
    /// Connections and streams turned away: no room, no certificate of ours, the wrong role.
    pub refused: Counter,
    /// Updates sent whole, to the last part.
    pub updates: Counter,
    /// Bytes of updates, before TLS.
    pub bytes: Counter,
    pub acks: Counter,
    /// Acks by which a pod held back, since this replica is behind what it serves.
    pub holds: Counter,
    /// Resources that pods could not use, in all acks.
    pub rejections: Counter,
    /// Streams cut off: no ack in time, a part that could not be sent, a broken rule.
    pub cut: Counter,
    /// From the first part of an update to its ack.
    pub lag: Histogram,
}

impl Counters {
    /// Registers all of it under `config_stream_...`.
    pub fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("config_stream");
        registry.register("pods", "Data-plane pods with a stream to this replica", self.connected.clone());
        registry.register("relays", "Other replicas that relay their pods to this one", self.relays.clone());
        registry.register("refused", "Connections and streams turned away", self.refused.clone());
        registry.register("updates", "Updates sent to pods", self.updates.clone());
        registry.register("sent_bytes", "Bytes of updates sent to pods, before TLS", self.bytes.clone());
        registry.register("acks", "Updates that pods took or held back", self.acks.clone());
        registry.register("holds", "Updates that pods held back as older than what they serve", self.holds.clone());
        registry.register("rejections", "Resources that pods could not use", self.rejections.clone());
        registry.register("cut", "Streams cut off for silence or a broken rule", self.cut.clone());
        registry.register("ack_seconds", "From sending an update to its ack", self.lag.clone());
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            connected: Gauge::default(),
            relays: Gauge::default(),
            refused: Counter::default(),
            updates: Counter::default(),
            bytes: Counter::default(),
            acks: Counter::default(),
            holds: Counter::default(),
            rejections: Counter::default(),
            cut: Counter::default(),
            // 1 ms to 16 s.
            lag: Histogram::new(exponential_buckets(0.001, 2.0, 15)),
        }
    }
}
