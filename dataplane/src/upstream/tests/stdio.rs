//! Real child processes: a server in plain `sh`.

use std::collections::BTreeMap;

use ringway_mcp::Revision;
use ringway_mcp::capability::ClientCapabilities;
use ringway_snapshot::{Secret, StdioTarget};

use super::super::{Discovered, Established, Hello, Incoming, discover_within, end_session, initialize, open_stream};
use super::*;

const SERVER: &str = r#"
last=none
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  token=${line#*\"progressToken\":}; token=${token%%[,\}]*}
  text() { printf '{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"%s"}]}}\n' "$id" "$1"; }
  case "$line" in
    *'"method":"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}\n' "$id" ;;
    *'"method":"server/discover"'*)
      case "$1" in
        modern) printf '{"jsonrpc":"2.0","id":%s,"result":{"supportedVersions":["2026-07-28"]}}\n' "$id" ;;
        legacy) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"not initialized"}}\n' "$id" ;;
      esac ;;
    *'"name":"progress"'*)
      printf 'noise on stdout\n'
      printf '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%s,"progress":1}}\n' "$token"
      text done ;;
    *'"name":"pid"'*) text $$ ;;
    *'"name":"env"'*) text "$SECRET|$(eval "printf %s \"\$$HIDDEN\"")|${PATH:+path}" ;;
    *'"name":"grandchild"'*) 
      # It answers itself, when it has begun to ignore the signal.
      sh -c 'trap "" TERM; printf "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"text\":\"%s\"}}\n" "$1" "$$"; exec sleep 1000' \
        sh "$id" & ;;
    *'"name":"last"'*) text "$last" ;;
    *'"name":"die"'*) exit 3 ;;
    *'"name":"long"'*) printf '%070000d\n' 0 ;;
    *'"name":"change"'*)
      printf '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}\n'
      text changed ;;
    *'notifications/cancelled'*) last=${line#*\"requestId\":}; last=${last%%[,\}]*} ;;
  esac
done
"#;

fn server(kind: &str, max_processes: usize) -> Arc<Server> {
    let env = [("SECRET", "s; touch $(id)"), ("HIDDEN", &hidden())];
    let env = env.map(|(key, value)| (key.to_owned(), Secret::new(value)));
    let env = BTreeMap::from(env);
    let args = ["-c", SERVER, "sh", kind].map(str::to_owned).to_vec();
    let target = StdioTarget { command: "sh".to_owned(), args, env, max_processes };
    let mut backend = backend(Target::Stdio(target));
    backend.limits.max_response_bytes = 60_000;
    Server::new(Arc::new(backend), None)
}

/// The name of a variable of this process that no child should see.
fn hidden() -> String {
    let plain = |key: &String| key.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    let passed = ["PATH", "HOME", "LANG", "TMPDIR", "PWD", "OLDPWD", "SHLVL", "_"];
    let mut names = std::env::vars().filter(|(_, value)| !value.is_empty()).map(|(key, _)| key);
    names.find(|key| plain(key) && !key.starts_with("LC_") && !passed.contains(&key.as_str())).unwrap()
}

async fn session(pool: &Pool, server: &Arc<Server>) -> UpstreamSession {
    let hello = Hello::Made {
        revision: Revision::V2025_11_25,
        capabilities: ClientCapabilities::NONE,
        client_name: "c",
        client_version: "1",
    };
    let Established { session, message, extra } = initialize(pool, server, &hello).await.unwrap();
    assert!(message.starts_with(br#"{"jsonrpc":"2.0","id":1,"#) && extra.is_empty());
    assert!(session.process.is_some() && session.id.is_none());
    session
}

fn tool<'a>(session: &'a UpstreamSession, name: &str) -> Outgoing<'a> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{{"name":"{name}","_meta":{{"progressToken":"p"}}}}}}"#
    );
    Outgoing { body: Bytes::from(body), session: Some(session), ..message("") }
}

