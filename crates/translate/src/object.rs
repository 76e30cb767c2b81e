//! An object as it was read: what it is, what it says, and where its fields stand.
//!
//! Made by `source`, collected by `world`, judged by the rules.

use std::sync::Arc;

use ringway_crds::route::ParentRef;
use ringway_crds::{GroupKind, MCPBackendSpec, MCPRouteSpec, ObjectMeta, kube};
use ringway_snapshot::ObjectName;

use crate::path::FieldPath;
use crate::problem::{ObjectLabel, Problem, Reason, Severity};
use crate::source::Node;

/// Kind and name: what makes an object the same object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectId {
    pub kind: GroupKind,
    pub name: ObjectName,
}

/// One object with the places of its fields.
#[derive(Debug, Clone)]
pub struct Object {
    pub(crate) id: ObjectId,
    pub(crate) meta: ObjectMeta,
    pub(crate) content: Content,
    pub(crate) origin: Origin,
    /// What was wrong with it as it was read.
    pub(crate) problems: Vec<Problem>,
}

/// Where an object was read.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) file: Arc<str>,
    /// The document without its scalars; a null when there are no lines to point at.
    pub(crate) root: Node,
}

#[derive(Debug, Clone)]
pub(crate) enum Content {
    Backend(Box<MCPBackendSpec>),
    Route(Box<MCPRouteSpec>),
    ConfigMap(kube::ConfigMap),
    EndpointSlice(kube::EndpointSlice),
    Gateway(Box<kube::Gateway>),
    GatewayClass(kube::GatewayClass),
    /// Only its labels count.
    Namespace,
    ReferenceGrant(kube::ReferenceGrant),
    Secret(kube::Secret),
    Service(kube::Service),
    /// A policy that is not served: whatever it targets may not be served either.
    UnservedPolicy(UnservedPolicy),
    /// Its name is known, and its problems are told. Of a route, as much of `parentRefs` as can be read: `None`
    /// without the field.
    Refused {
        parents: Option<Vec<ParentRef>>,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct UnservedPolicy {
    pub(crate) targets: PolicyTargets,
    pub(crate) refs: Vec<TargetRef>,
}

/// One of a policy's `targetRefs`, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetRef {
    pub(crate) group: Option<String>,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) section_name: Option<String>,
}

/// What an unserved policy wants to guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PolicyTargets {
    /// Nothing readable: every route of the namespace, and every route on a Gateway there.
    Namespace,
    /// Kinds and names.
    Objects(Vec<(String, String)>),
}

// === impl Object ===

impl Object {
    /// Stands for what the install itself brings, so that it is judged as an object of that name would be.
    pub(crate) fn of_install(kind: GroupKind, name: ObjectName) -> Self {
        let origin = Origin { file: Arc::from("install"), root: Node::empty() };
        let mut meta = ObjectMeta::default();
        meta.name.clone_from(&name.name);
        Self {
            id: ObjectId { kind, name },
            meta,
            content: Content::Refused { parents: None },
            origin,
            problems: Vec::new(),
        }
    }

    #[must_use]
    pub fn id(&self) -> &ObjectId {
        &self.id
    }

    /// The file name as it was given to `parse_documents`; `cluster` for an object of an API server.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.origin.file
    }

    /// What was wrong with it as it was read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(crate) fn label(&self) -> ObjectLabel {
        ObjectLabel {
            kind: self.id.kind.to_string(),
            namespace: self.id.name.namespace.clone(),
            name: self.id.name.name.clone(),
        }
    }

    pub(crate) fn problem(&self, field: FieldPath, reason: Reason, severity: Severity, message: String) -> Problem {
        self.origin.problem(Some(self.label()), field, reason, severity, message)
    }

    /// `file:line` for messages that point at this object.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.origin.file, self.origin.root.position.line)
    }
}

// === impl Origin ===

impl Origin {
    pub(crate) fn problem(
        &self,
        object: Option<ObjectLabel>,
        field: FieldPath,
        reason: Reason,
        severity: Severity,
        message: String,
    ) -> Problem {
        let position = self.root.locate(&field);
        Problem {
            file: self.file.to_string(),
            line: position.line,
            column: position.column,
            object,
            field,
            reason,
            message,
            severity,
        }
    }
}
