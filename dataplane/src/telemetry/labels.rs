//! The closed sets that label metrics and log lines.
//!
//! A label value comes from one of these, from the configuration or from a catalogue; never from the wire, since each
//! new value is a new series. Used by every stage; knows nothing of how they are counted.

/// An enum whose variants all have a name: the only kind of label that code may make up.
macro_rules! closed_set {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$vmeta])* $variant,)* }

        impl $name {
            /// Every value, in the order of the enum: `self as usize` is the index.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];
            /// How many values there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The label value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}
pub(crate) use closed_set;

closed_set! {
    /// How a message ended (`ringway.outcome`).
    pub enum Outcome {
        Ok = "ok",
        /// The tool ran and said `isError`.
        ToolError = "tool_error",
        /// The caller's fault.
        ClientError = "client_error",
        /// Refused by policy.
        Denied = "denied",
        /// A quota, or shed.
        Limited = "limited",
        UpstreamError = "upstream_error",
        GatewayError = "gateway_error",
        /// By the client, or its connection went away.
        Cancelled = "cancelled",
        /// The upstream was too slow.
        Timeout = "timeout",
        /// The call is parked until the client answers.
        InputRequired = "input_required",
    }
}

closed_set! {
    /// A named limit that was hit (`ringway_limit_total`).
    pub enum Limit {
        HeadersBytes = "headers.bytes",
        UriBytes = "uri.bytes",
        BodyBytes = "body.bytes",
        JsonDepth = "json.depth",
        JsonNodes = "json.nodes",
        JsonNumber = "json.number.bytes",
        NameBytes = "name.bytes",
        ResponseBytes = "response.json.bytes",
        EventBytes = "sse.event.bytes",
        EventsBuffered = "sse.events.buffered",
        ReplayEvents = "replay.events",
        Streams = "streams",
        Sessions = "sessions",
        SessionRecords = "session.records",
        Tombstones = "session.tombstones",
        Parked = "parked",
        InflightConnection = "inflight.connection",
        InflightSession = "inflight.session",
        InflightPrincipal = "inflight.principal",
        ListTools = "list.tools",
        ListPages = "list.pages",
        ListBytes = "list.bytes",
        ListDeadline = "list.deadline",
        ToolDescription = "tool.description",
        ToolSchema = "tool.schema",
        Viewers = "catalog.viewers",
        BackendConcurrency = "backend.concurrency",
        BackendQueue = "backend.queue",
        BackendConnections = "backend.connections",
        BackendProcesses = "backend.processes",
        Connections = "conn.total",
        ConnectionsPerPeer = "conn.perIP",
        TlsHandshake = "tls.handshake",
        HeaderTime = "t.headers",
        BodyTime = "t.body",
        IdleTime = "t.idle",
        ConnectTime = "t.connect",
        FirstByteTime = "t.firstByte",
        CallTime = "t.call",
        StreamIdle = "t.streamIdle",
        WriteStall = "t.writeStall",
        RetryBudget = "retry.budget",
        Rate = "rate",
        Memory = "memory",
    }
}

closed_set! {
    /// What happened to a session (`ringway_session_events_total`).
    pub enum SessionEvent {
        Created = "created",
        /// A binding to a backend was replaced: upstream state is lost.
        Rebound = "rebound",
        /// Its record was freed after its idle time or at its end of life.
        Expired = "expired",
        Deleted = "deleted",
        /// No room for a record.
        RejectedCap = "rejected_cap",
        /// An id that is not authentic, revoked or of another route.
        Unknown = "unknown",
    }
}

closed_set! {
    /// A kind of long-lived stream (`ringway_stream_count`).
    pub enum StreamKind {
        Post = "post",
        Get = "get",
        Listen = "listen",
    }
}

closed_set! {
    /// Why a backend was missing from a fan-out (`ringway_fanout_misses_total`).
    pub enum MissReason {
        Timeout = "timeout",
        Connect = "connect",
        Http = "http",
        Protocol = "protocol",
        CircuitOpen = "circuit_open",
    }
}

closed_set! {
    /// A telemetry signal (`ringway_telemetry_dropped_total`).
    pub enum Signal {
        Log = "log",
        Span = "span",
    }
}

closed_set! {
    /// What a task does (`ringway_tasks`).
    pub enum TaskName {
        Listener = "listener",
        Connection = "connection",
        Call = "call",
        ClientStream = "client_stream",
        UpstreamConnection = "upstream_connection",
        UpstreamStream = "upstream_stream",
        Process = "process",
        Catalog = "catalog",
        Probe = "probe",
        Bind = "bind",
        EndSession = "end_session",
        Mailbox = "mailbox",
        Heartbeat = "heartbeat",
        Sweep = "sweep",
        Admin = "admin",
        Exporter = "exporter",
        Other = "other",
    }
}

// === impl Outcome ===

impl Outcome {
    /// `error.type` of metrics and log lines; `None` where OpenTelemetry sees no error of the server: success, a call
    /// that waits for input, and the caller's own faults (genai semantic conventions, server side).
    #[must_use]
    pub const fn error_type(self) -> Option<&'static str> {
        match self {
            Self::Ok | Self::InputRequired | Self::ClientError => None,
            other => Some(other.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn indexed<T: Copy>(all: &[T], index: impl Fn(T) -> usize, name: impl Fn(T) -> &'static str) {
        let names: std::collections::BTreeSet<_> = all.iter().map(|&value| name(value)).collect();
        assert_eq!(names.len(), all.len(), "two values share a name");
        assert!(all.iter().enumerate().all(|(at, &value)| index(value) == at));
    }

    #[test]
    fn names_are_distinct_and_in_index_order() {
        indexed(Outcome::ALL, |v| v as usize, Outcome::as_str);
        indexed(Limit::ALL, |v| v as usize, Limit::as_str);
        indexed(SessionEvent::ALL, |v| v as usize, SessionEvent::as_str);
        indexed(StreamKind::ALL, |v| v as usize, StreamKind::as_str);
        indexed(MissReason::ALL, |v| v as usize, MissReason::as_str);
        indexed(TaskName::ALL, |v| v as usize, TaskName::as_str);
    }

    #[test]
    fn the_callers_faults_are_no_errors_of_ours() {
        let errors = Outcome::ALL.iter().filter(|outcome| outcome.error_type().is_some()).count();
        assert_eq!(errors, 7);
    }
}
