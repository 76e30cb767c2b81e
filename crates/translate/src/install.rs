//! What the install decides and no object can: standalone or in a cluster, and the cluster's rules.
//!
//! Plain data, read by the rules. The operator reads [`ClusterInstall`] from the file that the chart writes.

mod hosts;

use std::collections::BTreeSet;

use serde::Deserialize;

pub use hosts::AllowedHosts;

/// Where objects are translated for.
#[derive(Debug, Clone, Default)]
pub enum Install {
    /// One process on files: no Gateways, any address, stdio servers.
    #[default]
    Standalone,
    Cluster(Box<ClusterInstall>),
}

/// The rules of one install in a cluster. Strict: an unknown field is an error.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterInstall {
    /// The release's own namespace.
    pub namespace: String,
    /// The prefix of the names of the install's objects.
    pub name: String,
    /// The operator's ServiceAccount, for messages that say what it may not read. Left out: `NAME-operator`.
    #[serde(default)]
    pub service_account: Option<String>,
    /// Whose routes without `parentRefs` join the default listener.
    pub route_namespaces: Namespaces,
    /// Where the operator may read Secrets.
    pub secret_namespaces: Namespaces,
    /// Hosts and CIDRs that a backend's `url` may name beside the public internet.
    #[serde(default)]
    pub allowed_hosts: AllowedHosts,
    #[serde(default = "cluster_domain")]
    pub cluster_domain: String,
    /// Ports that the data plane's Service exposes: a listener on another one is `PortUnavailable`.
    pub ports: BTreeSet<u16>,
    pub default_listener: DefaultListener,
}

/// `["*"]`: every namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "BTreeSet<String>")]
pub enum Namespaces {
    All,
    Only(BTreeSet<String>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefaultListener {
    pub port: u16,
    /// A Secret of the install's namespace with `tls.crt` and `tls.key`. Left out: plain HTTP.
    #[serde(default)]
    pub tls_secret: Option<String>,
    /// A ConfigMap of the install's namespace with `ca.crt`: client certificates are asked for.
    #[serde(default)]
    pub client_ca_config_map: Option<String>,
}

/// The controller name in GatewayClasses, parents and ancestors.
pub const CONTROLLER_NAME: &str = "ringway.dev/gateway-controller";

fn cluster_domain() -> String {
    "cluster.local".to_owned()
}

// === impl Namespaces ===

impl Namespaces {
    #[must_use]
    pub fn holds(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

impl From<BTreeSet<String>> for Namespaces {
    fn from(names: BTreeSet<String>) -> Self {
        if names.contains("*") { Self::All } else { Self::Only(names) }
    }
}

impl ClusterInstall {
    #[must_use]
    pub fn service_account(&self) -> String {
        self.service_account.clone().unwrap_or_else(|| format!("{}-operator", self.name))
    }
}

impl Install {
    #[must_use]
    pub fn cluster(&self) -> Option<&ClusterInstall> {
        match self {
            Self::Standalone => None,
            Self::Cluster(install) => Some(install),
        }
    }
}
