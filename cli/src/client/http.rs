//! HTTP/1.1 to one server: connect (or tunnel to a pod), TLS, a few kept connections, one exchange at a time on each.
//!
//! Knows nothing of MCP. Follows no redirect and uses no proxy. Called by `reply`.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::error::ClientError;
use super::unverified::Unverified;
use super::{Options, Trust};
use crate::cluster::forward::Tunnel;

/// A connection that is not there after this time is given up: loopback and data centres answer in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// One call, its answers to the server and a GET stream need three at once; a fourth is slack.
const MAX_IDLE: usize = 4;

/// Where a server is: an http or https URL without user name and fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    secure: bool,
    host: String,
    port: u16,
    authority: HeaderValue,
    target: http::Uri,
}

/// Connections to one server.
#[derive(Debug)]
pub(super) struct Http {
    endpoint: Endpoint,
    headers: HeaderMap,
    silence: Duration,
    tls: Option<Tls>,
    tunnel: Option<Tunnel>,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// What bytes travel on.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

// === impl Endpoint ===

impl Endpoint {
    /// Reads a URL as typed by a person.
    ///
    /// # Errors
    /// [`ClientError::Url`] with the reason.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let wrong = |reason: String| ClientError::Url { url: text.to_owned(), reason };
        let url = Url::parse(text).map_err(|error| wrong(format!("no URL: {error}")))?;
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(wrong(format!("scheme {other}: only http and https are spoken"))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a user name in a URL is not used; give credentials with --header".to_owned()));
        }
        let host = match url.host() {
            Some(url::Host::Domain(name)) => name.to_owned(),
            Some(url::Host::Ipv4(address)) => address.to_string(),
            Some(url::Host::Ipv6(address)) => address.to_string(),
            None => return Err(wrong("no host".to_owned())),
        };
        let port = url.port_or_known_default().ok_or_else(|| wrong("no port".to_owned()))?;
        let shown = url.host_str().unwrap_or(&host);
        let authority = url.port().map_or_else(|| shown.to_owned(), |port| format!("{shown}:{port}"));
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        Ok(Self {
            secure,
            host,
            port,
            authority: authority.parse().map_err(|_| wrong("the host cannot stand in a header".to_owned()))?,
            target: path.parse().map_err(|error| wrong(format!("path: {error}")))?,
        })
    }

    /// `host:port` for messages.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

// === impl Http ===

impl Http {
    pub(super) fn new(endpoint: Endpoint, options: Options) -> Result<Self, ClientError> {
        let Options { headers, silence, trust, tunnel, era: _ } = options;
        let tls = if endpoint.secure { Some(Tls::new(&endpoint.host, &trust)?) } else { None };
        Ok(Self { endpoint, headers, silence, tls, tunnel, idle: Mutex::new(Vec::new()) })
    }

    /// For messages: where the bytes go.
    fn address(&self) -> String {
        self.tunnel.as_ref().map_or_else(|| self.endpoint.address(), ToString::to_string)
    }

