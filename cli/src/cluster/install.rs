//! Where Ringway is installed: its operator's Deployment, found by the labels that chart and manifests set, and its
//! data-plane pods.
//!
//! Deciding is pure (`choose`, `is_ready`, `container_port`); `find` asks.

use std::fmt;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use super::{Cluster, ClusterError};

/// Where the documentation installs it; looked at when not every namespace may be.
pub const DEFAULT_NAMESPACE: &str = "ringway-system";
const OPERATOR: &str = "app.kubernetes.io/name=ringway,app.kubernetes.io/component=operator";
const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
const OPERATOR_SUFFIX: &str = "-operator";

/// One install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    pub namespace: String,
    /// The prefix of its objects' names.
    pub name: String,
    /// What its pods carry as `app.kubernetes.io/instance`.
    pub instance: String,
}

/// What the cluster holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    One { install: Install, operator: Box<Deployment> },
    None { searched: Searched },
    Several(Vec<Install>),
}

/// Where was looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Searched {
    Everywhere,
    Namespace(String),
}

/// Looks in one namespace, or in all; where that is forbidden, in the default one.
///
/// # Errors
/// [`ClusterError`].
pub async fn find(cluster: &Cluster, namespace: Option<&str>) -> Result<Found, ClusterError> {
    let parameters = ListParams::default().labels(OPERATOR);
    let of = |namespace: &str| Api::<Deployment>::namespaced(cluster.client.clone(), namespace);
    if let Some(namespace) = namespace {
        let found = cluster.ask(of(namespace).list(&parameters)).await?;
        return Ok(choose(found.items, Searched::Namespace(namespace.to_owned())));
    }
    let everywhere = Api::<Deployment>::all(cluster.client.clone());
    match cluster.ask(everywhere.list(&parameters)).await {
        Ok(found) => Ok(choose(found.items, Searched::Everywhere)),
        Err(error) if error.is_forbidden() => {
            let found = cluster.ask(of(DEFAULT_NAMESPACE).list(&parameters)).await?;
            Ok(choose(found.items, Searched::Namespace(DEFAULT_NAMESPACE.to_owned())))
        }
        Err(error) => Err(error),
    }
}

fn choose(mut deployments: Vec<Deployment>, searched: Searched) -> Found {
    match deployments.len() {
        0 => Found::None { searched },
        1 => {
            let operator = Box::new(deployments.remove(0));
            Found::One { install: Install::of(&operator), operator }
        }
        _ => Found::Several(deployments.iter().map(Install::of).collect()),
    }
}

/// The one install, for commands that need one.
///
/// # Errors
/// [`ClusterError`] that says what to do.
pub async fn one(cluster: &Cluster, namespace: Option<&str>, flag: &str) -> Result<Install, ClusterError> {
    match find(cluster, namespace).await? {
        Found::One { install, .. } => Ok(install),
        Found::None { searched } => Err(ClusterError::Unfit(format!(
            "no Ringway install {searched}; `ringway status` says more ({flag} names its namespace)"
        ))),
        Found::Several(installs) => {
            let names: Vec<String> = installs.iter().map(ToString::to_string).collect();
            Err(ClusterError::Unfit(format!("several installs: {}; name the namespace by {flag}", names.join(", "))))
        }
    }
}

/// Its data-plane pods, by name; those that end are left out.
///
/// # Errors
/// [`ClusterError`].
pub async fn data_plane_pods(cluster: &Cluster, install: &Install) -> Result<Vec<Pod>, ClusterError> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &install.namespace);
    let parameters = ListParams::default().labels(&install.selector("dataplane"));
    let mut found = cluster.ask(pods.list(&parameters)).await?.items;
    found.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    found.sort_by_key(ResourceExt::name_any);
    Ok(found)
}

/// The Services that lead to them.
///
/// # Errors
/// [`ClusterError`].
pub async fn data_plane_services(cluster: &Cluster, install: &Install) -> Result<Vec<Service>, ClusterError> {
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), &install.namespace);
    let parameters = ListParams::default().labels(&install.selector("dataplane"));
    Ok(cluster.ask(services.list(&parameters)).await?.items)
}

