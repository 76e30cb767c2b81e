//! The YAML of the tests' resources: short builders for what `ringway run -f DIR` reads, and for what stands beside it in a cluster.

use std::net::SocketAddr;

/// An `MCPBackend` at a URL. Only `Auto` settings: what the tests use is what a user starts with.
pub fn backend(name: &str, url: &str) -> String {
    format!("apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: {{ name: {name} }}\nspec:\n  url: {url}\n")
}

/// An `MCPBackend` that is a Service on port 8080, with further lines of its spec.
pub fn service(name: &str, service: &str, more: &str) -> String {
    format!(
        "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: {{ name: {name} }}\nspec:\n  \
         service: {{ name: {service}, port: 8080, path: /mcp }}\n{more}"
    )
}

/// An `MCPBackend` that is a command.
pub fn stdio(name: &str, command: &str, args: &[&str]) -> String {
    // A JSON string is a YAML string.
    let args = serde_json::Value::from(args);
    let command = serde_json::Value::from(command);
    format!(
        "apiVersion: ringway.dev/v1alpha1\nkind: MCPBackend\nmetadata: {{ name: {name} }}\nspec:\n  stdio: {{ command: {command}, args: {args} }}\n"
    )
}

/// An open `MCPRoute` at `path` with `(backend, prefix)` entries in this order.
pub fn route(name: &str, path: &str, backends: &[(&str, &str)]) -> String {
    let mut text = format!(
        "apiVersion: ringway.dev/v1alpha1\nkind: MCPRoute\nmetadata: {{ name: {name} }}\nspec:\n  path: {path}\n  \
         authentication: {{ anonymous: true }}\n  authorization: Open\n  backends:\n"
    );
    for (backend, prefix) in backends {
        text.push_str(&format!("  - ref: {{ name: {backend} }}\n    prefix: {prefix:?}\n"));
    }
    text
}

/// A Service on port 8080 whose only endpoint is not a pod.
pub fn outside(name: &str, address: SocketAddr) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name} }}\nspec: {{ ports: [{{ name: mcp, port: 8080 }}] }}\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata:\n  name: {name}-e2e\n  \
         labels: {{ kubernetes.io/service-name: {name} }}\naddressType: IPv4\n\
         endpoints: [{{ addresses: [{}], conditions: {{ ready: true }} }}]\nports: [{{ name: mcp, port: {} }}]\n",
        address.ip(),
        address.port()
    )
}

/// Several documents as one file.
pub fn documents(parts: &[String]) -> String {
    parts.join("---\n")
}
