//! TLS towards a backend.

use ringway_snapshot::{BackendTls, HttpTarget, Scheme, Secret};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::fake::{Fake, answer};
use super::http::RESULT;
use super::*;

struct Authority {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: rcgen::Certificate,
}

fn authority() -> Authority {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    Authority { pem: certificate.pem(), issuer: rcgen::Issuer::new(params, key), certificate }
}

fn issue(authority: &Authority, name: &str) -> (rcgen::Certificate, rcgen::KeyPair) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, &authority.issuer).unwrap(), key)
}

async fn fake(authority: &Authority, name: &str, client_auth: bool) -> Fake {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let builder = if client_auth {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(authority.certificate.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.unwrap().with_client_cert_verifier(verifier)
    } else {
        builder.unwrap().with_no_client_auth()
    };
    let (certificate, key) = issue(authority, name);
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    Fake::start_tls(Some(acceptor), |_| vec![answer("200 OK", "application/json", RESULT)]).await
}

async fn result(fake: &Fake, tls: BackendTls) -> Result<Answer, UpstreamError> {
    let target = HttpTarget { scheme: Scheme::Https, tls: Some(tls), ..http_target(fake.address) };
    let server = Server::new(Arc::new(backend(Target::Http(target))), None);
    let pool = Pool::new();
    let first = call(&pool, &server).await?;
    let second = call(&pool, &server).await?;
    assert!(matches!((first, &second), (Answer::Message(..), Answer::Message(..))));
    assert_eq!(server.levels().connections, 1);
    Ok(second)
}

#[tokio::test]
async fn only_the_given_authority_and_name_are_trusted() {
    let (ours, other) = (authority(), authority());
    let server = fake(&ours, "mcp.example", false).await;
    let tls = |ca: &Authority, name: &str| BackendTls {
        ca_pem: vec![ca.pem.clone()],
        client_certificate: None,
        hostname: Some(name.to_owned()),
    };
    result(&server, tls(&ours, "mcp.example")).await.unwrap();
    for bad in [
        tls(&other, "mcp.example"),
        tls(&ours, "other.example"),
        BackendTls { hostname: None, ..tls(&ours, "") },
        BackendTls { ca_pem: vec![], ..tls(&ours, "mcp.example") },
        BackendTls { ca_pem: vec!["no certificate".to_owned()], ..tls(&ours, "mcp.example") },
        tls(&ours, "not a name"),
    ] {
        let error = result(&server, bad).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Connect(_)), "{error}");
    }
    assert_eq!(server.seen().len(), 2);
    // By address, when the certificate says so.
    let server = fake(&ours, "127.0.0.1", false).await;
    result(&server, BackendTls { hostname: None, ..tls(&ours, "") }).await.unwrap();
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let ours = authority();
    let server = fake(&ours, "mcp.example", true).await;
    let without = BackendTls {
        ca_pem: vec![ours.pem.clone()],
        client_certificate: None,
        hostname: Some("mcp.example".to_owned()),
    };
    result(&server, without.clone()).await.unwrap_err();
    assert_eq!(server.seen().len(), 0);
    let (certificate, key) = issue(&ours, "client");
    let shown = Some((certificate.pem(), Secret::new(key.serialize_pem())));
    result(&server, BackendTls { client_certificate: shown, ..without }).await.unwrap();
}
