//! All objects of a configuration, by kind and name.
//!
//! Holds and finds; judges nothing but that a name stands for one object. Built by whoever read the files, kept up to
//! date by the operator, handed to `translate`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ringway_crds::{GroupKind, kube};
use ringway_snapshot::ObjectName;

use crate::object::{Content, Object, ObjectId};
use crate::path::FieldPath;
use crate::problem::{Problem, Reason, Severity};

/// The objects of one configuration.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// More than one under a name: none of them counts.
    objects: BTreeMap<ObjectId, Vec<Arc<Object>>>,
    /// Service → its EndpointSlices.
    slices: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
    /// Where Secrets or ConfigMaps could not be read.
    unread: BTreeMap<(GroupKind, String), Unread>,
}

/// Why the objects of a kind in a namespace are not in the world, whether they exist or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// Nobody let the operator read there.
    Forbidden,
    /// So many namespaces are watched already.
    Limit(usize),
}

/// What a name stands for.
pub(crate) enum Found<T> {
    One(T),
    /// It is there, and has problems of its own.
    Broken,
    Missing,
}

// === impl World ===

impl World {
    /// The order of the objects does not matter. Objects of one name are all kept, and none of them counts.
    #[must_use]
    pub fn from_objects(objects: impl IntoIterator<Item = impl Into<Arc<Object>>>) -> Self {
        let mut world = Self::default();
        for object in objects {
            world.add(object.into());
        }
        for same in world.objects.values_mut().filter(|same| same.len() > 1) {
            same.sort_by(|a, b| {
                (&a.origin.file, a.origin.root.position).cmp(&(&b.origin.file, b.origin.root.position))
            });
        }
        world
    }

    /// Takes the place of whatever has the same kind and name.
    pub fn insert(&mut self, object: Arc<Object>) {
        self.remove(&object.id);
        self.add(object);
    }

    /// Whatever has the kind and name; nothing is as good.
    pub fn remove(&mut self, id: &ObjectId) {
        for object in self.objects.remove(id).unwrap_or_default() {
            let Some(service) = service_of(&object) else { continue };
            if let Some(slices) = self.slices.get_mut(&service) {
                slices.remove(&id.name);
                if slices.is_empty() {
                    self.slices.remove(&service);
                }
            }
        }
    }

    fn add(&mut self, object: Arc<Object>) {
        if let Some(service) = service_of(&object) {
            self.slices.entry(service).or_default().insert(object.id.name.clone());
        }
        self.objects.entry(object.id.clone()).or_default().push(object);
    }

    /// Objects of `kind` in `namespace` that are not here may be there all the same.
    pub fn leave_unread(&mut self, kind: GroupKind, namespace: impl Into<String>, why: Unread) {
        self.unread.insert((kind, namespace.into()), why);
    }

    pub(crate) fn unread(&self, kind: GroupKind, namespace: &str) -> Option<Unread> {
        if self.unread.is_empty() {
            return None;
        }
        self.unread.get(&(kind, namespace.to_owned())).copied()
    }

    /// Whether an object of kind `from` in namespace `home` may refer to `target`: it is in the same namespace, or a
    /// ReferenceGrant there lets it.
    #[must_use]
    pub fn permits(&self, (from, home): (GroupKind, &str), kind: GroupKind, target: &ObjectName) -> bool {
        let is_from = |f: &kube::GrantFrom| f.group == from.group() && f.kind == from.kind() && f.namespace == home;
        let is_to = |t: &kube::GrantTo| {
            t.group == kind.group() && t.kind == kind.kind() && t.name.as_ref().is_none_or(|only| *only == target.name)
        };
        target.namespace == home
            || self
                .grants(&target.namespace)
                .any(|grant| grant.spec.from.iter().any(is_from) && grant.spec.to.iter().any(is_to))
    }

    /// How many objects there are, broken ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.values().map(Vec::len).sum()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Every object of a kind whose name stands for it alone, in the order of namespace and name.
    pub(crate) fn unique(&self, kind: GroupKind) -> impl Iterator<Item = &Object> {
        self.range(kind, "").filter_map(|(_, same)| alone(same))
    }

    /// All objects of a kind, doubled ones included.
    pub(crate) fn of_kind(&self, kind: GroupKind) -> impl Iterator<Item = &Object> {
        self.range(kind, "").flat_map(|(_, same)| same).map(AsRef::as_ref)
    }

