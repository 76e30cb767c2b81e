//! Server-side TLS: the handshake of a port's listeners, and the certificate and key files of a gateway on its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};

use crate::ports;
use crate::routes::{Door, RouteTable};

/// A certificate chain and its private key, both PEM.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why TLS cannot be served. Never shows key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path}: {problem}")]
    File { path: PathBuf, problem: String },
    #[error("certificate and key do not fit: {0}")]
    Pair(#[from] rustls::Error),
}

/// Reads the files and makes an acceptor for TLS 1.2 and 1.3.
pub(crate) fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let problem = |path: &Path, problem: String| TlsError::File { path: path.to_path_buf(), problem };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| problem(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(problem(&files.certificate, "holds no certificate".into()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| problem(&files.key, error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A handshake with the listener of the name that the client asks for, as it is configured at this moment. What no
/// listener fits is refused with an alert.
pub(super) async fn by_name(
    routes: &ArcSwap<RouteTable>,
    stream: TcpStream,
    socket: u16,
) -> io::Result<(TlsStream<TcpStream>, Door)> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let found = {
        let (routes, hello) = (routes.load(), start.client_hello());
        let listener = routes.port(socket).and_then(|port| port.find_by_sni(hello.server_name()));
        listener.and_then(|listener| Some((listener.id, Arc::clone(listener.tls.as_ref()?))))
    };
    match found {
        Some((id, config)) => {
            let stream = start.into_stream(config).await?;
            Ok((stream, Door::Port { socket, handshake: Some(id) }))
        }
        None => {
            if let Some(nobody) = ports::nobody() {
                // Fails, and says so to the client.
                start.into_stream(nobody).await?;
            }
            Err(io::Error::new(io::ErrorKind::NotFound, "no listener has this name"))
        }
    }
}
