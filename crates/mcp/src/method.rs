//! The methods of MCP as a closed enum, with the facts that routing needs.
//!
//! Holds no policy: whether a session may use a method is the data plane's question. Unknown methods are
//! [`Method::Other`] and travel by their own bytes.
use crate::Revision;

/// A method of the specification or of its tasks extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// `initialize`
    Initialize,
    /// `server/discover`
    ServerDiscover,
    /// `ping`
    Ping,
    /// `tools/list`
    ToolsList,
    /// `tools/call`
    ToolsCall,
    /// `prompts/list`
    PromptsList,
    /// `prompts/get`
    PromptsGet,
    /// `resources/list`
    ResourcesList,
    /// `resources/templates/list`
    ResourcesTemplatesList,
    /// `resources/read`
    ResourcesRead,
    /// `resources/subscribe`
    ResourcesSubscribe,
    /// `resources/unsubscribe`
    ResourcesUnsubscribe,
    /// `subscriptions/listen`
    SubscriptionsListen,
    /// `completion/complete`
    CompletionComplete,
    /// `logging/setLevel`
    LoggingSetLevel,
    /// `roots/list`
    RootsList,
    /// `sampling/createMessage`
    SamplingCreateMessage,
    /// `elicitation/create`
    ElicitationCreate,
    /// `tasks/get`
    TasksGet,
    /// `tasks/cancel`
    TasksCancel,
    /// `tasks/result`
    TasksResult,
    /// `tasks/list`
    TasksList,
    /// `tasks/update`
    TasksUpdate,
    /// `notifications/initialized`
    Initialized,
    /// `notifications/cancelled`
    Cancelled,
    /// `notifications/progress`
    Progress,
    /// `notifications/message`
    LogMessage,
    /// `notifications/tools/list_changed`
    ToolsListChanged,
    /// `notifications/prompts/list_changed`
    PromptsListChanged,
    /// `notifications/resources/list_changed`
    ResourcesListChanged,
    /// `notifications/resources/updated`
    ResourcesUpdated,
    /// `notifications/roots/list_changed`
    RootsListChanged,
    /// `notifications/elicitation/complete`
    ElicitationComplete,
    /// `notifications/tasks/status` (2025-11-25)
    TasksStatus,
    /// `notifications/tasks` (extension of 2026-07-28)
    TasksChanged,
    /// `notifications/subscriptions/acknowledged`
    SubscriptionsAcknowledged,
    /// Anything else.
    Other,
}

/// Which parameter names the thing that a method works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The method names nothing.
    None,
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
    /// `params.taskId`
    TaskId,
    /// `params.ref`
    Ref,
}

struct Facts {
    method: Method,
    name: &'static str,
    revisions: u8,
    target: Target,
}

// One bit per revision, in the order of `Revision`.
const A: u8 = 1;
const C: u8 = 4;
const D: u8 = 8;
const M: u8 = 16;
const LEGACY: u8 = 0b1111;
const ALL: u8 = LEGACY | M;

const fn row(method: Method, name: &'static str, revisions: u8, target: Target) -> Facts {
    Facts { method, name, revisions, target }
}

