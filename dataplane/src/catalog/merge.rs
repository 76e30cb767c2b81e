//! Many backends' lists as one: order, clashes, what is missing. The result is cut into pages by `page`.
//!
//! Pure; takes milliseconds for large lists, so it runs on the catalogue thread. Order is the route's, then each
//! server's own. A visible name that two sections claim is served by neither and reported.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use ringway_mcp::headers::ParamHeader;
use ringway_snapshot::{BackendKey, OnBackendFailure};
use xxhash_rust::xxh3::Xxh3;

use super::item::{Shown, Visible, show};
use super::limits::Limits;
use super::list::{BackendList, DropReason, Dropped, ListKind};
use super::page::{Boundaries, Page, Tail, paginate};
use crate::state::route::CompiledRoute;

/// What one section brings to a merged list.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    /// `None`: the server has no such list, or it was never read.
    pub list: Option<Arc<BackendList>>,
    /// The server should have answered and did not: what is shown of it is old or nothing.
    pub missing: bool,
    /// The backend's `cacheScope` is believed.
    pub trust_scope: bool,
    /// A change is announced to us, so its `ttlMs` holds for what we keep.
    pub watched: bool,
}

/// Under which terms lists are merged.
pub(super) struct Terms<'a> {
    pub(super) modern: bool,
    pub(super) limits: &'a Limits,
    /// The text of a cursor behind a backend's item; `None` when it cannot be sealed.
    pub(super) seal: &'a dyn Fn(BackendKey, &str) -> Option<String>,
}

/// A merged list of one route for one viewer, ready to be sent page by page.
#[derive(Debug)]
pub(super) struct Merged {
    pub kind: ListKind,
    pub pages: Vec<Page>,
    /// Visible items, in order.
    pub slots: Vec<Slot>,
    /// By section index: the backend and its list, for resuming.
    pub sources: Vec<(BackendKey, Option<Arc<BackendList>>)>,
    /// Where a cursor's name stood that is gone from its list.
    pub boundaries: Boundaries,
    /// Section names whose server did not answer.
    pub missing: Vec<Box<str>>,
    /// Section names whose list a limit cut.
    pub cut: Vec<Box<str>>,
    pub conflicts: Vec<Conflict>,
    /// Left out for a reason, by section name.
    pub dropped: Vec<(Box<str>, Dropped)>,
    /// The first missing section of a route that wants all or nothing.
    pub failed: Option<Box<str>>,
    /// Over what clients see: equal lists, equal hash.
    pub hash: u64,
    /// Annotated tools.
    pub params: Params,
    names: HashMap<Box<str>, Owner, RandomState>,
}

/// `x-mcp-header` annotations by backend and own tool name.
pub(super) type Params = HashMap<BackendKey, HashMap<Box<str>, Arc<[ParamHeader]>, RandomState>, RandomState>;

/// A visible item's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slot {
    pub section: u32,
    /// Index in the backend's list.
    pub ordinal: u32,
    pub page: u32,
    /// Offset in the page's bytes.
    pub start: u32,
}

/// A name that several sections claim.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conflict {
    pub visible: Box<str>,
    /// Section names, in route order.
    pub sections: Vec<Box<str>>,
}

/// Who owns a visible name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    One { section: usize, own: Box<str> },
    Conflict,
}

/// An item that is shown, before pages.
#[derive(Debug)]
pub(super) struct Entrant {
    pub section: u32,
    pub ordinal: u32,
    pub own: Box<str>,
    pub visible: Visible,
}

// === impl Merged ===

impl Merged {
    /// Merges `sources`, one per section of `route`. `previous` is the list this one replaces.
    #[must_use]
    pub(super) fn new(
        route: &CompiledRoute,
        kind: ListKind,
        sources: &[Source],
        previous: Option<&Self>,
        terms: &Terms<'_>,
    ) -> Self {
        let Terms { modern, limits, .. } = *terms;
        let mut merged = Self::blank(route, kind, sources);
        let entrants = merged.collect(route, modern, sources, limits);
        let entrants = merged.without_clashes(route, entrants);
        merged.boundaries = Boundaries::carried(previous, &merged.sources);
        let tail = merged.tail(modern, sources);
        paginate(&mut merged, entrants, &tail, limits.page_bytes, terms.seal);
        merged
    }

    fn blank(route: &CompiledRoute, kind: ListKind, sources: &[Source]) -> Self {
        let mut merged = Self {
            kind,
            pages: Vec::new(),
            slots: Vec::new(),
            sources: Vec::new(),
            boundaries: Boundaries::default(),
            missing: Vec::new(),
            cut: Vec::new(),
            conflicts: Vec::new(),
            dropped: Vec::new(),
            failed: None,
            hash: 0,
            params: Params::default(),
            names: HashMap::default(),
        };
        for (section, source) in route.sections.iter().zip(sources) {
            let name: Box<str> = section.spec.section.as_str().into();
            merged.sources.push((section.spec.key, source.list.clone()));
            if source.list.as_ref().is_some_and(|list| !list.complete) {
                merged.cut.push(name.clone());
            }
            if source.missing {
                merged.missing.push(name);
            }
        }
        if route.spec.on_backend_failure == OnBackendFailure::Fail {
            merged.failed = merged.missing.first().cloned();
        }
        merged
    }

