//! YAML text or an API server's JSON to objects and problems: syntax, types, unknown and doubled fields, with lines.
//!
//! What fields mean is not known here. Called once per file by whoever reads files, once per object by the operator.

mod json;
mod node;
mod policy;
mod read;
mod split;
mod typed;

use std::sync::Arc;

use ringway_crds::{GroupKind, ObjectMeta, Unserved};
use ringway_snapshot::ObjectName;

use crate::object::{Content, Object, ObjectId, Origin};
use crate::path::FieldPath;
use crate::problem::{ObjectLabel, Problem, Reason, Severity};
use crate::text;
use node::Value;
use read::{Fault, MAX_DEPTH};
use typed::{Misfit, MisfitKind};

pub(crate) use node::Node;

/// Reads all documents of one file. A `v1` `List` counts as its items.
///
/// An object that has a name but is wrong otherwise is returned, too, so that references to it can say so. The
/// problems are in the order of the file.
#[must_use]
pub fn parse_documents(file_name: &str, text: &str) -> (Vec<Object>, Vec<Problem>) {
    let file: Arc<str> = Arc::from(file_name);
    let mut reader = FileReader { file: &file, objects: Vec::new(), problems: Vec::new() };
    for chunk in split::documents(text) {
        let (node, faults) = read::read(chunk.text, chunk.lines_before);
        match node {
            Some(node) => reader.document(&node, faults),
            None => reader.no_document(chunk.lines_before, faults),
        }
    }
    reader.problems.sort();
    (reader.objects, reader.problems)
}

struct FileReader<'a> {
    file: &'a Arc<str>,
    objects: Vec<Object>,
    problems: Vec<Problem>,
}

/// One document on its way to an object.
struct Draft<'a> {
    root: &'a Node,
    origin: Origin,
    label: Option<ObjectLabel>,
    problems: Vec<Problem>,
    /// From an API server: Gateways, their classes and Namespaces count.
    is_cluster: bool,
}

// === impl FileReader ===

impl FileReader<'_> {
    fn no_document(&mut self, lines_before: u64, faults: Vec<Fault>) {
        for fault in faults {
            let Fault::Syntax { position, message } = fault else { continue };
            let position = position.unwrap_or(node::Position { line: lines_before + 1, column: 1 });
            self.problems.push(Problem {
                file: self.file.to_string(),
                line: position.line,
                column: position.column,
                object: None,
                field: FieldPath::default(),
                reason: Reason::InvalidSyntax,
                message,
                severity: Severity::Error,
            });
        }
    }

    fn document(&mut self, root: &Node, faults: Vec<Fault>) {
        let is_list = root.child("kind").and_then(Node::text) == Some("List")
            && root.child("apiVersion").and_then(Node::text) == Some("v1");
        if is_list && faults.is_empty() {
            if let Some(Node { value: Value::List(items), .. }) = root.child("items") {
                for item in items {
                    self.object(item, Vec::new());
                }
            }
            return;
        }
        self.object(root, faults);
    }

    fn object(&mut self, root: &Node, faults: Vec<Fault>) {
        let origin = Origin { file: Arc::clone(self.file), root: root.skeleton() };
        let mut draft = Draft::new(origin, root);
        draft.faults(faults);
        let object = draft.object();
        self.problems.append(&mut draft.problems);
        self.objects.extend(object);
    }
}

// === impl Draft ===

impl<'a> Draft<'a> {
    fn new(origin: Origin, root: &'a Node) -> Self {
        let named = |field: &str| root.child("metadata").and_then(|meta| meta.child(field)).and_then(Node::text);
        let label = root.child("kind").and_then(Node::text).map(|kind| ObjectLabel {
            kind: text::cut(kind),
            namespace: text::cut(named("namespace").unwrap_or("default")),
            name: text::cut(named("name").unwrap_or("?")),
        });
        Self { root, origin, label, problems: Vec::new(), is_cluster: false }
    }

    fn error(&mut self, field: FieldPath, reason: Reason, message: impl Into<String>) {
        self.push(field, reason, Severity::Error, message.into());
    }

    fn push(&mut self, field: FieldPath, reason: Reason, severity: Severity, message: String) {
        self.problems.push(self.origin.problem(self.label.clone(), field, reason, severity, message));
    }

