//! A request that cannot be answered as asked: whose fault it is, why, whether it ran and whether to try again.
//!
//! Says nothing of HTTP or JSON-RPC: `reply` turns a [`Fault`] into both, in one file. Made by every stage.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// One refused or failed request.
#[derive(Debug)]
pub struct Fault {
    pub source: Source,
    pub reason: Reason,
    /// Did the request run at the upstream?
    pub executed: Executed,
    pub retry_after: Option<Duration>,
    /// Shown to the client: names nothing of an upstream's internals.
    pub message: Cow<'static, str>,
    /// Extra members for `error.data` as raw JSON (`{...}`), where a specification asks for them.
    pub data: Option<String>,
    /// The limit that was hit, if it was one of a backend.
    pub limit: Option<&'static str>,
    /// For the log only.
    pub cause: Option<Cause>,
}

/// Whose fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Client,
    Policy,
    Gateway,
    Upstream,
}

/// What the client must assume about side effects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executed {
    No,
    Unknown,
    Yes,
}

/// The rows of the reply table; the label of metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Not JSON, not UTF-8, trailing data, duplicate key, too deep.
    Parse,
    /// JSON, but no legal single message.
    Request,
    /// Header and body disagree, or a required header is missing (modern).
    Header,
    /// Protocol version not served.
    Version,
    /// Unknown or not allowed method.
    Method,
    /// Parameters of the wrong shape.
    Params,
    /// Unknown or hidden tool, prompt or resource.
    Unknown,
    /// The same for a resource of a legacy client, which has a code of its own.
    UnknownResource,
    /// Origin or Host not allowed.
    Origin,
    /// Session id not authentic, expired, revoked or of another route.
    Session,
    /// Cursor or other handle forged, expired or foreign.
    State,
    /// A quota.
    Rate,
    /// Shedding or draining.
    Busy,
    /// Body, header block or URI too large.
    TooLarge,
    HeadersTooLarge,
    UriTooLong,
    /// No route at this host and path.
    NoRoute,
    /// The host belongs to another listener than the one that the connection's handshake met.
    Misdirected,
    ContentType,
    Accept,
    HttpMethod,
    /// The client was too slow to send its request.
    ClientTimeout,
    /// What the call needed on this process is gone.
    Lost,
    /// The upstream could not be reached: nothing was sent.
    UpstreamConnect,
    /// The upstream broke the protocol.
    UpstreamBad,
    /// The upstream was too slow.
    UpstreamTimeout,
    /// The backend speaks another era of the protocol.
    UpstreamEra,
    /// The call was cancelled by the client.
    Cancelled,
    Internal,
}

// === impl Fault ===

impl Fault {
    #[must_use]
    pub fn new(source: Source, reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            source,
            reason,
            executed: Executed::No,
            retry_after: None,
            message: message.into(),
            data: None,
            limit: None,
            cause: None,
        }
    }

    #[must_use]
    pub fn client(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Client, reason, message)
    }

    #[must_use]
    pub fn upstream(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Upstream, reason, message)
    }

    #[must_use]
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Source::Gateway, Reason::Internal, message)
    }

    #[must_use]
    pub fn executed(mut self, executed: Executed) -> Self {
        self.executed = executed;
        self
    }

    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    #[must_use]
    pub fn with_data(mut self, raw_object: String) -> Self {
        self.data = Some(raw_object);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Cause>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// May the client send the same request again and hope for another answer?
    #[must_use]
    pub fn retryable(&self) -> bool {
        matches!(
            self.reason,
            Reason::Rate
                | Reason::Busy
                | Reason::Lost
                | Reason::UpstreamConnect
                | Reason::UpstreamTimeout
                | Reason::ClientTimeout
                | Reason::Session
                | Reason::Misdirected
        ) && self.executed != Executed::Yes
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} fault): {}", self.reason.as_str(), self.source.as_str(), self.message)?;
        self.cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl std::error::Error for Fault {}

// === impl Source ===

impl Source {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Policy => "policy",
            Self::Gateway => "gateway",
            Self::Upstream => "upstream",
        }
    }
}

// === impl Executed ===

impl Executed {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Unknown => "unknown",
            Self::Yes => "yes",
        }
    }
}

// === impl Reason ===

impl Reason {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::Request => "invalid_request",
            Self::Header => "header_mismatch",
            Self::Version => "unsupported_version",
            Self::Method => "method_not_found",
            Self::Params => "invalid_params",
            Self::Unknown => "unknown_name",
            Self::UnknownResource => "unknown_resource",
            Self::Origin => "origin",
            Self::Session => "session",
            Self::State => "state",
            Self::Rate => "rate",
            Self::Busy => "busy",
            Self::TooLarge => "too_large",
            Self::HeadersTooLarge => "headers_too_large",
            Self::UriTooLong => "uri_too_long",
            Self::NoRoute => "no_route",
            Self::Misdirected => "misdirected",
            Self::ContentType => "content_type",
            Self::Accept => "accept",
            Self::HttpMethod => "http_method",
            Self::ClientTimeout => "client_timeout",
            Self::Lost => "lost",
            Self::UpstreamConnect => "upstream_connect",
            Self::UpstreamBad => "upstream_bad",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamEra => "upstream_era",
            Self::Cancelled => "cancelled",
            Self::Internal => "internal",
        }
    }
}
