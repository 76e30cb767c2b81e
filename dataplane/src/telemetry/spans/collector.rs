//! The way to the collector: one HTTP/1.1 connection, kept for the next batch, and what its answers mean.
//!
//! Retries nothing: `export` does. Redirects are not followed, whatever they say. Source: OTLP 1.9, "OTLP/HTTP".

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use prost::Message;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::settings::{Address, TraceSettings};
use crate::telemetry::labels::TaskName;
use crate::telemetry::tasks::Tasks;

/// An answer is a few bytes, or a text about what was wrong.
const ANSWER: usize = 64 << 10;
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("ringway/", env!("CARGO_PKG_VERSION")));

type Sender = SendRequest<Full<Bytes>>;

/// Sends batches, one at a time.
pub(super) struct Collector {
    address: Address,
    headers: HeaderMap,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    tasks: Tasks,
    /// Taken out while in use, so that an abandoned exchange is never continued.
    idle: Option<Sender>,
}

/// Why a batch was not taken. Holds no header and no span.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the collector cannot be reached: {0}")]
    Unreachable(String),
    #[error("the collector is busy (status {status})")]
    Busy {
        status: u16,
        /// As it asked.
        wait: Option<Duration>,
    },
    #[error("the collector refused (status {0})")]
    Refused(u16),
    #[error("the collector did not answer in time")]
    Timeout,
}

// === impl Collector ===

impl Collector {
    /// Connects only when there is something to send.
    pub(super) fn new(settings: &TraceSettings, tasks: Tasks) -> Result<Self, String> {
        let address = settings.collector.clone();
        let tls = if address.tls { Some(tls(&address.host)?) } else { None };
        let mut headers = settings.headers.clone();
        headers.insert(header::CONTENT_TYPE, PROTOBUF);
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        let host = HeaderValue::try_from(&address.authority).map_err(|error| error.to_string())?;
        headers.insert(header::HOST, host);
        Ok(Self { address, headers, tls, tasks, idle: None })
    }

    /// Sends one encoded request. What comes back is what the collector did not take of it.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<ExportTracePartialSuccess, SendError> {
        let mut sender = match self.idle.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await.map_err(SendError::Unreachable)?,
        };
        let unreachable = |error: hyper::Error| SendError::Unreachable(error.to_string());
        sender.ready().await.map_err(unreachable)?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.address.path.clone().into();
        *request.headers_mut() = self.headers.clone();
        let (head, body) = sender.send_request(request).await.map_err(unreachable)?.into_parts();
        let answer = Limited::new(body, ANSWER).collect().await.map(http_body_util::Collected::to_bytes);
        if let Ok(answer) = &answer {
            self.idle = Some(sender);
            if head.status.is_success() {
                // An empty answer is a full success, and one that cannot be read still says that the batch was taken.
                let answer = ExportTraceServiceResponse::decode(answer.clone()).unwrap_or_default();
                return Ok(answer.partial_success.unwrap_or_default());
            }
        }
        match head.status {
            status if status.is_success() => Ok(ExportTracePartialSuccess::default()),
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => {
                Err(SendError::Busy { status: head.status.as_u16(), wait: wait(&head.headers) })
            }
            status => Err(SendError::Refused(status.as_u16())),
        }
    }

    async fn connect(&self) -> Result<Sender, String> {
        let stream = TcpStream::connect((self.address.host.as_str(), self.address.port));
        let stream = stream.await.map_err(|error| error.to_string())?;
        // Fails on a socket that is already gone; the first write will say so.
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => self.drive(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|error| format!("TLS: {error}"))?;
                self.drive(stream).await
            }
        }
    }

    async fn drive<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(&self, io: I) -> Result<Sender, String> {
        let (sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(|error| error.to_string())?;
        self.tasks.spawn(TaskName::Exporter, async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection to the collector ended");
            }
        });
        Ok(sender)
    }
}

// === impl SendError ===

impl SendError {
    /// How long to wait before sending again, where `pause` is our own idea of it; `None`: sending again cannot help.
    pub(super) fn retry_after(&self, pause: Duration) -> Option<Duration> {
        match self {
            Self::Unreachable(_) => Some(pause),
            Self::Busy { wait, .. } => Some(wait.unwrap_or(pause)),
            Self::Refused(_) | Self::Timeout => None,
        }
    }
}

/// `Retry-After` in seconds; its other form, a date, is left to our own pace.
fn wait(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The system's roots, and the aws-lc-rs provider given explicitly.
fn tls(host: &str) -> Result<(TlsConnector, ServerName<'static>), String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(|error| error.to_string())?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