    fn faults(&mut self, faults: Vec<Fault>) {
        for fault in faults {
            let (position, field, reason, message) = match fault {
                Fault::Syntax { .. } => continue,
                Fault::DuplicateKey { position, path } => {
                    (position, path, Reason::DuplicateField, "stands twice in the same mapping".to_owned())
                }
                Fault::HugeNumber { position, path } => (position, path, Reason::InvalidValue, json::NUMBER.to_owned()),
                Fault::BooleanKey { position, path, written } => {
                    let message = format!("YAML 1.1 reads the key `{written}` as a boolean; quote it");
                    (position, path, Reason::InvalidValue, message)
                }
            };
            let mut problem = self.origin.problem(self.label.clone(), field, reason, Severity::Error, message);
            // The second of two equal keys is not in the tree.
            problem.line = position.line;
            problem.column = position.column;
            self.problems.push(problem);
        }
    }

    /// `None`: it has no identity, or is none of ours.
    fn object(&mut self) -> Option<Object> {
        let kind = self.kind()?;
        let meta = self.meta()?;
        let namespace = match &meta.namespace {
            _ if kind.is_cluster_scoped() => String::new(),
            Some(namespace) => namespace.clone(),
            None => "default".to_owned(),
        };
        let id = ObjectId { kind, name: ObjectName::new(namespace, meta.name.clone()) };
        let content = self.content(kind);
        let content = match content {
            Some(content) if self.problems.iter().all(|problem| !problem.is_error()) => content,
            // Even a misspelt policy may have meant to guard something.
            Some(content @ Content::UnservedPolicy(_)) => content,
            _ => Content::Refused { parents: policy::parents(self.root) },
        };
        Some(Object { id, meta, content, origin: self.origin.clone(), problems: self.problems.clone() })
    }

    fn kind(&mut self) -> Option<GroupKind> {
        if !matches!(self.root.value, Value::Map(_)) {
            self.error(FieldPath::default(), Reason::InvalidValue, "a document is a mapping with apiVersion and kind");
            return None;
        }
        let mut words = Vec::new();
        for field in ["apiVersion", "kind"] {
            match self.root.child(field).map(Node::text) {
                Some(Some(word)) => words.push(word),
                Some(None) => self.error(FieldPath::of(field), Reason::InvalidValue, "expected a string"),
                None => self.error(FieldPath::of(field), Reason::RequiredValue, "must be set"),
            }
        }
        let [api_version, kind] = words.as_slice() else { return None };
        match GroupKind::of(api_version, kind) {
            Ok(kind) if !kind.is_served() => {
                let closed = if kind == GroupKind::ToolPolicy { "; what it targets is left out" } else { "" };
                let message = format!("kind {kind} is not served by this version{closed}");
                self.error(FieldPath::of("kind"), Reason::UnsupportedValue, message);
                Some(kind)
            }
            Ok(kind @ (GroupKind::Gateway | GroupKind::GatewayClass | GroupKind::Namespace)) if !self.is_cluster => {
                let message = format!("{kind} of {api_version} is not read here and has no effect");
                self.push(FieldPath::of("kind"), Reason::Ignored, Severity::Warning, message);
                None
            }
            Ok(kind) => Some(kind),
            Err(error @ Unserved::Foreign { .. }) => {
                self.push(FieldPath::of("kind"), Reason::Ignored, Severity::Warning, error.to_string());
                None
            }
            Err(error @ Unserved::UnknownKind(_)) => {
                self.error(FieldPath::of("kind"), Reason::UnsupportedValue, error.to_string());
                None
            }
            Err(error @ Unserved::UnknownVersion(_)) => {
                self.error(FieldPath::of("apiVersion"), Reason::UnsupportedValue, error.to_string());
                None
            }
        }
    }

    fn meta(&mut self) -> Option<ObjectMeta> {
        let Some(node) = self.root.child("metadata") else {
            self.error(FieldPath::of("metadata"), Reason::RequiredValue, "must be set");
            return None;
        };
        let mut meta: ObjectMeta = self.read(node, &FieldPath::of("metadata"))?;
        let mut is_named = true;
        if !text::is_object_name(&meta.name) {
            is_named = false;
            self.error(FieldPath::of("metadata.name"), Reason::InvalidValue, text::OBJECT_NAME);
        }
        if meta.namespace.as_deref() == Some("") {
            meta.namespace = None;
        }
        if meta.namespace.as_deref().is_some_and(|namespace| !text::is_dns_label(namespace)) {
            is_named = false;
            self.error(FieldPath::of("metadata.namespace"), Reason::InvalidValue, text::DNS_LABEL);
        }
        is_named.then_some(meta)
    }

