//! A list and what follows it, event by event, as every watch reads it.
//!
//! Tells the watch's pause how things go, and bounds the silence of a list: kube ends a watch that says nothing, a list it
//! does not. Made and read by `watch` and `pods`.

use futures::{Stream, StreamExt as _};
use kube::runtime::watcher::{self, Event};
use tokio::time::{Instant, timeout};

use super::pause::Pause;
use super::watch::{CALL, Failure};

pub(super) struct Feed<S> {
    events: S,
    is_listing: bool,
}

// === impl Feed ===

impl<T, S: Stream<Item = watcher::Result<Event<T>>> + Unpin> Feed<S> {
    /// Of a watcher that has not begun.
    pub(super) fn new(events: S) -> Self {
        Self { events, is_listing: true }
    }

    /// The next event; `None`: there are no more.
    ///
    /// # Errors
    /// The watch failed, or a list does not come. It ends with that: kube would go on by itself.
    pub(super) async fn next(&mut self, pause: &mut Pause) -> Result<Option<Event<T>>, Failure> {
        let next = self.events.next();
        let event = if self.is_listing { timeout(CALL, next).await? } else { next.await };
        let event = event.transpose()?;
        match &event {
            Some(Event::Init) => self.is_listing = true,
            Some(Event::InitDone) => {
                self.is_listing = false;
                pause.listed(Instant::now());
            }
            Some(Event::Apply(_) | Event::Delete(_)) => pause.reset(),
            Some(Event::InitApply(_)) | None => {}
        }
        Ok(event)
    }
}
