//! The text of a scrape: walks the cells and writes every family that has a value.
//!
//! Names are the OpenTelemetry names in Prometheus form. The library writes OpenMetrics; the older text format differs
//! in the head of counters, which is rewritten here.

use std::fmt::{Error, Write as _};
use std::sync::{Arc, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::{BackendMetrics, Histogram, Metrics, OnceLock, Operation, RouteMetrics, process, revision_label};
use crate::telemetry::labels::{Limit, Outcome, SessionEvent, Signal, StreamKind, TaskName};

type Labels<'a> = [(&'a str, &'a str)];

pub(super) fn render(metrics: &Arc<Metrics>, open_metrics: bool) -> Result<String, Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Arc::clone(metrics)));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(if open_metrics { text } else { plain(&text) })
}

/// OpenMetrics → text 0.0.4: there a counter's head carries `_total` as its samples do, and nothing marks the end.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 512);
    let mut lines = text.lines().filter(|line| *line != "# EOF").peekable();
    while let Some(line) = lines.next() {
        let counter = |head: &&str| head.starts_with("# TYPE ") && head.ends_with(" counter");
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
            && lines.peek().is_some_and(counter)
        {
            lines.next();
            // Writing to a String cannot fail.
            let _ = writeln!(out, "# HELP {name}_total {help}\n# TYPE {name}_total counter");
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let routes: Vec<_> = {
            let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
            routes.values().chain([&self.unrouted]).cloned().collect()
        };
        let backends: Vec<_> = self.backends.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        calls(&mut encoder, &routes)?;
        server_durations(&mut encoder, &routes)?;
        client_durations(&mut encoder, &backends)?;
        self.overheads(&mut encoder)?;
        fanout(&mut encoder, &routes)?;
        self.closed_sets(&mut encoder)?;
        self.singles(&mut encoder)?;
        per_object(&mut encoder, &routes, &backends)?;
        process::encode(&mut encoder)
    }
}

impl Metrics {
    fn overheads(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let name = "ringway_gateway_overhead_duration_seconds";
        let help = "Time of a message that no upstream accounts for";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (operation, cell) in Operation::all().zip(&self.overhead) {
            if let Some(found) = cell.get() {
                histogram(&mut family, &[("method", operation.as_str())], found)?;
            }
        }
        Ok(())
    }

    fn closed_sets(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let limits = Limit::ALL.iter().map(|l| l.as_str()).zip(self.limits.iter().map(super::Counter::value));
        counters(encoder, ("ringway_limit", "Times a named limit was hit"), "limit", limits.filter(|(_, n)| *n > 0))?;
        let events = SessionEvent::ALL.iter().map(|e| e.as_str());
        let events = events.zip(self.session_events.iter().map(super::Counter::value));
        counters(encoder, ("ringway_session_events", "What happened to sessions"), "event", events)?;
        let dropped = Signal::ALL.iter().map(|s| s.as_str()).zip(self.dropped.iter().map(super::Counter::value));
        counters(encoder, ("ringway_telemetry_dropped", "Log lines or spans dropped"), "signal", dropped)?;
        let names = || TaskName::ALL.iter().map(|t| t.as_str());
        let panics = names().zip(self.panics.iter().map(super::Counter::value)).filter(|(_, n)| *n > 0);
        counters(encoder, ("ringway_panics", "Tasks ended by a panic"), "name", panics)?;
        let tasks = names().zip(self.tasks.iter().map(super::Gauge::value));
        gauges(encoder, ("ringway_tasks", "Tasks alive"), "name", tasks)?;
        let streams = StreamKind::ALL.iter().map(|s| s.as_str()).zip(self.streams.iter().map(super::Gauge::value));
        gauges(encoder, ("ringway_stream_count", "Streams open to clients"), "kind", streams)
    }

    fn singles(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        for (name, help, value) in [
            ("ringway_session_count", "Session records held", self.sessions.value()),
            ("ringway_inflight", "Calls in flight", self.inflight.value()),
            ("ringway_config_generation", "Generation of the configuration served", self.config_generation.value()),
            ("ringway_config_stream_connected", "Whether an operator is followed", self.stream.connected.value()),
            (
                "ringway_config_stream_updated_timestamp_seconds",
                "When the operator's last update was taken",
                self.stream.updated_at.value(),
            ),
        ] {
            encoder.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)?;
        }
        for (name, help, value) in [
            (
                "ringway_config_rejections",
                "Configurations refused, and objects of those that were taken",
                self.config_rejections.value(),
            ),
            ("ringway_config_stream_updates", "Updates of the operator taken", self.stream.updates.value()),
            (
                "ringway_config_stream_holds",
                "Updates of the operator held back from, as older than what is served",
                self.stream.holds.value(),
            ),
            ("ringway_tombstones_dropped", "Deleted sessions forgotten early", self.tombstones_dropped.value()),
            ("ringway_telemetry_overflow", "Names counted as _OTHER for want of room", self.budget.overflow.value()),
        ] {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            family.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        let labels: &Labels<'_> = &[("version", env!("CARGO_PKG_VERSION"))];
        let mut family = encoder.encode_descriptor("ringway_build_info", "This build", None, MetricType::Gauge)?;
        family.encode_family(&labels)?.encode_gauge(&1i64)
    }
}

