//! Waiting for changes of merged lists: for legacy GET streams and modern `subscriptions/listen`.

use std::time::Duration;

use ringway_mcp::Method;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::list::ListKind;
use super::view::Versions;

/// A subscription to one view. While it lives, the view and its connections are in use.
#[derive(Debug)]
pub struct Changes {
    versions: Option<watch::Receiver<Versions>>,
    seen: Versions,
    last: Option<Instant>,
    coalesce: Duration,
}

/// A set of lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KindSet(u8);

// === impl Changes ===

impl Changes {
    pub(super) fn new(mut versions: watch::Receiver<Versions>, coalesce: Duration) -> Self {
        let seen = *versions.borrow_and_update();
        Self { versions: Some(versions), seen, last: None, coalesce }
    }

    /// Of a view that does not exist: ends at once.
    pub(super) fn ended() -> Self {
        Self { versions: None, seen: Versions::default(), last: None, coalesce: Duration::ZERO }
    }

    /// The lists that changed since the last call, at most once per second; never an empty set. `None`: the route is
    /// gone, there will be no more. Cancel safe: what was not returned is returned next time.
    pub async fn next(&mut self) -> Option<KindSet> {
        let versions = self.versions.as_mut()?;
        loop {
            versions.wait_for(|now| *now != self.seen).await.ok()?;
            if let Some(last) = self.last {
                sleep_until(last + self.coalesce).await;
            }
            let now = *versions.borrow_and_update();
            let changed = KindSet::between(&self.seen, &now);
            self.seen = now;
            if !changed.is_empty() {
                self.last = Some(Instant::now());
                return Some(changed);
            }
        }
    }
}

// === impl KindSet ===

impl KindSet {
    #[must_use]
    pub const fn with(self, kind: ListKind) -> Self {
        Self(self.0 | 1 << kind.slot())
    }

    #[must_use]
    pub const fn without(self, kind: ListKind) -> Self {
        Self(self.0 & !(1 << kind.slot()))
    }

    #[must_use]
    pub const fn contains(self, kind: ListKind) -> bool {
        self.0 & (1 << kind.slot()) != 0
    }

    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn iter(self) -> impl Iterator<Item = ListKind> {
        ListKind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }

    /// The lists that a notification says have changed.
    pub(super) fn announced(method: Option<Method>) -> Self {
        match method {
            Some(Method::ToolsListChanged) => Self::default().with(ListKind::Tools),
            Some(Method::PromptsListChanged) => Self::default().with(ListKind::Prompts),
            Some(Method::ResourcesListChanged) => Self::default().with(ListKind::Templates).with(ListKind::Resources),
            _ => Self::default(),
        }
    }

    pub(super) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    fn between(old: &Versions, new: &Versions) -> Self {
        ListKind::ALL
            .into_iter()
            .filter(|kind| old.get(kind.slot()) != new.get(kind.slot()))
            .fold(Self::default(), Self::with)
    }
}

impl FromIterator<ListKind> for KindSet {
    fn from_iter<I: IntoIterator<Item = ListKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}
