//! `initialize` and `server/discover`.

use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;

use super::fake::{Fake, Step, answer, chunk, events, last_chunk, with_headers};
use super::*;
use crate::upstream::{Discovered, Hello, Knowledge, discover, discover_within, initialize, initialize_within};

const JSON: &str = "application/json";
const HELLO: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#;

fn made() -> Hello<'static> {
    Hello::Made {
        revision: Revision::V2025_11_25,
        capabilities: ClientCapabilities::ROOTS,
        client_name: "a\"b",
        client_version: "1",
    }
}

fn hello(headers: &'static str) -> impl Fn(&fake::Seen) -> Vec<Step> {
    move |seen| {
        if seen.body.contains("initialize\"") {
            vec![with_headers("200 OK", JSON, headers, HELLO)]
        } else {
            vec![with_headers("202 Accepted", "", "mcp-session-id: late\r\n", "")]
        }
    }
}

#[tokio::test]
async fn a_session_is_opened_and_confirmed() {
    let fake = Fake::start(hello("Mcp-Session-Id: abc\r\n")).await;
    let (pool, server) = (Pool::new(), server_at(fake.address));
    let open = initialize(&pool, &server, &made()).await.unwrap();
    assert_eq!((open.session.id.as_deref(), open.session.revision), (Some("abc"), Revision::V2025_06_18));
    assert_eq!(open.session.endpoint, Some(fake.address));
    assert_eq!(open.message, HELLO);
    assert_eq!(server.era().legacy, Knowledge::Known);
    let seen = fake.seen();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"roots":{}},"clientInfo":{"name":"a\"b","version":"1"}}}"#;
    assert_eq!(seen[0].body, body);
    assert!(!seen[0].head.contains("mcp-"), "{}", seen[0].head);
    assert!(seen[1].body.contains("notifications/initialized"));
    assert!(seen[1].head.contains("mcp-session-id: abc") && seen[1].head.contains("mcp-protocol-version: 2025-06-18"));
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn session_ids_are_taken_only_if_legal_and_only_from_success() {
    for (headers, taken) in [
        ("", None),
        ("mcp-session-id: has space\r\n", None),
        ("mcp-session-id: \u{e9}\r\n", None),
        ("mcp-session-id:\r\n", None),
        ("mcp-session-id: !~\r\n", Some("!~")),
    ] {
        let fake = Fake::start(hello(headers)).await;
        let open = initialize(&Pool::new(), &server_at(fake.address), &made()).await.unwrap();
        assert_eq!(open.session.id.as_deref(), taken, "{headers}");
    }
    let long = format!("mcp-session-id: {}\r\n", "x".repeat(1025)).leak();
    let fake = Fake::start(hello(long)).await;
    assert_eq!(initialize(&Pool::new(), &server_at(fake.address), &made()).await.unwrap().session.id, None);
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}"#;
    let fake =
        Fake::start(move |_| vec![with_headers("400 Bad Request", JSON, "mcp-session-id: leak\r\n", error)]).await;
    let refused = initialize(&Pool::new(), &server_at(fake.address), &made()).await.unwrap_err();
    assert!(matches!(&refused, UpstreamError::Refused(refusal) if refusal.status == 400 && refusal.message.is_some()));
}

#[tokio::test]
async fn a_clients_own_initialize_keeps_its_id_and_is_not_confirmed() {
    let reply = HELLO.replace("\"id\":1", "\"id\":\"i\\u0031\"");
    let streamed = reply.clone();
    let fake = Fake::start(move |_| {
        let log = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
        vec![events(), chunk(&format!("data: {log}\r\n\r\nid: 1\r\ndata: {streamed}\r\n\r\n")), last_chunk()]
    })
    .await;
    let raw = Bytes::from_static(br#"{"jsonrpc":"2.0","id":"i\u0031","method":"initialize","params":{}}"#);
    let open = initialize(&Pool::new(), &server_at(fake.address), &Hello::Raw(raw.clone())).await.unwrap();
    assert_eq!(open.message, reply);
    assert_eq!(open.extra.len(), 1);
    assert_eq!(fake.seen().len(), 1);
    assert_eq!(fake.seen()[0].body.as_bytes(), raw);
}

#[tokio::test]
async fn answers_that_open_no_session() {
    for (body, expected) in [
        (HELLO.replace("2025-06-18", "2031-01-01"), "protocol error"),
        (HELLO.replace("2025-06-18", "2026-07-28"), "protocol error"),
        (HELLO.replace("\"id\":1", "\"id\":2"), "protocol error"),
        (HELLO.replace("\"id\":1", "\"id\":\"1\""), "protocol error"),
        (HELLO.replace('}', ""), "protocol error"),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"m"}}"#.to_owned(), "refused"),
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"m"}}"#.to_owned(), "another era"),
    ] {
        let sent = body.clone();
        let fake = Fake::start(move |_| vec![answer("200 OK", JSON, &sent)]).await;
        let server = server_at(fake.address);
        let error = initialize(&Pool::new(), &server, &made()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{body}: {error}");
        assert_eq!(server.era().legacy == Knowledge::No, expected == "another era");
    }
    let fake = Fake::start(|_| vec![Step::AwaitClose]).await;
    let short = Duration::from_millis(50);
    let mut backend = backend(Target::Http(http_target(fake.address)));
    backend.timeouts.connect = short;
    let server = Server::new(Arc::new(backend), None);
    let error = initialize_within(&Pool::new(), &server, &made(), short).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { .. }), "{error}");
}

