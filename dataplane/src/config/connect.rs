//! A connection to one replica of the operator: its files, its name, its addresses, TLS.
//!
//! Files are read anew for each connection, and looked at while it lives; the kubelet swaps a symbolic link, so what
//! counts is their content.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use hyper_util::rt::TokioIo;
use ringway_config_stream::{backoff, link};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;
use tower::service_fn;
use xxhash_rust::xxh3::Xxh3;

/// A bundle of authorities or a chain; anything larger is another file by mistake.
const FILE_BYTES: u64 = 1 << 20;

/// The operator by name.
#[derive(Debug)]
pub(super) struct Operator {
    authority: String,
    host: String,
    port: u16,
}

/// What the directory of certificates held when it was read.
#[derive(Debug)]
pub(super) struct TlsDirectory {
    config: Arc<ClientConfig>,
    /// Of the three files: one of them is secret and is not kept.
    pub(super) hash: u128,
}

/// Why there is no connection. Never shows key material.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{path}: {problem}")]
    File { path: PathBuf, problem: String },
    #[error("certificate and key: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the name has no address: {0}")]
    Resolve(io::Error),
    #[error("{address}: {error}")]
    Dial { address: SocketAddr, error: io::Error },
    #[error("the name has no address")]
    NoAddress,
    #[error("{0}")]
    Http(#[from] tonic::transport::Error),
}

// === impl TlsDirectory ===

impl TlsDirectory {
    /// # Errors
    /// A file cannot be read, or they do not fit together: amid a swap, for a moment.
    pub(super) async fn read(directory: &Path) -> Result<Self, ConnectError> {
        let directory = directory.to_owned();
        let read = spawn_blocking(move || {
            let [ca, chain, key] = files(&directory)?;
            Ok(Self { config: Arc::new(config(&directory, &ca, &chain, &key)?), hash: hash([&ca, &chain, &key]) })
        });
        read.await.unwrap_or_else(|error| Err(ConnectError::Resolve(io::Error::other(error))))
    }

    /// Whether the directory holds something else by now. What cannot be read is no news.
    pub(super) async fn is_replaced(&self, directory: &Path) -> bool {
        let directory = directory.to_owned();
        let now = spawn_blocking(move || files(&directory).map(|[ca, chain, key]| hash([&ca, &chain, &key])));
        matches!(now.await, Ok(Ok(hash)) if hash != self.hash)
    }
}

fn files(directory: &Path) -> Result<[Vec<u8>; 3], ConnectError> {
    let read = |name: &str| -> Result<Vec<u8>, ConnectError> {
        let path = directory.join(name);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(FILE_BYTES + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() as u64 > FILE_BYTES => {
                let problem = format!("it has more than {FILE_BYTES} bytes, the most for certificates or a key");
                Err(ConnectError::File { path, problem })
            }
            Ok(_) => Ok(bytes),
            Err(error) => Err(ConnectError::File { path, problem: error.to_string() }),
        }
    };
    Ok([read("ca.crt")?, read("tls.crt")?, read("tls.key")?])
}

fn hash(files: [&Vec<u8>; 3]) -> u128 {
    let mut hash = Xxh3::new();
    for file in files {
        hash.update(&(file.len() as u64).to_be_bytes());
        hash.update(file);
    }
    hash.digest128()
}

fn config(directory: &Path, ca: &[u8], chain: &[u8], key: &[u8]) -> Result<ClientConfig, ConnectError> {
    let problem =
        |name: &str, problem: &str| ConnectError::File { path: directory.join(name), problem: problem.to_owned() };
    let certificates = |name: &str, pem: &[u8]| {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        read.ok().filter(|all| !all.is_empty()).ok_or_else(|| problem(name, "holds no certificate"))
    };
    let mut roots = RootCertStore::empty();
    for root in certificates("ca.crt", ca)? {
        roots.add(root)?;
    }
    // The reader's own words may quote a line of the key.
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_quotes| problem("tls.key", "holds no private key"))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates("tls.crt", chain)?, key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

// === impl Operator ===

impl Operator {
    /// `authority` is `host:port`, an IPv6 address in brackets.
    pub(super) fn new(authority: &str) -> Self {
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let host = host.trim_start_matches('[').trim_end_matches(']');
        Self { authority: authority.to_owned(), host: host.to_owned(), port: port.parse().unwrap_or(0) }
    }

    /// Connects to one of the replicas, in random order, to `avoid` last.
    ///
    /// # Errors
    /// [`ConnectError`] of the last address.
    pub(super) async fn connect(
        &self,
        tls: &TlsDirectory,
        avoid: Option<SocketAddr>,
    ) -> Result<(Channel, SocketAddr), ConnectError> {
        let mut last = ConnectError::NoAddress;
        for address in self.addresses(avoid).await? {
            let dialled = timeout(link::CONNECT, self.dial(address, tls)).await;
            match dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                Ok(stream) => return Ok((self.channel(stream).await?, address)),
                Err(error) => last = ConnectError::Dial { address, error },
            }
        }
        Err(last)
    }

    async fn addresses(&self, avoid: Option<SocketAddr>) -> Result<Vec<SocketAddr>, ConnectError> {
        let found = timeout(link::CONNECT, lookup_host((self.host.as_str(), self.port))).await;
        let found = found.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(ConnectError::Resolve)?;
        let mut addresses: Vec<_> = found.map(|address| (Some(address) == avoid, backoff::random(), address)).collect();
        addresses.sort_unstable();
        Ok(addresses.into_iter().map(|(_, _, address)| address).collect())
    }

    async fn dial(&self, address: SocketAddr, tls: &TlsDirectory) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(self.host.clone());
        let name =
            name.map_err(|_: InvalidDnsNameError| io::Error::other("the operator's name is no name of a server"))?;
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(Arc::clone(&tls.config)).connect(name, stream).await
    }

    /// HTTP/2 over this one connection: when it ends, so does the channel.
    async fn channel(&self, stream: TlsStream<TcpStream>) -> Result<Channel, ConnectError> {
        let stream = Mutex::new(Some(stream));
        let once = service_fn(move |_| {
            let stream = stream.lock().unwrap_or_else(PoisonError::into_inner).take();
            async { stream.map(TokioIo::new).ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected)) }
        });
        Ok(link::endpoint(&self.authority)?.connect_with_connector(once).await?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{ConnectError, FILE_BYTES, TlsDirectory};

    #[tokio::test]
    async fn a_file_that_is_too_large_is_named_and_not_cut() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["ca.crt", "tls.crt", "tls.key"] {
            fs::write(directory.path().join(name), "none").unwrap();
        }
        fs::write(directory.path().join("ca.crt"), vec![b'\n'; usize::try_from(FILE_BYTES).unwrap()]).unwrap();
        let problem = async || match TlsDirectory::read(directory.path()).await.unwrap_err() {
            ConnectError::File { path, problem } => format!("{}: {problem}", path.file_name().unwrap().display()),
            other => other.to_string(),
        };
        assert_eq!(problem().await, "ca.crt: holds no certificate");
        fs::write(directory.path().join("ca.crt"), vec![b'\n'; usize::try_from(FILE_BYTES).unwrap() + 1]).unwrap();
        assert_eq!(problem().await, "ca.crt: it has more than 1048576 bytes, the most for certificates or a key");
    }
}
