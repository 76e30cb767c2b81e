use ringway_mcp::Method;

use super::*;
use crate::telemetry::Telemetry;
use crate::telemetry::labels::Outcome;
use crate::telemetry::log::AccessLog;
use crate::telemetry::metrics::Operation;
use crate::telemetry::record::Record;
use crate::telemetry::trace::TraceContext;

/// A queue that nobody empties.
fn telemetry(sampler: Sampler) -> (Arc<Telemetry>, Arc<Queue>) {
    let metrics = Metrics::new();
    let queue = Arc::new(Queue::new(&metrics));
    let spans = Spans { queue: Some(Arc::clone(&queue)), sampler };
    (Telemetry::with_spans(metrics, AccessLog::off(), spans), queue)
}

fn message(telemetry: &Arc<Telemetry>, attempts: usize, id: usize) {
    let mut record = Record::start(telemetry, Operation::Rpc(Method::ToolsCall));
    record.set_request_id(id.to_string().as_bytes());
    let backend = telemetry.metrics.backend("b");
    for _ in 0..attempts {
        let attempt = record.attempt(&backend, Method::ToolsCall);
        record.tried(attempt, Outcome::Ok);
    }
}

#[test]
fn a_full_queue_loses_its_oldest_spans_and_counts_them() {
    let (telemetry, queue) = telemetry(Sampler::ALWAYS);
    for id in 0..QUEUE {
        message(&telemetry, 0, id);
    }
    assert_eq!((queue.spans(), telemetry.metrics.dropped_total(Signal::Span)), (QUEUE, 0));
    // Room for four spans costs the four oldest messages.
    message(&telemetry, 3, QUEUE);
    assert_eq!((queue.spans(), telemetry.metrics.dropped_total(Signal::Span)), (QUEUE, 4));
    let text = telemetry.metrics.render(false).unwrap();
    assert!(text.contains("ringway_telemetry_dropped_total{signal=\"span\"} 4"), "{text}");

    let first = queue.take();
    assert_eq!((first.len(), first[0].request_id.as_str()), (BATCH, "4"));
    let mut seen = BATCH;
    while queue.spans() > 0 {
        let batch = queue.take();
        assert!(batch.iter().map(|message| count(message)).sum::<usize>() <= BATCH);
        seen += batch.len();
    }
    assert_eq!(seen, QUEUE - 4 + 1);
}

#[test]
fn unsampled_messages_do_not_wait() {
    let (telemetry, queue) = telemetry(Sampler::NEVER);
    message(&telemetry, 1, 1);
    assert_eq!(queue.spans(), 0);
}

#[test]
fn what_goes_to_a_backend_names_the_attempts_own_span() {
    let (telemetry, queue) = telemetry(Sampler::ALWAYS);
    let backend = telemetry.metrics.backend("b");
    let mut record = Record::start(&telemetry, Operation::Rpc(Method::ToolsCall));
    let mut sent = Vec::new();
    for _ in 0..2 {
        // Asked for before the attempt begins, as a body is written before it is sent.
        let early = record.context_to_splice().unwrap();
        let attempt = record.attempt(&backend, Method::ToolsCall);
        assert_eq!(attempt.traceparent(), Some(early));
        record.tried(attempt, Outcome::Ok);
        sent.push(TraceContext::below(&early).unwrap());
    }
    drop(record);
    let message = queue.take().remove(0).unwrap();
    assert_eq!(message.tries.len(), 2);
    for (attempt, sent) in message.tries.iter().zip(sent) {
        assert_eq!((sent.trace_id, sent.parent, sent.sampled), (message.trace.trace_id, Some(attempt.span_id), true));
        assert_ne!(attempt.span_id, message.trace.span_id);
    }
    assert_ne!(message.tries[0].span_id, message.tries[1].span_id);
}
