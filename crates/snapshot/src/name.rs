//! Names of objects, and the short key under which a backend appears in sealed ids.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// `namespace/name` of a resource, and so it is serialised: a text can be the key of a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

impl Serialize for ObjectName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ObjectName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (namespace, name) = text.split_once('/').ok_or_else(|| de::Error::custom("expected namespace/name"))?;
        Ok(Self::new(namespace, name))
    }
}
