//! Event streams: of one POST, and standing ones.

use super::fake::{Fake, Step, answer, chunk, events, last_chunk};
use super::http::{RESULT, session};
use super::*;
use crate::upstream::{Incoming, MessageStream, open_stream};

async fn stream(pool: &Pool, server: &Arc<Server>, out: Outgoing<'_>) -> MessageStream {
    match send(pool, server, out).await {
        Ok(Answer::Stream(stream, _)) => stream,
        other => panic!("{other:?}"),
    }
}

async fn next(stream: &mut MessageStream) -> Incoming {
    stream.next().await.unwrap().unwrap()
}

fn data(text: &str) -> Incoming {
    Incoming::Message { data: Bytes::copy_from_slice(text.as_bytes()), event_id: None }
}

fn done(text: &str) -> Vec<Step> {
    vec![events(), chunk(&format!("event: message\r\ndata: {text}\r\n\r\n")), last_chunk()]
}

#[tokio::test]
async fn events_come_one_by_one_whatever_their_shape() {
    let fake = Fake::start(|_| {
        vec![
            events(),
            chunk("id: s_0\nretry: 2000\ndata:\n\n: ok\n\nevent: ping\ndata: {}\n\n"),
            chunk("id: s_1\r\nevent: mess"),
            chunk("age\r\ndata: {\"a\":\r"),
            chunk("\ndata: 1}\r\n\r\ndata: {\"b\":2}\n"),
            chunk("\ndata: cut off"),
            last_chunk(),
        ]
    })
    .await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    let mut stream = stream(&pool, &server, message(CALL)).await;
    let id = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    assert_eq!(next(&mut stream).await, Incoming::Prime { event_id: id("s_0"), retry: Some(2000) });
    assert_eq!(next(&mut stream).await, Incoming::Comment);
    assert_eq!(next(&mut stream).await, Incoming::Comment);
    let two_lines = Bytes::from_static(b"{\"a\":\n1}");
    assert_eq!(next(&mut stream).await, Incoming::Message { data: two_lines, event_id: id("s_1") });
    assert_eq!(next(&mut stream).await, data(r#"{"b":2}"#));
    assert!(stream.next().await.is_none());
    assert!(stream.next().await.is_none());
    assert_eq!(pool.idle_connections(), 1);
}

#[tokio::test]
async fn a_finished_stream_gives_its_connection_back() {
    let fake = Fake::start(|_| done(RESULT)).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    for _ in 0..3 {
        let mut stream = stream(&pool, &server, message(CALL)).await;
        assert_eq!(next(&mut stream).await, data(RESULT));
        stream.finish();
        until("the connection is idle", || pool.idle_connections() == 1).await;
    }
    assert!(fake.seen().iter().all(|seen| seen.connection == 1));
    assert_eq!(server.levels().in_flight, 0);
}

#[tokio::test]
async fn a_finished_stream_that_goes_on_is_closed() {
    let fake = Fake::start(|_| vec![events(), chunk(&format!("data: {RESULT}\n\n")), Step::AwaitClose]).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    let mut stream = stream(&pool, &server, message(CALL)).await;
    assert_eq!(next(&mut stream).await, data(RESULT));
    stream.finish();
    until("the connection is closed", || fake.closed() == 1).await;
    until("nothing is open", || server.levels().connections == 0).await;
    assert_eq!(pool.idle_connections(), 0);
}

#[tokio::test]
async fn dropping_a_stream_closes_its_connection() {
    for wait_for_an_event in [false, true] {
        let fake = Fake::start(|_| vec![events(), chunk("data: {}\n\n"), Step::AwaitClose]).await;
        let (pool, server) = (Pool::new(), server_at(fake.address));
        let mut stream = stream(&pool, &server, message(CALL)).await;
        if wait_for_an_event {
            assert_eq!(next(&mut stream).await, data("{}"));
        }
        assert_eq!(server.levels().in_flight, 1);
        drop(stream);
        until("the connection is closed", || fake.closed() == 1).await;
        assert_eq!((pool.idle_connections(), server.levels().in_flight), (0, 0));
    }
}

#[tokio::test]
async fn a_stream_ends_by_silence_size_or_a_broken_connection() {
    let fake = Fake::start(|seen| {
        let then = match &seen.body {
            body if body.contains("long") => vec![chunk(&"data: xxxxxxxxxxxxxxx\n".repeat(1000))],
            body if body.contains("broken") => vec![Step::Close],
            _ => vec![],
        };
        [vec![events(), chunk(": hi\n\n")], then, vec![Step::AwaitClose]].concat()
    })
    .await;
    let mut backend = backend(Target::Http(http_target(fake.address)));
    backend.limits.max_response_bytes = 5000;
    let (pool, server) = (Pool::new(), Server::new(Arc::new(backend), None));
    for (body, expected) in [("{\"long\":1}", "larger"), ("{\"broken\":1}", "closed"), ("{}", "timed out")] {
        let idle = Duration::from_millis(100);
        let mut stream = stream(&pool, &server, Outgoing { idle, ..message(body) }).await;
        assert_eq!(next(&mut stream).await, Incoming::Comment);
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(stream.next().await.is_none());
    }
    assert_eq!(pool.idle_connections(), 0);
    until("nothing is open", || server.levels().connections == 0).await;
}

#[tokio::test]
async fn a_standing_post_has_no_idle_limit_and_is_no_call() {
    let fake = Fake::start(|_| vec![events(), chunk("data: {}\n\n"), Step::AwaitClose]).await;
    let mut backend = backend(Target::Http(http_target(fake.address)));
    backend.limits.max_concurrent_requests = 0;
    backend.limits.max_connections = 0;
    let (pool, server) = (Pool::new(), Server::new(Arc::new(backend), None));
    let mut stream = stream(&pool, &server, Outgoing { idle: Outgoing::NO_IDLE, ..message(CALL) }).await;
    assert_eq!(next(&mut stream).await, data("{}"));
    assert_eq!((server.levels().streams, server.levels().in_flight), (1, 0));
    assert!(tokio::time::timeout(Duration::from_millis(50), stream.next()).await.is_err());
    drop(stream);
    until("the connection is closed", || fake.closed() == 1).await;
    assert_eq!(server.levels().streams, 0);
}

#[tokio::test]
async fn a_get_stream_is_opened_resumed_and_refused() {
    let fake = Fake::start(|seen| {
        if seen.head.contains("mcp-session-id: busy") {
            return vec![answer("409 Conflict", "application/json", "{}")];
        }
        if seen.head.contains("mcp-session-id: gone") {
            return vec![answer("404 Not Found", "", "")];
        }
        if seen.head.contains("mcp-session-id: html") {
            return vec![answer("200 OK", "text/html", "<html>")];
        }
        if seen.head.contains("mcp-session-id: none") {
            return vec![answer("405 Method Not Allowed", "", "")];
        }
        vec![events(), chunk("data: {}\n\n"), Step::AwaitClose]
    })
    .await;
    let server = server_at(fake.address);
    let mut stream = open_stream(&server, &session("ok"), Some(b"ev-7")).await.unwrap();
    assert_eq!(next(&mut stream).await, data("{}"));
    let head = fake.seen()[0].head.clone();
    for line in ["accept: text/event-stream", "last-event-id: ev-7", "mcp-protocol-version: 2025-11-25"] {
        assert!(head.starts_with("get /mcp ") && head.lines().any(|have| have == line), "{line} in {head}");
    }
    assert_eq!(server.levels().streams, 1);
    drop(stream);
    until("the stream is closed", || fake.closed() >= 1 && server.levels().streams == 0).await;

    assert!(matches!(open_stream(&server, &session("busy"), None).await, Err(UpstreamError::Conflict409)));
    assert!(matches!(open_stream(&server, &session("gone"), None).await, Err(UpstreamError::SessionLost)));
    assert!(matches!(open_stream(&server, &session("html"), None).await, Err(UpstreamError::Protocol(_))));
    let seen = fake.seen().len();
    for _ in 0..3 {
        let refused = open_stream(&server, &session("none"), None).await;
        assert!(matches!(refused, Err(UpstreamError::NoStream405)));
    }
    assert_eq!(fake.seen().len(), seen + 1, "405 is remembered");
}

#[tokio::test]
async fn a_get_whose_head_never_comes_can_be_dropped() {
    let fake = Fake::start(|_| vec![Step::AwaitClose]).await;
    let server = server_at(fake.address);
    let own = session("s");
    let mut opening = Box::pin(open_stream(&server, &own, None));
    while fake.seen().is_empty() {
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut opening).await.is_err());
    }
    drop(opening);
    until("the connection is closed", || fake.closed() == 1 && server.levels().streams == 0).await;
}
