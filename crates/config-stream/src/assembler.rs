//! The parts of an update, put together into one transaction, within bounds.
//!
//! Objects are decoded as their part comes, so that an update is never held twice. One that cannot be decoded does not
//! stop the others; a message that breaks the rules of the stream ends it. Called by the data plane.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message as _;

use crate::key::{Key, KeyError};
use crate::limits::{PARTS, RESOURCE_BYTES, RESOURCES, SECRETS, UPDATE_BYTES};
use crate::position::{Position, PositionError};
use crate::resource::{DecodeError, Encoded, Object};
use crate::wire;

/// Takes parts, gives transactions. One for each stream.
#[derive(Debug, Default)]
pub struct Assembler {
    open: Option<Open>,
}

/// An update of which every part came.
#[derive(Debug, Default)]
pub struct Transaction {
    pub version: u64,
    /// What it does not name is gone.
    pub is_whole: bool,
    pub position: Position,
    pub changed: BTreeMap<Key, Incoming>,
    pub removed: BTreeSet<Key>,
}

/// A changed object, or why it cannot be used.
#[derive(Debug)]
pub struct Incoming {
    pub hash: u64,
    pub object: Result<Object, DecodeError>,
}

/// The peer does not keep to the rules: nothing of the update is taken and the stream ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error("a part of version {found} came amid version {open}")]
    Mixed { open: u64, found: u64 },
    #[error("an update is larger than {0}")]
    TooLarge(&'static str),
    #[error("an update names {0} twice")]
    Twice(Key),
    // It shows where the message breaks off, and nothing of its content.
    #[error("a resource of an update cannot be read: {0}")]
    Resource(#[from] prost::DecodeError),
    // Not skipped: what is not understood may be what forbids something.
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Position(#[from] PositionError),
}

#[derive(Debug)]
struct Open {
    transaction: Transaction,
    parts: usize,
    bytes: usize,
}

// === impl Assembler ===

impl Assembler {
    /// Takes a part; gives the transaction with the last one.
    ///
    /// # Errors
    /// [`ProtocolError`]; what came of the update is dropped.
    pub fn part(&mut self, update: wire::Update) -> Result<Option<Transaction>, ProtocolError> {
        let mut open = self.open.take().unwrap_or_else(|| Open::new(&update));
        let is_last = update.is_last;
        open.add(update)?;
        if is_last {
            return Ok(Some(open.transaction));
        }
        self.open = Some(open);
        Ok(None)
    }
}

// === impl Open ===

impl Open {
    fn new(first: &wire::Update) -> Self {
        let transaction = Transaction { version: first.version, is_whole: first.is_whole, ..Transaction::default() };
        Self { transaction, parts: 0, bytes: 0 }
    }

    fn add(&mut self, update: wire::Update) -> Result<(), ProtocolError> {
        let transaction = &mut self.transaction;
        if update.version != transaction.version || update.is_whole != transaction.is_whole {
            return Err(ProtocolError::Mixed { open: transaction.version, found: update.version });
        }
        self.parts += 1;
        if self.parts > PARTS {
            return Err(ProtocolError::TooLarge("its number of parts"));
        }
        for gone in update.removed {
            let key = Key::from_wire(gone.kind, gone.name)?;
            self.named(&key, key.name.len())?;
            self.transaction.removed.insert(key);
        }
        for resource in update.changed {
            self.change(resource)?;
        }
        if let Some(position) = update.position {
            self.transaction.position = Position::from_wire(position)?;
        }
        Ok(())
    }

    fn change(&mut self, resource: Bytes) -> Result<(), ProtocolError> {
        let resource = wire::Resource::decode(resource)?;
        let key = Key::from_wire(resource.kind, resource.name)?;
        let encoded = Encoded { key, hash: resource.hash, body: resource.body, secrets: resource.secrets };
        if encoded.secrets.len() > SECRETS || encoded.size() > RESOURCE_BYTES {
            return Err(ProtocolError::TooLarge("a resource"));
        }
        self.named(&encoded.key, encoded.size())?;
        let incoming = Incoming { hash: encoded.hash, object: encoded.decode() };
        self.transaction.changed.insert(encoded.key, incoming);
        Ok(())
    }

    /// Counts what names `key`.
    fn named(&mut self, key: &Key, bytes: usize) -> Result<(), ProtocolError> {
        let Transaction { changed, removed, .. } = &self.transaction;
        if changed.contains_key(key) || removed.contains(key) {
            return Err(ProtocolError::Twice(key.clone()));
        }
        // Each is bounded itself, so that this is no more than twice the bound.
        if changed.len() >= RESOURCES || removed.len() >= RESOURCES {
            return Err(ProtocolError::TooLarge("its number of resources"));
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > UPDATE_BYTES {
            return Err(ProtocolError::TooLarge("its bytes"));
        }
        Ok(())
    }
}
