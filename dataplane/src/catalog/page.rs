//! Pages of a merged list: where they end, what stands around the items, and where a cursor goes on.
//!
//! Pure. A page ends by bytes, not by a count. A cursor names the last item sent, {list, backend, own name}, so it
//! means the same to every pod and to every later generation of the list:
//!
//! - the name is still in the backend's list: the items behind it in the present order;
//! - it is gone, and this process saw it go: the items behind the place where it stood;
//! - it is gone and nothing is known of it: that backend's list from its start, so that nothing is lost;
//! - its backend is no longer on the route: refused, since the order is unknown.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use foldhash::fast::RandomState;
use ringway_mcp::splice::write_json_string;
use ringway_snapshot::BackendKey;
use xxhash_rust::xxh3::xxh3_128;

use super::list::{BackendList, ListKind};
use super::merge::{Entrant, Merged, Slot};

/// One page as a JSON-RPC result object.
#[derive(Debug, Clone)]
pub(super) struct Page {
    pub bytes: Bytes,
    /// Index of its first slot.
    pub first: usize,
}

/// What stands behind the items of every page.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    pub modern: bool,
    pub ttl: Duration,
    pub public: bool,
    pub missing: Vec<Box<str>>,
    pub cut: Vec<Box<str>>,
}

/// Names that cursors ended with, for when they are gone.
#[derive(Debug, Default)]
pub(super) struct Boundaries {
    /// Names of this list's own cursors.
    sealed: Vec<(BackendKey, Box<str>)>,
    /// Gone names: the ordinal of the item before which they stood.
    gone: HashMap<(BackendKey, Box<str>), usize, RandomState>,
}

/// The cursor's backend is not on the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor's backend is no longer on the route")]
pub(super) struct NoPlace;

/// Gone names that are remembered per list.
const GONE_KEPT: usize = 256;
/// A longer own name stands in a cursor by its hash.
const NAME_IN_CURSOR: usize = 1024;

/// An own name as it stands in a cursor: itself, or U+0001 and 32 hex digits for a very long one (a URI template).
#[must_use]
pub(super) fn cursor_name(own: &str) -> String {
    if own.len() <= NAME_IN_CURSOR { own.to_owned() } else { format!("\u{1}{:032x}", xxh3_128(own.as_bytes())) }
}

/// Fills `merged` with its pages.
pub(super) fn paginate(
    merged: &mut Merged,
    entrants: Vec<Entrant>,
    tail: &Tail,
    page_bytes: usize,
    seal: &dyn Fn(BackendKey, &str) -> Option<String>,
) {
    merged.note_hash(&entrants);
    let mut page = Open::new(merged.kind, 0);
    let mut last: Option<(u32, Box<str>)> = None;
    for entrant in entrants {
        if page.items > 0 && page.out.len() + entrant.visible.raw.len() > page_bytes {
            let cursor = last.take().and_then(|(section, own)| merged.boundary(section, &own, seal));
            // Without a cursor (the cryptographic library failed) the page grows: better than a list cut in silence.
            if let Some(cursor) = cursor {
                let next = Open::new(merged.kind, merged.slots.len());
                merged.pages.push(std::mem::replace(&mut page, next).close(Some(&cursor), tail));
            }
        }
        let start = page.add(&entrant.visible.raw);
        merged.slots.push(Slot {
            section: entrant.section,
            ordinal: entrant.ordinal,
            page: u32::try_from(merged.pages.len()).unwrap_or(u32::MAX),
            start: u32::try_from(start).unwrap_or(u32::MAX),
        });
        if let Some(params) = entrant.visible.params {
            let backend = merged.sources.get(entrant.section as usize).map(|(key, _)| *key);
            if let Some(backend) = backend {
                merged.params.entry(backend).or_default().insert(entrant.own.clone(), params);
            }
        }
        last = Some((entrant.section, entrant.own));
    }
    merged.pages.push(page.close(None, tail));
}

/// A result object of raw items that stand in no kept list.
#[must_use]
pub(super) fn result_of(kind: ListKind, items: &[Bytes], cursor: Option<&str>, tail: &Tail) -> Bytes {
    let mut page = Open::new(kind, 0);
    for item in items {
        page.add(item);
    }
    page.close(cursor, tail).bytes
}

struct Open {
    out: Vec<u8>,
    items: usize,
    first: usize,
}

// === impl Open ===

impl Open {
    fn new(kind: ListKind, first: usize) -> Self {
        let mut out = Vec::new();
        write_head(&mut out, kind);
        Self { out, items: 0, first }
    }

    fn add(&mut self, raw: &[u8]) -> usize {
        if self.items > 0 {
            self.out.push(b',');
        }
        let start = self.out.len();
        self.out.extend_from_slice(raw);
        self.items += 1;
        start
    }

    fn close(mut self, cursor: Option<&str>, tail: &Tail) -> Page {
        tail.write(&mut self.out, cursor);
        Page { bytes: Bytes::from(self.out), first: self.first }
    }
}

fn write_head(out: &mut Vec<u8>, kind: ListKind) {
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(kind.member().as_bytes());
    out.extend_from_slice(b"\":[");
}

// === impl Tail ===

