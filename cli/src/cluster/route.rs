//! A route by its name: where it is served, and a pod that serves it.
//!
//! The URL is the operator's word (`status.url`); a route for every host has none, then the pod says where it serves it.
//! The pod is any ready one of the data plane, the way there the API server's port-forward. Called by `remote`.

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, ResourceExt};
use ringway_crds::name::{is_dns_label, is_object_name};
use ringway_crds::{GROUP, VERSION};
use serde_json::Value;
use url::Url;

use super::forward::Tunnel;
use super::install::{self, Install};
use super::{Cluster, ClusterError};
use crate::config;

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

/// Finds the way; `host`: to ask for, instead of the first.
///
/// # Errors
/// [`ClusterError`]: no such route, not served, no pod ready.
pub async fn way(
    cluster: Cluster,
    route: &RouteName,
    install: Option<&str>,
    host: Option<&str>,
) -> Result<Way, ClusterError> {
    let kind = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(GROUP, VERSION, "MCPRoute"), "mcproutes");
    let routes = Api::<DynamicObject>::namespaced_with(cluster.client.clone(), &route.namespace, &kind);
    let found = cluster.find(routes.get(&route.name)).await?;
    let object = found.ok_or_else(|| {
        ClusterError::Unfit(format!("there is no MCPRoute {route} (a URL begins with http:// or https://)"))
    })?;
    let install = install::one(&cluster, install, "--install-namespace").await?;
    let pods = install::data_plane_pods(&cluster, &install).await?;
    let pod = ready(&install, &pods)?;
    let url = match operators_url(route, &object.data)? {
        Some(url) => url,
        None => {
            let config = config::served(&config::debug_port(&cluster, &install, pod)).await?;
            pods_url(route, &config, &install).ok_or_else(|| {
                ClusterError::Unfit(format!("MCPRoute {route} is not served: {}", why_not(&object.data)))
            })?
        }
    };
    let services = install::data_plane_services(&cluster, &install).await?;
    let port = port_of(&install, pod, &services, &url)?;
    let url = with_host(url, host)?;
    let tunnel = Tunnel::new(cluster, &install.namespace, &pod.name_any(), port);
    Ok(Way { url: url.to_string(), tunnel })
}

/// Where the operator says that the route answers.
fn operators_url(route: &RouteName, object: &Value) -> Result<Option<Url>, ClusterError> {
    let Some(text) = object.pointer("/status/url").and_then(Value::as_str) else { return Ok(None) };
    let url = Url::parse(text).ok().filter(Url::has_host);
    url.map(Some).ok_or_else(|| ClusterError::Unfit(format!("MCPRoute {route}: status.url {text:?} is no URL")))
}

/// Where a pod serves it: at a listener with TLS before one without, as `status.url` has it. For every host any name
/// will do, and the Service's own is one that certificates may have.
fn pods_url(route: &RouteName, config: &Value, install: &Install) -> Option<Url> {
    let served = config["routes"].get(route.to_string())?;
    let names = served["listeners"].as_array()?.iter().filter_map(Value::as_str);
    let listeners = names.filter_map(|name| config["listeners"].get(name));
    let listener = listeners.min_by_key(|listener| listener["tls"].is_null())?;
    let of_route = served["hostnames"].as_array().and_then(|all| all.first()?.as_str());
    let host = of_route.or_else(|| listener["hostname"].as_str()).map_or_else(
        || format!("{}.{}.svc", install.name, install.namespace),
        // Any name that the pattern covers.
        |host| host.replacen("*.", "any.", 1),
    );
    let scheme = if listener["tls"].is_null() { "http" } else { "https" };
    let (port, path) = (listener["port"].as_u64()?, served["path"].as_str()?);
    Url::parse(&format!("{scheme}://{host}:{port}{path}")).ok()
}

fn with_host(mut url: Url, host: Option<&str>) -> Result<Url, ClusterError> {
    if let Some(host) = host {
        url.set_host(Some(host)).map_err(|error| ClusterError::Unfit(format!("--host {host}: {error}")))?;
    }
    Ok(url)
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

fn ready<'a>(install: &Install, pods: &'a [Pod]) -> Result<&'a Pod, ClusterError> {
    pods.iter().find(|pod| install::is_ready(pod)).ok_or_else(|| install::none_ready(install, pods.len()))
}

