//! A pod of the data plane, and what it could not use.

use serde::{Deserialize, Serialize};

use crate::key::{Key, Kind};
use crate::limits::{NAME_BYTES, REJECTIONS, SENTENCE_BYTES, TEXT_BYTES};
use crate::wire;

/// Who a pod says it is. The certificate says only that it is one of the data plane.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Chosen at random at the start of the process.
    pub incarnation: u64,
    pub node: String,
    pub zone: String,
    /// Of the software.
    pub version: String,
}

/// A single resource that cannot be used; its last good form is served, or nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rejection {
    pub kind: Kind,
    /// As in [`Key`].
    pub name: String,
    /// A sentence for the status of the object.
    pub reason: String,
}

/// Without a namespace or a name there is no pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pod does not say its namespace and name")]
pub struct PodError;

// === impl Pod ===

impl Pod {
    #[must_use]
    pub fn to_wire(&self) -> wire::Pod {
        wire::Pod {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            incarnation: self.incarnation,
            node: self.node.clone(),
            zone: self.zone.clone(),
            version: self.version.clone(),
        }
    }

    /// # Errors
    /// [`PodError`].
    pub fn from_wire(pod: wire::Pod) -> Result<Self, PodError> {
        let is_name = |text: &str| !text.is_empty() && text.len() <= NAME_BYTES;
        if !is_name(&pod.namespace) || !is_name(&pod.name) {
            return Err(PodError);
        }
        Ok(Self {
            namespace: pod.namespace,
            name: pod.name,
            uid: cut(pod.uid, TEXT_BYTES),
            incarnation: pod.incarnation,
            node: cut(pod.node, TEXT_BYTES),
            zone: cut(pod.zone, TEXT_BYTES),
            version: cut(pod.version, TEXT_BYTES),
        })
    }
}

// === impl Rejection ===

impl Rejection {
    #[must_use]
    pub fn new(key: &Key, reason: impl Into<String>) -> Self {
        Self { kind: key.kind, name: key.name.clone(), reason: reason.into() }
    }

    #[must_use]
    pub fn to_wire(&self) -> wire::Rejection {
        wire::Rejection {
            kind: self.kind.to_wire(),
            name: self.name.clone(),
            reason: cut(self.reason.clone(), SENTENCE_BYTES),
        }
    }

    /// The first [`REJECTIONS`] that can be read, and whether there are more: `has_more` as the other end says it.
    #[must_use]
    pub fn all_from_wire(rejections: Vec<wire::Rejection>, has_more: bool) -> (Vec<Self>, bool) {
        let count = rejections.len();
        let read = |rejection: wire::Rejection| {
            let key = Key::from_wire(rejection.kind, rejection.name).ok()?;
            Some(Self { kind: key.kind, name: key.name, reason: cut(rejection.reason, SENTENCE_BYTES) })
        };
        let named: Vec<_> = rejections.into_iter().filter_map(read).take(REJECTIONS).collect();
        let has_more = has_more || named.len() < count;
        (named, has_more)
    }
}

/// The longest start of `text` that ends between characters and has at most `limit` bytes.
pub(crate) fn cut(mut text: String, limit: usize) -> String {
    text.truncate(text.floor_char_boundary(limit));
    text
}
