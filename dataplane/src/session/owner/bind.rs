//! Binding a session to a backend: one attempt at a time, shared by all calls that wait for it.
//!
//! ```text
//! begin_bind ─┬─ Bound   somebody has bound it already
//!             ├─ Lease   yours to make: commit │ fail (all who wait fail with it) │ drop (the next who waits makes it)
//!             └─ Wait    another's attempt: Bound │ Failed │ Lease │ Gone
//! ```
//!
//! It speaks to no backend: whoever has the lease does, with its caller's credentials.

use std::collections::VecDeque;
use std::sync::Arc;

use ringway_snapshot::BackendKey;
use tokio::sync::oneshot;

use super::record::{Attempt, Bound, Slot};
use super::{OwnList, Owner, SessionKey};
use crate::telemetry::labels::SessionEvent;

/// Answer to [`Owner::begin_bind`].
#[derive(Debug)]
pub enum Begin<T, L, E> {
    /// A binding that the caller has not seen yet, with its number.
    Bound(u64, T),
    /// The caller makes the binding.
    Lease(BindLease<T, L, E>),
    /// Somebody is making it.
    Wait(Waiting<T, L, E>),
    /// There is no record: deleted, or [`Owner::touch`] was not called.
    Gone,
}

/// The right and duty to make a binding.
#[derive(Debug)]
#[must_use]
pub struct BindLease<T, L, E> {
    owner: Arc<Owner<T, L, E>>,
    key: SessionKey,
    backend: BackendKey,
    attempt: u64,
    /// Neither committed nor failed yet.
    open: bool,
}

/// Somebody else's attempt; see [`Waiting::ended`].
#[derive(Debug)]
#[must_use]
pub struct Waiting<T, L, E>(oneshot::Receiver<Waited<T, L, E>>);

/// How somebody else's attempt ended.
#[derive(Debug)]
pub enum Waited<T, L, E> {
    Bound(u64, T),
    /// One failure for all who waited: trying again is up to them.
    Failed(E),
    /// It was given up; the caller makes the binding.
    Lease(BindLease<T, L, E>),
    /// The session is no more.
    Gone,
}

/// Result of [`BindLease::commit`].
#[derive(Debug)]
pub struct Committed<T> {
    pub seq: u64,
    /// The binding before, dead as far as the caller of `begin_bind` knew.
    pub replaced: Option<T>,
    /// Lists of the session's own went with it: the client should hear that lists changed.
    pub had_own_lists: bool,
}

/// The session went away while it was bound: the new upstream session is to be ended.
#[derive(Debug)]
pub struct Orphan<T>(pub T);

// === impl Owner ===

impl<T: Clone, L, E: Clone> Owner<T, L, E> {
    /// A binding to `backend` is needed, and not the one numbered `seen`, which proved dead.
    #[must_use]
    pub fn begin_bind(self: &Arc<Self>, key: SessionKey, backend: BackendKey, seen: Option<u64>) -> Begin<T, L, E> {
        let id = self.number();
        let mut shard = self.shard(key);
        let Some(slot) = shard.sessions.get_mut(&key).and_then(|session| session.slot_or_new(backend)) else {
            return Begin::Gone;
        };
        if let Some(bound) = slot.bound.as_ref().filter(|bound| seen != Some(bound.seq)) {
            return Begin::Bound(bound.seq, bound.binding.clone());
        }
        if let Some(attempt) = &mut slot.attempt {
            let (sender, receiver) = oneshot::channel();
            // Those who gave up leave their places behind; here they go.
            attempt.waiters.retain(|waiter| !waiter.is_closed());
            attempt.waiters.push_back(sender);
            return Begin::Wait(Waiting(receiver));
        }
        slot.attempt = Some(Attempt { id, waiters: VecDeque::new() });
        drop(shard);
        Begin::Lease(BindLease { owner: Arc::clone(self), key, backend, attempt: id, open: true })
    }
}

// === impl BindLease ===

impl<T: Clone, L, E: Clone> BindLease<T, L, E> {
    /// The binding is made: everybody who waits gets it.
    ///
    /// # Errors
    /// The session was deleted or forgotten meanwhile.
    pub fn commit(mut self, binding: T) -> Result<Committed<T>, Orphan<T>> {
        self.open = false;
        let seq = self.owner.number();
        let ended = self.end(|slot| slot.bind(Bound { seq, binding: binding.clone() }));
        let Some((waiters, (replaced, lists))) = ended else { return Err(Orphan(binding)) };
        for waiter in waiters {
            // One that no longer waits needs nothing.
            let _ = waiter.send(Waited::Bound(seq, binding.clone()));
        }
        if replaced.is_some() {
            self.owner.metrics.session(SessionEvent::Rebound);
        }
        let had_own_lists = lists.iter().any(|list| !matches!(list, OwnList::Shared));
        Ok(Committed { seq, replaced: replaced.map(|bound| bound.binding), had_own_lists })
    }

    /// The backend could not be bound: everybody who waits gets `error`.
    pub fn fail(mut self, error: &E) {
        self.open = false;
        for waiter in self.end(|_| ()).map(|(waiters, ())| waiters).unwrap_or_default() {
            // As above.
            let _ = waiter.send(Waited::Failed(error.clone()));
        }
    }
}

impl<T, L, E> BindLease<T, L, E> {
    /// Takes the attempt away, if it is still there, and changes the slot in the same step.
    #[expect(clippy::type_complexity, reason = "private, and read once")]
    fn end<R>(
        &self,
        change: impl FnOnce(&mut Slot<T, L, E>) -> R,
    ) -> Option<(VecDeque<oneshot::Sender<Waited<T, L, E>>>, R)> {
        let mut shard = self.owner.shard(self.key);
        let slot = shard.sessions.get_mut(&self.key)?.slot_mut(self.backend)?;
        let attempt = slot.attempt.take_if(|attempt| attempt.id == self.attempt)?;
        Some((attempt.waiters, change(slot)))
    }

    /// The next who waits; none: the attempt is over.
    fn next_waiter(&self) -> Option<oneshot::Sender<Waited<T, L, E>>> {
        let mut shard = self.owner.shard(self.key);
        let slot = shard.sessions.get_mut(&self.key)?.slot_mut(self.backend)?;
        let attempt = slot.attempt.as_mut().filter(|attempt| attempt.id == self.attempt)?;
        let next = attempt.waiters.pop_front();
        if next.is_none() {
            slot.attempt = None;
        }
        next
    }
}

impl<T, L, E> Drop for BindLease<T, L, E> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        while let Some(waiter) = self.next_waiter() {
            let (owner, key, backend) = (Arc::clone(&self.owner), self.key, self.backend);
            let lease = Self { owner, key, backend, attempt: self.attempt, open: true };
            match waiter.send(Waited::Lease(lease)) {
                // It no longer waits; its copy must not pass the lease on as well.
                Err(Waited::Lease(mut returned)) => returned.open = false,
                _ => return,
            }
        }
    }
}

// === impl Waiting ===

impl<T, L, E> Waiting<T, L, E> {
    /// Waits for the end of the attempt. Dropping the future leaves the queue; a lease that was on its way goes to the
    /// next.
    pub async fn ended(self) -> Waited<T, L, E> {
        self.0.await.unwrap_or(Waited::Gone)
    }
}
