//! The second stage: host and path → route. Sync.

use std::sync::Arc;

use super::admit::Inbound;
use crate::fault::{Fault, Reason};
pub(crate) use crate::routes::LiveRoute;
use crate::routes::{Door, Miss, RouteTable};

/// Finds the route of a request.
///
/// # Errors
/// No route at this host and path: 404, cheap, for the clients that probe well-known paths first. A host whose listener
/// is not the one that the connection's handshake met: 421.
pub(crate) fn select(routes: &RouteTable, door: Door, inbound: &Inbound<'_>) -> Result<Arc<LiveRoute>, Fault> {
    routes.find(door, &inbound.host, inbound.path).cloned().map_err(|miss| match miss {
        Miss::Nothing => Fault::client(Reason::NoRoute, "No MCP endpoint at this URL"),
        Miss::Misdirected => Fault::client(Reason::Misdirected, "This host needs a connection of its own"),
    })
}
