//! The Kubernetes kinds that are read beside Ringway's own: what is used of each, nothing more.
//!
//! Unknown fields are allowed: their schemas are not ours. Secret values never show in `Debug`.

mod gateway;

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

pub use gateway::{
    AllowedKind, AllowedNamespaces, AllowedRoutes, FrontendTls, FrontendValidation, Gateway, GatewayAddress,
    GatewayClass, GatewayClassSpec, GatewayListener, GatewaySpec, GatewayTls, ListenerTls, NamespacesFrom, PortTls,
    ValidationConfig,
};

/// Text that never shows itself.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secret {
    /// Base64.
    #[serde(default)]
    pub data: BTreeMap<String, SecretText>,
    /// Plain, with `${ENV}`; wins over `data`.
    #[serde(default)]
    pub string_data: BTreeMap<String, SecretText>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMap {
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}

/// Only its labels count, which are in its metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Namespace {}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Service {
    #[serde(default)]
    pub spec: ServiceSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSpec {
    /// `ClusterIP` when left out.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub ports: Vec<ServicePort>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Left out on a Service with one port.
    #[serde(default)]
    pub name: String,
    pub port: u16,
    /// `TCP` when left out.
    pub protocol: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// `IPv4`, `IPv6` or `FQDN`.
    pub address_type: String,
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    #[serde(default)]
    pub ports: Vec<EndpointPort>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Endpoint {
    #[serde(default)]
    pub addresses: Vec<String>,
    #[serde(default)]
    pub conditions: EndpointConditions,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct EndpointConditions {
    /// Unknown counts as ready (discovery.k8s.io/v1).
    pub ready: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct EndpointPort {
    /// The name of the Service's port.
    #[serde(default)]
    pub name: String,
    /// Left out means all ports, which is no address to connect to.
    pub port: Option<u16>,
    pub protocol: Option<String>,
}

/// Gateway API: who may refer to what in the grant's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ReferenceGrant {
    pub spec: ReferenceGrantSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ReferenceGrantSpec {
    pub from: Vec<GrantFrom>,
    pub to: Vec<GrantTo>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrantFrom {
    pub group: String,
    pub kind: String,
    pub namespace: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GrantTo {
    pub group: String,
    pub kind: String,
    /// Left out: every object of the kind.
    pub name: Option<String>,
}

/// The label of an EndpointSlice that names its Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

// === impl SecretText ===

impl SecretText {
    /// The text itself, for the one place that resolves references.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
