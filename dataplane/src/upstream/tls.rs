//! TLS towards a backend: which roots, which name, which client certificate.
//!
//! Always with the aws-lc-rs provider, given explicitly, and ALPN `http/1.1` alone. Opens no connection.

use std::sync::{Arc, LazyLock};

use ringway_snapshot::BackendTls;
use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ClientConfig, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// A TLS client for one backend.
pub(super) struct TlsClient {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// The system's roots, read once: hundreds of backends share one parsed store.
static SYSTEM: LazyLock<Result<Arc<dyn ServerCertVerifier>, String>> = LazyLock::new(|| {
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&PROVIDER)).map_err(|e| e.to_string())?;
    Ok(Arc::new(verifier))
});

// === impl TlsClient ===

impl std::fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsClient {
    /// Fails with a text for the log: unreadable PEM, no roots, illegal name.
    pub(super) fn new(tls: &BackendTls, hostname: &str) -> Result<Self, String> {
        let verifier = if tls.ca_pem.is_empty() { SYSTEM.clone()? } else { verifier_of(&tls.ca_pem)? };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("TLS versions: {e}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &tls.client_certificate {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = certificates(chain)?;
                // The reader's own words may quote a line of the key.
                let key = PrivateKeyDer::from_pem_slice(key.expose())
                    .map_err(|_quotes| "client certificate: the private key is no PEM".to_owned())?;
                builder.with_client_auth_cert(chain, key).map_err(|e| format!("client certificate: {e}"))?
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let shown = tls.hostname.as_deref().unwrap_or(hostname);
        let name = ServerName::try_from(shown.to_owned()).map_err(|e| format!("server name {shown:?}: {e}"))?;
        Ok(Self { config: Arc::new(config), name })
    }
}

fn verifier_of(pems: &[String]) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for pem in pems {
        for certificate in certificates(pem)? {
            roots.add(certificate).map_err(|e| format!("CA certificate: {e}"))?;
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER))
        .build()
        .map_err(|e| format!("CA certificates: {e}"))?;
    Ok(verifier)
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Vec<_> =
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().map_err(|e| format!("PEM: {e}"))?;
    if found.is_empty() { Err("PEM holds no certificate".to_owned()) } else { Ok(found) }
}
