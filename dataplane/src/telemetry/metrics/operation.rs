//! What a message is, as a position in the arrays of counters and as a label.

use ringway_mcp::Method;

/// What a record is about: a JSON-RPC method, or an HTTP request without a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    /// A message; also a POST that never became one ([`Method::Other`]).
    Rpc(Method),
    /// The client's stream.
    Get,
    /// The end of a session.
    Delete,
}

// === impl Operation ===

impl Operation {
    const METHODS: usize = Method::Other as usize + 1;
    pub(in crate::telemetry) const COUNT: usize = Self::METHODS + 2;

    pub(super) fn index(self) -> usize {
        match self {
            Self::Rpc(method) => method as usize,
            Self::Get => Self::METHODS,
            Self::Delete => Self::METHODS + 1,
        }
    }

    pub(in crate::telemetry) fn all() -> impl Iterator<Item = Self> {
        Method::all().chain([Method::Other]).map(Self::Rpc).chain([Self::Get, Self::Delete])
    }

    /// The `method` label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rpc(method) => method.as_str(),
            Self::Get => "GET",
            Self::Delete => "DELETE",
        }
    }

    /// Has it a duration worth a histogram? A stream lasts as long as its client pleases.
    pub(super) fn timed(self) -> bool {
        !matches!(self, Self::Get | Self::Delete | Self::Rpc(Method::SubscriptionsListen))
    }

    /// The label of a name that this operation is about.
    pub(super) fn name_label(self) -> &'static str {
        if self == Self::Rpc(Method::PromptsGet) { "gen_ai_prompt_name" } else { "gen_ai_tool_name" }
    }
}
