//! What is to be sent to a pod, and the messages that it is sent in.

use std::sync::Arc;

use super::Version;
use crate::key::Key;
use crate::limits::PART_BYTES;
use crate::position::Position;
use crate::resource::Published;
use crate::wire;

/// What is to be sent to a pod that stands at some base. It takes effect as a whole.
#[derive(Debug)]
pub struct Offer {
    pub version: Version,
    pub is_whole: bool,
    pub position: Position,
    pub changed: Vec<Arc<Published>>,
    pub removed: Vec<Key>,
}

/// The messages of an offer, made one by one as they can be sent.
#[derive(Debug)]
pub struct Parts {
    offer: Arc<Offer>,
    removed: usize,
    changed: usize,
    is_done: bool,
}

// === impl Offer ===

impl Offer {
    #[must_use]
    pub fn into_parts(self: Arc<Self>) -> Parts {
        Parts { offer: self, removed: 0, changed: 0, is_done: false }
    }
}

// === impl Parts ===

impl Iterator for Parts {
    type Item = wire::Update;

    fn next(&mut self) -> Option<wire::Update> {
        if self.is_done {
            return None;
        }
        let Self { offer, .. } = self;
        let mut update = wire::Update { version: offer.version, is_whole: offer.is_whole, ..wire::Update::default() };
        let mut bytes = 0;
        // What is larger than a part travels alone.
        let mut fits = |size: usize| {
            let fits = bytes == 0 || bytes + size <= PART_BYTES;
            bytes += size;
            fits
        };
        while let Some(key) = offer.removed.get(self.removed).filter(|key| fits(key.name.len() + 1)) {
            update.removed.push(key.to_gone());
            self.removed += 1;
        }
        if self.removed == offer.removed.len() {
            while let Some(resource) = offer.changed.get(self.changed).filter(|one| fits(one.message().len())) {
                update.changed.push(resource.message().clone());
                self.changed += 1;
            }
        }
        if self.removed == offer.removed.len() && self.changed == offer.changed.len() {
            self.is_done = true;
            update.is_last = true;
            update.position = Some(offer.position.to_wire());
        }
        Some(update)
    }
}