    /// The objects of a kind in a namespace whose names stand for them alone.
    pub(crate) fn in_namespace<'a>(&'a self, kind: GroupKind, namespace: &'a str) -> impl Iterator<Item = &'a Object> {
        self.range(kind, namespace)
            .take_while(move |(id, _)| id.name.namespace == namespace)
            .filter_map(|(_, same)| alone(same))
    }

    /// From the first object of a namespace to the last of the kind.
    fn range(&self, kind: GroupKind, namespace: &str) -> impl Iterator<Item = (&ObjectId, &[Arc<Object>])> {
        let first = ObjectId { kind, name: ObjectName::new(namespace, "") };
        self.objects.range(first..).take_while(move |(id, _)| id.kind == kind).map(|(id, same)| (id, same.as_slice()))
    }

    pub(crate) fn find(&self, kind: GroupKind, name: &ObjectName) -> Found<&Object> {
        match self.objects.get(&ObjectId { kind, name: name.clone() }).map(Vec::as_slice) {
            None | Some([]) => Found::Missing,
            Some([one]) if !matches!(one.content, Content::Refused { .. }) => Found::One(one),
            Some(_) => Found::Broken,
        }
    }

    pub(crate) fn service(&self, name: &ObjectName) -> Found<&kube::Service> {
        self.find(GroupKind::Service, name).and_then(|object| match &object.content {
            Content::Service(service) => Some(service),
            _ => None,
        })
    }

    pub(crate) fn config_map(&self, name: &ObjectName) -> Found<&kube::ConfigMap> {
        self.find(GroupKind::ConfigMap, name).and_then(|object| match &object.content {
            Content::ConfigMap(map) => Some(map),
            _ => None,
        })
    }

    /// The labels of a namespace.
    pub(crate) fn namespace_labels(&self, namespace: &str) -> Option<&BTreeMap<String, String>> {
        match self.find(GroupKind::Namespace, &ObjectName::new("", namespace)) {
            Found::One(object) => Some(&object.meta.labels),
            _ => None,
        }
    }

    /// The EndpointSlices of a Service.
    pub(crate) fn endpoint_slices(&self, service: &ObjectName) -> impl Iterator<Item = &kube::EndpointSlice> {
        self.slices.get(service).into_iter().flatten().filter_map(|name| {
            match self.find(GroupKind::EndpointSlice, name) {
                Found::One(Object { content: Content::EndpointSlice(slice), .. }) => Some(slice),
                _ => None,
            }
        })
    }

    /// The ReferenceGrants of a namespace.
    pub(crate) fn grants<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a kube::ReferenceGrant> {
        self.in_namespace(GroupKind::ReferenceGrant, namespace).filter_map(|object| match &object.content {
            Content::ReferenceGrant(grant) => Some(grant),
            _ => None,
        })
    }

    /// One problem for each object that shares its name with another.
    pub(crate) fn doubled(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for same in self.objects.values().filter(|same| same.len() > 1) {
            for (index, object) in same.iter().enumerate() {
                let others: Vec<_> =
                    same.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, other)| other.place()).collect();
                let message = format!("defined {} times, also at {}; none is served", same.len(), others.join(", "));
                problems.push(object.problem(
                    FieldPath::of("metadata.name"),
                    Reason::Conflicted,
                    Severity::Error,
                    message,
                ));
            }
        }
        problems
    }
}

/// The Service that an EndpointSlice belongs to.
fn service_of(object: &Object) -> Option<ObjectName> {
    let service = object.meta.labels.get(kube::SERVICE_NAME_LABEL)?;
    (object.id.kind == GroupKind::EndpointSlice)
        .then(|| ObjectName::new(object.id.name.namespace.as_str(), service.as_str()))
}

fn alone(same: &[Arc<Object>]) -> Option<&Object> {
    match same {
        [one] => Some(one),
        _ => None,
    }
}

// === impl Found ===

impl<T> Found<T> {
    fn and_then<U>(self, read: impl FnOnce(T) -> Option<U>) -> Found<U> {
        match self {
            Self::One(value) => read(value).map_or(Found::Broken, Found::One),
            Self::Broken => Found::Broken,
            Self::Missing => Found::Missing,
        }
    }
}
