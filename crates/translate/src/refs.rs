//! References: what a name in a field stands for, and whether it may be used from here.
//!
//! A foreign namespace is asked for its ReferenceGrant before anything there is looked up, so that a refusal tells
//! nothing about what exists. Used by the rules of backends and routes.

use ringway_crds::{GroupKind, ObjectRef, SecretKeyRef};
use ringway_snapshot::{ObjectName, Secret};

use crate::install::Install;
use crate::path::FieldPath;
use crate::problem::Reason;
use crate::scope::Scope;
use crate::secrets::Secrets;
use crate::text;
use crate::world::{Found, Unread, World};

/// What references are resolved in.
#[derive(Clone, Copy)]
pub(crate) struct Refs<'a> {
    pub(crate) world: &'a World,
    pub(crate) install: &'a Install,
    pub(crate) secrets: &'a Secrets,
}

// === impl Refs ===

impl<'a> Refs<'a> {
    /// The full name behind `name` and `namespace`, when `kind` there may be referred to from `scope`'s object.
    pub(crate) fn permitted(
        self,
        scope: &mut Scope<'_>,
        field: &FieldPath,
        kind: GroupKind,
        (name, namespace): (&str, Option<&str>),
    ) -> Option<ObjectName> {
        let from = scope.object.id.kind;
        let home = scope.namespace();
        let target = ObjectName::new(namespace.unwrap_or(home), name);
        if self.world.permits((from, home), kind, &target) {
            return Some(target);
        }
        let article = if from == GroupKind::Gateway { "a" } else { "an" };
        let message = format!(
            "no ReferenceGrant in namespace {} lets {article} {from} of namespace {home} use this {kind}",
            text::cut(&target.namespace)
        );
        scope.error(field, Reason::RefNotPermitted, message);
        None
    }

    /// The kind of a reference, checked against what the field takes; the first of `kinds` is the default.
    pub(crate) fn kind(
        self,
        scope: &mut Scope<'_>,
        field: &FieldPath,
        (group, kind): (Option<&str>, Option<&str>),
        kinds: &[GroupKind],
    ) -> Option<GroupKind> {
        let default = *kinds.first()?;
        let Some(kind) = kind.map_or(Some(default), |kind| kinds.iter().copied().find(|k| k.kind() == kind)) else {
            let names: Vec<_> = kinds.iter().map(|kind| kind.kind()).collect();
            let message = format!("`{}` is none of {}", text::cut(kind.unwrap_or_default()), names.join(", "));
            scope.error(&field.field("kind"), Reason::InvalidKind, message);
            return None;
        };
        if group.is_some_and(|group| group != kind.group()) {
            let message = format!("{kind} is of group \"{}\"", kind.group());
            scope.error(&field.field("group"), Reason::InvalidKind, message);
            return None;
        }
        Some(kind)
    }

    /// A Secret's value by name and key.
    pub(crate) fn secret(
        self,
        scope: &mut Scope<'_>,
        field: &FieldPath,
        reference: &SecretKeyRef,
    ) -> Option<&'a Secret> {
        let pair = (reference.name.as_str(), reference.namespace.as_deref());
        let name = self.permitted(scope, field, GroupKind::Secret, pair)?;
        self.secret_key(scope, field, &name, &reference.key)
    }

    /// One key of a permitted Secret.
    pub(crate) fn secret_key(
        self,
        scope: &mut Scope<'_>,
        field: &FieldPath,
        name: &ObjectName,
        key: &str,
    ) -> Option<&'a Secret> {
        let secret = self.world.find(GroupKind::Secret, name);
        self.there(scope, field, (GroupKind::Secret, name), secret)?;
        match self.secrets.value(name, key) {
            Some(Some(value)) => return Some(value),
            Some(None) => {
                let message = format!("key {} of Secret {name} has a problem of its own", text::cut(key));
                scope.error(field, Reason::RefNotAccepted, message);
            }
            None => {
                let message = format!("Secret {name} has no key {}", text::cut(key));
                scope.error(field, Reason::RefNotFound, message);
            }
        }
        None
    }

    /// A Secret or ConfigMap; where none could be read, nothing is said of what exists.
    pub(crate) fn there<T>(
        self,
        scope: &mut Scope<'_>,
        field: &FieldPath,
        (kind, name): (GroupKind, &ObjectName),
        object: Found<T>,
    ) -> Option<T> {
        let unread = self.world.unread(kind, &name.namespace).filter(|_| matches!(object, Found::Missing));
        let Some(unread) = unread else { return found(scope, field, kind, name, object) };
        let namespace = text::cut(&name.namespace);
        let message = match (unread, self.install.cluster()) {
            (Unread::Limit(limit), _) => format!(
                "Ringway does not read {kind}s of namespace {namespace}: it reads Secrets and ConfigMaps of at most \
                 {limit} namespaces, those that were created first"
            ),
            (Unread::Forbidden, Some(install)) if kind == GroupKind::Secret => format!(
                "Ringway may not read Secrets of namespace {namespace}; add it to `secretNamespaces` of the chart, or \
                 create the RoleBinding: kubectl create rolebinding {0}-secret-reader --namespace={namespace} \
                 --clusterrole={0}-secret-reader --serviceaccount={1}:{2}",
                install.name,
                install.namespace,
                install.service_account()
            ),
            (Unread::Forbidden, _) => format!("Ringway may not read {kind}s of namespace {namespace}"),
        };
        scope.error(field, Reason::RefNotPermitted, message);
        None
    }

    /// A permitted object of one of `kinds`.
    pub(crate) fn object(
        self,
        scope: &mut Scope<'_>,
        field: &FieldPath,
        reference: &ObjectRef,
        kinds: &[GroupKind],
    ) -> Option<(GroupKind, ObjectName)> {
        let kind = self.kind(scope, field, (reference.group.as_deref(), reference.kind.as_deref()), kinds)?;
        let name = self.permitted(scope, field, kind, (&reference.name, reference.namespace.as_deref()))?;
        Some((kind, name))
    }
}

/// Tells what is missing or broken.
pub(crate) fn found<T>(
    scope: &mut Scope<'_>,
    field: &FieldPath,
    kind: GroupKind,
    name: &ObjectName,
    found: Found<T>,
) -> Option<T> {
    let (reason, message) = match found {
        Found::One(value) => return Some(value),
        Found::Broken => (Reason::RefNotAccepted, format!("{kind} {name} has problems of its own")),
        Found::Missing => (Reason::RefNotFound, format!("there is no {kind} {}", text::cut(&name.to_string()))),
    };
    scope.error(field, reason, message);
    None
}
