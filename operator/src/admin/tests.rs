use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use super::room::CONNECTIONS_PER_ADDRESS;
use super::*;

async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Health::new(), Arc::new(Metrics::new())));
    at
}

/// The answer as it came, to its end.
async fn ask(at: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

/// A connection of another client of this machine.
async fn connect_from(client: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(client.parse().unwrap(), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

#[tokio::test]
async fn a_client_with_many_connections_does_not_keep_out_a_probe() {
    let at = server().await;
    let mut hoard = Vec::new();
    for _ in 0..CONNECTIONS + 50 {
        hoard.push(connect_from("127.0.0.2", at).await.into_std().unwrap());
    }
    let text = ask(at, "GET /livez HTTP/1.1\r\nhost: a\r\n\r\n").await;
    assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("connection: close"), "one request each: {text}");
    // They were accepted in order, so each had its seat, or none, before the probe was answered.
    let is_open = |mut stream: &std::net::TcpStream| {
        std::io::Read::read(&mut stream, &mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let open = hoard.iter().filter(|stream| is_open(stream)).count();
    assert!(open <= CONNECTIONS_PER_ADDRESS, "{open} are open");
}

#[tokio::test]
async fn a_connection_is_not_kept_without_a_request() {
    let at = server().await;
    let begun = Instant::now();
    let (silent, begins) = tokio::join!(ask(at, ""), ask(at, "GET /livez HTTP/1.1\r\nhost: a"));
    assert_eq!((silent.as_str(), begins.as_str()), ("", ""), "closed without a word");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
}