    fn content(&mut self, kind: GroupKind) -> Option<Content> {
        let root = self.root;
        let whole = FieldPath::default();
        match kind {
            GroupKind::MCPBackend => {
                let spec = self.spec()?;
                self.read(spec, &FieldPath::of("spec")).map(|spec| Content::Backend(Box::new(spec)))
            }
            GroupKind::MCPRoute => {
                let spec = self.spec()?;
                self.read(spec, &FieldPath::of("spec")).map(|spec| Content::Route(Box::new(spec)))
            }
            GroupKind::ToolPolicy => Some(Content::UnservedPolicy(policy::read(root))),
            GroupKind::RESTBridge => None,
            GroupKind::Gateway => self.read(root, &whole).map(|gateway| Content::Gateway(Box::new(gateway))),
            GroupKind::GatewayClass => self.read(root, &whole).map(Content::GatewayClass),
            GroupKind::Namespace => Some(Content::Namespace),
            GroupKind::ConfigMap => self.read(root, &whole).map(Content::ConfigMap),
            GroupKind::EndpointSlice => self.read(root, &whole).map(Content::EndpointSlice),
            GroupKind::ReferenceGrant => self.read(root, &whole).map(Content::ReferenceGrant),
            GroupKind::Secret => self.read(root, &whole).map(Content::Secret),
            GroupKind::Service => self.read(root, &whole).map(Content::Service),
        }
    }

    /// The spec of one of our own kinds, whose top level is as strict as the rest.
    fn spec(&mut self) -> Option<&'a Node> {
        let root = self.root;
        if let Value::Map(entries) = &root.value {
            for entry in entries {
                if !["apiVersion", "kind", "metadata", "spec", "status"].contains(&entry.key.as_str()) {
                    let field = FieldPath::default().key(&entry.key);
                    self.error(field, Reason::UnknownField, "unknown field, expected one of metadata, spec");
                }
            }
        }
        let Some(spec) = root.child("spec") else {
            self.error(FieldPath::of("spec"), Reason::RequiredValue, "must be set");
            return None;
        };
        // What a null means differs between tools, and where a list left out means everything it would widen access.
        for null in spec.nulls() {
            let field = FieldPath::of("spec").join(null.steps());
            self.error(field, Reason::InvalidValue, "has no value: write one, or leave the field out");
        }
        Some(spec)
    }

    /// Reads a typed value; after a misfit what does not fit is taken out and the rest read again, so that all of them
    /// are told at once.
    fn read<T: serde::de::DeserializeOwned>(&mut self, node: &Node, base: &FieldPath) -> Option<T> {
        let mut misfit = match typed::read(node) {
            Ok(value) => return Some(value),
            Err(misfit) => misfit,
        };
        let mut rest = node.clone();
        let mut removed = Vec::new();
        // Each round removes an entry; the bound only keeps a hopeless document short.
        for _ in 0..MAX_MISFITS {
            let path = misfit.path();
            if removed.contains(&path) {
                break;
            }
            self.misfit(base, &misfit);
            let is_removed = rest.remove(&path);
            removed.push(path);
            if !is_removed {
                break;
            }
            match typed::read::<T>(&rest) {
                Ok(_) => break,
                Err(next) => misfit = next,
            }
        }
        None
    }

    fn misfit(&mut self, base: &FieldPath, misfit: &Misfit) {
        let field = base.join(&misfit.path());
        let reason = match misfit.kind {
            MisfitKind::UnknownField { .. } => Reason::UnknownField,
            MisfitKind::MissingField => Reason::RequiredValue,
            MisfitKind::UnknownVariant { .. } => Reason::UnsupportedValue,
            MisfitKind::Invalid(_) => Reason::InvalidValue,
        };
        self.error(field, reason, misfit.message());
    }
}

/// Enough for a reader to mend in one go.
const MAX_MISFITS: usize = 32;

#[cfg(test)]
mod scalars;
#[cfg(test)]
mod tests;