enum Found {
    Modern(usize),
    Legacy,
    Nothing,
}

#[tokio::test]
async fn the_era_is_read_from_what_real_servers_answer() {
    let versions = |list: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"resultType":"complete","supportedVersions":[{list}]}}}}"#)
    };
    let error = |id: &str, code: i32, data: &str| {
        format!(r#"{{"jsonrpc":"2.0"{id},"error":{{"code":{code},"message":"m"{data}}}}}"#)
    };
    let cases = [
        ("200 OK", JSON, versions(r#""2026-07-28""#), Found::Modern(0)),
        ("200 OK", JSON, versions(r#""2025-11-25","2026-07-28","2025-06-18","2027-01-01""#), Found::Modern(2)),
        ("200 OK", JSON, versions(r#""2025-11-25""#), Found::Legacy),
        ("200 OK", JSON, versions(""), Found::Legacy),
        ("200 OK", JSON, error(",\"id\":1", -32601, ""), Found::Legacy),
        ("400 Bad Request", JSON, error(",\"id\":\"server-error\"", -32600, ""), Found::Legacy),
        ("400 Bad Request", JSON, error(",\"id\":null", -32000, ""), Found::Legacy),
        ("400 Bad Request", "text/plain", "Bad Request: no session".to_owned(), Found::Legacy),
        ("404 Not Found", "text/html", "<html>".to_owned(), Found::Legacy),
        ("405 Method Not Allowed", "", String::new(), Found::Legacy),
        ("200 OK", JSON, error(",\"id\":1", -32022, r#","data":{"supported":["2025-11-25"]}"#), Found::Legacy),
        (
            "400 Bad Request",
            JSON,
            error(",\"id\":1", -32022, r#","data":{"supported":["2026-07-28"]}"#),
            Found::Nothing,
        ),
        ("401 Unauthorized", "", String::new(), Found::Nothing),
        ("403 Forbidden", "", String::new(), Found::Nothing),
        ("429 Too Many Requests", "", String::new(), Found::Nothing),
        ("302 Found", "", String::new(), Found::Nothing),
        ("503 Service Unavailable", "text/html", "<html>".to_owned(), Found::Nothing),
        ("202 Accepted", "", String::new(), Found::Nothing),
    ];
    for (status, kind, body, expected) in cases {
        let shown = format!("{status} {body}");
        let fake = Fake::start(move |_| vec![answer(status, kind, &body)]).await;
        let (pool, server) = (Pool::new(), server_at(fake.address));
        let found = discover(&pool, &server, ClientCapabilities::ELICITATION).await;
        let era = server.era();
        match (found, expected) {
            (Ok(Discovered::Modern { legacy_too, .. }), Found::Modern(count)) => {
                assert_eq!(legacy_too.len(), count, "{shown}");
                let legacy = if count > 0 { Knowledge::Known } else { Knowledge::Unknown };
                assert_eq!((era.modern, era.legacy), (Knowledge::Known, legacy), "{shown}");
            }
            (Ok(Discovered::Legacy), Found::Legacy) => assert_eq!(era.modern, Knowledge::No, "{shown}"),
            (Err(_), Found::Nothing) => assert_ne!(era.modern, Knowledge::No, "{shown}"),
            (other, _) => panic!("{shown}: {other:?}"),
        }
        let seen = fake.seen().remove(0);
        for line in ["mcp-method: server/discover", "mcp-protocol-version: 2026-07-28"] {
            assert!(seen.head.lines().any(|have| have == line), "{}", seen.head);
        }
        assert!(
            seen.body.contains(r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}"#),
            "{}",
            seen.body
        );
        ringway_mcp::scan(seen.body.as_bytes(), &ringway_mcp::Limits::default()).unwrap();
    }
}

#[tokio::test]
async fn silence_is_no_evidence_over_http_and_a_pinned_revision_needs_none() {
    let fake = Fake::start(|_| vec![Step::AwaitClose]).await;
    let mut backend = backend(Target::Http(http_target(fake.address)));
    backend.timeouts.connect = Duration::from_millis(50);
    let server = Server::new(Arc::new(backend.clone()), None);
    let short = Duration::from_millis(50);
    let error = discover_within(&Pool::new(), &server, ClientCapabilities::NONE, short).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { .. }), "{error}");
    assert_eq!(server.era().modern, Knowledge::Unknown);
    backend.protocol_version = Some("2025-06-18".to_owned());
    let era = Server::new(Arc::new(backend), None).era();
    assert_eq!((era.modern, era.legacy), (Knowledge::No, Knowledge::Known));
}