// In the order of the enum: `Method as usize` is the index (checked by a test). Source: method table, all revisions.
static FACTS: [Facts; 37] = {
    use Method as Me;
    use Target::{Name, None, Ref, TaskId, Uri};
    [
        row(Me::Initialize, "initialize", LEGACY, None),
        row(Me::ServerDiscover, "server/discover", M, None),
        row(Me::Ping, "ping", LEGACY, None),
        row(Me::ToolsList, "tools/list", ALL, None),
        row(Me::ToolsCall, "tools/call", ALL, Name),
        row(Me::PromptsList, "prompts/list", ALL, None),
        row(Me::PromptsGet, "prompts/get", ALL, Name),
        row(Me::ResourcesList, "resources/list", ALL, None),
        row(Me::ResourcesTemplatesList, "resources/templates/list", ALL, None),
        row(Me::ResourcesRead, "resources/read", ALL, Uri),
        row(Me::ResourcesSubscribe, "resources/subscribe", LEGACY, Uri),
        row(Me::ResourcesUnsubscribe, "resources/unsubscribe", LEGACY, Uri),
        row(Me::SubscriptionsListen, "subscriptions/listen", M, None),
        row(Me::CompletionComplete, "completion/complete", ALL, Ref),
        row(Me::LoggingSetLevel, "logging/setLevel", LEGACY, None),
        row(Me::RootsList, "roots/list", LEGACY, None),
        row(Me::SamplingCreateMessage, "sampling/createMessage", LEGACY, None),
        row(Me::ElicitationCreate, "elicitation/create", C | D, None),
        row(Me::TasksGet, "tasks/get", D | M, TaskId),
        row(Me::TasksCancel, "tasks/cancel", D | M, TaskId),
        row(Me::TasksResult, "tasks/result", D, TaskId),
        row(Me::TasksList, "tasks/list", D, None),
        row(Me::TasksUpdate, "tasks/update", M, TaskId),
        row(Me::Initialized, "notifications/initialized", LEGACY, None),
        row(Me::Cancelled, "notifications/cancelled", ALL, None),
        row(Me::Progress, "notifications/progress", ALL, None),
        row(Me::LogMessage, "notifications/message", ALL, None),
        row(Me::ToolsListChanged, "notifications/tools/list_changed", ALL, None),
        row(Me::PromptsListChanged, "notifications/prompts/list_changed", ALL, None),
        row(Me::ResourcesListChanged, "notifications/resources/list_changed", ALL, None),
        row(Me::ResourcesUpdated, "notifications/resources/updated", ALL, Uri),
        row(Me::RootsListChanged, "notifications/roots/list_changed", LEGACY, None),
        row(Me::ElicitationComplete, "notifications/elicitation/complete", D, None),
        row(Me::TasksStatus, "notifications/tasks/status", D, TaskId),
        row(Me::TasksChanged, "notifications/tasks", M, TaskId),
        row(Me::SubscriptionsAcknowledged, "notifications/subscriptions/acknowledged", M, None),
        row(Me::Other, "_OTHER", ALL, None),
    ]
};

// === impl Method ===

impl Method {
    /// Reads a method's decoded name; unknown names are [`Method::Other`].
    pub fn parse(name: &[u8]) -> Self {
        if let Some(rest) = name.strip_prefix(b"notifications/") {
            return Self::notification(rest);
        }
        match name {
            b"initialize" => Self::Initialize,
            b"server/discover" => Self::ServerDiscover,
            b"ping" => Self::Ping,
            b"tools/list" => Self::ToolsList,
            b"tools/call" => Self::ToolsCall,
            b"prompts/list" => Self::PromptsList,
            b"prompts/get" => Self::PromptsGet,
            b"resources/list" => Self::ResourcesList,
            b"resources/templates/list" => Self::ResourcesTemplatesList,
            b"resources/read" => Self::ResourcesRead,
            b"resources/subscribe" => Self::ResourcesSubscribe,
            b"resources/unsubscribe" => Self::ResourcesUnsubscribe,
            b"subscriptions/listen" => Self::SubscriptionsListen,
            b"completion/complete" => Self::CompletionComplete,
            b"logging/setLevel" => Self::LoggingSetLevel,
            b"roots/list" => Self::RootsList,
            b"sampling/createMessage" => Self::SamplingCreateMessage,
            b"elicitation/create" => Self::ElicitationCreate,
            b"tasks/get" => Self::TasksGet,
            b"tasks/cancel" => Self::TasksCancel,
            b"tasks/result" => Self::TasksResult,
            b"tasks/list" => Self::TasksList,
            b"tasks/update" => Self::TasksUpdate,
            _ => Self::Other,
        }
    }

