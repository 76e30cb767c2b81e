//! An object as it travels: JSON with its secrets as stars, the secrets beside it, one hash over both.
//!
//! Encoded once where it changed; the bytes are then shared among all pods. Decoding trusts nothing: a body may be of
//! another version of the software, or not of ours at all.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;
use ringway_snapshot::{Backend, Listener, Route, Secret, Snapshot};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::key::{Key, Kind};
use crate::limits::{RESOURCE_BYTES, SECRETS};
use crate::wire;

/// One object of a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    Listener(Arc<Listener>),
    Backend(Arc<Backend>),
    Route(Arc<Route>),
}

/// An object in its form for the wire.
#[derive(Clone, PartialEq, Eq)]
pub struct Encoded {
    pub key: Key,
    pub hash: u64,
    pub body: Bytes,
    pub secrets: Vec<Bytes>,
}

/// An object as it is published: the very bytes of its message, which every pod is sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Published {
    pub key: Key,
    pub hash: u64,
    message: Bytes,
}

/// Why an object cannot travel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    #[error("it has {bytes} bytes with its secrets, and {RESOURCE_BYTES} is the most that can be sent to a pod")]
    TooLarge { bytes: usize },
    #[error("it has {0} secrets, and {SECRETS} is the most that can be sent to a pod")]
    TooManySecrets(usize),
    #[error("it cannot be written as JSON: {0}")]
    Json(String),
}

/// Why what came is no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("this version of the data plane cannot read it: {0}")]
    Json(String),
    #[error("it was sent under another name, {0}")]
    Name(String),
    #[error("it has {expected} secrets and came with {found}")]
    Secrets { expected: usize, found: usize },
    #[error("its hash is not the one that was announced")]
    Hash,
}

// === impl Object ===

impl Object {
    /// Every object of `snapshot`.
    pub fn all(snapshot: &Snapshot) -> impl Iterator<Item = Self> + '_ {
        let listeners = snapshot.listeners.values().map(|listener| Self::Listener(Arc::clone(listener)));
        let backends = snapshot.backends.values().map(|backend| Self::Backend(Arc::clone(backend)));
        let routes = snapshot.routes.values().map(|route| Self::Route(Arc::clone(route)));
        listeners.chain(backends).chain(routes)
    }

    #[must_use]
    pub fn key(&self) -> Key {
        match self {
            Self::Listener(listener) => Key::new(Kind::Listener, &listener.name),
            Self::Backend(backend) => Key::new(Kind::Backend, &backend.name),
            Self::Route(route) => Key::new(Kind::Route, &route.name),
        }
    }

    /// # Errors
    /// [`EncodeError`]: it is beyond a limit.
    pub fn encode(&self) -> Result<Encoded, EncodeError> {
        let (body, secrets) = match self {
            Self::Listener(listener) => (json(&**listener)?, exposed((**listener).clone().secrets_mut())),
            Self::Backend(backend) => (json(&**backend)?, exposed((**backend).clone().secrets_mut())),
            Self::Route(route) => (json(&**route)?, vec![]),
        };
        let encoded = Encoded { key: self.key(), hash: hash(&body, &secrets), body, secrets };
        if encoded.secrets.len() > SECRETS {
            return Err(EncodeError::TooManySecrets(encoded.secrets.len()));
        }
        if encoded.size() > RESOURCE_BYTES {
            return Err(EncodeError::TooLarge { bytes: encoded.size() });
        }
        Ok(encoded)
    }

    /// Puts it into `snapshot`, in place of what has its name there.
    pub fn put_into(self, snapshot: &mut Snapshot) {
        match self {
            Self::Listener(listener) => drop(snapshot.listeners.insert(listener.name.clone(), listener)),
            Self::Backend(backend) => drop(snapshot.backends.insert(backend.name.clone(), backend)),
            Self::Route(route) => drop(snapshot.routes.insert(route.name.clone(), route)),
        }
    }
}

// === impl Encoded ===

impl Encoded {
    /// Bytes that it takes on the wire, but for a few.
    #[must_use]
    pub fn size(&self) -> usize {
        self.key.name.len() + self.body.len() + self.secrets.iter().map(Bytes::len).sum::<usize>()
    }

    #[must_use]
    pub fn to_wire(&self) -> wire::Resource {
        wire::Resource {
            kind: self.key.kind.to_wire(),
            name: self.key.name.clone(),
            hash: self.hash,
            body: self.body.clone(),
            secrets: self.secrets.clone(),
        }
    }

    #[must_use]
    pub fn publish(self) -> Published {
        let message = self.to_wire().encode_to_vec().into();
        Published { key: self.key, hash: self.hash, message }
    }

    /// The object, with its secrets in their places.
    ///
    /// # Errors
    /// [`DecodeError`], which never shows a secret.
    pub fn decode(&self) -> Result<Object, DecodeError> {
        if hash(&self.body, &self.secrets) != self.hash {
            return Err(DecodeError::Hash);
        }
        let object = match self.key.kind {
            Kind::Listener => {
                let mut listener: Listener = read(&self.body)?;
                self.fill(listener.secrets_mut())?;
                Object::Listener(Arc::new(listener))
            }
            Kind::Backend => {
                let mut backend: Backend = read(&self.body)?;
                self.fill(backend.secrets_mut())?;
                Object::Backend(Arc::new(backend))
            }
            Kind::Route => {
                let route: Route = read(&self.body)?;
                self.fill(vec![])?;
                Object::Route(Arc::new(route))
            }
        };
        if object.key() != self.key {
            return Err(DecodeError::Name(object.key().name));
        }
        Ok(object)
    }

    fn fill(&self, places: Vec<&mut Secret>) -> Result<(), DecodeError> {
        if places.len() != self.secrets.len() {
            return Err(DecodeError::Secrets { expected: places.len(), found: self.secrets.len() });
        }
        for (place, secret) in places.into_iter().zip(&self.secrets) {
            *place = Secret::new(secret.as_ref());
        }
        Ok(())
    }
}

impl fmt::Debug for Encoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:016x} ({} secrets)", self.key, self.hash, self.secrets.len())
    }
}

// === impl Published ===

impl Published {
    /// What somebody holds of whom only this is known.
    #[must_use]
    pub fn held(key: Key, hash: u64) -> Self {
        Self { key, hash, message: Bytes::new() }
    }

    /// As one of [`wire::Update::changed`]; shared, not copied.
    #[must_use]
    pub fn message(&self) -> &Bytes {
        &self.message
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:016x} ({} bytes)", self.key, self.hash, self.message.len())
    }
}

/// Each piece with its length before it, so that no byte can move from one to the next unseen.
#[must_use]
pub fn hash(body: &[u8], secrets: &[Bytes]) -> u64 {
    let mut hash = Xxh3::new();
    for piece in std::iter::once(body).chain(secrets.iter().map(AsRef::as_ref)) {
        hash.update(&(piece.len() as u64).to_be_bytes());
        hash.update(piece);
    }
    hash.digest()
}

fn json(object: &impl Serialize) -> Result<Bytes, EncodeError> {
    serde_json::to_vec(object).map(Bytes::from).map_err(|error| EncodeError::Json(error.to_string()))
}

fn read<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, DecodeError> {
    serde_json::from_slice(body).map_err(|error| DecodeError::Json(error.to_string()))
}

fn exposed(secrets: Vec<&mut Secret>) -> Vec<Bytes> {
    secrets.into_iter().map(|secret| Bytes::copy_from_slice(secret.expose())).collect()
}
