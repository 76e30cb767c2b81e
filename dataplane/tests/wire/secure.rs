//! A TLS client that takes any certificate and says which one it was shown: choosing is the server's matter here.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use ringway_testkit::PATIENCE;
use ringway_testkit::ask::Ask;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};

use crate::pod::Issued;

/// One connection.
pub(crate) struct Secure {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

/// What a client is.
#[derive(Clone, Copy, Default)]
pub(crate) struct Caller<'a> {
    pub(crate) shows: Option<&'a Issued>,
    pub(crate) only_tls12: bool,
}

#[derive(Debug)]
struct Anyone;

// === impl Secure ===

impl Secure {
    /// Shakes hands; `name` `None`: asks for no name.
    pub(crate) fn connect(address: SocketAddr, name: Option<&str>) -> io::Result<Self> {
        Self::connect_as(address, name, Caller::default())
    }

    pub(crate) fn connect_as(address: SocketAddr, name: Option<&str>, caller: Caller<'_>) -> io::Result<Self> {
        let versions: &[_] = if caller.only_tls12 { &[&rustls::version::TLS12] } else { rustls::ALL_VERSIONS };
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone));
        let config = match caller.shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(shown.key.clone()));
                builder.with_client_auth_cert(vec![shown.der.clone()], key).unwrap()
            }
        };
        let name = match name {
            Some(name) => ServerName::try_from(name.to_owned()).unwrap(),
            None => ServerName::IpAddress(address.ip().into()),
        };
        let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self { stream: StreamOwned::new(tls, socket) })
    }

    /// The certificate that was shown.
    pub(crate) fn leaf(&self) -> CertificateDer<'static> {
        self.stream.conn.peer_certificates().unwrap()[0].clone().into_owned()
    }

    /// Status and body. The connection stays.
    pub(crate) fn ask(&mut self, ask: &Ask) -> io::Result<(u16, String)> {
        self.stream.write_all(&ask.bytes())?;
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.more(&mut bytes)?;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<usize>().ok());
        let length = field("content-length:").unwrap_or(0);
        while bytes.len() < head + length {
            self.more(&mut bytes)?;
        }
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
        Ok((status, String::from_utf8_lossy(&bytes[head..]).into_owned()))
    }

    fn more(&mut self, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                bytes.extend_from_slice(&piece[..read]);
                Ok(())
            }
        }
    }
}

// === impl Anyone ===

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
