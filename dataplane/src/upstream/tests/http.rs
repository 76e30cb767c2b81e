//! Exchanges over HTTP.

use super::fake::{Fake, Step, answer};
use super::*;

pub(super) const RESULT: &str = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;

fn body(answer: Result<Answer, UpstreamError>) -> Bytes {
    match answer {
        Ok(Answer::Message(bytes, _)) => bytes,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_connection_serves_many_calls() {
    let fake = Fake::start(|_| vec![answer("200 OK", "application/json", RESULT)]).await;
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
    assert_eq!((server.levels().connections, server.levels().in_flight, pool.idle_connections()), (1, 0, 1));
}

#[tokio::test]
async fn a_closed_idle_connection_costs_no_call() {
    let fake = Fake::start(|seen| {
        let reply = answer("200 OK", "application/json", RESULT);
        if seen.connection == 1 { vec![reply, Step::Close] } else { vec![reply] }
    })
    .await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    assert_eq!(body(call(&pool, &server).await), RESULT);
    assert_eq!(body(call(&pool, &server).await), RESULT);
    assert_eq!(fake.seen().len(), 2);
}
