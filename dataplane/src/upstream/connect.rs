//! Opens HTTP/1.1 connections to a backend: which address, TCP, TLS, and the task that drives the connection.
//!
//! Sends no request. Called by `http` when the pool has no idle connection.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ringway_snapshot::Affinity;
use smallvec::SmallVec;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::pool::{Connection, Idle};
use super::resolve::Addresses;
use super::server::{Counted, HttpSide, Level, Live, Server};
use super::{NoConnection, Pool, UpstreamError, UpstreamSession, Why};

/// Largest read buffer of a connection, and so of a response head.
const READ_BUFFER: usize = 64 << 10;
/// A standing stream has no other sign of a dead peer: 30 s + 3 · 10 s.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(30)).with_interval(Duration::from_secs(10)).with_retries(3);
/// The least that one of several addresses gets before the next is tried.
const LEAST_PER_ADDRESS: Duration = Duration::from_millis(250);

/// Where a request may go.
pub(super) struct Candidates {
    /// In order of preference.
    pub(super) addresses: Addresses,
    /// The first only counts: a session lives there, or calls are spread.
    pub(super) ordered: bool,
    /// Ask DNS before connecting.
    pub(super) dns: bool,
    /// Where nobody can be reached the session that lives there is lost: it may be opened at another endpoint.
    pub(super) may_move: bool,
}

// === impl Candidates ===

impl Candidates {
    /// Those to which an idle connection will do.
    fn acceptable(&self) -> &[SocketAddr] {
        match self.addresses.as_slice() {
            [first, ..] if self.ordered => std::slice::from_ref(first),
            all => all,
        }
    }
}

/// The addresses for a request of `session`, without asking DNS.
pub(super) fn candidates(
    server: &Server,
    http: &HttpSide,
    session: Option<&UpstreamSession>,
) -> Result<Candidates, UpstreamError> {
    let endpoints = server.http_target().and_then(|target| target.endpoints.as_deref());
    let bound = session.filter(|session| session.id.is_some()).and_then(|session| session.endpoint);
    let Some(endpoints) = endpoints else {
        let mut addresses = http.resolver.known();
        // One that DNS no longer names is not followed: the name may stand for a load balancer's changing addresses.
        if let Some(at) = bound.and_then(|bound| addresses.iter().position(|address| *address == bound)) {
            addresses.swap(0, at);
        }
        return Ok(Candidates { addresses, ordered: false, dns: true, may_move: false });
    };
    if let Some(bound) = bound.filter(|_| server.backend.affinity != Affinity::None) {
        if !endpoints.contains(&bound) {
            return Err(UpstreamError::SessionLost);
        }
        let addresses = SmallVec::from_slice(&[bound]);
        let may_move = server.moves_sessions() && endpoints.len() > 1;
        return Ok(Candidates { addresses, ordered: true, dns: false, may_move });
    }
    if endpoints.is_empty() {
        return Err(UpstreamError::Connect(NoConnection::new(Why::NoEndpoint, "no ready endpoint")));
    }
    let mut addresses = Addresses::from_slice(endpoints);
    let first = server.live.turn() % addresses.len();
    addresses.rotate_left(first);
    let addresses = server.live.healthy_first(addresses);
    Ok(Candidates { addresses, ordered: true, dns: false, may_move: false })
}

/// A connection for an ordinary request: an idle one, else a new one within the backend's limit.
pub(super) async fn take(
    pool: &Pool,
    server: &Arc<Server>,
    http: &HttpSide,
    to: &Candidates,
) -> Result<(Connection, bool), UpstreamError> {
    for address in to.acceptable() {
        if let Some(connection) = pool.checkout(&server.live, *address).await {
            return Ok((connection, true));
        }
    }
    open(pool, server, http, to).await
}

/// A new connection within the backend's limit. At the limit another thread's idle one will do: the flag says that the
/// connection was used before.
pub(super) async fn open(
    pool: &Pool,
    server: &Arc<Server>,
    http: &HttpSide,
    to: &Candidates,
) -> Result<(Connection, bool), UpstreamError> {
    let until = Instant::now() + server.backend.timeouts.connect;
    let limit = server.backend.limits.max_connections;
    let count = match server.live.count(Level::Connections, limit) {
        Some(count) => count,
        None => match from_another_thread(&server.live, to).await {
            Found::Usable(connection) => return Ok((connection, true)),
            Found::Closed => freed(&server.live, limit, until).await?,
            Found::Nothing => return Err(UpstreamError::Busy("maxConnections")),
        },
    };
    server.live.register(&pool.idle);
    let home = Arc::downgrade(&pool.idle);
    let connection = connect(server, http, to, until, (home, Some(count))).await?;
    Ok((connection, false))
}

/// A new connection for one standing stream: outside the limit, never pooled.
pub(super) async fn open_standing(
    server: &Arc<Server>,
    http: &HttpSide,
    to: &Candidates,
) -> Result<Connection, UpstreamError> {
    let until = Instant::now() + server.backend.timeouts.connect;
    connect(server, http, to, until, (Weak::new(), None)).await
}

