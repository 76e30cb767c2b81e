//! Resources: asked of the backends page by page in route order, never kept.
//!
//! Runs as a task on the catalogue thread, over the viewer's catalogue connections. One answer ends at `page_bytes`, at
//! the end of the last backend, or at the deadline; its cursor is {backend, that backend's own cursor}.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use ringway_seal::Cursor;
use ringway_snapshot::{BackendKey, OnBackendFailure};
use tokio::sync::mpsc::WeakUnboundedSender;
use tokio::time::Instant;

use super::changes::KindSet;
use super::item::{Shown, show};
use super::link::{Link, ReadError};
use super::list::{ListItem, ListKind, own_name, read_page};
use super::page::{Tail, result_of};
use super::{Shared, missing_fault, seal, stale_cursor};
use crate::fault::Fault;
use crate::state::route::Section;
use crate::upstream::{LiveRoute, Pool};

/// A walk over the backends of a route.
#[derive(Debug)]
pub(super) struct Walk {
    pub stops: Vec<Stop>,
    pub pool: Arc<Pool>,
    pub live: Arc<LiveRoute>,
    pub modern: bool,
}

/// One backend of a walk.
#[derive(Debug)]
pub(super) struct Stop {
    pub section: usize,
    pub key: BackendKey,
    /// `None`: down, or without resources.
    pub link: Option<Link>,
    pub missing: bool,
    /// Where its entry hears that its session is lost.
    pub entry: Option<WeakUnboundedSender<KindSet>>,
}

/// What a walk is for.
#[derive(Debug)]
pub(super) enum Aim {
    /// One answer, from the start or from {backend, its cursor}.
    Page(Option<(BackendKey, Option<String>)>),
    /// Learn what is listed; the answer is empty.
    Learn,
}

/// One page of one backend.
struct Leg {
    items: Vec<Bytes>,
    bytes: usize,
    next: Option<String>,
    ttl: Option<Duration>,
}

/// An answer in the making.
struct Answer {
    items: Vec<Bytes>,
    bytes: usize,
    missing: Vec<Box<str>>,
    /// The smallest of all pages; `None`: one page had none.
    ttl: Option<Duration>,
    at: Option<(BackendKey, Option<String>)>,
}

// === impl Walk ===

impl Walk {
    /// Walks until one answer is full.
    ///
    /// # Errors
    /// A cursor whose backend left the route; a missing backend where the route wants all or nothing.
    pub(super) async fn run(&self, shared: &Shared, aim: Aim) -> Result<Bytes, Fault> {
        let (begin, room) = match aim {
            Aim::Page(begin) => (begin, shared.limits.page_bytes),
            Aim::Learn => (None, usize::MAX),
        };
        let keeps = room != usize::MAX;
        let start = match &begin {
            None => 0,
            Some((key, _)) => self.stops.iter().position(|stop| stop.key == *key).ok_or_else(stale_cursor)?,
        };
        let begin = begin.and_then(|(_, cursor)| cursor);
        let deadline = Instant::now() + shared.limits.deadline;
        let mut answer =
            Answer { items: Vec::new(), bytes: 0, missing: Vec::new(), ttl: Some(Duration::MAX), at: None };
        let firsts = (start..self.stops.len()).map(|index| {
            let cursor = if index == start { begin.clone() } else { None };
            async move {
                let leg = fetch(self.stops.get(index)?, self, shared, cursor.as_deref(), deadline).await;
                Some((index, cursor, leg))
            }
        });
        let mut firsts = std::pin::pin!(stream::iter(firsts).buffered(shared.limits.parallel.max(1)));
        while let Some(Some((index, cursor, leg))) = firsts.next().await {
            let Some(stop) = self.stops.get(index) else { break };
            let full = match leg {
                None if stop.missing => self.miss(stop, &mut answer),
                None => false,
                Some(Err(_)) => self.miss(stop, &mut answer),
                Some(Ok(leg)) if answer.bytes > 0 && answer.bytes + leg.bytes > room => {
                    answer.at = Some((stop.key, cursor));
                    true
                }
                Some(Ok(leg)) => self.follow(stop, leg, &mut answer, shared, (deadline, room, keeps)).await,
            };
            if full {
                break;
            }
        }
        self.close(shared, answer)
    }

