//! Gateway API's Gateway and GatewayClass: what is used of them.
//!
//! Shapes as of Gateway API 1.4 and later. A value that is not known here stays a text: one new enum value must not
//! make a whole Gateway unreadable.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{LabelSelector, ObjectRef};

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct GatewayClass {
    #[serde(default)]
    pub spec: GatewayClassSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    #[serde(default)]
    pub controller_name: String,
    pub parameters_ref: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Gateway {
    #[serde(default)]
    pub spec: GatewaySpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    #[serde(default)]
    pub gateway_class_name: String,
    #[serde(default)]
    pub listeners: Vec<GatewayListener>,
    /// Addresses that the user asks for.
    #[serde(default)]
    pub addresses: Vec<GatewayAddress>,
    pub tls: Option<GatewayTls>,
    pub infrastructure: Option<GatewayInfrastructure>,
    /// Whose ListenerSets may add listeners; left out: nobody's.
    pub allowed_listeners: Option<AllowedListeners>,
}

/// Labels and annotations in it are for objects that are made for a Gateway; none are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayInfrastructure {
    pub parameters_ref: Option<serde_json::Value>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AllowedListeners {
    pub namespaces: Option<ListenerNamespaces>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ListenerNamespaces {
    /// `None` when left out.
    pub from: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayAddress {
    /// `IPAddress` when left out.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    pub value: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayListener {
    pub name: String,
    pub hostname: Option<String>,
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP` or a name with a domain.
    pub protocol: String,
    pub tls: Option<ListenerTls>,
    #[serde(default)]
    pub allowed_routes: AllowedRoutes,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTls {
    /// `Terminate` (when left out) or `Passthrough`.
    pub mode: Option<String>,
    /// Secrets when the kind is left out.
    #[serde(default)]
    pub certificate_refs: Vec<ObjectRef>,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// Which routes may attach; left out: of the Gateway's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AllowedRoutes {
    #[serde(default)]
    pub namespaces: AllowedNamespaces,
    /// Left out or empty: what the protocol allows.
    #[serde(default)]
    pub kinds: Vec<AllowedKind>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct AllowedNamespaces {
    #[serde(default)]
    pub from: NamespacesFrom,
    /// With `Selector`.
    pub selector: Option<LabelSelector>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum NamespacesFrom {
    All,
    Selector,
    #[default]
    Same,
    None,
    /// Of a Gateway API that is newer: nothing may attach by it.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AllowedKind {
    /// `gateway.networking.k8s.io` when left out.
    pub group: Option<String>,
    pub kind: String,
}

/// TLS of the Gateway as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct GatewayTls {
    /// Towards backends; belongs to Gateway API's own policies and is not served.
    pub backend: Option<serde_json::Value>,
    /// Towards clients.
    pub frontend: Option<FrontendTls>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendTls {
    #[serde(default)]
    pub default: ValidationConfig,
    /// Instead of `default` on one port.
    #[serde(default)]
    pub per_port: Vec<PortTls>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PortTls {
    pub port: u16,
    #[serde(default)]
    pub tls: ValidationConfig,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ValidationConfig {
    /// Left out: no client certificate is asked for.
    pub validation: Option<FrontendValidation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendValidation {
    /// ConfigMaps with the key `ca.crt`.
    #[serde(default)]
    pub ca_certificate_refs: Vec<ObjectRef>,
    /// `AllowValidOnly` (when left out) or `AllowInsecureFallback`.
    pub mode: Option<String>,
}

// === impl GatewaySpec ===

impl GatewaySpec {
    /// Somebody's ListenerSets may add listeners.
    #[must_use]
    pub fn admits_listener_sets(&self) -> bool {
        let namespaces = self.allowed_listeners.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
        namespaces.and_then(|namespaces| namespaces.from.as_deref()).is_some_and(|from| from != "None")
    }
}

#[cfg(test)]
mod tests {
    use super::{Gateway, NamespacesFrom};

    #[test]
    fn a_gateway_is_read_as_far_as_it_is_known() {
        let gateway: Gateway = serde_json::from_value(serde_json::json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": { "name": "agents" },
            "spec": {
                "gatewayClassName": "ringway",
                "infrastructure": { "labels": {} },
                "listeners": [
                    {
                        "name": "https", "hostname": "*.example.com", "port": 443, "protocol": "HTTPS",
                        "tls": { "mode": "Terminate", "certificateRefs": [{ "group": "", "kind": "Secret", "name": "a" }] },
                        "allowedRoutes": {
                            "namespaces": { "from": "Selector", "selector": { "matchLabels": { "team": "eng" } } },
                            "kinds": [{ "group": "ringway.dev", "kind": "MCPRoute" }],
                        },
                    },
                    { "name": "plain", "port": 80, "protocol": "HTTP", "allowedRoutes": { "namespaces": { "from": "Sister" } } },
                    { "name": "bare", "port": 81, "protocol": "HTTP" },
                ],
                "tls": { "frontend": {
                    "default": { "validation": { "caCertificateRefs": [{ "group": "", "kind": "ConfigMap", "name": "ca" }] } },
                    "perPort": [{ "port": 443, "tls": { "validation": {
                        "caCertificateRefs": [{ "group": "", "kind": "ConfigMap", "name": "ca" }],
                        "mode": "AllowInsecureFallback",
                    } } }],
                } },
            },
            "status": {},
        }))
        .expect("it is read");
        let [https, plain, bare] = gateway.spec.listeners.as_slice() else { panic!("three listeners") };
        assert_eq!(https.allowed_routes.namespaces.from, NamespacesFrom::Selector);
        assert_eq!(https.tls.as_ref().map(|tls| tls.certificate_refs.len()), Some(1));
        assert_eq!(plain.allowed_routes.namespaces.from, NamespacesFrom::Unknown);
        assert_eq!(bare.allowed_routes.namespaces.from, NamespacesFrom::Same);
        let frontend = gateway.spec.tls.and_then(|tls| tls.frontend).expect("frontend");
        assert_eq!(frontend.default.validation.expect("validation").mode, None);
        assert_eq!(frontend.per_port.len(), 1);
    }
}
