//! The second stage: host and path → route. Sync.

use std::sync::Arc;

use super::admit::Inbound;
use crate::fault::{Fault, Reason};
pub(crate) use crate::routes::LiveRoute;
use crate::routes::RouteTable;

/// Finds the route of a request.
///
/// # Errors
/// No route at this host and path: 404, cheap, for the clients that probe well-known paths first.
pub(crate) fn select(routes: &RouteTable, inbound: &Inbound<'_>) -> Result<Arc<LiveRoute>, Fault> {
    routes
        .find(&inbound.host, inbound.path)
        .cloned()
        .ok_or_else(|| Fault::client(Reason::NoRoute, "No MCP endpoint at this URL"))
}
