//! From records to the collector.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use ringway_dataplane::fault::{Fault, Reason, Source};
use ringway_dataplane::telemetry::Telemetry;
use ringway_dataplane::telemetry::labels::{Outcome, Signal};
use ringway_dataplane::telemetry::log::AccessLog;
use ringway_dataplane::telemetry::metrics::{Metrics, Operation};
use ringway_dataplane::telemetry::record::{Record, Target};
use ringway_dataplane::telemetry::spans::{SpanWriter, Spans, TraceSettings};
use ringway_mcp::{Method, Revision};

use crate::gateway::backend;
use crate::receiver::{Answer, Receiver, attributes};

const LONG: Duration = Duration::from_secs(20);
const CALLER: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &[u8] = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

pub(crate) fn settings(url: &str, more: &[(&str, &str)]) -> TraceSettings {
    let lookup = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(url.to_owned()),
        _ => more.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()),
    };
    TraceSettings::from_variables(lookup).unwrap().unwrap()
}

fn telemetry(url: &str, more: &[(&str, &str)]) -> (Arc<Telemetry>, SpanWriter) {
    let metrics = Metrics::new();
    let (spans, writer) = Spans::start(settings(url, more), &metrics).unwrap();
    (Telemetry::with_spans(metrics, AccessLog::off(), spans), writer)
}

fn lost(telemetry: &Telemetry) -> u64 {
    telemetry.metrics.dropped_total(Signal::Span)
}

/// A sampled message of one span.
fn ping(telemetry: &Arc<Telemetry>) {
    let mut record = Record::start(telemetry, Operation::Rpc(Method::Ping));
    record.succeed(Outcome::Ok);
}

