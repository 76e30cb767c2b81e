use std::time::Duration;

use ringway_mcp::{Method, Revision};

use super::*;
use crate::telemetry::Telemetry;
use crate::telemetry::record::{Record, Target};

const CALL: Operation = Operation::Rpc(Method::ToolsCall);

fn call(telemetry: &Arc<Telemetry>, route: &Arc<RouteMetrics>, name: &str, catalogued: bool, outcome: Outcome) {
    let mut record = Record::start(telemetry, CALL);
    record.set_route(route);
    record.set_revision(Revision::V2026_07_28);
    record.set_name(Target::Tool, name, catalogued);
    record.succeed(outcome);
}

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn operations_are_in_index_order() {
    assert_eq!(Operation::all().count(), Operation::COUNT);
    assert!(Operation::all().enumerate().all(|(at, operation)| operation.index() == at));
    assert_eq!(Revision::ALL.len() + 1, REVISIONS);
}

#[test]
fn a_call_is_counted_in_every_family() {
    let telemetry = Telemetry::silent();
    let route = telemetry.metrics.route("a/b");
    let backend = telemetry.metrics.backend("a/x");
    let mut record = Record::start(&telemetry, CALL);
    record.set_route(&route);
    record.set_revision(Revision::V2025_11_25);
    record.set_name(Target::Tool, "search", true);
    let attempt = record.attempt(&backend, Method::ToolsCall);
    record.tried(attempt, Outcome::UpstreamError);
    let abandoned = record.attempt(&backend, Method::ToolsCall);
    drop(abandoned);
    record.rpc_error(-32603);
    drop(record);
    route.fanout_miss(&backend, Operation::Rpc(Method::ToolsList), MissReason::Timeout);

    let text = telemetry.metrics.render(true).unwrap();
    for series in [
        r#"ringway_calls_total{route="a/b",method="tools/call",outcome="upstream_error",mcp_protocol_version="2025-11-25"}"#,
        r#"mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",ringway_route="a/b",gen_ai_tool_name="search",error_type="upstream_error"}"#,
        r#"mcp_client_operation_duration_seconds_count{mcp_method_name="tools/call",ringway_backend="a/x",error_type="upstream_error"}"#,
        r#"mcp_client_operation_duration_seconds_count{mcp_method_name="tools/call",ringway_backend="a/x",error_type="cancelled"}"#,
        r#"ringway_gateway_overhead_duration_seconds_count{method="tools/call"}"#,
        r#"ringway_fanout_misses_total{route="a/b",backend="a/x",method="tools/list",reason="timeout"}"#,
    ] {
        assert_eq!(value(&text, series), Some(1.0), "{series}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn names_from_the_wire_never_become_labels() {
    let telemetry = Telemetry::silent();
    let route = telemetry.metrics.route("r");
    for index in 0..1000 {
        call(&telemetry, &route, &format!("made-up-{index}"), false, Outcome::ClientError);
    }
    call(&telemetry, &route, &"x".repeat(129), true, Outcome::Ok);
    let text = telemetry.metrics.render(true).unwrap();
    assert!(!text.contains("made-up") && !text.contains("xxx"), "{text}");
    let other = r#"mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",ringway_route="r",gen_ai_tool_name="_OTHER"}"#;
    assert_eq!(value(&text, other), Some(1001.0));
}

#[test]
fn names_have_a_budget_that_routes_give_back() {
    let telemetry = Telemetry::silent();
    let used = || telemetry.metrics.budget.used.load(Relaxed);
    for name in ["a", "b", "c", "d"] {
        let route = telemetry.metrics.route(name);
        for index in 0..NAMES_PER_ROUTE + 10 {
            call(&telemetry, &route, &format!("tool-{index}"), true, Outcome::Ok);
        }
    }
    assert_eq!(used(), NAMES);
    let lost = u64::try_from(3 * 10 + NAMES_PER_ROUTE + 10).unwrap();
    assert_eq!(telemetry.metrics.budget.overflow.value(), lost);
    telemetry.metrics.keep(|route| route == "a", |_| true);
    assert_eq!(used(), NAMES_PER_ROUTE);
    let text = telemetry.metrics.render(true).unwrap();
    assert!(text.contains(r#"route="a""#) && !text.contains(r#"route="b""#), "{text}");
}

#[test]
fn a_streams_life_is_no_latency() {
    let telemetry = Telemetry::silent();
    for operation in [Operation::Get, Operation::Delete, Operation::Rpc(Method::SubscriptionsListen)] {
        Record::start(&telemetry, operation).succeed(Outcome::Ok);
    }
    let text = telemetry.metrics.render(true).unwrap();
    assert!(!text.contains("duration_seconds_count"), "{text}");
    assert_eq!(
        value(&text, r#"ringway_calls_total{route="_NONE",method="GET",outcome="ok",mcp_protocol_version=""}"#),
        Some(1.0)
    );
}

#[test]
fn both_text_formats_agree_on_the_samples() {
    let metrics = Metrics::new();
    metrics.limit_hit(Limit::BodyBytes);
    metrics.session(SessionEvent::Created);
    metrics.dropped(Signal::Log, 3);
    metrics.config_generation.set(7);
    metrics.backend("b").observe(Method::ToolsList, Outcome::Ok, Duration::from_millis(15));
    let (open, plain) = (metrics.render(true).unwrap(), metrics.render(false).unwrap());
    let samples = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("process_"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(samples(&open), samples(&plain));
    assert!(!plain.contains("# EOF"));
    assert!(open.contains("# TYPE ringway_limit counter\n"));
    assert!(
        plain.contains("# TYPE ringway_limit_total counter\nringway_limit_total{limit=\"body.bytes\"} 1\n"),
        "{plain}"
    );
    assert!(plain.contains("# TYPE ringway_config_generation gauge\nringway_config_generation 7\n"), "{plain}");
    // Every sample belongs to the family named by the last head.
    let mut family = "";
    for line in plain.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().unwrap();
        } else if !line.starts_with('#') {
            assert!(line.starts_with(family), "{line} under {family}");
        }
    }
    #[cfg(target_os = "linux")]
    for name in ["process_open_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"] {
        assert!(value(&plain, name).is_some_and(|value| value >= 0.0), "{name}\n{plain}");
    }
}

#[test]
fn no_series_appears_twice() {
    let telemetry = Telemetry::silent();
    let backend = telemetry.metrics.backend("b");
    for route in ["r", "s"] {
        let route = telemetry.metrics.route(route);
        for &outcome in Outcome::ALL {
            call(&telemetry, &route, "tool", true, outcome);
            call(&telemetry, &route, "tool", false, outcome);
            let mut record = Record::start(&telemetry, Operation::Rpc(Method::ToolsList));
            record.set_route(&route);
            record.succeed(outcome);
            backend.observe(Method::ToolsList, outcome, Duration::ZERO);
        }
    }
    let text = telemetry.metrics.render(false).unwrap();
    let mut seen = std::collections::HashSet::new();
    for series in text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit_once(' ')) {
        assert!(seen.insert(series.0), "{}", series.0);
    }
    assert!(seen.len() > 500, "{}", seen.len());
}
