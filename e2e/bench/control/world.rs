//! The objects of the benchmark: ten routes share a backend, all backends one Service whose server is real.

use serde_json::{Value, json};

use crate::api::Written;

/// Where everything is; also the install's namespace, so that routes may join the default listener.
pub(crate) const NAMESPACE: &str = "ringway-system";
/// Of the install.
pub(crate) const NAME: &str = "ringway";
const ROUTES_PER_BACKEND: usize = 10;
const GROUP: &str = "/apis/ringway.dev/v1alpha1/namespaces";

/// The Service of the one MCP server, with its address.
pub(crate) fn server(address: &str, port: u16) -> Vec<Written> {
    let core = format!("/api/v1/namespaces/{NAMESPACE}/services/server");
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", "namespace": NAMESPACE},
        "spec": {"ports": [{"name": "mcp", "port": 8080}]},
    });
    let slice = json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": "server-1", "namespace": NAMESPACE, "labels": {"kubernetes.io/service-name": "server"}},
        "endpoints": [{"addresses": [address], "conditions": {"ready": true}}],
        "ports": [{"name": "mcp", "port": port, "protocol": "TCP"}],
    });
    vec![
        Written { path: core, object: service },
        Written {
            path: format!("/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices/server-1"),
            object: slice,
        },
    ]
}

/// What routes `from..to` need, and the routes.
pub(crate) fn routes(from: usize, to: usize) -> Vec<Written> {
    let backends = from.div_ceil(ROUTES_PER_BACKEND)..to.div_ceil(ROUTES_PER_BACKEND);
    backends.map(backend).chain((from..to).map(|number| route(number, &format!("/r/{number}")))).collect()
}

/// Route `number` at `path`.
pub(crate) fn route(number: usize, path: &str) -> Written {
    let name = format!("r-{number}");
    let spec = json!({
        "path": path,
        "backends": [{"ref": {"name": format!("b-{}", number / ROUTES_PER_BACKEND)}, "prefix": ""}],
        "authentication": {"anonymous": true}, "authorization": "Open",
    });
    object("MCPRoute", "mcproutes", &name, &spec)
}

fn backend(number: usize) -> Written {
    let spec = json!({"service": {"name": "server", "port": 8080}});
    object("MCPBackend", "mcpbackends", &format!("b-{number}"), &spec)
}

fn object(kind: &str, plural: &str, name: &str, spec: &Value) -> Written {
    Written {
        path: format!("{GROUP}/{NAMESPACE}/{plural}/{name}"),
        object: json!({
            "apiVersion": "ringway.dev/v1alpha1", "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec,
        }),
    }
}

/// A pod of the data plane, for the operator to see. It waits behind a gate for ever: the process that stands for it was started elsewhere.
pub(crate) fn pod(name: &str) -> Written {
    let labels = json!({"app.kubernetes.io/component": "dataplane", "app.kubernetes.io/instance": NAME});
    Written {
        path: format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}"),
        object: json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
            "spec": {"schedulingGates": [{"name": "ringway.dev/bench"}], "containers": [{"name": "dataplane", "image": "none"}]},
        }),
    }
}

/// The status of such a pod when it is ready.
pub(crate) fn ready() -> Value {
    json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}})
}
