//! A compiled route together with the running side of its backends.

use std::sync::Arc;

use super::Server;
use crate::state::route::CompiledRoute;

/// What a request meets: the route's rules and, by section index, the servers behind it.
#[derive(Debug)]
pub struct LiveRoute {
    /// The rules.
    pub compiled: CompiledRoute,
    /// One per section, in the order of the sections.
    pub servers: Vec<Arc<Server>>,
}
