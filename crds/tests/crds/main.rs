//! The manifests in the repository against the types, and the examples against the manifests.

#[cfg(test)]
mod examples;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod walk;

use ringway_crds::{GroupKind, manifest};
use serde_json::Value;

const KINDS: [GroupKind; 4] =
    [GroupKind::MCPBackend, GroupKind::MCPRoute, GroupKind::ToolPolicy, GroupKind::RESTBridge];

/// The schema of the only version.
#[cfg(test)]
fn schema_of(kind: GroupKind) -> Value {
    let manifest = manifest::of(kind).expect("one of ours");
    manifest.pointer("/spec/versions/0/schema/openAPIV3Schema").expect("a schema").clone()
}
