//! A route by its name: where it is served, and a pod that serves it.
//!
//! The URL is the operator's word (`status.url`), the pod any ready one of the data plane, the way in between the API
//! server's port-forward. Called by `remote`.

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, ResourceExt};
use ringway_crds::{GROUP, VERSION};
use serde_json::Value;
use url::Url;

use super::forward::Tunnel;
use super::install::{self, Install};
use super::{Cluster, ClusterError};

/// A route in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteName {
    pub namespace: String,
    pub name: String,
}

/// How to reach it.
#[derive(Debug, Clone)]
pub struct Way {
    /// As a client would dial it: scheme, host and path count.
    pub url: String,
    pub tunnel: Tunnel,
}

/// Finds the way.
///
/// # Errors
/// [`ClusterError`]: no such route, not served, no pod ready.
pub async fn way(cluster: Cluster, route: &RouteName, install: Option<&str>) -> Result<Way, ClusterError> {
    let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "MCPRoute"), "mcproutes");
    let routes = Api::<DynamicObject>::namespaced_with(cluster.client.clone(), &route.namespace, &kind);
    let found = cluster.find(routes.get(&route.name)).await?;
    let object = found.ok_or_else(|| {
        ClusterError::Unfit(format!("there is no MCPRoute {route} (a URL begins with http:// or https://)"))
    })?;
    let url = served_url(route, &object.data)?;
    let install = install::one(&cluster, install, "--install-namespace").await?;
    let pods = install::data_plane_pods(&cluster, &install).await?;
    let services: Api<Service> = Api::namespaced(cluster.client.clone(), &install.namespace);
    let parameters = ListParams::default().labels(&install.selector("dataplane"));
    let services = cluster.ask(services.list(&parameters)).await?.items;
    let (pod, port) = choose(&install, &pods, &services, &url)?;
    let tunnel = Tunnel::new(cluster, &install.namespace, &pod.name_any(), port);
    Ok(Way { url: url.to_string(), tunnel })
}

/// Where the operator says that the route answers.
fn served_url(route: &RouteName, object: &Value) -> Result<Url, ClusterError> {
    let Some(text) = object.pointer("/status/url").and_then(Value::as_str) else {
        return Err(ClusterError::Unfit(format!("MCPRoute {route} is not served: {}", why_not(object))));
    };
    // Any name that the pattern covers will do.
    let concrete = text.replacen("://*.", "://any.", 1);
    Url::parse(&concrete)
        .ok()
        .filter(Url::has_host)
        .ok_or_else(|| ClusterError::Unfit(format!("MCPRoute {route}: status.url {text:?} is no URL")))
}

fn why_not(object: &Value) -> String {
    let parents = object.pointer("/status/parents").and_then(Value::as_array);
    let of_parents = parents.into_iter().flatten().filter_map(|parent| parent.get("conditions")?.as_array()).flatten();
    let own = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let text = |condition: &Value, key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let bad = |condition: &&Value| {
        let kind = text(condition, "type");
        text(condition, "status") == "False"
            && ["Accepted", "ResolvedRefs", "Programmed", "Ready"].contains(&kind.as_str())
    };
    of_parents.chain(own).find(bad).map_or_else(
        || "the operator has not looked at it yet (`ringway status` says why)".to_owned(),
        |condition| format!("{}: {}", text(condition, "reason"), text(condition, "message")),
    )
}

fn choose<'a>(
    install: &Install,
    pods: &'a [Pod],
    services: &[Service],
    url: &Url,
) -> Result<(&'a Pod, u16), ClusterError> {
    let ready = pods.iter().find(|pod| install::is_ready(pod));
    let pod = ready.ok_or_else(|| {
        ClusterError::Unfit(format!(
            "none of {} data-plane pods of {install} is ready (`ringway status` says why)",
            pods.len()
        ))
    })?;
    let listener_port = url.port_or_known_default().unwrap_or_default();
    let port = install::container_port(services, pod, listener_port).ok_or_else(|| {
        ClusterError::Unfit(format!(
            "the data plane's Service of {install} has no port {listener_port}, where {url} is"
        ))
    })?;
    Ok((pod, port))
}

