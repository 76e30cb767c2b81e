//! The price of observing a message: `cargo bench -p ringway-dataplane --bench telemetry`.
//!
//! Each case starts a record, writes what a warm tool call writes, and drops it. The bar: under 1 µs for the drop with
//! metrics and a log line.

use std::io;
use std::sync::Arc;

use divan::{AllocProfiler, Bencher};
use ringway_dataplane::session::owner::{Facts, Owner, SessionKey};
use ringway_dataplane::telemetry::Telemetry;
use ringway_dataplane::telemetry::labels::Outcome;
use ringway_dataplane::telemetry::log::{AccessLog, LogWriter};
use ringway_dataplane::telemetry::metrics::{BackendMetrics, Metrics, Operation, RouteMetrics};
use ringway_dataplane::telemetry::record::{Record, Target};
use ringway_dataplane::telemetry::spans::{SpanWriter, Spans, TraceSettings};
use ringway_mcp::{Method, Revision};

/// Shows that a warm call allocates nothing.
#[global_allocator]
static ALLOC: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

struct Fixture {
    telemetry: Arc<Telemetry>,
    route: Arc<RouteMetrics>,
    backend: Arc<BackendMetrics>,
    /// Writes lines out for as long as the case runs.
    _writer: Option<LogWriter>,
}

impl Fixture {
    fn new(with_log: bool) -> Self {
        let metrics = Metrics::new();
        let opened = with_log.then(|| AccessLog::to(io::sink(), &metrics).ok()).flatten();
        let (log, writer) = opened.unwrap_or_else(|| (AccessLog::off(), None));
        assert_eq!(writer.is_some(), with_log, "no writer");
        let telemetry = Telemetry::new(Arc::clone(&metrics), log);
        Self { telemetry, route: metrics.route("prod/tools"), backend: metrics.backend("prod/github"), _writer: writer }
    }

    /// What a warm `tools/call` writes.
    fn call(&self) -> Record {
        let mut record = Record::start(&self.telemetry, Operation::Rpc(Method::ToolsCall));
        record.set_route(&self.route);
        record.set_client(([10, 1, 2, 3], 4567).into());
        record.set_client_name("claude-code");
        record.set_revision(Revision::V2025_11_25);
        record.set_request_id(b"12345");
        record.set_session(b"0123456789abcdef");
        record.set_name(Target::Tool, "github_search_repositories", true);
        record.set_http_status(200);
        let attempt = record.attempt(&self.backend, Method::ToolsCall);
        record.tried(attempt, Outcome::Ok);
        record.succeed(Outcome::Ok);
        record
    }
}

#[divan::bench(args = [false, true])]
fn whole_record(bencher: Bencher<'_, '_>, log: bool) {
    let fixture = Fixture::new(log);
    bencher.bench_local(|| drop(fixture.call()));
}

#[divan::bench(args = [false, true])]
fn drop_alone(bencher: Bencher<'_, '_>, log: bool) {
    let fixture = Fixture::new(log);
    bencher.with_inputs(|| fixture.call()).bench_local_values(drop);
}

/// The same with an exporter whose collector is not there. An unsampled call must allocate nothing more than one without
/// spans; a sampled one pays for a copy of its record.
#[divan::bench(args = ["always_off", "always_on"])]
fn whole_record_with_spans(bencher: Bencher<'_, '_>, sampler: &str) {
    let mut fixture = Fixture::new(false);
    let started = with_spans(sampler);
    assert!(started.is_ok(), "no exporter: {:?}", started.err());
    let Ok((telemetry, _writer)) = started else { return };
    fixture.telemetry = telemetry;
    bencher.bench_local(|| drop(fixture.call()));
}

fn with_spans(sampler: &str) -> Result<(Arc<Telemetry>, SpanWriter), Box<dyn std::error::Error>> {
    let variable = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://127.0.0.1:9".to_owned()),
        "OTEL_TRACES_SAMPLER" => Some(sampler.to_owned()),
        _ => None,
    };
    let settings = TraceSettings::from_variables(variable)?.ok_or("no endpoint")?;
    let metrics = Metrics::new();
    let (spans, writer) = Spans::start(settings, &metrics)?;
    Ok((Telemetry::with_spans(metrics, AccessLog::off(), spans), writer))
}

#[divan::bench(threads = [2])]
fn whole_record_on_two_threads(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new(true);
    bencher.bench(|| drop(fixture.call()));
}

#[divan::bench]
fn session_touch_of_100_000(bencher: Bencher<'_, '_>) {
    let owner = Owner::<u32, (), ()>::new(200_000, Metrics::new());
    let facts = Facts { expires_at: u64::MAX, group: 0 };
    let keys: Vec<SessionKey> = (0..100_000u128)
        .map(|n| SessionKey((n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)).to_le_bytes()))
        .collect();
    for key in &keys {
        drop(owner.touch(*key, facts, 1));
    }
    let mut keys = keys.iter().cycle();
    bencher.bench_local(|| keys.next().map(|key| owner.touch(*key, facts, 2)));
}

#[divan::bench]
fn scrape_of_1_000_tools(bencher: Bencher<'_, '_>) {
    let fixture = Fixture::new(false);
    for route in 0..5 {
        let route = fixture.telemetry.metrics.route(&format!("prod/route-{route}"));
        for tool in 0..200 {
            let mut record = Record::start(&fixture.telemetry, Operation::Rpc(Method::ToolsCall));
            record.set_route(&route);
            record.set_name(Target::Tool, &format!("tool-{tool}"), true);
            record.succeed(Outcome::Ok);
        }
    }
    bencher.bench_local(|| fixture.telemetry.metrics.render(false));
}
