//! What is read of objects that cannot be read as a whole, or not by this version: whom they concern.
//!
//! Lenient where the rest of `source` is strict. Called by `source` for policies and for refused routes.

use ringway_crds::route::ParentRef;

use super::node::{Node, Value};
use super::typed;
use crate::object::{PolicyTargets, TargetRef, UnservedPolicy};

/// As Gateway API bounds them.
const MAX_TARGETS: usize = 16;

/// What a policy wants to guard: too much is safe, too little is not.
pub(super) fn read(root: &Node) -> UnservedPolicy {
    let list = root.child("spec").and_then(|spec| spec.child("targetRefs"));
    let Some(Node { value: Value::List(targets), .. }) = list else {
        return UnservedPolicy { targets: PolicyTargets::Namespace, refs: Vec::new() };
    };
    let known: Option<Vec<_>> = targets
        .iter()
        .map(target)
        .map(|target| target.filter(|target| ["MCPRoute", "MCPBackend", "Gateway"].contains(&target.kind.as_str())))
        .map(|target| target.map(|target| (target.kind, target.name)))
        .collect();
    UnservedPolicy {
        targets: known.filter(|targets| !targets.is_empty()).map_or(PolicyTargets::Namespace, PolicyTargets::Objects),
        refs: targets.iter().filter_map(target).take(MAX_TARGETS).collect(),
    }
}

fn target(node: &Node) -> Option<TargetRef> {
    let text = |field: &str| node.child(field).and_then(Node::text).map(str::to_owned);
    Some(TargetRef {
        group: text("group"),
        kind: text("kind")?,
        name: text("name")?,
        section_name: text("sectionName"),
    })
}

/// The `parentRefs` that can be read; `None` without the field.
pub(super) fn parents(root: &Node) -> Option<Vec<ParentRef>> {
    let list = root.child("spec")?.child("parentRefs")?;
    let items = match &list.value {
        Value::List(items) => items.as_slice(),
        Value::Null => return None,
        _ => &[],
    };
    Some(items.iter().filter_map(|item| typed::read(item).ok()).collect())
}
