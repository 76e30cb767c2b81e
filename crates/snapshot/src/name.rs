//! Names of objects, and the short key under which a backend appears in sealed ids.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `namespace/name` of a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectName {
    pub namespace: String,
    pub name: String,
}

/// A backend inside sealed ids and cursors: XXH3-64 of `namespace/name`, never a position in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BackendKey(pub u64);

// === impl ObjectName ===

impl ObjectName {
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    #[must_use]
    pub fn backend_key(&self) -> BackendKey {
        let mut hash = xxhash_rust::xxh3::Xxh3::new();
        hash.update(self.namespace.as_bytes());
        hash.update(b"/");
        hash.update(self.name.as_bytes());
        BackendKey(hash.digest())
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