/// A tool call of two attempts, the second answered.
fn call(telemetry: &Arc<Telemetry>) {
    let mut record = Record::start(telemetry, Operation::Rpc(Method::ToolsCall));
    let metrics = telemetry.metrics.backend("prod/github");
    record.set_route(&telemetry.metrics.route("prod/tools"));
    record.set_client("10.1.2.3:4567".parse().unwrap());
    record.set_client_name("a-client");
    record.set_revision(Revision::V2025_06_18);
    record.set_request_id(br#""a-1""#);
    record.set_session(b"0123456789abcdef");
    record.set_http_version(http::Version::HTTP_2);
    assert!(record.continue_trace(None, Some(CALLER)));
    record.set_name(Target::Tool, "gh_search", true);
    record.set_own_name("search");
    let server = Arc::new(backend(([127, 0, 0, 1], 81).into()));
    let first = record.attempt(&metrics, Method::ToolsCall).to(&server, Revision::V2025_11_25);
    let fault = Fault::upstream(Reason::UpstreamConnect, "not reachable");
    record.tried_in_vain(first, &fault);
    let second = record.attempt(&metrics, Method::ToolsCall).to(&server, Revision::V2025_11_25);
    record.set_http_status(200);
    record.rpc_error(-32602);
    record.tried_and_answered(second);
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_call_is_one_server_span_with_a_client_span_for_each_attempt() {
    let receiver = Receiver::start([]);
    let before = SystemTime::now();
    let variables = [
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t0ken"),
        ("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=p,service.instance.id=i"),
    ];
    let (telemetry, writer) = telemetry(&receiver.url, &variables);
    call(&telemetry);
    assert!(writer.shutdown(LONG));
    assert_eq!(lost(&telemetry), 0);

    let (headers, uri) = receiver.requests(1).remove(0);
    assert_eq!(uri, "/v1/traces");
    assert_eq!(headers["content-type"], "application/x-protobuf");
    assert_eq!(headers["authorization"], "Bearer t0ken");
    let taken = receiver.taken().remove(0).resource_spans.remove(0);
    let resource = attributes(&taken.resource.unwrap().attributes);
    for (key, value) in [("service.name", "ringway"), ("k8s.pod.name", "p"), ("service.instance.id", "i")] {
        assert_eq!(resource[key], value);
    }
    assert_eq!(taken.scope_spans[0].scope.as_ref().unwrap().name, "ringway");

    let spans = receiver.spans(3);
    let [server, first, second] = spans.as_slice() else { panic!("{spans:?}") };
    for span in &spans {
        assert_eq!(span.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
        let wall = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
        let (start, end) = (u128::from(span.start_time_unix_nano), u128::from(span.end_time_unix_nano));
        let slack = 1_000_000_000;
        assert!(wall(before) < start + slack && start <= end && end < wall(SystemTime::now()) + slack);
    }
    assert_eq!(server.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!((&first.parent_span_id, &second.parent_span_id), (&server.span_id, &server.span_id));
    assert_ne!(first.span_id, second.span_id);
    assert_eq!((server.flags, first.flags), (0x301, 0x101));
    assert_eq!((server.kind(), first.kind()), (SpanKind::Server, SpanKind::Client));
    assert_eq!((server.name.as_str(), second.name.as_str()), ("tools/call gh_search", "tools/call search"));
    check_attributes(server, first, second);
}

fn check_attributes(server: &Span, first: &Span, second: &Span) {
    let mut of_server = attributes(&server.attributes);
    let session = of_server.remove("mcp.session.id").unwrap();
    assert!(session.len() == 24 && session.bytes().all(|b| b.is_ascii_hexdigit()), "{session}");
    let expected = [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "gh_search"),
        ("gen_ai.operation.name", "execute_tool"),
        ("jsonrpc.request.id", "a-1"),
        ("mcp.protocol.version", "2025-06-18"),
        ("network.transport", "tcp"),
        ("network.protocol.name", "http"),
        ("network.protocol.version", "2"),
        ("client.address", "10.1.2.3"),
        ("client.port", "4567"),
        ("ringway.client.name", "a-client"),
        ("ringway.route", "prod/tools"),
        ("ringway.backend", "prod/github"),
        ("http.response.status_code", "200"),
        ("ringway.outcome", "client_error"),
        ("rpc.response.status_code", "-32602"),
    ];
    assert_eq!(of_server, map(&expected));
    // The caller's own fault is no error of the server, but it is one of the client.
    assert_eq!(server.status, None);
    let common = [
        ("mcp.method.name", "tools/call"),
        ("gen_ai.tool.name", "search"),
        ("gen_ai.operation.name", "execute_tool"),
        ("jsonrpc.request.id", "a-1"),
        ("mcp.protocol.version", "2025-11-25"),
        ("network.transport", "tcp"),
        ("network.protocol.name", "http"),
        ("network.protocol.version", "1.1"),
        ("server.address", "127.0.0.1"),
        ("server.port", "81"),
        ("ringway.backend", "prod/github"),
    ];
    let failed = [
        ("ringway.attempt", "1"),
        ("ringway.outcome", "upstream_error"),
        ("ringway.reason", "upstream_connect"),
        ("error.type", "upstream_connect"),
    ];
    let answered = [
        ("ringway.attempt", "2"),
        ("ringway.outcome", "client_error"),
        ("rpc.response.status_code", "-32602"),
        ("error.type", "-32602"),
    ];
    assert_eq!(attributes(&first.attributes), map(&[&common[..], &failed].concat()));
    assert_eq!(attributes(&second.attributes), map(&[&common[..], &answered].concat()));
    assert_eq!(
        first.status.as_ref().map(|status| (status.code, status.message.as_str())),
        Some((2, "upstream_connect"))
    );
    assert_eq!(second.status.as_ref().map(|status| status.code), Some(2));
}

#[test]
fn what_is_an_error_follows_the_conventions() {
    type Told = fn(&mut Record);
    let cases: [(Told, Option<&str>); 9] = [
        (|record| record.succeed(Outcome::Ok), None),
        (|record| record.succeed(Outcome::InputRequired), None),
        (|record| record.succeed(Outcome::ToolError), Some("tool_error")),
        (|record| record.rpc_error(-32601), None),
        (|record| record.rpc_error(-32603), Some("-32603")),
        (|record| record.fail(&Fault::client(Reason::Params, "x"), Some(-32602)), None),
        (|record| record.fail(&Fault::client(Reason::Session, "x"), Some(-32001)), Some("-32001")),
        (|record| record.fail(&Fault::upstream(Reason::UpstreamTimeout, "x"), Some(-31000)), Some("timeout")),
        (
            |record| {
                record.set_http_status(403);
                record.fail(&Fault::new(Source::Policy, Reason::Origin, "x"), None);
            },
            Some("403"),
        ),
    ];
    let receiver = Receiver::start([]);
    let (telemetry, writer) = telemetry(&receiver.url, &[]);
    for (tell, _) in cases {
        let mut record = Record::start(&telemetry, Operation::Rpc(Method::ToolsCall));
        tell(&mut record);
    }
    // Abandoned: nobody said how it ended.
    drop(Record::start(&telemetry, Operation::Get));
    assert!(writer.shutdown(LONG));
    let spans = receiver.spans(cases.len() + 1);
    for ((at, span), (_, error)) in spans.iter().enumerate().zip(cases) {
        let found = attributes(&span.attributes).get("error.type").cloned();
        assert_eq!(found.as_deref(), error, "case {at}");
        assert_eq!(span.status.as_ref().map(|status| status.code), error.map(|_| 2), "case {at}");
    }
    let stream = spans.last().unwrap();
    assert_eq!((stream.name.as_str(), stream.parent_span_id.len(), stream.flags), ("GET", 0, 0x101));
    let stream = attributes(&stream.attributes);
    assert_eq!((&*stream["http.request.method"], &*stream["error.type"]), ("GET", "cancelled"));
    assert!(!stream.contains_key("mcp.method.name"));
}

#[test]
fn the_callers_flag_is_honoured_and_a_sampler_decides_the_rest() {
    for (sampler, root, unsampled, sampled) in [
        ("", true, false, true),
        ("parentbased_always_off", false, false, true),
        ("always_off", false, false, false),
        ("always_on", true, true, true),
    ] {
        let receiver = Receiver::start([]);
        let (telemetry, writer) = telemetry(&receiver.url, &[("OTEL_TRACES_SAMPLER", sampler)]);
        let mut expected = 0;
        for (caller, made) in [(None, root), (Some(UNSAMPLED), unsampled), (Some(CALLER), sampled)] {
            let mut record = Record::start(&telemetry, Operation::Rpc(Method::Ping));
            record.continue_trace(caller, None);
            assert_eq!(record.trace().sampled, made, "{sampler} {caller:?}");
            // The backend hears the same decision.
            let flags = record.next_traceparent().map(|context| context[54]);
            assert_eq!(flags, Some(if made { b'1' } else { b'0' }));
            expected += usize::from(made);
        }
        assert!(writer.shutdown(LONG));
        assert_eq!(receiver.spans(expected).len(), expected, "{sampler}");
    }
}

#[test]
fn no_secret_of_a_caller_stands_in_a_span() {
    let receiver = Receiver::start([]);
    let (telemetry, writer) = telemetry(&receiver.url, &[]);
    let mut record = Record::start(&telemetry, Operation::Rpc(Method::ResourcesRead));
    record.set_session(b"SESSION-KEY-1234");
    record.set_resource("https://user:pa55@host.example/a?token=5ecret#frag");
    record.set_own_name("https://user:pa55@inner.example/a?token=5ecret#frag");
    let metrics = telemetry.metrics.backend("b");
    let attempt = record.attempt(&metrics, Method::ResourcesRead);
    let fault = Fault::upstream(Reason::UpstreamBad, "m3ssage").caused_by(std::io::Error::other("c4use"));
    record.tried_in_vain(attempt, &fault);
    record.fail(&fault, Some(-31006));
    drop(record);
    assert!(writer.shutdown(LONG));
    let spans = receiver.spans(2);
    let text = format!("{spans:?}");
    for secret in ["SESSION-KEY", "pa55", "5ecret", "m3ssage", "c4use"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert_eq!(attributes(&spans[0].attributes)["mcp.resource.uri"], "https://host.example/a");
    assert_eq!(attributes(&spans[1].attributes)["mcp.resource.uri"], "https://inner.example/a");
    assert_eq!((spans[0].name.as_str(), spans[1].name.as_str()), ("resources/read", "resources/read"));
}

#[test]
fn a_busy_collector_gets_the_batch_again() {
    for answer in [Answer::Status(503, None), Answer::Status(429, Some(0)), Answer::Status(502, None)] {
        let receiver = Receiver::start([answer]);
        let (telemetry, writer) = telemetry(&receiver.url, &[]);
        call(&telemetry);
        assert!(writer.shutdown(LONG));
        assert_eq!((receiver.spans(3).len(), receiver.requests(2).len(), lost(&telemetry)), (3, 2, 0));
    }
}

#[test]
fn what_the_collector_does_not_take_is_counted() {
    for (answer, gone) in [
        (Answer::Status(400, None), 3),
        (Answer::Status(307, None), 3),
        (Answer::Status(503, Some(3_600)), 3),
        (Answer::Partial(2), 2),
        (Answer::Partial(1_000), 3),
    ] {
        let receiver = Receiver::start([answer.clone()]);
        let (telemetry, writer) = telemetry(&receiver.url, &[]);
        call(&telemetry);
        assert!(writer.shutdown(LONG));
        assert_eq!((lost(&telemetry), receiver.requests(1).len()), (gone, 1), "{answer:?}");
    }
}

#[test]
fn a_collector_that_hangs_costs_a_batch_and_not_the_next_one() {
    let receiver = Receiver::start([Answer::Hang]);
    let (telemetry, writer) = telemetry(&receiver.url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "200")]);
    call(&telemetry);
    assert_eq!(receiver.requests(1).len(), 1);
    ping(&telemetry);
    assert_eq!(receiver.spans(1).len(), 1);
    assert!(writer.shutdown(LONG));
    assert_eq!(lost(&telemetry), 3);
}

#[test]
fn the_end_keeps_its_deadline() {
    let receiver = Receiver::start([Answer::Hang]);
    let (telemetry, writer) = telemetry(&receiver.url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")]);
    call(&telemetry);
    assert_eq!(receiver.requests(1).len(), 1);
    ping(&telemetry);
    let begun = Instant::now();
    assert!(!writer.shutdown(Duration::from_millis(200)));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(lost(&telemetry), 4);
}

#[test]
fn nobody_listens() {
    // A port that was free a moment ago.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (telemetry, writer) = telemetry(&format!("http://{address}"), &[("OTEL_EXPORTER_OTLP_TIMEOUT", "400")]);
    call(&telemetry);
    assert!(writer.shutdown(LONG));
    assert_eq!(lost(&telemetry), 3);
}

#[test]
fn a_full_batch_does_not_wait() {
    let receiver = Receiver::start([]);
    let (telemetry, writer) = telemetry(&receiver.url, &[]);
    for _ in 0..1_300 {
        ping(&telemetry);
    }
    assert_eq!(receiver.spans(1_300).len(), 1_300);
    let sizes: Vec<_> =
        receiver.taken().iter().map(|request| request.resource_spans[0].scope_spans[0].spans.len()).collect();
    assert!(sizes.iter().all(|size| *size <= 512), "{sizes:?}");
    assert!(writer.shutdown(LONG));
    assert_eq!(lost(&telemetry), 0);
}

#[test]
fn without_spans_a_callers_context_passes_through_and_none_is_made() {
    let telemetry = Telemetry::silent();
    let metrics = telemetry.metrics.backend("b");
    let mut record = Record::start(&telemetry, Operation::Rpc(Method::ToolsCall));
    assert_eq!(record.attempt(&metrics, Method::ToolsCall).traceparent(), None);
    for caller in [CALLER, UNSAMPLED] {
        assert!(record.continue_trace(Some(caller), None));
        assert_eq!(record.context_to_splice(), None);
        assert_eq!(record.attempt(&metrics, Method::ToolsCall).traceparent().as_ref().map(|c| &c[..]), Some(caller));
    }
}
