//! The `ringway.dev/v1alpha1` resources as Rust types, and the few Kubernetes kinds that stand beside them.
//!
//! Shapes only: what a field is called, its type, and what a scalar looks like. Which combinations make sense, which
//! bounds hold and what a reference points at is decided by `ringway-translate`, the only caller. Unknown fields of
//! Ringway's own kinds are errors that name the field; Kubernetes' kinds are read leniently, their schemas are not ours.

pub mod backend;
mod duration;
mod group_kind;
pub mod kube;
mod metadata;
mod quantity;
mod reference;
pub mod route;

pub use backend::MCPBackendSpec;
pub use duration::{Duration, DurationError};
pub use group_kind::{GroupKind, Unserved};
pub use metadata::ObjectMeta;
pub use quantity::{Quantity, QuantityError};
pub use reference::{
    ConfigMapKeyRef, LabelOperator, LabelRequirement, LabelSelector, LocalRef, ObjectRef, SecretKeyRef, SecretRef,
};
pub use route::MCPRouteSpec;

/// The API group of Gateway, GatewayClass and ReferenceGrant.
pub const GATEWAY_API_GROUP: &str = "gateway.networking.k8s.io";
/// The API group of all Ringway kinds.
pub const GROUP: &str = "ringway.dev";
/// The only version of [`GROUP`].
pub const VERSION: &str = "v1alpha1";
