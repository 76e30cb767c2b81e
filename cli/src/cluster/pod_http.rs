//! One plain GET of a pod's own endpoints through the API server: debug and metrics listen inside the pod alone.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::ClusterError;
use super::forward::Tunnel;

/// Ten thousand routes are some tens of MiB.
const MAX_BODY: usize = 256 << 20;
const TIMEOUT: Duration = Duration::from_secs(30);

/// The body of a 200.
///
/// # Errors
/// [`ClusterError::Unfit`] in words that name the pod.
pub async fn get(tunnel: &Tunnel, path: &str) -> Result<Bytes, ClusterError> {
    match tokio::time::timeout(TIMEOUT, exchange(tunnel, path)).await {
        Ok(outcome) => outcome.map_err(|reason| ClusterError::Unfit(format!("{tunnel}: {reason}"))),
        Err(_) => Err(ClusterError::Unfit(format!("{tunnel}: no answer for {} s", TIMEOUT.as_secs()))),
    }
}

async fn exchange(tunnel: &Tunnel, path: &str) -> Result<Bytes, String> {
    let stream = tunnel.open().await.map_err(|error| error.to_string())?;
    let broken = |error: hyper::Error| super::chain(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a pod ended with an error");
        }
    });
    let request = Request::get(path)
        .header(header::HOST, "127.0.0.1")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let response = sender.send_request(request).await.map_err(broken)?;
    if response.status() != StatusCode::OK {
        return Err(format!("GET {path} answers {}", response.status()));
    }
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(|error| error.to_string())?;
    Ok(body.to_bytes())
}
