//! The kinds that are observed, and where the API server keeps them.
//!
//! Reads nothing. Asked by the watches, the store and the status writer.

use kube::core::ApiResource;
pub use ringway_crds::GroupKind as Kind;
use ringway_crds::VERSION;

/// How a kind is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// In all namespaces, and waited for.
    Cluster,
    /// In all namespaces, when the API server has it.
    Optional,
    /// In the namespaces where something refers to one, and only what is referred to is kept.
    Narrow,
}

/// What the operator has to know of each kind.
pub trait Watched: Copy {
    const ALL: [Self; 12];

    fn reach(self) -> Reach;
    /// Whether the status is ours to write.
    fn has_status(self) -> bool;
    fn is_namespaced(self) -> bool;
    /// Best first.
    fn versions(self) -> &'static [&'static str];
    fn resource(self, api_version: &str) -> ApiResource;
}

/// `group/version`, or the version alone for the core group.
#[must_use]
pub fn api_version(kind: Kind, version: &str) -> String {
    match kind.group() {
        "" => version.to_owned(),
        group => format!("{group}/{version}"),
    }
}

// === impl Kind ===

impl Watched for Kind {
    const ALL: [Self; 12] = [
        Self::MCPBackend,
        Self::MCPRoute,
        Self::ToolPolicy,
        Self::RESTBridge,
        Self::ConfigMap,
        Self::EndpointSlice,
        Self::Gateway,
        Self::GatewayClass,
        Self::Namespace,
        Self::ReferenceGrant,
        Self::Secret,
        Self::Service,
    ];

    fn reach(self) -> Reach {
        match self {
            Self::Gateway | Self::GatewayClass | Self::ReferenceGrant => Reach::Optional,
            Self::Secret | Self::ConfigMap => Reach::Narrow,
            Self::MCPBackend
            | Self::MCPRoute
            | Self::ToolPolicy
            | Self::RESTBridge
            | Self::EndpointSlice
            | Self::Namespace
            | Self::Service => Reach::Cluster,
        }
    }

    fn has_status(self) -> bool {
        matches!(
            self,
            Self::MCPBackend
                | Self::MCPRoute
                | Self::ToolPolicy
                | Self::RESTBridge
                | Self::Gateway
                | Self::GatewayClass
        )
    }

    fn is_namespaced(self) -> bool {
        !matches!(self, Self::GatewayClass | Self::Namespace)
    }

    fn versions(self) -> &'static [&'static str] {
        match self {
            Self::MCPBackend | Self::MCPRoute | Self::ToolPolicy | Self::RESTBridge => &[VERSION],
            // Old releases serve Gateways as v1beta1, too: those are v1 objects in all that is read here, but the
            // status was never the same, so they are left alone.
            Self::ReferenceGrant => &["v1", "v1beta1"],
            _ => &["v1"],
        }
    }

    fn resource(self, api_version: &str) -> ApiResource {
        let version = api_version.rsplit_once('/').map_or(api_version, |(_, version)| version);
        ApiResource {
            group: self.group().to_owned(),
            version: version.to_owned(),
            api_version: api_version.to_owned(),
            kind: self.kind().to_owned(),
            plural: self.plural().to_owned(),
        }
    }
}