    fn collect(&mut self, route: &CompiledRoute, modern: bool, sources: &[Source], limits: &Limits) -> Vec<Entrant> {
        let mut entrants = Vec::new();
        for (section, source) in route.sections.iter().zip(sources) {
            let Some(list) = &source.list else { continue };
            self.dropped
                .extend(list.dropped.iter().map(|dropped| (section.spec.section.as_str().into(), dropped.clone())));
            for (ordinal, item) in list.items.iter().enumerate() {
                if entrants.len() >= limits.merged_items {
                    self.dropped
                        .push((section.spec.section.as_str().into(), Dropped::new(&item.own, DropReason::Items)));
                    self.cut.push(section.spec.section.as_str().into());
                    break;
                }
                match show(section, self.kind, item, modern, limits) {
                    Shown::Hidden => {}
                    Shown::Out(why) => {
                        self.dropped.push((section.spec.section.as_str().into(), Dropped::new(&item.own, why)))
                    }
                    Shown::Item(visible) => entrants.push(Entrant {
                        section: u32::try_from(section.index).unwrap_or(u32::MAX),
                        ordinal: u32::try_from(ordinal).unwrap_or(u32::MAX),
                        own: item.own.clone(),
                        visible,
                    }),
                }
            }
        }
        self.cut.dedup();
        entrants
    }

    /// Takes out every name that two sections claim, and notes who owns the rest.
    fn without_clashes(&mut self, route: &CompiledRoute, entrants: Vec<Entrant>) -> Vec<Entrant> {
        if !matches!(self.kind, ListKind::Tools | ListKind::Prompts) {
            // An http(s) template may well come from two servers: a link that both can read is no clash.
            return entrants;
        }
        let mut claims: HashMap<Box<str>, Vec<Box<str>>, RandomState> = HashMap::default();
        for entrant in &entrants {
            match self.names.entry(entrant.visible.name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(Owner::One { section: entrant.section as usize, own: entrant.own.clone() });
                }
                Entry::Occupied(mut taken) => {
                    let claim = claims.entry(entrant.visible.name.clone()).or_default();
                    if let Owner::One { section, .. } = taken.get() {
                        claim.extend(section_name(route, *section));
                    }
                    claim.extend(section_name(route, entrant.section as usize));
                    taken.insert(Owner::Conflict);
                }
            }
        }
        self.conflicts = claims.into_iter().map(|(visible, sections)| Conflict { visible, sections }).collect();
        self.conflicts.sort_by(|a, b| a.visible.cmp(&b.visible));
        let names = &self.names;
        entrants.into_iter().filter(|entrant| names.get(&entrant.visible.name) != Some(&Owner::Conflict)).collect()
    }

    fn tail(&self, modern: bool, sources: &[Source]) -> Tail {
        let lists = || sources.iter().filter(|source| source.list.is_some());
        let partial = !self.missing.is_empty() || !self.cut.is_empty();
        let known = |source: &Source| source.list.as_ref().and_then(|list| list.ttl).filter(|_| source.watched);
        // Without a watch nobody tells us of a change: how fresh our copy is cannot be promised.
        let ttl = if partial { None } else { lists().map(known).min().flatten() };
        let public = lists().all(|source| source.trust_scope && source.list.as_ref().is_some_and(|list| list.public));
        Tail {
            modern,
            ttl: ttl.unwrap_or(Duration::ZERO),
            public: public && !partial && lists().next().is_some(),
            missing: self.missing.clone(),
            cut: self.cut.clone(),
        }
    }

    /// Whose name is it?
    #[must_use]
    pub(super) fn owner(&self, visible: &str) -> Option<&Owner> {
        self.names.get(visible)
    }

    /// Memory that the pages and the index hold, in bytes.
    #[must_use]
    pub(super) fn weight(&self) -> usize {
        self.pages.iter().map(|page| page.bytes.len()).sum::<usize>()
            + self.slots.len() * size_of::<Slot>()
            + self.names.len() * 96
    }

    pub(super) fn note_hash(&mut self, entrants: &[Entrant]) {
        let mut hash = Xxh3::new();
        for entrant in entrants {
            hash.update(&entrant.visible.raw);
            hash.update(b"\n");
        }
        for name in self.missing.iter().chain(&self.cut) {
            hash.update(name.as_bytes());
            hash.update(b"\0");
        }
        self.hash = hash.digest();
    }
}

fn section_name(route: &CompiledRoute, index: usize) -> Option<Box<str>> {
    route.sections.get(index).map(|section| section.spec.section.as_str().into())
}

#[cfg(test)]
pub(crate) mod tests;
