//! A listener's TLS from what the snapshot holds: certificates by name, client certificates where they are asked for.

use std::sync::{Arc, LazyLock};

use ringway_snapshot::{Certificate, ClientValidation, ListenerTls};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

use crate::state::hosts::HostMap;

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// For handshakes that no listener fits: refused with an alert.
static NOBODY: LazyLock<Option<Arc<ServerConfig>>> = LazyLock::new(|| build(Certificates::default(), None).ok());

/// Certificates by the names they are good for.
#[derive(Debug, Default)]
struct Certificates {
    by_name: HostMap<Arc<CertifiedKey>>,
    /// Shown when no name fits.
    first: Option<Arc<CertifiedKey>>,
}

/// A configuration that refuses everyone.
pub(crate) fn nobody() -> Option<Arc<ServerConfig>> {
    NOBODY.clone()
}

/// What a listener shows and asks for. An error is a sentence for its status: no key material is in it.
pub(super) fn server_config(tls: &ListenerTls) -> Result<Arc<ServerConfig>, String> {
    let mut certificates = Certificates::default();
    for (index, certificate) in tls.certificates.iter().enumerate() {
        certificates.add(certified_key(certificate).map_err(|why| format!("Certificate {}: {why}.", index + 1))?);
    }
    if certificates.first.is_none() {
        return Err("There is no certificate.".to_owned());
    }
    let clients = tls.client.as_ref().map(client_verifier).transpose()?;
    build(certificates, clients).map_err(|error| format!("TLS: {error}."))
}

/// TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
fn build(
    certificates: Certificates,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(clients),
    };
    let mut config = builder.with_cert_resolver(Arc::new(certificates));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certified_key(certificate: &Certificate) -> Result<CertifiedKey, String> {
    let chain = chain(&certificate.chain_pem)?;
    // The reader's own words may quote a line of the key.
    let key = PrivateKeyDer::from_pem_slice(certificate.key_pem.expose())
        .map_err(|_quotes| "the private key is not PEM of a PKCS#8, PKCS#1 or SEC1 key".to_owned())?;
    CertifiedKey::from_der(chain, key, &PROVIDER).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "the private key does not fit the certificate".to_owned(),
        rustls::Error::InvalidCertificate(why) => format!("it cannot be used ({why})"),
        _ => "the private key cannot be used".to_owned(),
    })
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|_quotes| "the certificate is not PEM".to_owned())?;
    if chain.is_empty() { Err("there is no PEM certificate".to_owned()) } else { Ok(chain) }
}

fn client_verifier(clients: &ClientValidation) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for (index, pem) in clients.ca_pem.iter().enumerate() {
        let number = index + 1;
        for certificate in chain(pem).map_err(|why| format!("CA certificate {number} for clients: {why}."))? {
            roots
                .add(certificate)
                .map_err(|error| format!("CA certificate {number} for clients cannot be used ({error})."))?;
        }
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&PROVIDER));
    let builder = if clients.is_required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| format!("The CA certificates for clients cannot be used ({error})."))
}

// === impl Certificates ===

impl Certificates {
    fn add(&mut self, key: CertifiedKey) {
        let key = Arc::new(key);
        let leaf = key.cert.first().and_then(|der| parse_x509_certificate(der).ok());
        let names = leaf.as_ref().and_then(|(_, leaf)| leaf.subject_alternative_name().ok().flatten());
        for name in names.iter().flat_map(|names| &names.value.general_names) {
            if let GeneralName::DNSName(name) = name {
                // The first certificate of a name is shown.
                self.by_name.insert(Some(&name.to_ascii_lowercase()), Arc::clone(&key));
            }
        }
        self.first.get_or_insert(key);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let named = hello.server_name().and_then(|name| self.by_name.of_certificate(&name.to_ascii_lowercase()));
        named.or(self.first.as_ref()).cloned()
    }
}