    fn notification(rest: &[u8]) -> Self {
        match rest {
            b"initialized" => Self::Initialized,
            b"cancelled" => Self::Cancelled,
            b"progress" => Self::Progress,
            b"message" => Self::LogMessage,
            b"tools/list_changed" => Self::ToolsListChanged,
            b"prompts/list_changed" => Self::PromptsListChanged,
            b"resources/list_changed" => Self::ResourcesListChanged,
            b"resources/updated" => Self::ResourcesUpdated,
            b"roots/list_changed" => Self::RootsListChanged,
            b"elicitation/complete" => Self::ElicitationComplete,
            b"tasks/status" => Self::TasksStatus,
            b"tasks" => Self::TasksChanged,
            b"subscriptions/acknowledged" => Self::SubscriptionsAcknowledged,
            _ => Self::Other,
        }
    }

    fn facts(self) -> &'static Facts {
        &FACTS[self as usize]
    }

    /// The wire name; `_OTHER` for an unknown method, as metrics label it.
    pub fn as_str(self) -> &'static str {
        self.facts().name
    }

    /// True for the notifications of the specification (which never get an answer).
    pub fn is_notification(self) -> bool {
        self >= Self::Initialized && self != Self::Other
    }

    /// Whether the method may appear as a message of its own in `revision`. `roots/list`, `sampling/createMessage` and
    /// `elicitation/create` live on in 2026-07-28 only inside `inputRequests`, so not there. Unknown methods: always.
    pub fn exists_in(self, revision: Revision) -> bool {
        self.facts().revisions & (A << revision as u8) != 0
    }

    /// Which parameter names the thing worked on.
    pub fn target(self) -> Target {
        self.facts().target
    }

    /// Every known method, requests first; without [`Method::Other`].
    pub fn all() -> impl Iterator<Item = Self> {
        FACTS.iter().map(|facts| facts.method).filter(|&method| method != Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_in_enum_order_and_every_name_reads_back() {
        for (index, facts) in FACTS.iter().enumerate() {
            assert_eq!(facts.method as usize, index, "{}", facts.name);
            assert_eq!(Method::parse(facts.name.as_bytes()), facts.method);
            assert_eq!(facts.method.is_notification(), facts.name.starts_with("notifications/"));
        }
        assert_eq!(Method::all().count(), 36);
    }

    #[test]
    fn unknown_names_are_other() {
        for name in ["", "tools", "tools/Call", "tools/call ", "notifications/", "notifications/task", "initialize\0"] {
            assert_eq!(Method::parse(name.as_bytes()), Method::Other, "{name:?}");
        }
        assert_eq!(Method::Other.as_str(), "_OTHER");
        assert!(!Method::Other.is_notification());
    }

    #[test]
    fn revisions_follow_the_table() {
        use Revision::*;
        for (method, revisions) in [
            (Method::Initialize, &[V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25][..]),
            (Method::ServerDiscover, &[V2026_07_28]),
            (Method::ToolsCall, Revision::ALL),
            (Method::ElicitationCreate, &[V2025_06_18, V2025_11_25]),
            (Method::TasksGet, &[V2025_11_25, V2026_07_28]),
            (Method::TasksList, &[V2025_11_25]),
            (Method::TasksUpdate, &[V2026_07_28]),
            (Method::RootsList, Revision::LEGACY),
            (Method::Other, Revision::ALL),
        ] {
            for &revision in Revision::ALL {
                assert_eq!(method.exists_in(revision), revisions.contains(&revision), "{method:?} in {revision}");
            }
        }
    }

    #[test]
    fn targets_name_the_right_parameter() {
        assert_eq!(Method::ToolsCall.target(), Target::Name);
        assert_eq!(Method::ResourcesUpdated.target(), Target::Uri);
        assert_eq!(Method::TasksUpdate.target(), Target::TaskId);
        assert_eq!(Method::CompletionComplete.target(), Target::Ref);
        assert_eq!(Method::ToolsList.target(), Target::None);
    }
}
