//! What the data plane tells of itself to those who configure it: what it could not use, and what it found out.
//!
//! Plain data. Made by `routes` and `probe`, handed out by `app`, sent by the config stream's client.

use std::collections::BTreeMap;

use ringway_snapshot::{ListenerName, ObjectName};
use serde::Serialize;

/// One object of a snapshot that cannot be used. Its last good form is served on, if there was one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejection {
    pub resource: Resource,
    /// A sentence for the status of the object: no secret is in it.
    pub reason: String,
}

/// An object of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Resource {
    Listener(ListenerName),
    Backend(ObjectName),
    Route(ObjectName),
}

/// All that is known now.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Facts {
    pub backends: BTreeMap<ObjectName, BackendFacts>,
    pub routes: BTreeMap<ObjectName, RouteFacts>,
}

/// One backend as this process met it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct BackendFacts {
    pub reach: Reach,
    /// Newest first.
    pub protocol_versions: Vec<String>,
    pub server_name: Option<String>,
    pub server_version: Option<String>,
    /// `None`: not known.
    pub tools: Option<u32>,
    pub prompts: Option<u32>,
    pub resources: Option<u32>,
}

/// Was the server met?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub enum Reach {
    /// Nobody tried yet.
    #[default]
    Unknown,
    Reached,
    Failed {
        /// CamelCase: the reason of a condition.
        reason: &'static str,
        message: String,
    },
}

/// One route as its backends fill it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct RouteFacts {
    /// Visible tools; `None`: some backend's are not known.
    pub tools: Option<u32>,
    /// Visible names that more than one section claims; the first [`RouteFacts::CLASHES`].
    pub clashes: Vec<String>,
}

// === impl RouteFacts ===

impl RouteFacts {
    /// Clashes that are named: enough to act on, and bounded in a status.
    pub const CLASHES: usize = 16;
}
