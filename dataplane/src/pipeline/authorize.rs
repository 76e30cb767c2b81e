//! The sixth stage: may this caller do this? Only here is a [`Permit`] made, and only with one can a message go on.
//!
//! Routes of this version are open (`authorization: Open`, written out), so every known method is permitted in the
//! era it exists in. Pure.

use ringway_mcp::scan::Kind;
use ringway_mcp::{Method, Revision};

use super::identify::Caller;
use super::parse::Message;
use super::route::LiveRoute;
use super::session::Scope;
use crate::fault::{Fault, Reason};

/// A message that may be forwarded, in whose name, by whom.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(crate) caller: Caller,
    pub(crate) scope: Scope,
    pub(crate) message: Message,
    /// Nobody else makes one.
    _made_here: (),
}

/// Decides.
///
/// # Errors
/// A method that does not exist in the message's era.
pub(crate) fn decide(_route: &LiveRoute, caller: Caller, scope: Scope, message: Message) -> Result<Permit, Fault> {
    let known = match (&scope, message.kind) {
        (_, Kind::Response) => true,
        // Unknown notifications are taken and dropped: they never have an answer.
        (_, Kind::Notification) => true,
        (Scope::Modern(modern), Kind::Request) => serves(message.method, modern.revision),
        (Scope::Session(session), Kind::Request) => serves(message.method, session.revision),
        (Scope::Handshake, Kind::Request) => true,
    };
    if !known {
        return Err(Fault::client(Reason::Method, "Method not found"));
    }
    Ok(Permit { caller, scope, message, _made_here: () })
}

/// The requests of clients that this version answers. Tasks are not announced, so they do not exist here.
fn serves(method: Method, revision: Revision) -> bool {
    let served = matches!(
        method,
        Method::Initialize
            | Method::ServerDiscover
            | Method::Ping
            | Method::ToolsList
            | Method::ToolsCall
            | Method::PromptsList
            | Method::PromptsGet
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::ResourcesRead
            | Method::ResourcesSubscribe
            | Method::ResourcesUnsubscribe
            | Method::SubscriptionsListen
            | Method::CompletionComplete
            | Method::LoggingSetLevel
    );
    served && method.exists_in(revision)
}
