//! The status of each kind: what the operator writes, and users and tools read.
//!
//! Shapes and bounds only: these types become the schemas, and hold no value. Who writes must keep to the bounds: the
//! API server refuses a status that does not, whole.

mod condition;

use schemars::JsonSchema;

use crate::schema::{at_least, keyed, list, range, text, texts};

pub use crate::schema::text::FOUND_CHARACTERS;
pub use condition::{Condition, ConditionStatus};

/// Revisions of MCP, more than there are.
pub const MOST_VERSIONS: u32 = 16;

/// Of an MCPBackend.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPBackendStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed, Ready, Reachable.
    #[serde(default)]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    /// The revisions of MCP that the server speaks, newest first.
    #[serde(default)]
    #[schemars(transform = texts(0, MOST_VERSIONS, text::found))]
    pub protocol_versions: Vec<String>,
    /// What the server calls itself.
    pub server: Option<ServerInfo>,
    #[schemars(transform = at_least(0))]
    pub tools: Option<u32>,
    #[schemars(transform = at_least(0))]
    pub prompts: Option<u32>,
    #[schemars(transform = at_least(0))]
    pub resources: Option<u32>,
    pub endpoints: Option<Endpoints>,
}

#[derive(Debug, JsonSchema)]
pub struct ServerInfo {
    #[schemars(transform = text::found)]
    pub name: String,
    #[schemars(transform = text::found)]
    pub version: Option<String>,
}

/// Pods behind the Service.
#[derive(Debug, JsonSchema)]
pub struct Endpoints {
    #[schemars(transform = at_least(0))]
    pub ready: u32,
    #[schemars(transform = at_least(0))]
    pub total: u32,
}

/// Of an MCPRoute.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MCPRouteStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// One for each parentRef; without any one for the install's default listener.
    #[serde(default)]
    #[schemars(transform = list(0, 32))]
    pub parents: Vec<ParentStatus>,
    /// Ready.
    #[serde(default)]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    /// Where clients reach it.
    #[schemars(transform = text::url)]
    pub url: Option<String>,
    /// Served ones, those that `backendSelector` found included.
    #[schemars(transform = at_least(0))]
    pub backends: Option<u32>,
    /// Before policy.
    #[schemars(transform = at_least(0))]
    pub tools: Option<u32>,
}

#[derive(Debug, JsonSchema)]
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
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusRef {
    #[schemars(transform = text::group)]
    pub group: Option<String>,
    #[schemars(transform = text::kind)]
    pub kind: Option<String>,
    #[schemars(transform = text::object_name)]
    pub name: String,
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    #[schemars(transform = text::object_name)]
    pub section_name: Option<String>,
    #[schemars(transform = range(1, 65_535))]
    pub port: Option<u16>,
}

/// Of a ToolPolicy.
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ToolPolicyStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// One for each targetRef (Gateway API's PolicyStatus).
    #[serde(default)]
    #[schemars(transform = list(0, 16))]
    pub ancestors: Vec<AncestorStatus>,
    /// Ready.
    #[serde(default)]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    /// Those in force.
    #[schemars(transform = at_least(0))]
    pub rules: Option<u32>,
}

#[derive(Debug, JsonSchema)]
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
#[derive(Debug, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RESTBridgeStatus {
    /// The generation that the conditions are about; -1 before the first.
    #[schemars(transform = at_least(-1))]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Programmed, Ready, Reachable.
    #[serde(default)]
    #[schemars(transform = keyed("type", 0, 16))]
    pub conditions: Vec<Condition>,
    pub endpoints: Option<Endpoints>,
    #[schemars(transform = at_least(0))]
    pub tools: Option<u32>,
    /// Operations that could not become a tool.
    #[schemars(transform = at_least(0))]
    pub skipped: Option<u32>,
    /// The first of them; all: `ringway openapi preview`.
    #[serde(default)]
    #[schemars(transform = list(0, 32))]
    pub skipped_operations: Vec<SkippedOperation>,
}

#[derive(Debug, JsonSchema)]
pub struct SkippedOperation {
    /// Method and path.
    #[schemars(transform = text::operation)]
    pub operation: String,
    #[schemars(transform = text::reason)]
    pub reason: String,
    #[schemars(transform = text::sentence)]
    pub message: String,
}
