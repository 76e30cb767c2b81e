//! The process limits: every one with a name, a default and a setting. What a backend or route may hold stands on
//! that object; what one message may hold stands in `ringway_mcp::scan::Limits`.

use std::time::Duration;

/// Limits of this process. Their settings are named in `app::named`, the labels of `ringway_limit_total` in
/// `telemetry::labels::Limit`.
#[derive(Debug, Clone)]
pub struct Limits {
    /// All header fields of a request, names and values (431).
    pub headers_bytes: usize,
    /// Header fields of a request (431).
    pub headers_count: usize,
    /// Path and query (414).
    pub uri_bytes: usize,
    /// A request body (413).
    pub body_bytes: usize,
    /// Wait for the next bytes of a body (408).
    pub body_idle: Duration,
    /// Wait for a whole body (408).
    pub body_total: Duration,
    /// Wait for a TLS handshake.
    pub tls_handshake: Duration,
    /// A connection without a request is closed after this long: longer than the idle time of load balancers.
    pub connection_idle: Duration,
    /// From the first byte of a request's head to its last.
    pub headers_time: Duration,
    /// Connections of the process; more wait in the listener's backlog.
    pub connections: usize,
    /// HTTP/2 streams of one connection.
    pub http2_streams: u32,
    /// Calls in flight of one session (-31003).
    pub session_inflight: u32,
    /// GET and `listen` streams of the process (-31003).
    pub streams: usize,
    /// Bytes of one client stream that wait for a slow reader, in events.
    pub stream_events: usize,
    /// Comment on a silent stream.
    pub stream_keepalive: Duration,
    /// A client that reads nothing for this long while an event waits is closed.
    pub write_stall: Duration,
    /// A client's stream is ended after this long; the client opens another.
    pub stream_age: Duration,
    /// Wait for a backend in `server/discover`, `logging/setLevel`, the acknowledgement of `subscriptions/listen`, and for
    /// a notification or answer to be taken.
    pub backend_wait: Duration,
    /// What one JSON-RPC message of a client may hold.
    pub message: ringway_mcp::scan::Limits,
    /// What one message of a backend may hold: bounded by `maxResponseBytes`, since it is relayed, not interpreted.
    pub answer: ringway_mcp::scan::Limits,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers_bytes: 32 << 10,
            headers_count: 100,
            uri_bytes: 8 << 10,
            body_bytes: 4 << 20,
            body_idle: Duration::from_secs(10),
            body_total: Duration::from_secs(60),
            tls_handshake: Duration::from_secs(10),
            connection_idle: Duration::from_secs(620),
            headers_time: Duration::from_secs(10),
            connections: 50_000,
            http2_streams: 100,
            session_inflight: 128,
            streams: 100_000,
            stream_events: 256,
            stream_keepalive: Duration::from_secs(25),
            write_stall: Duration::from_secs(60),
            stream_age: Duration::from_secs(3_600),
            backend_wait: Duration::from_secs(5),
            message: ringway_mcp::scan::Limits::default(),
            answer: of_answers(),
        }
    }
}

/// Wide where a client's message is narrow: the backend's `maxResponseBytes` bounds how much there can be.
fn of_answers() -> ringway_mcp::scan::Limits {
    ringway_mcp::scan::Limits {
        depth: 512,
        nodes: u32::MAX,
        keys_per_object: u32::MAX,
        number_bytes: 64 << 10,
        ..ringway_mcp::scan::Limits::default()
    }
}
