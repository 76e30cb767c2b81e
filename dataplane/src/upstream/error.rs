//! Why a request got no answer from an upstream, and what that means to a client.
//!
//! The texts in here are for the log; [`Fault`]s made from them name nothing of the upstream's internals.

use std::time::Duration;

use super::Refusal;
use crate::fault::{Executed, Fault, Reason, Source};

/// One failed exchange with an upstream.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection or no process: nothing was sent.
    #[error("cannot connect: {0}")]
    Connect(NoConnection),
    /// A limit of the backend is reached; holds the limit's name. Nothing was sent.
    #[error("limit {0} reached")]
    Busy(&'static str),
    /// Too slow.
    #[error("timed out")]
    Timeout {
        /// Did the request run?
        executed: Executed,
    },
    /// The upstream broke HTTP or MCP.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// An answer or event exceeds `maxResponseBytes`.
    #[error("answer larger than {limit} bytes")]
    TooLarge {
        /// The backend's `maxResponseBytes`.
        limit: usize,
    },
    /// The server speaks another era of the protocol.
    #[error("the server speaks another era")]
    Era,
    /// The server does not know this session any more, or its endpoint is gone: nothing ran.
    #[error("session lost")]
    SessionLost,
    /// The server answered, but with a refusal (only from handshakes; [`super::send`] answers with it).
    #[error("refused with status {}", .0.status)]
    Refused(Refusal),
    /// 409: another GET stream is open in this session.
    #[error("another stream is open (409)")]
    Conflict409,
    /// 405: the server offers no GET stream.
    #[error("no stream offered (405)")]
    NoStream405,
    /// The connection or process ended before the answer.
    #[error("closed before the answer: {cause}")]
    Closed {
        /// Did the request run?
        executed: Executed,
        /// For the log.
        cause: String,
    },
}

/// Why there is no connection, or no process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct NoConnection {
    pub why: Why,
    /// For the log.
    pub text: String,
}

/// The kinds of [`NoConnection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nobody listens there.
    Refused,
    Timeout,
    /// The name has no address.
    Dns,
    /// The handshake failed: a certificate is not believed, or ours is not.
    Tls,
    /// No way there.
    Unreachable,
    /// No address may be dialled.
    NotAllowed,
    /// A Service without a ready pod.
    NoEndpoint,
    /// The configuration cannot be used.
    Configuration,
    Process,
    Other,
}

// === impl NoConnection ===

impl NoConnection {
    pub(super) fn new(why: Why, text: impl Into<String>) -> Self {
        Self { why, text: text.into() }
    }
}

// === impl Why ===

impl Why {
    pub(super) fn of(error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::Timeout,
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Self::Unreachable,
            _ => Self::Other,
        }
    }
}

// === impl UpstreamError ===

impl UpstreamError {
    pub(super) fn closed(executed: Executed, cause: impl std::fmt::Display) -> Self {
        Self::Closed { executed, cause: cause.to_string() }
    }

    /// Did the request run at the server?
    #[must_use]
    pub fn executed(&self) -> Executed {
        match self {
            Self::Connect(_)
            | Self::Busy(_)
            | Self::Era
            | Self::SessionLost
            | Self::Conflict409
            | Self::NoStream405 => Executed::No,
            Self::Timeout { executed } | Self::Closed { executed, .. } => *executed,
            Self::Protocol(_) | Self::TooLarge { .. } | Self::Refused(_) => Executed::Unknown,
        }
    }
}

impl From<UpstreamError> for Fault {
    fn from(error: UpstreamError) -> Self {
        let executed = error.executed();
        let fault = match &error {
            UpstreamError::Connect(_) => Self::upstream(Reason::UpstreamConnect, "The MCP server cannot be reached"),
            UpstreamError::Busy(limit) => {
                let message = format!("The MCP server is at its limit ({limit})");
                let fault = Self::new(Source::Gateway, Reason::Busy, message).retry_after(Duration::from_secs(1));
                Self { limit: Some(*limit), ..fault }
            }
            UpstreamError::Timeout { .. } => {
                Self::upstream(Reason::UpstreamTimeout, "The MCP server did not answer in time")
            }
            UpstreamError::Protocol(_) => Self::upstream(Reason::UpstreamBad, "The MCP server sent an invalid answer"),
            UpstreamError::TooLarge { .. } => Self {
                limit: Some("maxResponseBytes"),
                ..Self::upstream(Reason::UpstreamBad, "The MCP server's answer is too large")
            },
            UpstreamError::Era => {
                Self::upstream(Reason::UpstreamEra, "The MCP server does not serve this protocol version")
            }
            UpstreamError::SessionLost => Self::upstream(Reason::Lost, "The MCP server ended its session"),
            UpstreamError::Refused(refusal) => {
                Self::upstream(Reason::UpstreamBad, format!("The MCP server refused with status {}", refusal.status))
            }
            UpstreamError::Conflict409 | UpstreamError::NoStream405 => {
                Self::upstream(Reason::UpstreamBad, "The MCP server offers no stream")
            }
            UpstreamError::Closed { .. } => {
                Self::upstream(Reason::UpstreamBad, "The MCP server closed before it answered")
            }
        };
        fault.executed(executed).caused_by(error)
    }
}
