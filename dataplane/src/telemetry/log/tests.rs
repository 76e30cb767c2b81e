use std::sync::{Condvar, MutexGuard};

use ringway_mcp::{Method, Revision};
use serde_json::{Value, json};

use super::*;
use crate::fault::{Fault, Reason};
use crate::telemetry::Telemetry;
use crate::telemetry::labels::Outcome;
use crate::telemetry::metrics::Operation;
use crate::telemetry::record::{Record, Target};

/// A sink in memory that can be held shut.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<(Mutex<State>, Condvar)>);

/// What was written, and whether the sink is shut.
type State = (Vec<u8>, bool);

impl Sink {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap()
    }

    fn shut(&self, shut: bool) {
        self.state().1 = shut;
        self.0.1.notify_all();
    }

    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.state().0.clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.1.wait_while(self.state(), |state| state.1).unwrap();
        state.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn logging(sink: &Sink) -> (Arc<Telemetry>, LogWriter) {
    let metrics = Metrics::new();
    let (log, writer) = AccessLog::to(sink.clone(), &metrics).unwrap();
    (Telemetry::new(metrics, log), writer.unwrap())
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn a_line_tells_the_whole_message() {
    let sink = Sink::default();
    let (telemetry, writer) = logging(&sink);
    let backend = telemetry.metrics.backend("prod/github");
    let mut record = Record::start(&telemetry, Operation::Rpc(Method::ToolsCall));
    record.set_route(&telemetry.metrics.route("prod/tools"));
    record.set_client("10.1.2.3:4567".parse().unwrap());
    record.set_client_name("cli\u{1b}[31m");
    record.set_revision(Revision::V2025_06_18);
    record.set_request_id(br#""a-1""#);
    record.set_session(b"0123456789abcdef");
    record.set_name(Target::Tool, "gh_search", true);
    record.set_http_status(200);
    record.add_bytes_in(100);
    record.add_bytes_out(2000);
    assert!(record.continue_trace(None, Some(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")));
    let attempt = record.attempt(&backend, Method::ToolsCall);
    record.tried(attempt, Outcome::ToolError);
    record.succeed(Outcome::ToolError);
    drop(record);
    assert!(writer.shutdown(LONG));

    let mut lines = sink.lines();
    assert_eq!(lines.len(), 1);
    let line = lines.remove(0);
    let mut line: serde_json::Map<String, Value> = line.as_object().unwrap().clone();
    for moving in ["time", "span_id", "mcp.session.id", "duration_ms", "upstream_ms"] {
        assert!(line.remove(moving).is_some(), "{moving}");
    }
    let expected = json!({
        "severity": "INFO", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "parent_span_id": "00f067aa0ba902b7",
        "mcp.method.name": "tools/call", "gen_ai.tool.name": "gh_search", "jsonrpc.request.id": "a-1",
        "mcp.protocol.version": "2025-06-18", "ringway.route": "prod/tools", "ringway.backend": "prod/github",
        "client.address": "10.1.2.3", "client.port": 4567, "ringway.client.name": "cli\u{1b}[31m",
        "ringway.outcome": "tool_error", "error.type": "tool_error", "http.response.status_code": 200,
        "bytes_in": 100, "bytes_out": 2000, "ringway.attempts": 1,
    });
    assert_eq!(Value::Object(line), expected);
}

#[test]
fn a_fault_shows_reason_and_cause_but_no_key() {
    let sink = Sink::default();
    let (telemetry, writer) = logging(&sink);
    let mut record = Record::start(&telemetry, Operation::Rpc(Method::ResourcesRead));
    record.set_session(b"SESSION-KEY-1234");
    record.set_resource("https://user:pa55@host.example/a?token=5ecret#frag");
    let fault = Fault::upstream(Reason::UpstreamConnect, "not reachable").caused_by(io::Error::other("refused\nhere"));
    record.fail(&fault, Some(-31006));
    drop(record);
    drop(Record::start(&telemetry, Operation::Get));
    assert!(writer.shutdown(LONG));

    let raw = String::from_utf8(sink.state().0.clone()).unwrap();
    for secret in ["SESSION-KEY", "pa55", "5ecret", "5345535349"] {
        assert!(!raw.contains(secret), "{secret} in {raw}");
    }
    let lines = sink.lines();
    let [failed, stream] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(failed["mcp.resource.uri"], "https://host.example/a");
    assert_eq!(failed["ringway.reason"], "upstream_connect");
    assert_eq!(failed["ringway.cause"], "refused\nhere");
    assert_eq!(failed["ringway.outcome"], "upstream_error");
    assert_eq!(failed["rpc.response.status_code"], "-31006");
    assert_eq!((&stream["http.request.method"], &stream["ringway.outcome"]), (&json!("GET"), &json!("cancelled")));
}

#[test]
fn a_stalled_sink_costs_lines_not_time() {
    let sink = Sink::default();
    sink.shut(true);
    let (telemetry, writer) = logging(&sink);
    // More than the buffer and the writer's own can hold together; the sink takes nothing meanwhile.
    let mut written = 0;
    while telemetry.metrics.dropped_total(Signal::Log) == 0 {
        drop(Record::start(&telemetry, Operation::Delete));
        written += 1;
        assert!(written < 200_000, "nothing was dropped");
    }
    let waiting = telemetry.log.buffer.as_ref().unwrap().lock().unwrap().bytes.len();
    assert!(waiting <= BUFFER, "{waiting}");
    sink.shut(false);
    assert!(writer.shutdown(LONG));
    let lines = u64::try_from(sink.lines().len()).unwrap();
    assert_eq!(lines + telemetry.metrics.dropped_total(Signal::Log), written);
}

#[test]
fn a_sink_that_hangs_does_not_hold_up_the_end() {
    let sink = Sink::default();
    sink.shut(true);
    let (telemetry, writer) = logging(&sink);
    drop(Record::start(&telemetry, Operation::Delete));
    assert!(!writer.shutdown(Duration::from_millis(200)));
    sink.shut(false);
}

#[test]
fn a_broken_sink_is_counted() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let metrics = Metrics::new();
    let (log, writer) = AccessLog::to(Broken, &metrics).unwrap();
    let telemetry = Telemetry::new(metrics, log);
    drop(Record::start(&telemetry, Operation::Delete));
    drop(Record::start(&telemetry, Operation::Delete));
    assert!(writer.unwrap().shutdown(LONG));
    assert_eq!(telemetry.metrics.dropped_total(Signal::Log), 2);
}

#[test]
fn a_file_is_appended_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    std::fs::write(&path, "{}\n").unwrap();
    let metrics = Metrics::new();
    let (log, writer) = AccessLog::open(&LogTarget::File(path.clone()), &metrics).unwrap();
    drop(Record::start(&Telemetry::new(metrics, log), Operation::Get));
    assert!(writer.unwrap().shutdown(LONG));
    assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
}
