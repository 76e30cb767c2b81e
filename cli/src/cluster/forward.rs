//! Connections to a port of a pod through the API server, one WebSocket each.
//!
//! Needs the right to `get` and (since Kubernetes 1.35) `create` `pods/portforward`. Called by `client` and `pod_http`.

use std::io;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::DuplexStream;

use super::{Cluster, ClusterError};

/// A port of a pod.
#[derive(Clone)]
pub struct Tunnel {
    cluster: Cluster,
    namespace: String,
    pod: String,
    port: u16,
}

// === impl Tunnel ===

impl Tunnel {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(cluster: Cluster, namespace: &str, pod: &str, port: u16) -> Self {
        Self { cluster, namespace: namespace.to_owned(), pod: pod.to_owned(), port }
    }

    /// A new connection.
    ///
    /// # Errors
    /// When the API server refuses. A port on which nobody listens shows only when the stream is read; it is logged.
    pub async fn open(&self) -> io::Result<DuplexStream> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let mut forwarder = self
            .cluster
            .ask(pods.portforward(&self.pod, &[self.port]))
            .await
            .map_err(|error| io::Error::other(advise(&error)))?;
        let stream =
            forwarder.take_stream(self.port).ok_or_else(|| io::Error::other("the API server gave no stream"))?;
        if let Some(trouble) = forwarder.take_error(self.port) {
            let address = self.to_string();
            tokio::spawn(async move {
                if let Some(text) = trouble.await {
                    tracing::warn!("port-forward to {address}: {text}");
                }
            });
        }
        Ok(stream)
    }
}

fn advise(error: &ClusterError) -> String {
    if error.is_forbidden() {
        return format!("{error} (a Role with `get` and `create` on pods/portforward allows it)");
    }
    error.to_string()
}

impl std::fmt::Display for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "port {} of pod {}/{}", self.port, self.namespace, self.pod)
    }
}

impl std::fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tunnel({self})")
    }
}