// === impl RouteName ===

impl RouteName {
    /// `NAMESPACE/ROUTE`, or `ROUTE` in a namespace given beside it. `None`: this is something else, a URL for instance.
    #[must_use]
    pub fn parse(text: &str, namespace: Option<&str>) -> Option<Self> {
        let (namespace, name) = match (text.split_once('/'), namespace) {
            (Some(parts), None) => parts,
            (None, Some(namespace)) => (namespace, text),
            _ => return None,
        };
        let fits = is_label(namespace) && name.len() <= 253 && name.split('.').all(is_label);
        fits.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}

/// RFC 1123, as Kubernetes wants names.
fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(inner) && text.bytes().last().is_some_and(inner);
    ends && text.len() <= 63 && text.bytes().all(|byte| inner(byte) || byte == b'-')
}

impl std::fmt::Display for RouteName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn name(namespace: &str, name: &str) -> RouteName {
        RouteName { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_route_is_told_from_a_url() {
        for (text, namespace, expected) in [
            ("tools/engineering", None, Some(name("tools", "engineering"))),
            ("tools/a.b-1", None, Some(name("tools", "a.b-1"))),
            ("engineering", Some("tools"), Some(name("tools", "engineering"))),
            ("engineering", None, None),
            ("tools/engineering", Some("tools"), None),
            ("http://tools/engineering", None, None),
            ("localhost:8080/mcp", None, None),
            ("10.0.0.1/mcp", None, None),
            ("Tools/engineering", None, None),
            ("tools/", None, None),
            ("/mcp", None, None),
            ("tools/a/b", None, None),
            ("-a/b", None, None),
        ] {
            assert_eq!(RouteName::parse(text, namespace), expected, "{text}");
        }
    }

    #[test]
    fn the_operator_says_where_it_is_served_or_why_not() {
        let url = |status: Value| served_url(&name("t", "r"), &json!({ "status": status })).map(|url| url.to_string());
        assert_eq!(url(json!({ "url": "https://a.example/mcp" })).unwrap(), "https://a.example/mcp");
        assert_eq!(url(json!({ "url": "http://*.a.example:81/mcp" })).unwrap(), "http://any.a.example:81/mcp");
        assert!(url(json!({ "url": "mailto:a" })).unwrap_err().to_string().contains("is no URL"));
        let refused = json!({ "parents": [{ "conditions": [
            { "type": "Conflicted", "status": "False", "reason": "X", "message": "x" },
            { "type": "Accepted", "status": "False", "reason": "NoMatchingParent", "message": "spec.parentRefs[0]: gone" },
        ] }] });
        assert_eq!(
            url(refused).unwrap_err().to_string(),
            "MCPRoute t/r is not served: NoMatchingParent: spec.parentRefs[0]: gone"
        );
        assert!(url(json!({})).unwrap_err().to_string().contains("not looked at it yet"));
    }

    #[test]
    fn a_ready_pod_and_its_port_are_chosen() {
        let pod = |name: &str, ready: &str| -> Pod {
            from_value(json!({
                "metadata": { "name": name }, "status": { "conditions": [{ "type": "Ready", "status": ready }] },
            }))
            .unwrap()
        };
        let service: Service =
            from_value(json!({ "spec": { "ports": [{ "port": 443, "targetPort": 8443 }] } })).unwrap();
        let install = Install { namespace: "gw".into(), name: "edge".into(), instance: "edge".into() };
        let way = |pods: &[Pod], url: &str| {
            choose(&install, pods, std::slice::from_ref(&service), &Url::parse(url).unwrap())
                .map(|(pod, port)| (pod.name_any(), port))
                .map_err(|error| error.to_string())
        };
        let pods = [pod("a", "False"), pod("b", "True")];
        assert_eq!(way(&pods, "https://h/mcp"), Ok(("b".to_owned(), 8443)));
        assert!(way(&pods, "http://h/mcp").unwrap_err().contains("no port 80"));
        assert!(way(&pods[..1], "https://h/").unwrap_err().contains("none of 1"));
    }
}
