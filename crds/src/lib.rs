//! The `ringway.dev/v1alpha1` resources as Rust types and as CustomResourceDefinitions, and the few Kubernetes kinds that
//! stand beside them.
//!
//! The types say what a field is called, its type, what a scalar looks like, and at each the bounds and rules that the
//! API server enforces. Whether an object is right as a whole, and what a reference points at, is decided by
//! `ringway-translate`, which trusts no API server. Unknown fields of Ringway's own kinds are errors that name the field;
//! Kubernetes' kinds are read leniently, their schemas are not ours.

pub mod backend;
pub mod bridge;
mod duration;
#[cfg(feature = "examples")]
pub mod examples;
mod group_kind;
pub mod kube;
pub mod manifest;
mod metadata;
pub mod name;
pub mod policy;
mod quantity;
mod reference;
pub mod route;
mod schema;
pub mod status;

pub use backend::MCPBackendSpec;
pub use bridge::RESTBridgeSpec;
pub use duration::{Duration, DurationError};
pub use group_kind::{GroupKind, Unserved};
pub use metadata::ObjectMeta;
pub use policy::ToolPolicySpec;
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
