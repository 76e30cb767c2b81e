//! The exporter: a thread with a runtime of its own that takes batches from the queue and brings them to the collector.
//!
//! One batch is under way at a time. A collector that is slow or gone costs spans, which are counted, never a worker's
//! time. Batches are sent when full or [`PERIOD`] after their first span.

use std::io;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::collector::{Collector, SendError};
use super::settings::TraceSettings;
use super::{BATCH, Batch, Queue, describe, names};
use crate::telemetry::tasks::Tasks;
use crate::telemetry::trace::new_id;

/// How long a span waits for others at most.
const PERIOD: Duration = Duration::from_secs(1);
/// Before the first retry; doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The exporter's thread. [`shutdown`](Self::shutdown) it to be sure of the last spans; dropped, it ends without them.
#[derive(Debug)]
pub struct SpanWriter {
    stop: oneshot::Sender<Instant>,
    /// In a mutex so that whoever owns the writer can be shared between threads.
    ended: Mutex<mpsc::Receiver<InTime>>,
}

/// Nothing was cut off by the deadline of the end.
type InTime = bool;

/// Why no exporter was started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("no thread for spans: {0}")]
    Thread(#[from] io::Error),
    #[error("TLS towards the collector: {0}")]
    Tls(String),
}

struct Exporter {
    collector: Collector,
    queue: Arc<Queue>,
    resource: Resource,
    timeout: Duration,
    /// The last batch was lost. Said once, not for each batch.
    failing: bool,
}

/// Spans that left the queue. What the collector has not taken when this is dropped is counted as lost.
struct Due<'a> {
    queue: &'a Queue,
    spans: usize,
}

pub(super) fn start(settings: TraceSettings, queue: Arc<Queue>) -> Result<SpanWriter, StartError> {
    let tasks = Tasks::new(Arc::clone(&queue.metrics));
    let exporter = Exporter {
        collector: Collector::new(&settings, tasks).map_err(StartError::Tls)?,
        queue,
        timeout: settings.timeout,
        resource: resource(settings.resource),
        failing: false,
    };
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = oneshot::channel();
    let (end, ended) = mpsc::channel();
    std::thread::Builder::new().name("ringway-spans".to_owned()).spawn(move || {
        let in_time = runtime.block_on(exporter.run(stopped));
        // A name that is being looked up must not hold up the end.
        runtime.shutdown_background();
        // Nobody may be waiting.
        let _ = end.send(in_time);
    })?;
    Ok(SpanWriter { stop, ended: Mutex::new(ended) })
}

// === impl SpanWriter ===

impl SpanWriter {
    /// Exports what waits and ends the thread. False: that took longer than `limit`; what is left is counted as lost.
    #[must_use]
    pub fn shutdown(self, limit: Duration) -> bool {
        let asked = self.stop.send(Instant::now() + limit).is_ok();
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // The thread keeps to the deadline itself; this is for one that does not.
        asked && ended.recv_timeout(limit + PERIOD) == Ok(true)
    }
}

// === impl Exporter ===

impl Exporter {
    async fn run(mut self, mut stop: oneshot::Receiver<Instant>) -> InTime {
        let queue = Arc::clone(&self.queue);
        let mut in_time = true;
        let deadline = loop {
            tokio::select! {
                biased;
                deadline = &mut stop => break deadline,
                () = filled(&queue) => {}
            }
            let mut export = pin!(self.export(queue.take()));
            tokio::select! {
                () = &mut export => {}
                deadline = &mut stop => {
                    if let Ok(deadline) = deadline {
                        // What is not exported by then is counted as the future is dropped.
                        in_time = timeout_at(deadline, export).await.is_ok();
                    }
                    break deadline;
                }
            }
        };
        // Without a deadline the writer was dropped, and nobody waits.
        let deadline = deadline.unwrap_or_else(|_| Instant::now());
        while queue.spans() > 0 {
            in_time &= timeout_at(deadline, self.export(queue.take())).await.is_ok();
        }
        in_time
    }

    async fn export(&mut self, batch: Batch) {
        let queue = Arc::clone(&self.queue);
        let mut due = Due { queue: &queue, spans: batch.iter().map(|message| super::count(message)).sum() };
        let body = self.encode(&batch);
        drop(batch);
        match self.send(body).await {
            Ok(rejected) => {
                due.spans = rejected.min(due.spans);
                if rejected == 0 && std::mem::take(&mut self.failing) {
                    tracing::info!("spans are exported again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, spans = due.spans, "spans are lost");
                }
            }
        }
    }

    /// Sends until it is taken, refused, or the time is up. What comes back is how many spans the collector rejected.
    async fn send(&mut self, body: Bytes) -> Result<usize, SendError> {
        let until = Instant::now() + self.timeout;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match timeout_at(until, self.collector.post(body.clone())).await {
                Ok(Ok(partial)) if partial.rejected_spans > 0 => {
                    if !std::mem::replace(&mut self.failing, true) {
                        let (spans, reason) = (partial.rejected_spans, partial.error_message.as_str());
                        tracing::warn!(spans, ?reason, "the collector rejected spans");
                    }
                    return Ok(usize::try_from(partial.rejected_spans).unwrap_or(usize::MAX));
                }
                Ok(Ok(_)) => return Ok(0),
                Ok(Err(error)) => error,
                Err(_elapsed) => SendError::Timeout,
            };
            let wait = error.retry_after(jittered(pause));
            let Some(wait) = wait.filter(|wait| Instant::now() + *wait < until) else { return Err(error) };
            tracing::debug!(%error, ?wait, "spans are sent again");
            sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn encode(&self, batch: &Batch) -> Bytes {
        let now = describe::Now::read();
        let mut spans = Vec::new();
        for message in batch {
            describe::append(&mut spans, message, now);
        }
        let scope = InstrumentationScope {
            name: names::SCOPE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let schema_url = names::SCHEMA_URL.to_owned();
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: schema_url.clone() }];
        let resource = Some(self.resource.clone());
        let request =
            ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { resource, scope_spans, schema_url }] };
        request.encode_to_vec().into()
    }
}

// === impl Due ===

impl Drop for Due<'_> {
    fn drop(&mut self) {
        self.queue.lost(self.spans);
    }
}

/// Waits for a batch: a full one, or [`PERIOD`] after the first span.
async fn filled(queue: &Queue) {
    let holds = async |least: usize| {
        while queue.spans() < least {
            queue.bell.notified().await;
        }
    };
    holds(1).await;
    // A batch that does not fill up goes as it is.
    let _ = timeout(PERIOD, holds(BATCH)).await;
}

/// Between `pause` and half as much again, so that many gateways do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let half = u64::try_from(pause.as_millis() / 2).unwrap_or(0);
    pause + Duration::from_millis(new_id().checked_rem(half).unwrap_or(0))
}

/// What stands for the process: ours unless the variables say otherwise.
fn resource(given: Vec<(String, String)>) -> Resource {
    let version = env!("CARGO_PKG_VERSION");
    let instance = format!("{:016x}{:016x}", new_id(), new_id());
    let ours = [
        ("service.name", "ringway"),
        ("service.version", version),
        ("service.instance.id", instance.as_str()),
        ("telemetry.sdk.name", "ringway"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", version),
    ];
    let absent = |key: &str| given.iter().all(|(name, _)| name != key);
    let mut attributes: Vec<_> =
        ours.into_iter().filter(|(key, _)| absent(key)).map(|(key, value)| describe::text(key, value)).collect();
    attributes.extend(given.into_iter().map(|(key, value)| describe::text(&key, value)));
    Resource { attributes, ..Resource::default() }
}