async fn text(pool: &Pool, server: &Arc<Server>, session: &UpstreamSession, name: &str) -> String {
    let Ok(Answer::Message(body, _)) = send(pool, server, tool(session, name)).await else { panic!("no answer") };
    let body = String::from_utf8(body.to_vec()).unwrap();
    let (start, rest) = body.split_once(r#""text":""#).unwrap();
    assert!(start.starts_with(r#"{"jsonrpc":"2.0","id":"x","#), "{start}");
    rest.split_once('"').unwrap().0.to_owned()
}

/// Neither running nor a zombie that nobody reaped.
fn is_gone(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[tokio::test]
async fn each_session_has_a_process_and_a_spare_waits() {
    let (pool, server) = (Pool::new(), server("legacy", 3));
    let one = session(&pool, &server).await;
    assert_eq!(server.levels().processes, 2);
    let two = session(&pool, &server).await;
    let (a, b) = (text(&pool, &server, &one, "pid").await, text(&pool, &server, &two, "pid").await);
    assert_ne!(a, b);
    assert_eq!(server.levels().processes, 3);
    let three = session(&pool, &server).await;
    let hello = Hello::Raw(Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#));
    assert!(matches!(initialize(&pool, &server, &hello).await, Err(UpstreamError::Busy("maxProcesses"))));
    drop(one);
    until("the process ends with its last handle", || is_gone(&a)).await;
    end_session(&pool, &server, &two).await;
    until("the process is ended whoever holds it", || is_gone(&b)).await;
    assert!(matches!(send(&pool, &server, tool(&two, "pid")).await, Err(UpstreamError::SessionLost)));
    let c = text(&pool, &server, &three, "pid").await;
    drop(three);
    drop(server);
    until("the backend's processes end with it", || is_gone(&c)).await;
}

#[tokio::test]
async fn the_environment_is_an_allow_list_and_arguments_are_literal() {
    let (pool, server) = (Pool::new(), server("legacy", 4));
    let session = session(&pool, &server).await;
    assert_eq!(text(&pool, &server, &session, "env").await, "s; touch $(id)||path");
}

#[tokio::test]
async fn progress_makes_a_stream_with_the_callers_token() {
    let (pool, server) = (Pool::new(), server("legacy", 4));
    let session = session(&pool, &server).await;
    let Ok(Answer::Stream(mut stream, _)) = send(&pool, &server, tool(&session, "progress")).await else {
        panic!("no stream")
    };
    let Some(Ok(Incoming::Message { data, .. })) = stream.next().await else { panic!("no progress") };
    assert!(data.windows(19).any(|w| w == br#""progressToken":"p""#), "{data:?}");
    let Some(Ok(Incoming::Message { data, .. })) = stream.next().await else { panic!("no response") };
    assert!(data.starts_with(br#"{"jsonrpc":"2.0","id":"x","result""#), "{data:?}");
    assert!(stream.next().await.is_none());
    assert_eq!(server.levels().in_flight, 1);
    stream.finish();
    assert_eq!(server.levels().in_flight, 0);
}

#[tokio::test]
async fn a_call_given_up_is_cancelled_at_the_process() {
    let (pool, server) = (Pool::new(), server("legacy", 4));
    let session = session(&pool, &server).await;
    let slow = Outgoing { idle: Duration::from_millis(50), ..tool(&session, "hang") };
    let error = send(&pool, &server, slow).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout { .. }), "{error}");
    // `initialize` was number 1, the call number 2.
    assert_eq!(text(&pool, &server, &session, "last").await, "2");
    let slow = send(&pool, &server, tool(&session, "hang"));
    let cancel = Outgoing {
        body: Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}}"#),
        ..tool(&session, "")
    };
    let mut slow = Box::pin(slow);
    assert!(futures::poll!(&mut slow).is_pending());
    assert!(matches!(send(&pool, &server, cancel).await, Ok(Answer::Accepted)));
    drop(slow);
    assert_eq!(text(&pool, &server, &session, "last").await, "4");
}

#[tokio::test]
async fn a_crash_ends_calls_and_the_next_session_starts_anew() {
    let (pool, server) = (Pool::new(), server("legacy", 4));
    let one = session(&pool, &server).await;
    let error = send(&pool, &server, tool(&one, "die")).await.unwrap_err();
    assert!(
        matches!(&error, UpstreamError::Closed { executed: crate::fault::Executed::Unknown, cause } if cause.contains('3')),
        "{error}"
    );
    assert!(matches!(send(&pool, &server, tool(&one, "pid")).await, Err(UpstreamError::SessionLost)));
    let two = session(&pool, &server).await;
    assert_ne!(text(&pool, &server, &two, "pid").await, "");
    let error = send(&pool, &server, tool(&two, "long")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::TooLarge { limit: 60_000 }), "{error}");
}

#[tokio::test]
async fn the_whole_group_dies_even_if_it_ignores_the_first_signal() {
    let (pool, server) = (Pool::new(), server("legacy", 4));
    let session = session(&pool, &server).await;
    let grandchild = text(&pool, &server, &session, "grandchild").await;
    assert!(!is_gone(&grandchild));
    drop(session);
    until("the grandchild is gone", || is_gone(&grandchild)).await;
}

#[test]
fn processes_end_with_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (pool, server) = (Pool::new(), server("legacy", 4));
    let (session, pid) = runtime.block_on(async {
        let session = session(&pool, &server).await;
        let pid = text(&pool, &server, &session, "grandchild").await;
        (session, pid)
    });
    drop(runtime);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    other.block_on(async {
        until("the group is killed", || is_gone(&pid)).await;
        let error = send(&pool, &server, tool(&session, "pid")).await.unwrap_err();
        assert!(matches!(error, UpstreamError::SessionLost), "{error}");
    });
}

#[tokio::test]
async fn the_standing_stream_gets_what_concerns_no_call() {
    let (pool, server) = (Pool::new(), server("legacy", 4));
    let session = session(&pool, &server).await;
    let mut stream = open_stream(&server, &session, None).await.unwrap();
    assert_eq!(text(&pool, &server, &session, "change").await, "changed");
    let Some(Ok(Incoming::Message { data, .. })) = stream.next().await else { panic!("no notification") };
    assert!(data.ends_with(br#""notifications/tools/list_changed"}"#), "{data:?}");
    end_session(&pool, &server, &session).await;
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn the_era_of_a_process_is_found_and_modern_callers_share_it() {
    let pool = Pool::new();
    let short = Duration::from_millis(300);
    for (kind, modern) in [("modern", true), ("legacy", false), ("silent", false)] {
        let server = server(kind, 2);
        let found = discover_within(&pool, &server, ClientCapabilities::NONE, short).await.unwrap();
        assert_eq!(matches!(found, Discovered::Modern { .. }), modern, "{kind}");
        assert_eq!(server.levels().processes, 1, "{kind}");
        if modern {
            assert_eq!(server.era().modern, super::super::Knowledge::Known);
            let none = UpstreamSession { id: None, endpoint: None, revision: Revision::V2026_07_28, process: None };
            let pid = text(&pool, &server, &none, "pid").await;
            assert_eq!(text(&pool, &server, &none, "pid").await, pid);
            assert_eq!(server.levels().processes, 1);
        } else {
            drop(session(&pool, &server).await);
        }
    }
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_no_connection() {
    let target =
        StdioTarget { command: "/nonexistent/x".to_owned(), args: vec![], env: BTreeMap::new(), max_processes: 1 };
    let server = Server::new(Arc::new(backend(Target::Stdio(target))), None);
    let error = call(&Pool::new(), &server).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(_)), "{error}");
    assert_eq!(server.levels().processes, 0);
}
