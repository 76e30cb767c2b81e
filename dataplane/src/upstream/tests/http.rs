//! Exchanges over HTTP.

use ::http::{HeaderName, HeaderValue};
use ringway_mcp::Revision;
use ringway_snapshot::{Affinity, Credentials, EndpointLoss, HttpTarget, Secret};

use super::fake::{Fake, Step, answer, with_headers};
use super::*;
use crate::fault::Executed;
use crate::upstream::{Refusal, Why, end_session, open_stream};

pub(super) const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
const JSON: &str = "application/json";

fn body(answer: Result<Answer, UpstreamError>) -> Bytes {
    match answer {
        Ok(Answer::Message(bytes, _)) => bytes,
        other => panic!("{other:?}"),
    }
}

fn refusal(answer: Result<Answer, UpstreamError>) -> Refusal {
    match answer {
        Ok(Answer::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

pub(super) fn session(id: &str) -> UpstreamSession {
    UpstreamSession { id: Some(id.to_owned()), endpoint: None, revision: Revision::V2025_11_25, process: None }
}

fn limited(address: std::net::SocketAddr, change: impl FnOnce(&mut Backend)) -> Arc<Server> {
    let mut backend = backend(Target::Http(http_target(address)));
    change(&mut backend);
    Server::new(Arc::new(backend), None)
}

#[tokio::test]
async fn a_connection_serves_many_calls() {
    let fake = Fake::start(|_| vec![answer("200 OK", JSON, RESULT)]).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    for _ in 0..5 {
        assert_eq!(body(call(&pool, &server).await), RESULT);
    }
    let seen = fake.seen();
    assert!(seen.iter().all(|seen| seen.connection == 1) && seen.len() == 5, "{seen:?}");
    assert_eq!(seen[0].body, CALL);
    let head = &seen[0].head;
    assert!(head.starts_with("post /mcp http/1.1"), "{head}");
    assert!(head.contains("accept: application/json, text/event-stream"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let levels = server.levels();
    assert_eq!((levels.connections, levels.in_flight, pool.idle_connections()), (1, 0, 1));
}

#[tokio::test]
async fn a_closed_idle_connection_costs_no_call() {
    let fake = Fake::start(|seen| {
        let reply = answer("200 OK", JSON, RESULT);
        if seen.connection == 1 { vec![reply, Step::Close] } else { vec![reply] }
    })
    .await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    assert_eq!(body(call(&pool, &server).await), RESULT);
    assert_eq!(body(call(&pool, &server).await), RESULT);
    assert_eq!(fake.seen().len(), 2);
}

#[tokio::test]
async fn a_connection_lost_under_a_call_is_tried_again_only_if_idempotent() {
    for idempotent in [true, false] {
        // The second request of a connection is read and never answered.
        let fake = Fake::start(|seen| match (seen.connection, seen.body.contains("second")) {
            (1, true) => vec![Step::Close],
            _ => vec![answer("200 OK", JSON, RESULT)],
        })
        .await;
        let (pool, server) = (Pool::new(), server_at(fake.address));
        assert_eq!(body(call(&pool, &server).await), RESULT);
        let second = r#"{"jsonrpc":"2.0","id":1,"method":"second"}"#;
        let result = send(&pool, &server, Outgoing { idempotent, ..message(second) }).await;
        if idempotent {
            assert_eq!(body(result), RESULT);
        } else {
            let error = result.unwrap_err();
            assert!(matches!(error, UpstreamError::Closed { executed: Executed::Unknown, .. }), "{error}");
        }
        assert_eq!(fake.seen().len(), if idempotent { 3 } else { 2 });
        assert_eq!(server.levels().in_flight, 0);
    }
}

#[tokio::test]
async fn a_fresh_connection_that_breaks_is_not_tried_again() {
    let fake = Fake::start(|_| vec![Step::Close]).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    let result = send(&pool, &server, Outgoing { idempotent: true, ..message(CALL) }).await;
    assert!(matches!(result, Err(UpstreamError::Closed { executed: Executed::Unknown, .. })));
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn headers_carry_ours_and_never_the_clients_credentials() {
    let fake = Fake::start(|_| vec![answer("200 OK", JSON, RESULT)]).await;
    let server = limited(fake.address, |backend| backend.credentials = Credentials::Bearer(Secret::new("ours")));
    let headers = [
        ("authorization", "Bearer theirs"),
        ("cookie", "theirs=1"),
        ("mcp-session-id", "theirs"),
        ("content-length", "3"),
        ("mcp-method", "tools/call"),
        ("x-request-id", "r1"),
    ]
    .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
    let own = session("sess-1");
    let out =
        Outgoing { session: Some(&own), revision: Some(Revision::V2025_06_18), headers: &headers, ..message(CALL) };
    body(send(&Pool::new(), &server, out).await);
    let head = fake.seen()[0].head.clone();
    assert!(!head.contains("theirs"), "{head}");
    for line in [
        "authorization: bearer ours",
        "mcp-session-id: sess-1",
        "mcp-protocol-version: 2025-06-18",
        "mcp-method: tools/call",
        "x-request-id: r1",
        &format!("host: {}", fake.address),
        &format!("content-length: {}", CALL.len()),
    ] {
        assert_eq!(head.lines().filter(|have| *have == line).count(), 1, "{line} in {head}");
    }
}

#[tokio::test]
async fn two_xx_answers_mean_what_they_hold() {
    let cases: &[(&str, &str, &str, Option<bool>)] = &[
        ("200 OK", "application/json", RESULT, Some(true)),
        ("200 OK", "Application/JSON ; charset=UTF-8", RESULT, Some(true)),
        ("200 OK", "application/vnd.mcp+json", RESULT, Some(true)),
        ("200 OK", "", RESULT, Some(true)),
        ("200 OK", "text/plain", RESULT, Some(true)),
        ("202 Accepted", "", "", Some(false)),
        ("202 Accepted", "text/plain", "Accepted", Some(false)),
        ("202 Accepted", "application/json", "null", Some(false)),
        ("200 OK", "text/html", "", Some(false)),
        ("200 OK", "application/json", "", Some(false)),
        ("200 OK", "text/html", "<html>", None),
        ("200 OK", "text/plain", "hello", None),
        ("200 OK", "application/jsonp", RESULT, None),
    ];
    for (status, kind, text, message) in cases.iter().copied() {
        let fake = Fake::start(move |_| vec![answer(status, kind, text)]).await;
        let result = call(&Pool::new(), &server_at(fake.address)).await;
        match message {
            Some(true) => assert_eq!(body(result), text),
            Some(false) => assert!(matches!(result, Ok(Answer::Accepted)), "{kind} {text}: {result:?}"),
            None => assert!(matches!(result, Err(UpstreamError::Protocol(_))), "{kind} {text}: {result:?}"),
        }
    }
    let fake = Fake::start(|_| vec![Step::Write(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())]).await;
    assert!(matches!(call(&Pool::new(), &server_at(fake.address)).await, Ok(Answer::Accepted)));
    let early = "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let fake = Fake::start(move |_| vec![Step::Write(early.into()), answer("200 OK", JSON, RESULT)]).await;
    assert_eq!(body(call(&Pool::new(), &server_at(fake.address)).await), RESULT);
}

#[tokio::test]
async fn refusals_hide_pages_and_show_json_rpc_errors() {
    let error = r#"{"code":-32600,"message":"no"}"#;
    let rpc = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no"}}"#;
    let java = r#"{"stackTrace":[{"m":"a"}],"jsonRpcError":{"code":-32600,"message":"no"}}"#;
    for (status, kind, text, found) in [
        ("500 Internal Server Error", "text/html", "<html>Traceback at /srv/app.py</html>", false),
        ("400 Bad Request", JSON, rpc, true),
        ("400 Bad Request", "text/plain", rpc, true),
        ("500 Internal Server Error", JSON, java, true),
        ("502 Bad Gateway", "", "", false),
        ("401 Unauthorized", JSON, r#"{"error":"invalid_token"}"#, false),
        ("307 Temporary Redirect", JSON, rpc, false),
    ] {
        let fake =
            Fake::start(move |_| vec![with_headers(status, kind, "location: http://127.0.0.1:1/\r\n", text)]).await;
        let (pool, server) = (Pool::new(), server_at(fake.address));
        let refusal = refusal(call(&pool, &server).await);
        assert!(status.starts_with(&refusal.status.to_string()));
        assert_eq!(refusal.message.as_deref(), found.then_some(error.as_bytes()), "{text}");
        assert!(!refusal.session_lost);
        assert_eq!(fake.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_404_loses_the_session_only_within_one() {
    let fake = Fake::start(|_| vec![answer("404 Not Found", "text/plain", "gone")]).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    assert!(!refusal(call(&pool, &server).await).session_lost);
    let own = session("s");
    assert!(refusal(send(&pool, &server, Outgoing { session: Some(&own), ..message(CALL) }).await).session_lost);
    assert_eq!(pool.idle_connections(), 1);
}

#[tokio::test]
async fn answers_beyond_the_limit_are_refused_however_they_are_announced() {
    let lie = |length: &str, data: &str| {
        Step::Write(format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{length}\r\n\r\n{data}").into_bytes())
    };
    let big = "x".repeat(3000);
    let chunks = format!("{:x}\r\n{big}\r\n{:x}\r\n{big}\r\n0\r\n\r\n", big.len(), big.len());
    for (step, name) in [
        (lie("content-length: 9000000000000", "{"), "announced"),
        (lie("content-length: 6000", &"x".repeat(6000)), "true"),
        (lie("transfer-encoding: chunked", &chunks), "chunked"),
    ] {
        let fake = Fake::start(move |_| vec![step.clone(), Step::AwaitClose]).await;
        let server = limited(fake.address, |backend| backend.limits.max_response_bytes = 5000);
        let pool = Pool::new();
        let result = call(&pool, &server).await;
        assert!(matches!(result, Err(UpstreamError::TooLarge { limit: 5000 })), "{name}: {result:?}");
        until("the connection is closed", || fake.closed() == 1).await;
        assert_eq!(pool.idle_connections(), 0);
    }
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"v":"{}"}}}}"#, "y".repeat(100_000));
    let expected = text.clone();
    let fake = Fake::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        let pieces = text.as_bytes().chunks(7001);
        let chunks =
            pieces.map(|piece| Step::Write([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()));
        std::iter::once(Step::Write(head.into())).chain(chunks).chain([Step::Write(b"0\r\n\r\n".to_vec())]).collect()
    })
    .await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    for _ in 0..3 {
        assert_eq!(body(call(&pool, &server).await), expected);
    }
    assert!(fake.seen().iter().all(|seen| seen.connection == 1));
}

#[tokio::test]
async fn an_answer_of_doubtful_length_is_the_last_of_its_connection() {
    let two = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let length = RESULT.len();
    let both = format!(
        "{two}content-length: {length}\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{RESULT}\r\n0\r\n\r\n"
    );
    let more = format!("{two}content-length: {length}\r\n\r\n{RESULT}{two}content-length: 6\r\n\r\nstolen");
    for bytes in [both, more] {
        let fake = Fake::start(move |_| vec![Step::Write(bytes.clone().into_bytes())]).await;
        let (pool, server) = (Pool::new(), server_at(fake.address));
        for _ in 0..3 {
            assert_eq!(body(call(&pool, &server).await), RESULT);
        }
        let connections: Vec<_> = fake.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [1, 2, 3]);
    }
}

#[tokio::test]
async fn silence_ends_a_call_and_its_connection() {
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    for begun in [false, true] {
        let fake = Fake::start(move |_| {
            let begin = if begun { vec![Step::Write(half.into())] } else { vec![] };
            begin.into_iter().chain([Step::AwaitClose]).collect()
        })
        .await;
        let (pool, server) = (Pool::new(), server_at(fake.address));
        let idle = Duration::from_millis(60);
        let error = send(&pool, &server, Outgoing { idle, ..message(CALL) }).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Timeout { executed: Executed::Unknown }), "{error}");
        until("the connection is closed", || fake.closed() == 1).await;
        let deadline = Instant::now() + idle;
        let error = send(&pool, &server, Outgoing { deadline, ..message(CALL) }).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Timeout { .. }), "{error}");
        until("nothing is open", || server.levels().connections == 0).await;
        assert_eq!((server.levels().in_flight, pool.idle_connections()), (0, 0));
    }
}

#[tokio::test]
async fn dropping_the_call_closes_the_connection() {
    let fake = Fake::start(|_| vec![Step::AwaitClose]).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    {
        let mut waiting = Box::pin(call(&pool, &server));
        let waited = tokio::time::timeout(Duration::from_millis(1), &mut waiting);
        assert!(waited.await.is_err());
        until_seen(&fake, waiting.as_mut()).await;
    }
    until("the connection is closed", || fake.closed() == 1).await;
    assert_eq!(server.levels().in_flight, 0);
}

/// Drives a call until the server has read it.
async fn until_seen(fake: &Fake, mut waiting: std::pin::Pin<&mut impl Future<Output = Result<Answer, UpstreamError>>>) {
    while fake.seen().is_empty() {
        let step = tokio::time::timeout(Duration::from_millis(1), &mut waiting);
        assert!(step.await.is_err());
    }
}

#[tokio::test]
async fn limits_of_calls_and_connections_hold_and_idle_connections_are_shared() {
    let fake = Fake::start(|seen| {
        if seen.body.contains("hang") { vec![Step::AwaitClose] } else { vec![answer("200 OK", JSON, RESULT)] }
    })
    .await;
    let hang = r#"{"jsonrpc":"2.0","id":1,"method":"hang"}"#;
    let (pool, other) = (Pool::new(), Pool::new());
    let server = limited(fake.address, |backend| backend.limits.max_concurrent_requests = 1);
    let mut waiting = Box::pin(send(&pool, &server, message(hang)));
    until_seen(&fake, waiting.as_mut()).await;
    assert!(matches!(call(&pool, &server).await, Err(UpstreamError::Busy("maxConcurrentRequests"))));
    drop(waiting);
    assert_eq!(body(call(&pool, &server).await), RESULT);

    let server = limited(fake.address, |backend| backend.limits.max_connections = 1);
    assert_eq!(body(call(&pool, &server).await), RESULT);
    // The only connection lies idle in another thread's pool.
    assert_eq!(body(call(&other, &server).await), RESULT);
    assert_eq!((pool.idle_connections(), server.levels().connections), (2, 1));
    let mut waiting = Box::pin(send(&other, &server, message(hang)));
    let calls = fake.seen().len();
    while fake.seen().len() == calls {
        assert!(tokio::time::timeout(Duration::from_millis(1), &mut waiting).await.is_err());
    }
    assert!(matches!(call(&pool, &server).await, Err(UpstreamError::Busy("maxConnections"))));
}

#[tokio::test]
async fn calls_are_spread_and_sessions_stay_at_their_endpoint() {
    let one = Fake::start(|_| vec![answer("200 OK", JSON, RESULT)]).await;
    let two = Fake::start(|_| vec![answer("200 OK", JSON, RESULT)]).await;
    let target = |endpoints: Vec<std::net::SocketAddr>| {
        let endpoints = Some(endpoints);
        let target = HttpTarget { hostname: "svc.ns".to_owned(), endpoints, ..http_target(one.address) };
        Arc::new(backend(Target::Http(target)))
    };
    let pool = Pool::new();
    let server = Server::new(target(vec![one.address, two.address]), None);
    for _ in 0..10 {
        body(call(&pool, &server).await);
    }
    assert_eq!((one.seen().len(), two.seen().len()), (5, 5));
    let own = UpstreamSession { endpoint: Some(two.address), ..session("s") };
    for _ in 0..4 {
        body(send(&pool, &server, Outgoing { session: Some(&own), ..message(CALL) }).await);
    }
    assert_eq!((one.seen().len(), two.seen().len()), (5, 9));
    // Its endpoint leaves; connections to the other one survive the change.
    let server = Server::new(target(vec![one.address]), Some(&server));
    let result = send(&pool, &server, Outgoing { session: Some(&own), ..message(CALL) }).await;
    assert!(matches!(result, Err(UpstreamError::SessionLost)));
    body(call(&pool, &server).await);
    assert!(one.seen().iter().all(|seen| seen.connection == 1));
    let nowhere = Server::new(target(vec![]), Some(&server));
    assert!(matches!(call(&pool, &nowhere).await, Err(UpstreamError::Connect(_))));
    // A dead endpoint is passed over.
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::new(target(vec![dead, one.address]), Some(&server));
    for _ in 0..4 {
        body(call(&pool, &server).await);
    }
}

/// A pod stops to listen before its address leaves the endpoints.
#[tokio::test]
async fn a_session_is_lost_with_its_endpoint_where_it_may_be_opened_at_another() {
    let other = Fake::start(|_| vec![answer("200 OK", JSON, RESULT)]).await;
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let own = UpstreamSession { endpoint: Some(dead), ..session("s") };
    let pool = Pool::new();
    for (endpoints, on_loss, is_lost) in [
        (vec![dead, other.address], EndpointLoss::Reinitialize, true),
        (vec![dead, other.address], EndpointLoss::Fail, false),
        // It may come back, and there is nowhere else to go.
        (vec![dead], EndpointLoss::Reinitialize, false),
    ] {
        let endpoints = Some(endpoints);
        let target = HttpTarget { hostname: "svc.ns".to_owned(), endpoints, ..http_target(other.address) };
        let affinity = Affinity::Auto { on_loss };
        let server = Server::new(Arc::new(Backend { affinity, ..backend(Target::Http(target)) }), None);
        for standing in [false, true] {
            let error = if standing {
                open_stream(&server, &own, None).await.err()
            } else {
                send(&pool, &server, Outgoing { session: Some(&own), ..message(CALL) }).await.err()
            };
            match error.unwrap() {
                UpstreamError::SessionLost if is_lost => {}
                UpstreamError::Connect(no) if !is_lost => assert_eq!(no.why, Why::Refused),
                error => panic!("{on_loss:?}: {error:?}"),
            }
        }
    }
    assert!(other.seen().is_empty(), "whose session it is not");
}

#[tokio::test]
async fn other_credentials_mean_other_connections() {
    let fake = Fake::start(|_| vec![answer("200 OK", JSON, RESULT)]).await;
    let pool = Pool::new();
    let first = server_at(fake.address);
    body(call(&pool, &first).await);
    let mut changed = backend(Target::Http(http_target(fake.address)));
    changed.limits.max_connections = 7;
    body(call(&pool, &Server::new(Arc::new(changed.clone()), Some(&first))).await);
    changed.credentials = Credentials::Bearer(Secret::new("x"));
    body(call(&pool, &Server::new(Arc::new(changed), Some(&first))).await);
    let connections: Vec<_> = fake.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [1, 1, 2]);
}