    /// Takes a backend's first page and those behind it. True when the answer is full.
    async fn follow(
        &self,
        stop: &Stop,
        leg: Leg,
        answer: &mut Answer,
        shared: &Shared,
        (deadline, room, keeps): (Instant, usize, bool),
    ) -> bool {
        let mut seen = HashSet::new();
        let mut leg = leg;
        loop {
            let next = leg.next.take();
            answer.take(leg, keeps);
            let Some(next) = next else { return false };
            if !seen.insert(next.clone()) {
                tracing::warn!(route = %self.live.compiled.label, section = %self.name(stop), "the server gave a cursor twice; the rest of its resources is left out");
                return false;
            }
            if seen.len() >= shared.limits.pages || Instant::now() >= deadline {
                if !keeps {
                    return false;
                }
                answer.at = Some((stop.key, Some(next)));
                return true;
            }
            match fetch(stop, self, shared, Some(&next), deadline).await {
                None => return false,
                Some(Err(_)) => return self.miss(stop, answer),
                Some(Ok(more)) if answer.bytes + more.bytes > room => {
                    answer.at = Some((stop.key, Some(next)));
                    return true;
                }
                Some(Ok(more)) => leg = more,
            }
        }
    }

    fn miss(&self, stop: &Stop, answer: &mut Answer) -> bool {
        answer.missing.push(self.name(stop));
        false
    }

    fn name(&self, stop: &Stop) -> Box<str> {
        self.section(stop).map(|section| section.spec.section.as_str().into()).unwrap_or_default()
    }

    fn section(&self, stop: &Stop) -> Option<&Section> {
        self.live.compiled.sections.get(stop.section)
    }

    fn close(&self, shared: &Shared, answer: Answer) -> Result<Bytes, Fault> {
        if let Some(section) =
            answer.missing.first().filter(|_| self.live.compiled.spec.on_backend_failure == OnBackendFailure::Fail)
        {
            return Err(missing_fault(section));
        }
        let cursor = answer.at.map(|(key, upstream)| Cursor::Walk { backend: key.0, upstream });
        let cursor = cursor
            .map(|cursor| {
                seal(&shared.keyring(), &self.live.compiled.label, &cursor).ok_or_else(|| Fault::internal("no cursor"))
            })
            .transpose()?;
        let fresh = answer.ttl.filter(|ttl| *ttl < Duration::MAX && answer.missing.is_empty());
        // Private: pages of one list must agree, and other backends come on other pages.
        let tail = Tail {
            modern: self.modern,
            ttl: fresh.unwrap_or_default(),
            public: false,
            missing: answer.missing,
            cut: Vec::new(),
        };
        Ok(result_of(ListKind::Resources, &answer.items, cursor.as_deref(), &tail))
    }
}

/// One page, as clients see it; `None`: there is nobody to ask.
async fn fetch(
    stop: &Stop,
    walk: &Walk,
    shared: &Shared,
    cursor: Option<&str>,
    deadline: Instant,
) -> Option<Result<Leg, ReadError>> {
    let (link, section) = (stop.link.as_ref()?, walk.section(stop)?);
    let mut noticed = KindSet::default();
    let read = Box::pin(link.page(&walk.pool, ListKind::Resources, cursor, deadline, &mut noticed)).await;
    let leg = read
        .map_err(ReadError::from)
        .and_then(|message| Ok(leg_of(section, walk, shared, &message, read_page(ListKind::Resources, &message)?)));
    if let Err(error) = &leg {
        tracing::debug!(route = %walk.live.compiled.label, section = %section.spec.section, %error, "resources cannot be listed");
        if error.is_session_lost()
            && let Some(entry) = stop.entry.as_ref().and_then(WeakUnboundedSender::upgrade)
        {
            let _ = entry.send(super::keeper::everything());
        }
    }
    Some(leg)
}

fn leg_of(section: &Section, walk: &Walk, shared: &Shared, message: &Bytes, page: super::list::Page) -> Leg {
    let mut leg = Leg { items: Vec::new(), bytes: 0, next: page.next, ttl: page.ttl };
    for span in page.items {
        let Ok(own) = own_name(ListKind::Resources, message, span) else { continue };
        let item = ListItem { own, raw: message.slice(span.range()) };
        let Shown::Item(visible) = show(section, ListKind::Resources, &item, walk.modern, &shared.limits) else {
            continue;
        };
        if visible.name == item.own {
            shared.learned().learn(&walk.live.compiled.spec.name, &item.own, &section.spec.section);
        }
        leg.bytes += visible.raw.len() + 1;
        leg.items.push(visible.raw);
    }
    leg
}

// === impl Answer ===

impl Answer {
    fn take(&mut self, leg: Leg, keeps: bool) {
        self.ttl = self.ttl.zip(leg.ttl).map(|(a, b)| a.min(b));
        if keeps {
            self.bytes += leg.bytes;
            self.items.extend(leg.items);
        }
    }
}
