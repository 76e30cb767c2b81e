//! What a pod found out about backends and routes.
//!
//! The data plane says all that it knows; the stream carries what changed since the last message, in pieces, and
//! nothing of what did not. Called by both ends.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use ringway_snapshot::ObjectName;
use serde::{Deserialize, Serialize};

use crate::key::{Key, Kind};
use crate::limits::{FACTS, FACTS_PER_MESSAGE, LIST_LENGTH, NAME_BYTES, SENTENCE_BYTES, TEXT_BYTES};
use crate::pod::cut;
use crate::wire;

/// Everything that is known. Names and findings are shared: a copy costs little, and so do 200 pods that say the same of
/// 10,000 backends, once equal ones are one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    pub backends: Found<BackendFacts>,
    pub routes: Found<RouteFacts>,
}

/// What was found out, by name.
pub type Found<T> = BTreeMap<Arc<ObjectName>, Arc<T>>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct BackendFacts {
    pub reach: Reach,
    /// CamelCase, when not reached: `Timeout`, `ConnectionRefused`, `Unauthorized`, `TLS`, `DNS`, `ProtocolError`, ...
    pub reason: String,
    pub message: String,
    /// Newest first.
    pub protocol_versions: Vec<String>,
    pub server_name: String,
    pub server_version: String,
    /// `None`: not known.
    pub tools: Option<u32>,
    pub prompts: Option<u32>,
    pub resources: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct RouteFacts {
    pub tools: Option<u32>,
    /// Visible names that more than one section claims; the first [`LIST_LENGTH`].
    pub clashes: Vec<String>,
}

/// Whether a backend answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Reach {
    /// Not tried yet.
    #[default]
    Unknown,
    Reached,
    Failed,
}

// === impl Facts ===

impl Facts {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.backends.is_empty() && self.routes.is_empty()
    }

    /// What is here and not so in `said`.
    #[must_use]
    pub fn since(&self, said: &Self) -> Self {
        Self { backends: changed(&self.backends, &said.backends), routes: changed(&self.routes, &said.routes) }
    }

    /// What is in `said` and no longer known.
    pub fn forgotten<'a>(&'a self, said: &'a Self) -> impl Iterator<Item = Key> + 'a {
        let backends = missing(&self.backends, &said.backends);
        let routes = missing(&self.routes, &said.routes);
        backends.map(|name| Key::new(Kind::Backend, name)).chain(routes.map(|name| Key::new(Kind::Route, name)))
    }

    /// Drops what is not in `known`.
    pub fn keep_only(&mut self, known: &Self) {
        self.backends.retain(|name, _| known.backends.contains_key(name));
        self.routes.retain(|name, _| known.routes.contains_key(name));
    }

    /// Takes in a later message of the same pod. Of backends and routes beyond [`FACTS`] nothing is kept.
    pub fn merge(&mut self, later: Self) {
        merge(&mut self.backends, later.backends);
        merge(&mut self.routes, later.routes);
    }

    /// Drops what is said of `key`. False: nothing was.
    pub fn forget(&mut self, key: &Key) -> bool {
        let Some((namespace, name)) = key.name.split_once('/') else { return false };
        let name = ObjectName::new(namespace, name);
        match key.kind {
            Kind::Listener => false,
            Kind::Backend => self.backends.remove(&name).is_some(),
            Kind::Route => self.routes.remove(&name).is_some(),
        }
    }

    /// In pieces that each fit into a message.
    pub fn into_pieces(self) -> impl Iterator<Item = Self> + Send {
        let (mut backends, mut routes) = (self.backends.into_iter(), self.routes.into_iter());
        std::iter::from_fn(move || {
            let backends: Found<_> = backends.by_ref().take(FACTS_PER_MESSAGE).collect();
            let room = FACTS_PER_MESSAGE - backends.len();
            let piece = Self { backends, routes: routes.by_ref().take(room).collect() };
            (!piece.is_empty()).then_some(piece)
        })
    }

    /// As one message; of [a piece](Self::into_pieces).
    #[must_use]
    pub fn to_wire(&self) -> wire::Facts {
        wire::Facts {
            backends: self.backends.iter().map(|(name, facts)| facts.to_wire(name)).collect(),
            routes: self.routes.iter().map(|(name, facts)| facts.to_wire(name)).collect(),
        }
    }

    /// Reads a message, with every text and list cut to its bound; what has no usable name is left out.
    #[must_use]
    pub fn from_wire(facts: wire::Facts) -> Self {
        let backends = facts.backends.into_iter().take(FACTS);
        let routes = facts.routes.into_iter().take(FACTS);
        Self {
            backends: backends
                .filter_map(|facts| Some((name(&facts.name)?, BackendFacts::from_wire(facts).into())))
                .collect(),
            routes: routes
                .filter_map(|facts| Some((name(&facts.name)?, RouteFacts::from_wire(facts).into())))
                .collect(),
        }
    }
}