#[tokio::test]
async fn names_are_resolved_and_failures_are_no_connection() {
    let fake = Fake::start(|_| vec![answer("200 OK", JSON, RESULT)]).await;
    let named = |host: &str| HttpTarget { hostname: host.to_owned(), ..http_target(fake.address) };
    let server = Server::new(Arc::new(backend(Target::Http(named("localhost")))), None);
    let pool = Pool::new();
    for _ in 0..2 {
        body(call(&pool, &server).await);
    }
    assert!(fake.seen().iter().all(|seen| seen.connection == 1));
    let server = Server::new(Arc::new(backend(Target::Http(named("no-such-host.invalid")))), None);
    assert!(matches!(call(&pool, &server).await, Err(UpstreamError::Connect(_))));
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert!(matches!(call(&pool, &server_at(dead)).await, Err(UpstreamError::Connect(_))));
}

#[tokio::test]
async fn a_session_is_ended_by_delete_whatever_the_answer() {
    let fake = Fake::start(|_| vec![answer("405 Method Not Allowed", "text/html", "no")]).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    end_session(&pool, &server, &session("s-9")).await;
    let head = fake.seen()[0].head.clone();
    assert!(head.starts_with("delete /mcp ") && head.contains("mcp-session-id: s-9"), "{head}");
    assert!(!head.contains("content-type"), "{head}");
    assert_eq!(pool.idle_connections(), 1);
}
