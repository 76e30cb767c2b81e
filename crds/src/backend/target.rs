//! Where a server is: a Service, or a command; a url is a plain string of the spec.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de};

use crate::SecretKeyRef;
use crate::schema::{kinds, range, text};

/// A Service by port number; the pods behind it are found by EndpointSlice. No ExternalName.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = kinds("", "Service"))]
pub struct ServiceTarget {
    pub group: Option<String>,
    pub kind: Option<String>,
    #[schemars(transform = text::object_name)]
    pub name: String,
    /// Default: the referring object's. Another one needs a ReferenceGrant there.
    #[schemars(transform = text::label)]
    pub namespace: Option<String>,
    #[schemars(transform = range(1, 65_535))]
    pub port: u16,
    /// Default: `/mcp` of an MCPBackend, `/` of a RESTBridge.
    #[schemars(transform = text::request_path)]
    pub path: Option<String>,
}

/// A supervised child process (standalone mode only).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StdioTarget {
    pub command: String,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, EnvValue>,
    pub max_processes: Option<u64>,
}

/// An environment variable of a child: a text, or `{ secretRef: { name, key } }`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    Text(String),
    Secret(SecretKeyRef),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EnvFrom {
    secret_ref: SecretKeyRef,
}

// === impl EnvValue ===

impl<'de> Deserialize<'de> for EnvValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrRef;
        impl<'de> de::Visitor<'de> for TextOrRef {
            type Value = EnvValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or `{ secretRef: { name, key } }`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<EnvValue, E> {
                Ok(EnvValue::Text(text.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<EnvValue, A::Error> {
                let from = EnvFrom::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(EnvValue::Secret(from.secret_ref))
            }
        }
        deserializer.deserialize_any(TextOrRef)
    }
}