fn port_of(install: &Install, pod: &Pod, services: &[Service], url: &Url) -> Result<u16, ClusterError> {
    let listener_port = url.port_or_known_default().unwrap_or_default();
    install::container_port(services, pod, listener_port).ok_or_else(|| {
        ClusterError::Unfit(format!(
            "the data plane's Service of {install} has no port {listener_port}, where {url} is"
        ))
    })
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
        let fits = is_dns_label(namespace) && is_object_name(name);
        fits.then(|| Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }
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

    fn edge() -> Install {
        Install { namespace: "gw".into(), name: "edge".into(), instance: "edge".into() }
    }

    #[test]
    fn the_operator_says_where_it_is_served() {
        let url = |status: Value| {
            let url = operators_url(&name("t", "r"), &json!({ "status": status }));
            url.map(|url| url.map(|url| url.to_string())).map_err(|error| error.to_string())
        };
        assert_eq!(url(json!({ "url": "https://a.example/mcp" })), Ok(Some("https://a.example/mcp".to_owned())));
        assert_eq!(url(json!({})), Ok(None));
        assert!(url(json!({ "url": "mailto:a" })).unwrap_err().contains("is no URL"));
    }

    #[test]
    fn a_pod_says_where_it_serves_a_route_for_every_host() {
        let config = |listener: Value, hostnames: Value| {
            json!({
                "listeners": {
                    "gw/default/default": { "port": 80, "hostname": null, "tls": null },
                    "t/agents/a": listener,
                },
                "routes": { "t/r": {
                    "hostnames": hostnames, "path": "/mcp", "listeners": ["gw/default/default", "t/agents/a"],
                } },
            })
        };
        let plain = json!({ "port": 8080, "hostname": "*.example.com", "tls": null });
        let secure = json!({ "port": 443, "hostname": "*.example.com", "tls": { "certificates": [] } });
        let url = |config: &Value| pods_url(&name("t", "r"), config, &edge()).map(|url| url.to_string());
        assert_eq!(url(&config(plain.clone(), json!([]))).as_deref(), Some("http://edge.gw.svc/mcp"));
        assert_eq!(url(&config(secure, json!([]))).as_deref(), Some("https://any.example.com/mcp"));
        assert_eq!(url(&config(plain, json!(["*.a.example"]))).as_deref(), Some("http://any.a.example/mcp"));
        assert_eq!(url(&json!({ "routes": {}, "listeners": {} })), None);
    }

    #[test]
    fn another_host_may_be_asked_for() {
        let url = |host| with_host(Url::parse("https://any.a.example:8443/mcp").unwrap(), host);
        assert_eq!(url(None).unwrap().as_str(), "https://any.a.example:8443/mcp");
        assert_eq!(url(Some("b.a.example")).unwrap().as_str(), "https://b.a.example:8443/mcp");
        assert!(url(Some("no host")).unwrap_err().to_string().contains("--host no host"));
    }

    #[test]
    fn what_keeps_a_route_from_being_served_is_said() {
        let status = json!({ "status": { "parents": [{ "conditions": [
            { "type": "Conflicted", "status": "False", "reason": "X", "message": "x" },
            { "type": "Accepted", "status": "False", "reason": "NoMatchingParent", "message": "spec.parentRefs[0]: gone" },
        ] }] } });
        assert_eq!(why_not(&status), "NoMatchingParent: spec.parentRefs[0]: gone");
        assert!(why_not(&json!({})).contains("not looked at it yet"));
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
        let pods = [pod("a", "False"), pod("b", "True")];
        assert_eq!(ready(&edge(), &pods).unwrap().name_any(), "b");
        assert!(ready(&edge(), &pods[..1]).unwrap_err().to_string().contains("none of 1"));
        let port = |url: &str| {
            let services = std::slice::from_ref(&service);
            port_of(&edge(), &pods[1], services, &Url::parse(url).unwrap()).map_err(|error| error.to_string())
        };
        assert_eq!(port("https://h/mcp"), Ok(8443));
        assert!(port("http://h/mcp").unwrap_err().contains("no port 80"));
    }
}