/// None of so many data-plane pods takes traffic.
#[must_use]
pub fn none_ready(install: &Install, count: usize) -> ClusterError {
    ClusterError::Unfit(format!("none of {count} data-plane pods of {install} is ready (`ringway status` says why)"))
}

/// Does it take traffic?
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// The port of a pod behind a port of a Service.
#[must_use]
pub fn container_port(services: &[Service], pod: &Pod, listener_port: u16) -> Option<u16> {
    let ports = services.iter().filter_map(|service| service.spec.as_ref()?.ports.as_ref()).flatten();
    let mut matching = ports.filter(|port| port.port == i32::from(listener_port));
    let number = match matching.next()?.target_port.clone() {
        None => i32::from(listener_port),
        Some(IntOrString::Int(number)) => number,
        Some(IntOrString::String(name)) => named_port(pod, &name)?,
    };
    u16::try_from(number).ok()
}

fn named_port(pod: &Pod, name: &str) -> Option<i32> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.filter_map(|container| container.ports.as_ref()).flatten();
    ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port)
}

// === impl Install ===

impl Install {
    fn of(operator: &Deployment) -> Self {
        let full = operator.name_any();
        let name = full.strip_suffix(OPERATOR_SUFFIX).unwrap_or(&full).to_owned();
        let instance = operator.labels().get(INSTANCE_LABEL).cloned().unwrap_or_else(|| name.clone());
        Self { namespace: operator.namespace().unwrap_or_default(), name, instance }
    }

    /// Selects the objects of one component.
    #[must_use]
    pub fn selector(&self, component: &str) -> String {
        format!("app.kubernetes.io/component={component},{INSTANCE_LABEL}={}", self.instance)
    }
}

impl fmt::Display for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for Searched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere => f.write_str("in any namespace"),
            Self::Namespace(name) => write!(f, "in namespace {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;

    fn operator(namespace: &str, name: &str, labels: &Value) -> Deployment {
        from_value(json!({ "metadata": { "namespace": namespace, "name": name, "labels": labels } })).unwrap()
    }

    #[test]
    fn names_come_from_the_deployment_and_pods_from_the_instance() {
        let labelled = operator("gw", "edge-operator", &json!({ INSTANCE_LABEL: "release" }));
        let Found::One { install, .. } = choose(vec![labelled.clone()], Searched::Everywhere) else { panic!("one") };
        assert_eq!((install.name.as_str(), install.instance.as_str()), ("edge", "release"));
        assert_eq!(
            install.selector("dataplane"),
            "app.kubernetes.io/component=dataplane,app.kubernetes.io/instance=release"
        );
        assert_eq!(Install::of(&operator("gw", "edge-operator", &json!({}))).instance, "edge");
        let several = choose(vec![labelled.clone(), labelled], Searched::Everywhere);
        assert!(matches!(several, Found::Several(installs) if installs.len() == 2));
        assert_eq!(choose(vec![], Searched::Everywhere), Found::None { searched: Searched::Everywhere });
    }

    #[test]
    fn a_listeners_port_is_found_in_the_pod() {
        let service = |ports: Value| from_value::<Service>(json!({ "spec": { "ports": ports } })).unwrap();
        let pod: Pod = from_value(json!({ "spec": { "containers": [
            { "name": "a" }, { "name": "b", "ports": [{ "name": "https", "containerPort": 8443 }] },
        ] } }))
        .unwrap();
        let services = [service(json!([
            { "port": 80, "targetPort": 8080 }, { "port": 443, "targetPort": "https" },
            { "port": 81 }, { "port": 82, "targetPort": "gone" },
        ]))];
        for (port, expected) in [(80, Some(8080)), (443, Some(8443)), (81, Some(81)), (82, None), (9, None)] {
            assert_eq!(container_port(&services, &pod, port), expected, "{port}");
        }
    }

    #[test]
    fn ready_is_what_the_condition_says() {
        let pod = |status: &str| -> Pod {
            from_value(json!({ "status": { "conditions": [{ "type": "Ready", "status": status }] } })).unwrap()
        };
        assert!(is_ready(&pod("True")) && !is_ready(&pod("False")) && !is_ready(&Pod::default()));
    }
}
