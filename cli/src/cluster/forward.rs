//! Connections to a port of a pod through the API server, one WebSocket each.
//!
//! Needs the right to `get` and (since Kubernetes 1.35) `create` `pods/portforward`. Called by `client` and `pod_http`.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use super::{Cluster, ClusterError};
use crate::output;

/// A port of a pod.
#[derive(Clone)]
pub struct Tunnel {
    cluster: Cluster,
    namespace: String,
    pod: String,
    port: u16,
}

/// A connection to it. What the kubelet says of a port that cannot be reached is the error of its end.
pub struct Forwarded {
    stream: DuplexStream,
    trouble: Option<Pin<Box<dyn Future<Output = Option<String>> + Send>>>,
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
    /// When the API server refuses. A port on which nobody listens shows only when the connection is read.
    pub async fn open(&self) -> io::Result<Forwarded> {
        let pods: Api<Pod> = Api::namespaced(self.cluster.client.clone(), &self.namespace);
        let asked = self.cluster.ask(pods.portforward(&self.pod, &[self.port])).await;
        let mut forwarder = asked.map_err(|error| io::Error::other(advise(&error)))?;
        let stream =
            forwarder.take_stream(self.port).ok_or_else(|| io::Error::other("the API server gave no stream"))?;
        let trouble = forwarder.take_error(self.port).map(|trouble| Box::pin(trouble) as Pin<Box<_>>);
        Ok(Forwarded { stream, trouble })
    }
}

fn advise(error: &ClusterError) -> String {
    if error.is_forbidden() {
        return format!("{error} (it takes a role with `get` and `create` on pods/portforward)");
    }
    error.to_string()
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} of pod {}/{}", self.port, self.namespace, self.pod)
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tunnel({self})")
    }
}

// === impl Forwarded ===

impl AsyncRead for Forwarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let is_end = buffer.filled().len() == before && buffer.remaining() > 0;
        if !is_end {
            return Poll::Ready(Ok(()));
        }
        // The kubelet's words travel on the same WebSocket before the end: what is not there now will not come.
        let said = self.trouble.take().and_then(|mut trouble| match trouble.as_mut().poll(context) {
            Poll::Ready(said) => said,
            Poll::Pending => None,
        });
        Poll::Ready(said.map_or(Ok(()), |text| Err(io::Error::other(plain(&text)))))
    }
}

impl fmt::Debug for Forwarded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forwarded").finish_non_exhaustive()
    }
}

/// The container runtime's words are long and end with the cause.
fn plain(text: &str) -> String {
    if text.contains("connection refused") {
        return "nothing listens there in the pod".to_owned();
    }
    output::one_line(text)
}

impl AsyncWrite for Forwarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn read(trouble: Option<&'static str>) -> (Vec<u8>, Option<String>) {
        let (stream, mut pod) = tokio::io::duplex(64);
        pod.write_all(b"hi").await.unwrap();
        drop(pod);
        let trouble: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(async move { trouble.map(str::to_owned) });
        let mut forwarded = Forwarded { stream, trouble: Some(trouble) };
        let mut bytes = Vec::new();
        let error = forwarded.read_to_end(&mut bytes).await.err();
        (bytes, error.map(|error| error.to_string()))
    }

    #[tokio::test]
    async fn the_end_of_a_connection_says_what_the_kubelet_said() {
        assert_eq!(read(None).await, (b"hi".to_vec(), None));
        let refused = "error forwarding port 9901 to pod a5b7: dial tcp4 127.0.0.1:9901: connect: connection refused";
        assert_eq!(read(Some(refused)).await.1.as_deref(), Some("nothing listens there in the pod"));
        assert_eq!(read(Some("no such\ncontainer")).await.1.as_deref(), Some("no such container"));
    }
}
