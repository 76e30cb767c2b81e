//! What `ringway status` looks at: the cluster's own answers, each of which may be missing or refused.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use ringway_crds::GroupKind;
use serde_json::Value;

use crate::cluster::ClusterError;
use crate::cluster::install::{Found, Install};

/// An answer of the API server.
pub type Looked<T> = Result<T, ClusterError>;

/// The kinds of Ringway's own.
pub const OURS: [GroupKind; 4] =
    [GroupKind::MCPBackend, GroupKind::MCPRoute, GroupKind::ToolPolicy, GroupKind::RESTBridge];

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Whole,
    /// What runs, not what it is used for: needs few rights, and nobody's broken object counts.
    Install,
}

/// Everything of one look.
#[derive(Debug)]
pub struct Facts {
    pub scope: Scope,
    pub now: Timestamp,
    /// Of this command.
    pub version: &'static str,
    /// The API server's address.
    pub server: String,
    pub kubernetes: Looked<KubernetesVersion>,
    /// By kind.
    pub definitions: BTreeMap<&'static str, Looked<Option<Value>>>,
    pub found: Looked<Found>,
    /// When one install was found.
    pub install: Option<InstallFacts>,
    /// By kind; `None`: the kind is not installed. Nothing without the whole scope, as with what follows.
    pub objects: BTreeMap<&'static str, Looked<Option<Objects>>>,
    pub gateways: Looked<Gateways>,
}

/// As `/version` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesVersion {
    pub major: u32,
    pub minor: u32,
    pub text: String,
}

/// The objects of one install.
#[derive(Debug)]
pub struct InstallFacts {
    pub install: Install,
    pub operator: Deployment,
    pub operator_pods: Looked<Vec<Pod>>,
    pub lease: Looked<Option<Lease>>,
    pub data_plane: Looked<Option<Deployment>>,
    pub pods: Looked<Vec<Pod>>,
    pub services: Looked<Vec<Service>>,
    /// With the whole scope.
    pub secrets: Option<Secrets>,
    /// What each ready data-plane pod serves, secrets as stars; as many pods as are compared.
    pub configs: BTreeMap<String, Looked<Value>>,
}

/// The Secrets that the operator keeps.
#[derive(Debug)]
pub struct Secrets {
    pub authority: Named<Secret>,
    pub data_plane: Named<Secret>,
    pub keys: Named<Secret>,
    /// The key in `keys`.
    pub keys_key: String,
}

/// An object that was looked for by its name.
#[derive(Debug)]
pub struct Named<T> {
    pub name: String,
    pub looked: Looked<Option<T>>,
}

/// Objects of a kind.
#[derive(Debug, Default)]
pub struct Objects {
    pub items: Vec<Value>,
    /// Only this one was looked at: the others are not allowed.
    pub namespace: Option<String>,
}

/// Of our classes.
#[derive(Debug, Clone, PartialEq)]
pub enum Gateways {
    /// The Gateway API is not installed, which is allowed.
    NoApi,
    Ours(Vec<Value>),
}

// === impl KubernetesVersion ===

impl KubernetesVersion {
    /// `minor` may have a suffix, `33+` for instance.
    #[must_use]
    pub fn new(major: &str, minor: &str, text: &str) -> Option<Self> {
        let number = |text: &str| {
            let digits = text.find(|c: char| !c.is_ascii_digit()).map_or(text, |end| text.split_at(end).0);
            digits.parse().ok()
        };
        Some(Self { major: number(major)?, minor: number(minor)?, text: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_providers_are_read() {
        let version = |major, minor| KubernetesVersion::new(major, minor, "v").map(|one| (one.major, one.minor));
        assert_eq!(version("1", "33+"), Some((1, 33)));
        assert_eq!(version("1", "37"), Some((1, 37)));
        assert_eq!(version("", "x"), None);
    }
}
