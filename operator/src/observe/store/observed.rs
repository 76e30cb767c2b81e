//! A view of everything observed, as it was at one moment.
//!
//! Made by the store, which alone changes it; read by `reconcile` and `status`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ringway_config_stream::limits::NARROW_CURSORS;
use ringway_config_stream::{Cursor, Position};
use ringway_snapshot::ObjectName;
use ringway_translate::Unread;

use super::{Entry, Kind, Scope};

/// A view of everything; cheap to clone, never changes.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    pub(super) objects: BTreeMap<Kind, Arc<BTreeMap<ObjectName, Arc<Entry>>>>,
    /// Of a narrow kind one for each namespace that is watched.
    pub(super) cursors: BTreeMap<Scope, Cursor>,
    /// Where Secrets or ConfigMaps are named and may not be read.
    pub forbidden: BTreeSet<Scope>,
    /// Where they are named and are not read, since there are too many such namespaces.
    pub beyond: BTreeSet<Scope>,
}

// === impl Observed ===

impl Observed {
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = (&ObjectName, &Arc<Entry>)> {
        self.objects.get(&kind).into_iter().flat_map(|objects| objects.iter())
    }

    #[must_use]
    pub fn find(&self, kind: Kind, name: &ObjectName) -> Option<&Arc<Entry>> {
        self.objects.get(&kind)?.get(name)
    }

    /// How far each kind was seen. Nothing is said of a namespace that may not be read.
    #[must_use]
    pub fn position(&self) -> Position {
        let known = self.cursors.iter().filter(|(scope, cursor)| {
            !self.forbidden.contains(scope) || cursor.revision > 0 || cursor.fingerprint != 0
        });
        Position(known.map(|(scope, cursor)| (scope.cursor(), *cursor)).collect())
    }

    /// Namespaces whose Secrets or ConfigMaps are not all here, and why.
    pub fn unread(&self) -> impl Iterator<Item = (&Scope, Unread)> {
        let forbidden = self.forbidden.iter().map(|scope| (scope, Unread::Forbidden));
        forbidden.chain(self.beyond.iter().map(|scope| (scope, Unread::Limit(NARROW_CURSORS))))
    }

    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.objects.get(&kind).map_or(0, |objects| objects.len())
    }
}
