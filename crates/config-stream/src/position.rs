//! How far a replica has seen each kind of source object, and whether that is behind what a pod serves.
//!
//! Two replicas watch the same API server at their own pace. A resourceVersion orders what they saw of one kind
//! (KEP-5504: comparable within one storage), but a replica that saw nothing happen since its start may know a smaller
//! number for the very same set of objects: so equal fingerprints are equal, whatever the numbers say.
//!
//! Secrets and ConfigMaps are watched in each namespace by itself, and one of these watches may lag behind another: they
//! have a cursor for each namespace. Which namespaces there are follows from the objects of the other kinds.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::limits::{CURSORS, TEXT_BYTES};
use crate::wire;

/// A cursor for each kind of source object (`MCPRoute`, `Service`, ...), or for each of its namespaces (`Secret/tools`).
/// What is not there has no objects and was never seen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Position(pub BTreeMap<String, Cursor>);

/// One kind, as far as it was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cursor {
    /// The greatest resourceVersion seen where something counted in the fingerprint changed, or of a list.
    pub revision: u64,
    /// Of the set of objects: equal sets, equal fingerprint, on every replica. Of no objects: 0.
    pub fingerprint: u64,
}

/// What one position is beside another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Every cursor has the same objects.
    Same,
    /// No cursor is behind and at least one has other objects.
    NotOlder,
    /// The cursors of these names are behind.
    Older(Vec<String>),
}

/// More kinds than there can be, or a kind without a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a position")]
pub struct PositionError;

// === impl Position ===

impl Position {
    /// What this position is for somebody who stands at `held`.
    #[must_use]
    pub fn compared_to(&self, held: &Self) -> Comparison {
        self.compared(held, |_| true)
    }

    /// What this position is for somebody who stands at `held` and is to take what it stands for.
    ///
    /// A namespace without a cursor is one where the replica has nothing to read, by what it saw of the other kinds: if
    /// that is not older, neither is its silence.
    #[must_use]
    pub fn offered_to(&self, held: &Self) -> Comparison {
        self.compared(held, |missing| !is_narrow(missing))
    }

    fn compared(&self, held: &Self, counts_if_missing: impl Fn(&str) -> bool) -> Comparison {
        let missing = held.0.keys().filter(|kind| !self.0.contains_key(*kind) && counts_if_missing(kind));
        let kinds = self.0.keys().chain(missing);
        let (mut differs, mut older) = (false, Vec::new());
        for kind in kinds {
            let (this, held) = (self.cursor(kind), held.cursor(kind));
            differs |= this.fingerprint != held.fingerprint;
            if !this.is_not_older_than(held) {
                older.push(kind.clone());
            }
        }
        match (differs, older.is_empty()) {
            (_, false) => Comparison::Older(older),
            (true, true) => Comparison::NotOlder,
            (false, true) => Comparison::Same,
        }
    }

    /// Where somebody stands who stood at `held` and takes what this position stands for.
    ///
    /// Of a kind with the same objects the greater revision is kept: they are known to be current up to there, and
    /// what a third replica saw before must not pass for newer. A namespace without a cursor is remembered without
    /// objects for the same reason, as far as there is room.
    #[must_use]
    pub fn taken_by(&self, held: &Self) -> Self {
        let advance = |(kind, this): (&String, &Cursor)| {
            let held = held.cursor(kind);
            let is_same = this.fingerprint == held.fingerprint;
            let revision = if is_same { this.revision.max(held.revision) } else { this.revision };
            (kind.clone(), Cursor { revision, ..*this })
        };
        let mut taken: BTreeMap<_, _> = self.0.iter().map(advance).collect();
        let left = held.0.iter().filter(|(kind, _)| is_narrow(kind) && !self.0.contains_key(*kind));
        let room = CURSORS.saturating_sub(taken.len());
        taken.extend(left.take(room).map(|(kind, held)| (kind.clone(), Cursor { fingerprint: 0, ..*held })));
        Self(taken)
    }

    fn cursor(&self, kind: &str) -> Cursor {
        self.0.get(kind).copied().unwrap_or_default()
    }

    #[must_use]
    pub fn to_wire(&self) -> wire::Position {
        let cursor = |(kind, cursor): (&String, &Cursor)| wire::Cursor {
            kind: kind.clone(),
            revision: cursor.revision,
            fingerprint: cursor.fingerprint,
        };
        wire::Position { cursors: self.0.iter().map(cursor).collect() }
    }

    /// # Errors
    /// [`PositionError`].
    pub fn from_wire(position: wire::Position) -> Result<Self, PositionError> {
        if position.cursors.len() > CURSORS {
            return Err(PositionError);
        }
        let cursor = |cursor: wire::Cursor| {
            let is_kind = !cursor.kind.is_empty() && cursor.kind.len() <= TEXT_BYTES;
            let value = Cursor { revision: cursor.revision, fingerprint: cursor.fingerprint };
            is_kind.then_some((cursor.kind, value)).ok_or(PositionError)
        };
        position.cursors.into_iter().map(cursor).collect::<Result<_, _>>().map(Self)
    }
}

/// Of one namespace of a kind.
fn is_narrow(name: &str) -> bool {
    name.contains('/')
}

// === impl Cursor ===

impl Cursor {
    /// The same objects, or seen at least as far.
    #[must_use]
    pub const fn is_not_older_than(self, held: Self) -> bool {
        self.fingerprint == held.fingerprint || self.revision >= held.revision
    }
}