/// One walk along both; what is shared is equal without a look at it.
fn changed<T: Eq>(now: &Found<T>, said: &Found<T>) -> Found<T> {
    let mut said = said.iter().peekable();
    let new = now.iter().filter(|(name, facts)| {
        while said.next_if(|(said, _)| order(said, name).is_lt()).is_some() {}
        said.next_if(|(said, _)| order(said, name).is_eq()).is_none_or(|(_, said)| said != *facts)
    });
    new.map(|(name, facts)| (Arc::clone(name), Arc::clone(facts))).collect()
}

/// The names of `said` that are not in `now`.
fn missing<'a, T>(now: &'a Found<T>, said: &'a Found<T>) -> impl Iterator<Item = &'a Arc<ObjectName>> {
    let mut now = now.keys().peekable();
    said.keys().filter(move |name| {
        while now.next_if(|now| order(now, name).is_lt()).is_some() {}
        now.next_if(|now| order(now, name).is_eq()).is_none()
    })
}

fn order(one: &Arc<ObjectName>, other: &Arc<ObjectName>) -> Ordering {
    if Arc::ptr_eq(one, other) { Ordering::Equal } else { one.cmp(other) }
}

fn merge<T>(known: &mut Found<T>, later: Found<T>) {
    for (name, facts) in later {
        if known.len() < FACTS || known.contains_key(&name) {
            known.insert(name, facts);
        }
    }
}

fn name(text: &str) -> Option<Arc<ObjectName>> {
    let (namespace, name) = text.split_once('/').filter(|_| text.len() <= NAME_BYTES)?;
    Some(Arc::new(ObjectName::new(namespace, name)))
}

fn cut_list(list: Vec<String>) -> Vec<String> {
    list.into_iter().take(LIST_LENGTH).map(|text| cut(text, TEXT_BYTES)).collect()
}

// === impl BackendFacts ===

impl BackendFacts {
    /// As it comes to the other end: every text and list cut to its bound.
    #[must_use]
    pub fn bounded(self) -> Self {
        Self {
            reason: cut(self.reason, TEXT_BYTES),
            message: cut(self.message, SENTENCE_BYTES),
            protocol_versions: cut_list(self.protocol_versions),
            server_name: cut(self.server_name, TEXT_BYTES),
            server_version: cut(self.server_version, TEXT_BYTES),
            ..self
        }
    }

    fn to_wire(&self, name: &ObjectName) -> wire::BackendFacts {
        let facts = self.clone().bounded();
        wire::BackendFacts {
            name: name.to_string(),
            reach: facts.reach.to_wire(),
            reason: facts.reason,
            message: facts.message,
            protocol_versions: facts.protocol_versions,
            server_name: facts.server_name,
            server_version: facts.server_version,
            tools: facts.tools,
            prompts: facts.prompts,
            resources: facts.resources,
        }
    }

    fn from_wire(facts: wire::BackendFacts) -> Self {
        let read = Self {
            reach: Reach::from_wire(facts.reach),
            reason: facts.reason,
            message: facts.message,
            protocol_versions: facts.protocol_versions,
            server_name: facts.server_name,
            server_version: facts.server_version,
            tools: facts.tools,
            prompts: facts.prompts,
            resources: facts.resources,
        };
        read.bounded()
    }
}

// === impl RouteFacts ===

impl RouteFacts {
    /// As [`BackendFacts::bounded`].
    #[must_use]
    pub fn bounded(self) -> Self {
        Self { clashes: cut_list(self.clashes), ..self }
    }

    fn to_wire(&self, name: &ObjectName) -> wire::RouteFacts {
        wire::RouteFacts { name: name.to_string(), tools: self.tools, clashes: cut_list(self.clashes.clone()) }
    }

    fn from_wire(facts: wire::RouteFacts) -> Self {
        Self { tools: facts.tools, clashes: cut_list(facts.clashes) }
    }
}

// === impl Reach ===

impl Reach {
    const fn to_wire(self) -> i32 {
        match self {
            Self::Unknown => wire::Reach::Unspecified as i32,
            Self::Reached => wire::Reach::Reached as i32,
            Self::Failed => wire::Reach::Failed as i32,
        }
    }

    fn from_wire(reach: i32) -> Self {
        match wire::Reach::try_from(reach) {
            Ok(wire::Reach::Reached) => Self::Reached,
            Ok(wire::Reach::Failed) => Self::Failed,
            Ok(wire::Reach::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}
