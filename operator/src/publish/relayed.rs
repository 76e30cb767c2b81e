//! The lease holder's end of a relay: the pods of another replica, until the relay ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use ringway_config_stream::{Facts, Key, Pod, Position, Rejection, wire};
use ringway_snapshot::ObjectName;
use tokio::sync::mpsc::Sender;
use tonic::{Status, Streaming};

use super::Publisher;
use super::pods::{PodState, Row, Source};

/// Pods of one relay: what one replica serves, and those that it keeps in mind.
const PODS: usize = 4_096;

struct Relayed {
    publisher: Arc<Publisher>,
    source: Source,
    rows: BTreeMap<ObjectName, Row>,
}

/// Takes reports in until the stream ends; nothing of what they said is left then.
///
/// # Errors
/// Why it is cut off, for the other replica to read.
pub(super) async fn run(
    publisher: Arc<Publisher>,
    number: u64,
    mut inbound: Streaming<wire::PodReport>,
    outbound: Sender<Result<wire::RelayAck, Status>>,
) -> Result<(), Status> {
    publisher.counters().relays.inc();
    let mut relayed = Relayed { publisher, source: Source::Relay(number), rows: BTreeMap::new() };
    let mut received = 0;
    while let Some(report) = inbound.message().await? {
        relayed.take(report)?;
        received += 1;
        if outbound.send(Ok(wire::RelayAck { received })).await.is_err() {
            break;
        }
    }
    Ok(())
}

// === impl Relayed ===

impl Relayed {
    fn take(&mut self, report: wire::PodReport) -> Result<(), Status> {
        let wrong = |error: &dyn std::error::Error| Status::invalid_argument(error.to_string());
        let pod = Pod::from_wire(report.pod.unwrap_or_default()).map_err(|error| wrong(&error))?;
        let name = ObjectName::new(&pod.namespace, &pod.name);
        if report.is_gone {
            self.rows.remove(&name);
            self.publisher.pods.forget(self.source, &name);
            return Ok(());
        }
        let position = report.position.map(Position::from_wire).transpose().map_err(|error| wrong(&error))?;
        let (rejections, has_more_rejections) = Rejection::all_from_wire(report.rejections, report.has_more_rejections);
        let facts = Facts::from_wire(report.facts.unwrap_or_default());
        let forgotten = report.forgotten.into_iter().filter_map(|gone| Key::from_wire(gone.kind, gone.name).ok());
        let forgotten: Vec<Key> = forgotten.collect();
        let is_connected = report.is_connected;
        let pods = &self.publisher.pods;
        if let Some(row) = self.rows.get(&name) {
            pods.learn(row, facts, &forgotten);
            pods.change(row, |state| {
                let facts = std::mem::take(&mut state.facts);
                *state = PodState { pod, is_connected, position, rejections, has_more_rejections, facts };
            });
        } else if self.rows.len() < PODS {
            let nothing = Arc::default();
            let state = PodState { pod, is_connected, position, rejections, has_more_rejections, facts: nothing };
            let row = pods.join(self.source, state);
            pods.learn(&row, facts, &forgotten);
            self.rows.insert(name, row);
        }
        Ok(())
    }
}

impl Drop for Relayed {
    fn drop(&mut self) {
        self.publisher.counters().relays.dec();
        self.publisher.pods.forget_all(self.source);
    }
}
