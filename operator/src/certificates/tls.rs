//! TLS settings of the config stream, both ends: TLS 1.3, HTTP/2, and a certificate of the install on each side.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::CertificateError;
use super::leaf::Leaf;

/// Shows `leaf`, asks for a certificate that `bundle` stands for.
///
/// # Errors
/// Something is not what it should be; nothing of it is shown.
pub fn server(leaf: &Leaf, bundle: &str) -> Result<ServerConfig, CertificateError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots(bundle)?), Arc::clone(&provider)).build()?;
    let (chain, key) = parts(leaf)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// Shows `leaf` to a server that `bundle` stands for.
///
/// # Errors
/// Something is not what it should be; nothing of it is shown.
pub fn client(leaf: &Leaf, bundle: &str) -> Result<ClientConfig, CertificateError> {
    let (chain, key) = parts(leaf)?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(bundle)?)
        .with_client_auth_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

fn roots(bundle: &str) -> Result<RootCertStore, CertificateError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(bundle.as_bytes()) {
        roots.add(certificate.map_err(|_| unreadable("the trusted bundle"))?)?;
    }
    Ok(roots)
}

fn parts(leaf: &Leaf) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CertificateError> {
    let chain = CertificateDer::pem_slice_iter(leaf.certificate_pem.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(leaf.key_pem.as_bytes());
    Ok((chain.map_err(|_| unreadable("a certificate"))?, key.map_err(|_| unreadable("a key"))?))
}

fn unreadable(what: &'static str) -> CertificateError {
    CertificateError::Unreadable { what, message: "not PEM".to_owned() }
}
