//! How often and how many at once.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Target;
use crate::Duration;
use crate::schema::{list, range, rule, span, text};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "has(self.rate) != has(self.concurrency)",
    "exactly one of rate and concurrency must be set",
))]
pub struct Limit {
    #[schemars(transform = text::label)]
    pub name: String,
    /// One counter for each combination of these. Default: one for all.
    #[schemars(transform = list(1, 4))]
    #[schemars(transform = rule(
        "self.all(a, self.exists_one(b, a.type == b.type && (has(a.claim) ? a.claim : '') == (has(b.claim) ? b.claim : '') && (has(a.header) ? a.header.lowerAscii() : '') == (has(b.header) ? b.header.lowerAscii() : '')))",
        "a part of the key stands twice",
    ))]
    pub key: Option<Vec<LimitKey>>,
    /// Default: every tools/call, prompts/get and resources/read.
    #[serde(rename = "match")]
    pub matches: Option<Target>,
    pub rate: Option<Rate>,
    /// Calls at once.
    #[schemars(transform = range(1, 65_536))]
    pub concurrency: Option<u32>,
}

/// A union by its type.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(transform = rule(
    "(self.type == 'Claim') == has(self.claim)",
    "claim must be set with type Claim, and only then",
))]
#[schemars(transform = rule(
    "(self.type == 'Header') == has(self.header)",
    "header must be set with type Header, and only then",
))]
pub struct LimitKey {
    #[serde(rename = "type")]
    pub kind: KeyType,
    /// Its name, or a JSON Pointer with a leading /.
    #[schemars(transform = text::claim)]
    pub claim: Option<String>,
    #[schemars(transform = text::header)]
    pub header: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum KeyType {
    Principal,
    Claim,
    Header,
    Tool,
    Backend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rate {
    #[schemars(transform = range(1, 1_000_000))]
    pub requests: u32,
    #[schemars(transform = span("1s", "24h"))]
    pub per: Duration,
    /// At once, beyond the even pace. Default: `requests`.
    #[schemars(transform = range(1, 1_000_000))]
    pub burst: Option<u32>,
}
