//! Events of objects: what turned in their conditions, told in the words of the condition.
//!
//! Best effort: events wait in a short queue and are dropped when it is full, so that they never slow down a status.
//! Fed by the status writer, hence only from the holder of the Lease.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use crate::metrics::Metrics;

/// Events that wait: a burst of new objects; more are dropped and counted.
const QUEUE: usize = 1_000;
/// An event that is not taken by then is lost: others wait behind it.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// events.k8s.io allows 1 KiB.
const MAX_NOTE: usize = 1_000;

/// A condition that turned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    pub condition: String,
    pub is_true: bool,
    pub reason: String,
    pub message: String,
}

#[derive(Debug, Clone)]
pub struct Events {
    queue: mpsc::Sender<(ObjectReference, Transition)>,
    metrics: Arc<Metrics>,
}

// === impl Events ===

impl Events {
    /// Starts the task that sends them.
    #[must_use]
    pub fn start(client: Client, pod: String, metrics: Arc<Metrics>) -> Self {
        let (queue, mut waiting) = mpsc::channel(QUEUE);
        let reporter = Reporter { controller: "ringway.dev/operator".to_owned(), instance: Some(pod) };
        let recorder = Recorder::new(client, reporter);
        tokio::spawn(async move {
            while let Some((reference, transition)) = waiting.recv().await {
                let event = event(transition);
                match tokio::time::timeout(CALL_TIMEOUT, recorder.publish(&event, &reference)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        tracing::debug!(error = &error as &dyn std::error::Error, "an event was not written");
                    }
                    Err(_) => tracing::debug!("an event was not written: the API server does not answer"),
                }
            }
        });
        Self { queue, metrics }
    }

    /// Tells what turned with a status that was written.
    pub fn tell(&self, object: &ObjectReference, transitions: &[Transition]) {
        for transition in transitions {
            if self.queue.try_send((object.clone(), transition.clone())).is_err() {
                self.metrics.events_dropped.inc();
            }
        }
    }
}

fn event(transition: Transition) -> Event {
    let Transition { condition, is_true, reason, message } = transition;
    let state = if is_true { "True" } else { "False" };
    let mut note = format!("{condition} is {state}");
    if !message.is_empty() {
        note = format!("{note}: {message}");
    }
    note.truncate(note.floor_char_boundary(MAX_NOTE));
    let type_ = if is_true { EventType::Normal } else { EventType::Warning };
    Event { type_, reason, note: Some(note), action: condition, secondary: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MuteServer;

    #[tokio::test(start_paused = true)]
    async fn a_mute_api_server_holds_up_no_later_event() {
        let server = MuteServer::default();
        let events = Events::start(server.client(), "pod".to_owned(), Arc::new(Metrics::new()));
        let told = |reason: &str| Transition {
            condition: "Ready".to_owned(),
            is_true: true,
            reason: reason.to_owned(),
            message: String::new(),
        };
        events.tell(&ObjectReference::default(), &[told("One"), told("Two")]);
        server.asked(2, CALL_TIMEOUT * 2).await;
    }
}
