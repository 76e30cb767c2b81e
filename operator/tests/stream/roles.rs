//! Who gets in: nobody without a certificate of the authority, and each only to what it is for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use ringway_config_stream::link;
use ringway_config_stream::wire::config_stream_client::ConfigStreamClient;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::service_fn;

use crate::certificates::Authority;
use crate::replica::{Replica, until};

/// A channel to who is at `address` and shows a certificate for `name`.
pub(crate) async fn connect(
    (address, name): (SocketAddr, &str),
    config: ClientConfig,
) -> Result<Channel, tonic::transport::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let connect = service_fn(move |_| {
        let (connector, name) = (connector.clone(), name.clone());
        async move {
            let stream = connector.connect(name, TcpStream::connect(address).await?).await?;
            Ok::<_, io::Error>(TokioIo::new(stream))
        }
    });
    link::endpoint("localhost:1").unwrap().connect_with_connector(connect).await
}

/// What comes of a call: nothing is sent, so that one that is let in just ends.
async fn watch(address: SocketAddr, config: ClientConfig) -> Result<(), Status> {
    let channel =
        connect((address, "localhost"), config).await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut client = link::bounded_client(ConfigStreamClient::new(channel));
    client.watch(tokio_stream::empty()).await?.into_inner().message().await.map(|_| ())
}

async fn relay(address: SocketAddr, config: ClientConfig) -> Result<(), Status> {
    let channel =
        connect((address, "localhost"), config).await.map_err(|error| Status::unavailable(error.to_string()))?;
    let mut client = link::bounded_client(ConfigStreamClient::new(channel));
    client.relay(tokio_stream::empty()).await?.into_inner().message().await.map(|_| ())
}

#[tokio::test]
async fn each_role_gets_what_is_its_own() {
    let authority = Authority::new();
    let replica = Replica::start(&authority).await;
    let at = replica.address;
    let shown = |unit| authority.client(Some((&authority, unit)));
    watch(at, shown("dataplane")).await.unwrap();
    relay(at, shown("operator")).await.unwrap();
    assert_eq!(watch(at, shown("operator")).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(relay(at, shown("dataplane")).await.unwrap_err().code(), Code::PermissionDenied);
    assert_eq!(replica.publisher.counters().refused.get(), 2);
}

#[tokio::test]
async fn who_shows_nothing_or_something_foreign_stays_outside() {
    let (authority, foreign) = (Authority::new(), Authority::new());
    let replica = Replica::start(&authority).await;
    let at = replica.address;
    for config in [
        authority.client(None),
        authority.client(Some((&foreign, "dataplane"))),
        authority.client(Some((&authority, "something"))),
    ] {
        // In TLS 1.3 the client hears of it after its own handshake.
        assert_eq!(watch(at, config).await.map_err(|status| status.code() == Code::Ok), Err(false));
    }
    until("each was counted", || replica.publisher.counters().refused.get() == 3).await;
    assert!(replica.publisher.pods().borrow().is_empty());
    // And a replica that is not of the authority gets no pod.
    let pretender = foreign.client(Some((&authority, "dataplane")));
    watch(at, pretender).await.unwrap_err();
}
