//! Which kinds are read, by API group: the one table that says what a document is.
//!
//! Does not parse documents; `ringway-translate` asks it for each.

use std::fmt;

use crate::{GATEWAY_API_GROUP, GROUP, VERSION};

/// A kind that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupKind {
    MCPBackend,
    MCPRoute,
    ToolPolicy,
    RESTBridge,
    ConfigMap,
    EndpointSlice,
    Gateway,
    GatewayClass,
    Namespace,
    ReferenceGrant,
    Secret,
    Service,
}

/// Why a document's `apiVersion` and `kind` are none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unserved {
    #[error("group {GROUP} has no kind `{0}`: MCPBackend, MCPRoute, ToolPolicy or RESTBridge")]
    UnknownKind(String),
    #[error("apiVersion `{0}` is not served: write `{GROUP}/{VERSION}`")]
    UnknownVersion(String),
    /// Another project's resource, which is none of our business.
    #[error("{kind} of {api_version} is not read here and has no effect")]
    Foreign { api_version: String, kind: String },
}

// === impl GroupKind ===

impl GroupKind {
    /// What a document with these two fields is.
    ///
    /// # Errors
    /// [`Unserved`] says whether the document is wrong or belongs to someone else.
    pub fn of(api_version: &str, kind: &str) -> Result<Self, Unserved> {
        if let Some(version) = api_version.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix('/')) {
            if version != VERSION {
                return Err(Unserved::UnknownVersion(api_version.to_owned()));
            }
            return match kind {
                "MCPBackend" => Ok(Self::MCPBackend),
                "MCPRoute" => Ok(Self::MCPRoute),
                "ToolPolicy" => Ok(Self::ToolPolicy),
                "RESTBridge" => Ok(Self::RESTBridge),
                other => Err(Unserved::UnknownKind(other.to_owned())),
            };
        }
        match (api_version, kind) {
            ("v1", "Secret") => Ok(Self::Secret),
            ("v1", "ConfigMap") => Ok(Self::ConfigMap),
            ("v1", "Namespace") => Ok(Self::Namespace),
            ("v1", "Service") => Ok(Self::Service),
            ("discovery.k8s.io/v1", "EndpointSlice") => Ok(Self::EndpointSlice),
            ("gateway.networking.k8s.io/v1" | "gateway.networking.k8s.io/v1beta1", "ReferenceGrant") => {
                Ok(Self::ReferenceGrant)
            }
            ("gateway.networking.k8s.io/v1", "Gateway") => Ok(Self::Gateway),
            ("gateway.networking.k8s.io/v1", "GatewayClass") => Ok(Self::GatewayClass),
            _ => Err(Unserved::Foreign { api_version: api_version.to_owned(), kind: kind.to_owned() }),
        }
    }

    /// False: the kind belongs to the contract and is not served by this version.
    #[must_use]
    pub fn is_served(self) -> bool {
        !matches!(self, Self::ToolPolicy | Self::RESTBridge)
    }

    /// The kind as it is written in YAML.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::MCPBackend => "MCPBackend",
            Self::MCPRoute => "MCPRoute",
            Self::ToolPolicy => "ToolPolicy",
            Self::RESTBridge => "RESTBridge",
            Self::ConfigMap => "ConfigMap",
            Self::EndpointSlice => "EndpointSlice",
            Self::Gateway => "Gateway",
            Self::GatewayClass => "GatewayClass",
            Self::Namespace => "Namespace",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::Secret => "Secret",
            Self::Service => "Service",
        }
    }

    /// The API group; `""` is Kubernetes' core group.
    #[must_use]
    pub fn group(self) -> &'static str {
        match self {
            Self::MCPBackend | Self::MCPRoute | Self::ToolPolicy | Self::RESTBridge => GROUP,
            Self::ConfigMap | Self::Namespace | Self::Secret | Self::Service => "",
            Self::EndpointSlice => "discovery.k8s.io",
            Self::Gateway | Self::GatewayClass | Self::ReferenceGrant => GATEWAY_API_GROUP,
        }
    }

    /// As it is written in the API server's paths.
    #[must_use]
    pub fn plural(self) -> &'static str {
        match self {
            Self::MCPBackend => "mcpbackends",
            Self::MCPRoute => "mcproutes",
            Self::ToolPolicy => "toolpolicies",
            Self::RESTBridge => "restbridges",
            Self::ConfigMap => "configmaps",
            Self::EndpointSlice => "endpointslices",
            Self::Gateway => "gateways",
            Self::GatewayClass => "gatewayclasses",
            Self::Namespace => "namespaces",
            Self::ReferenceGrant => "referencegrants",
            Self::Secret => "secrets",
            Self::Service => "services",
        }
    }

    /// Its objects stand in no namespace.
    #[must_use]
    pub fn is_cluster_scoped(self) -> bool {
        matches!(self, Self::GatewayClass | Self::Namespace)
    }
}

impl fmt::Display for GroupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

#[cfg(test)]
mod tests {
    use super::{GroupKind, Unserved};

    #[test]
    fn a_document_is_known_by_group_version_and_kind() {
        assert_eq!(GroupKind::of("ringway.dev/v1alpha1", "MCPRoute"), Ok(GroupKind::MCPRoute));
        assert_eq!(GroupKind::of("ringway.dev/v1alpha1", "ToolPolicy"), Ok(GroupKind::ToolPolicy));
        assert_eq!(GroupKind::of("ringway.dev/v1alpha1", "MCPRout"), Err(Unserved::UnknownKind("MCPRout".into())));
        assert!(matches!(GroupKind::of("ringway.dev/v1", "MCPRoute"), Err(Unserved::UnknownVersion(_))));
        // Envoy AI Gateway has a kind of the same name.
        assert!(matches!(GroupKind::of("aigateway.envoyproxy.io/v1alpha1", "MCPRoute"), Err(Unserved::Foreign { .. })));
        assert_eq!(GroupKind::of("v1", "Secret"), Ok(GroupKind::Secret));
        assert_eq!(GroupKind::of("gateway.networking.k8s.io/v1", "Gateway"), Ok(GroupKind::Gateway));
        // Other projects have Gateways, too.
        assert!(matches!(GroupKind::of("networking.istio.io/v1", "Gateway"), Err(Unserved::Foreign { .. })));
    }

    #[test]
    fn classes_and_namespaces_stand_in_no_namespace() {
        assert!(GroupKind::GatewayClass.is_cluster_scoped() && GroupKind::Namespace.is_cluster_scoped());
        assert!(!GroupKind::Gateway.is_cluster_scoped() && !GroupKind::MCPBackend.is_cluster_scoped());
    }
}
