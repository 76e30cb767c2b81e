//! The upstream module against small servers in this process.

mod fake;
mod handshakes;
mod http;
mod stdio;
mod streams;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringway_snapshot::{Backend, ObjectName, Target};
use ringway_testkit::objects;
pub(super) use ringway_testkit::objects::http_target;
use tokio::time::Instant;

use super::{Answer, Outgoing, Pool, Server, UpstreamError, UpstreamSession, send};

pub(super) fn backend(target: Target) -> Backend {
    objects::backend(ObjectName::new("default", "b"), target)
}

pub(super) fn server_at(address: std::net::SocketAddr) -> Arc<Server> {
    Server::new(Arc::new(backend(Target::Http(http_target(address)))), None)
}

pub(super) fn message(body: &'static str) -> Outgoing<'static> {
    Outgoing {
        body: Bytes::from_static(body.as_bytes()),
        session: None,
        revision: None,
        headers: &[],
        idle: Duration::from_secs(10),
        deadline: Instant::now() + Duration::from_secs(10),
        idempotent: false,
    }
}

pub(super) const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t"}}"#;

pub(super) async fn call(pool: &Pool, server: &Arc<Server>) -> Result<Answer, UpstreamError> {
    send(pool, server, message(CALL)).await
}

/// Waits for something that another task brings about.
pub(super) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "never: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[test]
fn futures_may_move_between_threads_and_stay_small() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let pool = Pool::new();
    let server = server_at(([127, 0, 0, 1], 1).into());
    let session =
        UpstreamSession { id: None, endpoint: None, revision: ringway_mcp::Revision::V2025_11_25, process: None };
    let size = size_of_val(&sendable(call(&pool, &server)));
    assert!(size < 4096, "{size}");
    drop(sendable(super::open_stream(&server, &session, None)));
    drop(sendable(super::end_session(&pool, &server, &session)));
    drop(sendable(super::initialize(&pool, &server, &super::Hello::Raw(Bytes::new()))));
    drop(sendable(super::discover(&pool, &server, ringway_mcp::capability::ClientCapabilities::NONE)));
}
