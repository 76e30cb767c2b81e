//! The status of each kind: what the operator writes, and users and tools read.
//!
//! Shapes and bounds only. Who writes must keep to the bounds: the API server refuses a status that does not, whole.

mod condition;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{at_least, keyed, list, range, text, texts};

pub use condition::{Condition, ConditionStatus};

/// The most parents that a route's status holds.
pub const MAX_PARENTS: usize = 32;
/// The most ancestors that a policy's status holds (Gateway API).
pub const MAX_ANCESTORS: usize = 16;
/// The most operations that a bridge's status names.
pub const MAX_SKIPPED: usize = 32;
/// The most characters of a name that a server gave itself; longer ones are cut.
pub const MAX_FOUND: usize = 256;

/// Of an MCPBackend.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPBackendStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed, Ready, Reachable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    /// The revisions of MCP that the server speaks, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = texts(0, 16, text::found))]
    pub protocol_versions: Vec<String>,
    /// What the server calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub tools: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub prompts: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub resources: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ServerInfo {
    #[schemars(transform = text::found)]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = text::found)]
    pub version: Option<String>,
}

/// Pods behind the Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Endpoints {
    #[schemars(transform = at_least(0))]
    pub ready: u32,
    #[schemars(transform = at_least(0))]
    pub total: u32,
}

/// Of an MCPRoute.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPRouteStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// One for each parentRef; without any one for the install's default listener.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list(0, 32))]
    pub parents: Vec<ParentStatus>,
    /// Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    /// Where clients reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = text::url)]
    pub url: Option<String>,
    /// Served ones, those that `backendSelector` found included.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub backends: Option<u32>,
    /// Before policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub tools: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    pub parent_ref: StatusRef,
    #[schemars(transform = text::controller)]
    pub controller_name: String,
    /// Accepted, ResolvedRefs, Programmed.
    #[serde(default)]
    #[schemars(transform = keyed("type", 0, 8))]
    pub conditions: Vec<Condition>,
}

/// As Gateway API writes references in a status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusRef {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = text::group)]
    pub group: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = text::kind)]
    pub kind: Option<String>,
    #[schemars(transform = text::object_name)]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = text::object_name)]
    pub section_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = range(1, 65_535))]
    pub port: Option<u16>,
}

/// Of a ToolPolicy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolPolicyStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// One for each targetRef (Gateway API's PolicyStatus).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list(0, 16))]
    pub ancestors: Vec<AncestorStatus>,
    /// Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    /// Those in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub rules: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AncestorStatus {
    pub ancestor_ref: StatusRef,
    #[schemars(transform = text::controller)]
    pub controller_name: String,
    /// Accepted, ResolvedRefs, Programmed.
    #[serde(default)]
    #[schemars(transform = keyed("type", 0, 8))]
    pub conditions: Vec<Condition>,
}

/// Of a RESTBridge.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RESTBridgeStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed, Ready, Reachable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub tools: Option<u32>,
    /// Operations that could not become a tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = at_least(0))]
    pub skipped: Option<u32>,
    /// The first of them; all: `ringway openapi preview`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = list(0, 32))]
    pub skipped_operations: Vec<SkippedOperation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SkippedOperation {
    /// Method and path.
    #[schemars(transform = text::operation)]
    pub operation: String,
    #[schemars(transform = text::reason)]
    pub reason: String,
    #[schemars(transform = text::sentence)]
    pub message: String,
}
