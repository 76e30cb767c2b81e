//! Every name that a span may carry. Source: OpenTelemetry semantic conventions for MCP, 1.41 (the last release with
//! them in the main repository), GenAI and HTTP; `ringway.*` are our own.
//!
//! A renamed attribute breaks dashboards, so a test pins them.

/// The conventions that the names follow.
pub(super) const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.41.0";
/// Instrumentation scope.
pub(super) const SCOPE: &str = "ringway";

pub(super) const MCP_METHOD_NAME: &str = "mcp.method.name";
pub(super) const MCP_PROTOCOL_VERSION: &str = "mcp.protocol.version";
pub(super) const MCP_RESOURCE_URI: &str = "mcp.resource.uri";
/// A keyed hash: the id itself is a secret.
pub(super) const MCP_SESSION_ID: &str = "mcp.session.id";
pub(super) const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";
pub(super) const GEN_AI_PROMPT_NAME: &str = "gen_ai.prompt.name";
pub(super) const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
/// The operation of a tool call; other messages have none.
pub(super) const EXECUTE_TOOL: &str = "execute_tool";
pub(super) const JSONRPC_REQUEST_ID: &str = "jsonrpc.request.id";
pub(super) const RPC_STATUS_CODE: &str = "rpc.response.status_code";
pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const NETWORK_TRANSPORT: &str = "network.transport";
pub(super) const NETWORK_PROTOCOL_NAME: &str = "network.protocol.name";
pub(super) const NETWORK_PROTOCOL_VERSION: &str = "network.protocol.version";
pub(super) const SERVER_ADDRESS: &str = "server.address";
pub(super) const SERVER_PORT: &str = "server.port";
pub(super) const CLIENT_ADDRESS: &str = "client.address";
pub(super) const CLIENT_PORT: &str = "client.port";
/// Of a GET or DELETE, which carry no message.
pub(super) const HTTP_REQUEST_METHOD: &str = "http.request.method";
pub(super) const HTTP_STATUS_CODE: &str = "http.response.status_code";
pub(super) const ROUTE: &str = "ringway.route";
pub(super) const BACKEND: &str = "ringway.backend";
pub(super) const OUTCOME: &str = "ringway.outcome";
pub(super) const REASON: &str = "ringway.reason";
pub(super) const CLIENT_NAME: &str = "ringway.client.name";
/// Which of a message's attempts, from 1.
pub(super) const ATTEMPT: &str = "ringway.attempt";

#[cfg(test)]
pub(super) const ALL: &[&str] = &[
    MCP_METHOD_NAME,
    MCP_PROTOCOL_VERSION,
    MCP_RESOURCE_URI,
    MCP_SESSION_ID,
    GEN_AI_TOOL_NAME,
    GEN_AI_PROMPT_NAME,
    GEN_AI_OPERATION_NAME,
    JSONRPC_REQUEST_ID,
    RPC_STATUS_CODE,
    ERROR_TYPE,
    NETWORK_TRANSPORT,
    NETWORK_PROTOCOL_NAME,
    NETWORK_PROTOCOL_VERSION,
    SERVER_ADDRESS,
    SERVER_PORT,
    CLIENT_ADDRESS,
    CLIENT_PORT,
    HTTP_REQUEST_METHOD,
    HTTP_STATUS_CODE,
    ROUTE,
    BACKEND,
    OUTCOME,
    REASON,
    CLIENT_NAME,
    ATTEMPT,
];

#[test]
fn names_stay() {
    let pinned = "mcp.method.name mcp.protocol.version mcp.resource.uri mcp.session.id gen_ai.tool.name \
        gen_ai.prompt.name gen_ai.operation.name jsonrpc.request.id rpc.response.status_code error.type \
        network.transport network.protocol.name network.protocol.version server.address server.port client.address \
        client.port http.request.method http.response.status_code ringway.route ringway.backend ringway.outcome \
        ringway.reason ringway.client.name ringway.attempt";
    assert_eq!(ALL.join(" "), pinned);
    assert_eq!((SCHEMA_URL, EXECUTE_TOOL), ("https://opentelemetry.io/schemas/1.41.0", "execute_tool"));
}