fn calls(encoder: &mut DescriptorEncoder<'_>, routes: &[Arc<RouteMetrics>]) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor("ringway_calls", "Messages that ended", None, MetricType::Counter)?;
    for route in routes {
        for (operation, op) in used(&route.ops) {
            for (outcome, row) in Outcome::ALL.iter().zip(&op.calls) {
                for (index, value) in row.iter().map(super::Counter::value).enumerate().filter(|(_, n)| *n > 0) {
                    let labels: &Labels<'_> = &[
                        ("route", &route.label),
                        ("method", operation.as_str()),
                        ("outcome", outcome.as_str()),
                        ("mcp_protocol_version", revision_label(index)),
                    ];
                    family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
                }
            }
        }
    }
    Ok(())
}

fn server_durations(encoder: &mut DescriptorEncoder<'_>, routes: &[Arc<RouteMetrics>]) -> Result<(), Error> {
    let name = "mcp_server_operation_duration_seconds";
    let help = "From the arrival of a message to its last answer";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for route in routes {
        for (operation, op) in used(&route.ops) {
            let fixed = [("mcp_method_name", operation.as_str()), ("ringway_route", &*route.label)];
            for (error, cell) in op.durations.used() {
                durations(&mut family, &fixed, None, error, cell)?;
            }
            let names = op.names.lock().unwrap_or_else(PoisonError::into_inner);
            let mut names: Vec<_> = names.iter().map(|(name, cells)| (name.clone(), Arc::clone(cells))).collect();
            names.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, cells) in &names {
                for (error, cell) in cells.used() {
                    durations(&mut family, &fixed, Some((operation.name_label(), name)), error, cell)?;
                }
            }
        }
    }
    Ok(())
}

fn client_durations(encoder: &mut DescriptorEncoder<'_>, backends: &[Arc<BackendMetrics>]) -> Result<(), Error> {
    let name = "mcp_client_operation_duration_seconds";
    let help = "From a request to a backend to its last answer";
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for backend in backends {
        for (operation, op) in used(&backend.ops) {
            let fixed = [("mcp_method_name", operation.as_str()), ("ringway_backend", &*backend.label)];
            for (error, cell) in op.used() {
                durations(&mut family, &fixed, None, error, cell)?;
            }
        }
    }
    Ok(())
}

fn fanout(encoder: &mut DescriptorEncoder<'_>, routes: &[Arc<RouteMetrics>]) -> Result<(), Error> {
    let help = "Backends missing from an answer that is merged from several";
    let mut family = encoder.encode_descriptor("ringway_fanout_misses", help, None, MetricType::Counter)?;
    for route in routes {
        let misses = route.misses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((backend, operation, reason), value) in &misses {
            let labels: &Labels<'_> = &[
                ("route", &route.label),
                ("backend", backend),
                ("method", operation.as_str()),
                ("reason", reason.as_str()),
            ];
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(value, None)?;
        }
    }
    Ok(())
}

fn per_object(
    encoder: &mut DescriptorEncoder<'_>,
    routes: &[Arc<RouteMetrics>],
    backends: &[Arc<BackendMetrics>],
) -> Result<(), Error> {
    let conflicts = routes.iter().map(|route| (&*route.label, route.list_conflicts.value()));
    let head = ("ringway_list_conflicts", "Visible names that several backends claim");
    gauges(encoder, head, "route", conflicts.filter(|(_, n)| *n != 0))?;
    let processes = backends.iter().map(|backend| (&*backend.label, backend.processes.value()));
    let head = ("ringway_upstream_processes", "Child processes alive");
    gauges(encoder, head, "backend", processes.filter(|(_, n)| *n != 0))
}

fn used<T>(ops: &[OnceLock<T>]) -> impl Iterator<Item = (Operation, &T)> {
    Operation::all().zip(ops).filter_map(|(operation, cell)| Some((operation, cell.get()?)))
}

fn durations(
    family: &mut MetricEncoder<'_>,
    fixed: &[(&str, &str); 2],
    name: Option<(&str, &str)>,
    error: Option<&str>,
    cell: &Histogram,
) -> Result<(), Error> {
    let error = error.map(|error| ("error_type", error));
    let labels: Vec<(&str, &str)> = fixed.iter().copied().chain(name).chain(error).collect();
    histogram(family, &labels, cell)
}

fn histogram(family: &mut MetricEncoder<'_>, labels: &Labels<'_>, cell: &Histogram) -> Result<(), Error> {
    let (sum, count, buckets) = cell.read();
    family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
}

fn counters<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    label: &str,
    values: impl Iterator<Item = (&'a str, u64)>,
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (text, value) in values {
        let labels: &Labels<'_> = &[(label, text)];
        family.encode_family(&labels)?.encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
    }
    Ok(())
}

pub(super) fn gauges<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    label: &str,
    values: impl Iterator<Item = (&'a str, i64)>,
) -> Result<(), Error> {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (text, value) in values {
        let labels: &Labels<'_> = &[(label, text)];
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}
