//! The small HTTP server behind the pages for operators: GET alone, few connections, no streams.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use http::header::{ALLOW, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::loopback::is_loopback_name;
use super::{Answer, text};
use crate::telemetry::labels::TaskName;
use crate::telemetry::tasks::Tasks;

/// A probe, two scrapers and some people. One more: the oldest is closed, so that nobody who may connect holds up a probe.
pub(super) const CONNECTIONS: usize = 64;
/// Of one address. One more: the oldest of that address is closed. A probe or a scrape is one connection, a browser opens
/// six.
pub(super) const CONNECTIONS_PER_ADDRESS: usize = 8;
/// A connection without a whole request is closed after this; each serves one, so that none is held for a next.
const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A client that takes longer over all is cut off: nothing here streams.
const CONNECTION_LIFE: Duration = Duration::from_secs(600);

/// What is shown at a path.
pub(super) type Pages = dyn Fn(&Uri, &HeaderMap) -> Answer + Send + Sync;

/// The running server. Dropped: it stops at once.
pub struct Handle {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Binds `addr` and serves `pages` on a thread of its own.
pub(super) fn start(addr: SocketAddr, name: &str, tasks: Tasks, pages: Arc<Pages>) -> io::Result<(SocketAddr, Handle)> {
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = {
        let _entered = runtime.enter();
        TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let loopback = bound.ip().is_loopback();
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                // The sender is dropped with the handle; either way it is over.
                _ = stopped => {}
                () = accept(listener, loopback, tasks, pages) => {}
            }
        });
    })?;
    Ok((bound, Handle { stop: Some(stop), thread: Some(thread) }))
}

// === impl Handle ===

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the hook.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, loopback: bool, tasks: Tasks, pages: Arc<Pages>) {
    // In the order of their coming.
    let mut open: VecDeque<(IpAddr, AbortHandle)> = VecDeque::with_capacity(CONNECTIONS);
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "admin listener");
                // Most likely out of file descriptors: spinning would not free any.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // The same client on a socket for both families.
        let remote = remote.ip().to_canonical();
        open.retain(|(_, connection)| !connection.is_finished());
        if let Some((_, oldest)) = too_many(&open, remote).and_then(|index| open.remove(index)) {
            oldest.abort();
        }
        let pages = Arc::clone(&pages);
        let connection = tasks.spawn(TaskName::Admin, async move {
            let service = service_fn(|request: Request<hyper::body::Incoming>| {
                let (parts, _) = request.into_parts();
                let answer = answer(&parts.method, &parts.uri, &parts.headers, loopback, &*pages);
                std::future::ready(Ok::<_, Infallible>(answer))
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_TIMEOUT)
                .keep_alive(false)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service);
            // A client that went away or was too slow: of no interest.
            let _ = tokio::time::timeout(CONNECTION_LIFE, connection).await;
        });
        open.push_back((remote, connection.abort_handle()));
    }
}

/// Which connection makes room for one more of `remote`.
fn too_many(open: &VecDeque<(IpAddr, AbortHandle)>, remote: IpAddr) -> Option<usize> {
    let mut of_remote = (0..).zip(open).filter(|(_, (address, _))| *address == remote).map(|(index, _)| index);
    match (of_remote.clone().count(), open.len()) {
        (CONNECTIONS_PER_ADDRESS.., _) => of_remote.next(),
        (_, CONNECTIONS..) => Some(0),
        _ => None,
    }
}

fn answer(method: &Method, uri: &Uri, headers: &HeaderMap, loopback: bool, pages: &Pages) -> Answer {
    // A page in a browser must not reach a server on this machine by a name of its own (DNS rebinding).
    if loopback && !host(uri, headers).is_some_and(is_loopback_name) {
        return text(StatusCode::FORBIDDEN, "host not allowed\n");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    pages(uri, headers)
}

/// The host that the client thinks it speaks to, with its port.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        // An absolute target wins over the header (RFC 9112 section 3.2.2).
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST)?.to_str().ok(),
    }
}