enum Found {
    Usable(Connection),
    /// One to another address was closed to make room.
    Closed,
    Nothing,
}

async fn from_another_thread(live: &Live, to: &Candidates) -> Found {
    for idle in live.pools() {
        while let Some(mut connection) = idle.take_any(live.id) {
            if !to.acceptable().contains(&connection.address()) {
                return Found::Closed;
            }
            if !connection.sender.is_closed() && connection.sender.ready().await.is_ok() {
                return Found::Usable(connection);
            }
        }
    }
    Found::Nothing
}

async fn freed(live: &Arc<Live>, limit: usize, until: Instant) -> Result<Counted, UpstreamError> {
    loop {
        let woken = live.freed.notified();
        if let Some(count) = live.count(Level::Connections, limit) {
            return Ok(count);
        }
        timeout_at(until, woken).await.map_err(|_| UpstreamError::Busy("maxConnections"))?;
    }
}

type Keep = (Weak<Idle>, Option<Counted>);

async fn connect(
    server: &Arc<Server>,
    http: &HttpSide,
    to: &Candidates,
    until: Instant,
    (home, count): Keep,
) -> Result<Connection, UpstreamError> {
    let opened = async {
        let resolved = if to.dns {
            let fresh = timeout_at(until, http.resolver.fresh()).await;
            let mut fresh = fresh
                .map_err(|_| NoConnection::new(Why::Dns, "DNS timed out"))?
                .map_err(|text| NoConnection::new(Why::Dns, text))?;
            // A session's own address stays first.
            if let Some(at) = to.addresses.first().and_then(|first| fresh.iter().position(|a| a == first)) {
                fresh.swap(0, at);
            }
            Some(fresh)
        } else {
            None
        };
        let addresses = resolved.as_ref().unwrap_or(&to.addresses);
        let (stream, address) = dial(server, addresses, until).await?;
        let sender = match &http.tls {
            None => drive(stream, count).await?,
            Some(tls) => {
                let connector = TlsConnector::from(Arc::clone(&tls.config));
                let handshake = connector.connect(tls.name.clone(), stream);
                let stream = timeout_at(until, handshake)
                    .await
                    .map_err(|_| NoConnection::new(Why::Timeout, format!("{address}: TLS handshake timed out")))?
                    .map_err(|e| NoConnection::new(Why::Tls, format!("{address}: TLS: {e}")))?;
                drive(stream, count).await?
            }
        };
        Ok::<_, NoConnection>(Connection::new(sender, &server.live, address, home))
    };
    // On the heap: a TLS handshake is large and rare, the request's own future small and frequent.
    Box::pin(opened).await.map_err(|why| {
        server.doubt();
        // Nothing was sent. A pod goes before its address leaves the endpoints.
        if to.may_move && matches!(why.why, Why::Refused | Why::Unreachable | Why::Timeout) {
            tracing::debug!(target: "upstream", backend = %server.backend.name, %why, "a session's endpoint is gone");
            return UpstreamError::SessionLost;
        }
        UpstreamError::Connect(why)
    })
}

/// TCP to the first address that answers, those that failed lately last. Addresses that the backend may not be dialled at
/// are left out here, right before they are connected to: whatever a name stood for a moment ago.
async fn dial(
    server: &Server,
    addresses: &[SocketAddr],
    until: Instant,
) -> Result<(TcpStream, SocketAddr), NoConnection> {
    let live = &server.live;
    let mut last = NoConnection::new(Why::Dns, "no address");
    let mut left = u32::try_from(addresses.len()).unwrap_or(u32::MAX);
    for address in live.healthy_first(Addresses::from_slice(addresses)) {
        if !server.may_dial(address) {
            left = left.saturating_sub(1);
            last =
                NoConnection::new(Why::NotAllowed, format!("{address}: neither a public address nor an allowed one"));
            continue;
        }
        let now = Instant::now();
        let share = (until.saturating_duration_since(now) / left.max(1)).max(LEAST_PER_ADDRESS);
        left = left.saturating_sub(1);
        let limit = until.min(now + share);
        let error = match timeout_at(limit, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                live.learn_address(address, true);
                tune(&stream);
                return Ok((stream, address));
            }
            Ok(Err(error)) => NoConnection::new(Why::of(&error), format!("{address}: {error}")),
            Err(_) => NoConnection::new(Why::Timeout, format!("{address}: connect timed out")),
        };
        live.learn_address(address, false);
        last = error;
    }
    Err(last)
}

fn tune(stream: &TcpStream) {
    // Either may fail on a socket that is already gone; the first write will say so.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&KEEPALIVE);
}

async fn drive<I>(io: I, count: Option<Counted>) -> Result<http1::SendRequest<Full<Bytes>>, NoConnection>
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::Builder::new().max_buf_size(READ_BUFFER).writev(false).handshake(TokioIo::new(io)).await;
    let (sender, connection) = handshake.map_err(|e| NoConnection::new(Why::Other, e.to_string()))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(target: "upstream", %error, "connection ended");
        }
        drop(count);
    });
    Ok(sender)
}