impl Tail {
    fn write(&self, out: &mut Vec<u8>, cursor: Option<&str>) {
        out.push(b']');
        if let Some(cursor) = cursor {
            out.extend_from_slice(b",\"nextCursor\":");
            write_json_string(out, cursor);
        }
        if self.modern {
            out.extend_from_slice(b",\"resultType\":\"complete\",\"ttlMs\":");
            let ms = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
            out.extend_from_slice(itoa::Buffer::new().format(ms).as_bytes());
            let scope: &[u8] = if self.public { b",\"cacheScope\":\"public\"" } else { b",\"cacheScope\":\"private\"" };
            out.extend_from_slice(scope);
        }
        if !self.missing.is_empty() || !self.cut.is_empty() {
            out.extend_from_slice(b",\"_meta\":{\"dev.ringway/partial\":{\"missing\":");
            write_names(out, &self.missing);
            if !self.cut.is_empty() {
                out.extend_from_slice(b",\"cut\":");
                write_names(out, &self.cut);
            }
            out.extend_from_slice(b"}}");
        }
        out.push(b'}');
    }
}

fn write_names(out: &mut Vec<u8>, names: &[Box<str>]) {
    out.push(b'[');
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json_string(out, name);
    }
    out.push(b']');
}

// === impl Merged ===

impl Merged {
    /// The first page.
    #[must_use]
    pub(super) fn start(&self) -> Bytes {
        self.pages.first().map(|page| page.bytes.clone()).unwrap_or_default()
    }

    /// The page behind an item.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub(super) fn after(&self, backend: BackendKey, name: &str) -> Result<Bytes, NoPlace> {
        let section = self.sources.iter().position(|(key, _)| *key == backend).ok_or(NoPlace)?;
        let next_ordinal = self.next_ordinal(section, backend, name);
        let at = (u32::try_from(section).unwrap_or(u32::MAX), u32::try_from(next_ordinal).unwrap_or(u32::MAX));
        let slot = self.slots.partition_point(|slot| (slot.section, slot.ordinal) < at);
        Ok(self.rest_of_page(slot))
    }

    fn next_ordinal(&self, section: usize, backend: BackendKey, name: &str) -> usize {
        let list = self.sources.get(section).and_then(|(_, list)| list.as_ref());
        let here = list.and_then(|list| position(list, name));
        match here {
            Some(ordinal) => ordinal + 1,
            None => self.boundaries.gone.get(&(backend, Box::from(name))).copied().unwrap_or(0),
        }
    }

    /// From a slot to the end of the page that it is on.
    fn rest_of_page(&self, index: usize) -> Bytes {
        let Some(slot) = self.slots.get(index) else { return self.behind_the_end() };
        let Some(page) = self.pages.get(slot.page as usize) else { return Bytes::new() };
        if page.first == index {
            return page.bytes.clone();
        }
        let rest = page.bytes.get(slot.start as usize..).unwrap_or_default();
        self.headed(rest)
    }

    fn behind_the_end(&self) -> Bytes {
        let Some(page) = self.pages.last() else { return Bytes::new() };
        // The tail of the last page, which has no cursor, starts behind its last item.
        let Some(last) = self.slots.last() else { return page.bytes.clone() };
        let start = last.start as usize;
        let end = ringway_mcp::value::skip(&page.bytes, start).unwrap_or(start);
        self.headed(page.bytes.get(end..).unwrap_or_default())
    }

    fn headed(&self, rest: &[u8]) -> Bytes {
        let mut out = Vec::new();
        write_head(&mut out, self.kind);
        out.extend_from_slice(rest);
        Bytes::from(out)
    }

    fn boundary(
        &mut self,
        section: u32,
        own: &str,
        seal: &dyn Fn(BackendKey, &str) -> Option<String>,
    ) -> Option<String> {
        let backend = self.sources.get(section as usize)?.0;
        let name = cursor_name(own);
        let cursor = seal(backend, &name)?;
        self.boundaries.sealed.push((backend, name.into()));
        Some(cursor)
    }
}

// === impl Boundaries ===

impl Boundaries {
    /// What the list that `previous` was knew, as places in the lists of `now`.
    pub(super) fn carried(previous: Option<&Merged>, now: &[(BackendKey, Option<Arc<BackendList>>)]) -> Self {
        let mut carried = Self::default();
        let Some(previous) = previous else { return carried };
        let known = previous.boundaries.sealed.iter().chain(previous.boundaries.gone.keys());
        for (backend, name) in known.take(GONE_KEPT) {
            let Some((_, Some(old))) = previous.sources.iter().find(|(key, _)| key == backend) else { continue };
            let Some((_, Some(new))) = now.iter().find(|(key, _)| key == backend) else { continue };
            if position(new, name).is_some() {
                continue;
            }
            // The nearest item before it that is still there; what follows it now is what follows the gone name.
            let stood =
                position(old, name).or_else(|| previous.boundaries.gone.get(&(*backend, name.clone())).copied());
            let before = old.items.get(..stood.unwrap_or(0)).unwrap_or_default();
            let next = before.iter().rev().find_map(|item| new.position(&item.own)).map_or(0, |ordinal| ordinal + 1);
            carried.gone.insert((*backend, name.clone()), next);
        }
        carried
    }
}

fn position(list: &BackendList, name: &str) -> Option<usize> {
    if name.starts_with('\u{1}') {
        return list.items.iter().position(|item| item.own.len() > NAME_IN_CURSOR && cursor_name(&item.own) == name);
    }
    list.position(name)
}
