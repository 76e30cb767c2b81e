//! All objects of a configuration, by kind and name.
//!
//! Holds and finds; judges nothing but that a name stands for one object. Built by whoever read the files, handed to
//! `translate`.

use std::collections::{BTreeMap, BTreeSet};

use ringway_crds::{GroupKind, kube};
use ringway_snapshot::ObjectName;

use crate::object::{Content, Object, ObjectId};
use crate::path::FieldPath;
use crate::problem::{Problem, Reason, Severity};

/// The objects of one configuration.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// More than one under a name: none of them counts.
    objects: BTreeMap<ObjectId, Vec<Object>>,
    /// Service → its EndpointSlices.
    slices: BTreeMap<ObjectName, BTreeSet<ObjectName>>,
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
    /// The order of the objects does not matter.
    #[must_use]
    pub fn from_objects(objects: impl IntoIterator<Item = Object>) -> Self {
        let mut by_id: BTreeMap<ObjectId, Vec<Object>> = BTreeMap::new();
        for object in objects {
            by_id.entry(object.id.clone()).or_default().push(object);
        }
        for same in by_id.values_mut() {
            same.sort_by(|a, b| {
                (&a.origin.file, a.origin.root.position).cmp(&(&b.origin.file, b.origin.root.position))
            });
        }
        Self { slices: slices(&by_id), objects: by_id }
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

    /// Every object whose name stands for it alone, in the order of kind, namespace and name.
    pub(crate) fn unique(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().filter_map(|same| match same.as_slice() {
            [one] => Some(one),
            _ => None,
        })
    }

    /// All objects of a kind, doubled ones included.
    pub(crate) fn of_kind(&self, kind: GroupKind) -> impl Iterator<Item = &Object> {
        let first = ObjectId { kind, name: ObjectName::new("", "") };
        self.objects.range(first..).take_while(move |(id, _)| id.kind == kind).flat_map(|(_, same)| same)
    }

    pub(crate) fn find(&self, kind: GroupKind, name: &ObjectName) -> Found<&Object> {
        match self.objects.get(&ObjectId { kind, name: name.clone() }).map(Vec::as_slice) {
            None | Some([]) => Found::Missing,
            Some([one]) if !matches!(one.content, Content::Refused) => Found::One(one),
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
    pub(crate) fn grants(&self, namespace: &str) -> impl Iterator<Item = &kube::ReferenceGrant> {
        self.of_kind(GroupKind::ReferenceGrant).filter(move |object| object.id.name.namespace == namespace).filter_map(
            |object| match self.find(GroupKind::ReferenceGrant, &object.id.name) {
                Found::One(Object { content: Content::ReferenceGrant(grant), .. }) => Some(grant),
                _ => None,
            },
        )
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

/// Service → the names of its slices, each once.
fn slices(objects: &BTreeMap<ObjectId, Vec<Object>>) -> BTreeMap<ObjectName, BTreeSet<ObjectName>> {
    let mut slices: BTreeMap<ObjectName, BTreeSet<ObjectName>> = BTreeMap::new();
    for object in objects.values().flatten().filter(|object| object.id.kind == GroupKind::EndpointSlice) {
        if let Some(service) = object.meta.labels.get(kube::SERVICE_NAME_LABEL) {
            let service = ObjectName::new(object.id.name.namespace.as_str(), service.as_str());
            slices.entry(service).or_default().insert(object.id.name.clone());
        }
    }
    slices
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