    /// Sends one request and waits for the head of its response.
    pub(super) async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
        limit: Option<Duration>,
    ) -> Result<Response<Incoming>, ClientError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.endpoint.target.clone();
        let all = request.headers_mut();
        all.extend(headers);
        all.insert(header::HOST, self.endpoint.authority.clone());
        all.insert(header::USER_AGENT, HeaderValue::from_static(concat!("ringway/", env!("CARGO_PKG_VERSION"))));
        for (name, value) in &self.headers {
            all.insert(name.clone(), value.clone());
        }
        self.within(limit, self.send_on_some_connection(request)).await?
    }

    async fn send_on_some_connection(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        // A kept connection may have been closed by the server just now: hyper hands an unsent request back.
        while let Some(mut sender) = self.take_idle() {
            match sender.try_send_request(request).await {
                Ok(response) => {
                    self.keep(sender);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(self.broken(error.into_error())),
                },
            }
        }
        let mut sender = Box::pin(self.connect()).await?;
        let response = sender.send_request(request).await.map_err(|error| self.broken(error))?;
        self.keep(sender);
        Ok(response)
    }

    /// Waits for `work`, at most as long as a server may be silent (or `limit`).
    pub(super) async fn within<T>(
        &self,
        limit: Option<Duration>,
        work: impl Future<Output = T>,
    ) -> Result<T, ClientError> {
        let after = limit.unwrap_or(self.silence);
        tokio::time::timeout(after, work).await.map_err(|_| ClientError::Silent { address: self.address(), after })
    }

    /// How long a server may be silent.
    pub(super) fn silence(&self) -> Duration {
        self.silence
    }

    pub(super) fn broken(&self, source: hyper::Error) -> ClientError {
        ClientError::Broken { address: self.address(), source }
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        let ready = idle.iter().position(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    /// Keeps a connection whose response may still be under way: it is ready again when that has ended.
    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(sender);
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let address = self.address();
        let dialled = self.within(Some(CONNECT_TIMEOUT), self.dial()).await?;
        let stream = dialled.map_err(|source| ClientError::Connect { address: address.clone(), source })?;
        let Some(tls) = &self.tls else { return self.handshake(stream).await };
        let handshake = tls.connector.connect(tls.name.clone(), stream);
        let stream = self
            .within(Some(CONNECT_TIMEOUT), handshake)
            .await?
            .map_err(|source| ClientError::Tls { address: address.clone(), source })?;
        self.handshake(stream).await
    }

    async fn dial(&self) -> io::Result<Box<dyn Wire>> {
        if let Some(tunnel) = &self.tunnel {
            return Ok(Box::new(tunnel.open().await?));
        }
        let stream = TcpStream::connect((self.endpoint.host.as_str(), self.endpoint.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }

    async fn handshake<S>(&self, stream: S) -> Result<SendRequest<Full<Bytes>>, ClientError>
    where
        S: Wire + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to the server ended with an error");
            }
        });
        Ok(sender)
    }
}

// === impl Tls ===

impl Tls {
    fn new(host: &str, trust: &Trust) -> Result<Self, ClientError> {
        let setup = |reason: String| ClientError::TlsSetup(reason);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match trust {
            Trust::Anyone => Arc::new(Unverified::new(&provider)),
            Trust::System { extra_roots } => {
                let roots = extra_roots.as_deref().map(read_roots).transpose()?.unwrap_or_default();
                let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider));
                Arc::new(verifier.map_err(|error| setup(error.to_string()))?)
            }
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| setup(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = ServerName::try_from(host.to_owned()).map_err(|error| setup(format!("{host}: {error}")))?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }
}

fn read_roots(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let roots = roots.map_err(|error| ClientError::TlsSetup(format!("the given certificates: {error}")))?;
    if roots.is_empty() {
        return Err(ClientError::TlsSetup("the given file holds no certificate".to_owned()));
    }
    Ok(roots)
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_become_endpoints() {
        let plain = Endpoint::parse("http://127.0.0.1:8080/mcp?x=1").unwrap();
        assert_eq!((plain.secure, plain.address().as_str()), (false, "127.0.0.1:8080"));
        assert_eq!(plain.target, "/mcp?x=1");
        assert_eq!(plain.authority, "127.0.0.1:8080");
        let secure = Endpoint::parse("https://tools.example.com").unwrap();
        assert_eq!((secure.secure, secure.port, secure.target.path()), (true, 443, "/"));
        assert_eq!(secure.authority, "tools.example.com");
        let six = Endpoint::parse("http://[::1]:9/").unwrap();
        assert_eq!((six.host.as_str(), six.address().as_str()), ("::1", "[::1]:9"));
        assert_eq!(six.authority, "[::1]:9");
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        for (url, reason) in [
            ("localhost:8080/mcp", "only http and https"),
            ("/mcp", "no URL"),
            ("ftp://h/", "scheme ftp"),
            ("http://u:p@h/", "user name"),
            ("http://", "no URL"),
        ] {
            let text = Endpoint::parse(url).unwrap_err().to_string();
            assert!(text.contains(reason), "{text}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let text = Tls::new("h", &Trust::System { extra_roots: Some(b"nothing".to_vec()) }).unwrap_err().to_string();
        assert!(text.contains("no certificate"), "{text}");
    }
}
