//! The third stage: who calls. Routes of this version are anonymous, so everybody is the one anonymous principal.
//!
//! A credential that a client shows all the same is neither judged nor passed on.

use super::admit::Inbound;
use super::route::LiveRoute;

/// The caller of a request.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Bound into sealed ids: issuer and subject, never a token. Empty: anonymous.
    pub(crate) principal: String,
}

pub(crate) fn caller(_route: &LiveRoute, _inbound: &Inbound<'_>) -> Caller {
    Caller { principal: String::new() }
}
