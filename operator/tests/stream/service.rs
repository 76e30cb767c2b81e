//! What stands between pods and replicas in a cluster: one address, connections that go where it says, and break.
//!
//! Counts the bytes that go to pods.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

pub(crate) struct Service {
    pub port: u16,
    inner: Arc<Inner>,
}

struct Inner {
    target: Mutex<SocketAddr>,
    cut: Mutex<CancellationToken>,
    /// Connections of before this fall silent: nothing arrives, nothing ends.
    silence: Mutex<CancellationToken>,
    bytes: AtomicU64,
}

impl Service {
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Inner {
            target: Mutex::new(target),
            cut: Mutex::default(),
            silence: Mutex::default(),
            bytes: AtomicU64::new(0),
        });
        let service = Self { port, inner: Arc::clone(&inner) };
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(carry(client, Arc::clone(&inner)));
            }
        });
        service
    }

    pub(crate) fn operator(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// New connections go there.
    pub(crate) fn point_at(&self, target: SocketAddr) {
        *self.inner.target.lock().unwrap() = target;
    }

    /// Ends all connections.
    pub(crate) fn cut(&self) {
        std::mem::take(&mut *self.inner.cut.lock().unwrap()).cancel();
    }

    /// Lets nothing through on the connections that there are, without ending them.
    pub(crate) fn silence(&self) {
        std::mem::take(&mut *self.inner.silence.lock().unwrap()).cancel();
    }

    /// Bytes that went to pods since the last call.
    pub(crate) fn take_bytes(&self) -> u64 {
        self.inner.bytes.swap(0, Relaxed)
    }
}

async fn carry(client: TcpStream, inner: Arc<Inner>) {
    let target = *inner.target.lock().unwrap();
    let (cut, silence) = (inner.cut.lock().unwrap().clone(), inner.silence.lock().unwrap().clone());
    let Ok(server) = TcpStream::connect(target).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let none = AtomicU64::new(0);
    tokio::select! {
        () = copy(from_client, to_server, &none, &silence) => {}
        () = copy(from_server, to_client, &inner.bytes, &silence) => {}
        () = cut.cancelled() => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, bytes: &AtomicU64, silence: &CancellationToken) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if silence.is_cancelled() {
            return std::future::pending().await;
        }
        bytes.fetch_add(read as u64, Relaxed);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
