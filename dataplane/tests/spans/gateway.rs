//! Calls through a whole gateway: whose spans they become, and what the backend is told of them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use ringway_dataplane::app::{Gateway, LimitSettings, Listen, LogTarget, Settings, TraceSettings};
use ringway_seal::Keyring;
use ringway_snapshot::{Backend, ObjectName, Target};
use ringway_testkit::objects;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use crate::export::settings;
use crate::receiver::{Receiver, attributes};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-11111111111111111111111111111111-2222222222222222-01";
/// Things that only the caller and the backend may see.
const SECRETS: [&str; 4] = ["argum3nt", "t0ken", "r3sult", "up-5ession"];

pub(crate) fn backend(address: SocketAddr) -> Backend {
    let forward_headers = vec!["traceparent".to_owned(), "x-extra".to_owned()];
    let target = Target::Http(objects::http_target(address));
    Backend { forward_headers, ..objects::backend(ObjectName::new("default", "b"), target) }
}

/// A server of both eras that keeps what it was sent.
#[derive(Debug, Clone, Default)]
struct Server {
    calls: Arc<Mutex<Vec<(HeaderMap, String)>>>,
}

impl Server {
    async fn start() -> (Self, SocketAddr) {
        let server = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let server = serving.clone();
                let service = service_fn(move |request| server.clone().answer(request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        (server, address)
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let mut response = Response::new(Full::default());
        let Ok(message) = serde_json::from_str::<Value>(&body) else {
            *response.status_mut() = http::StatusCode::METHOD_NOT_ALLOWED;
            return Ok(response);
        };
        let result = match message["method"].as_str().unwrap() {
            "server/discover" => {
                json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
            }
            "initialize" => {
                response.headers_mut().insert("mcp-session-id", SECRETS[3].parse().unwrap());
                json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"}})
            }
            "tools/call" => {
                self.calls.lock().unwrap().push((head.headers, body));
                json!({"content": [{"type": "text", "text": SECRETS[2]}], "isError": true})
            }
            _ => {
                *response.status_mut() = http::StatusCode::ACCEPTED;
                return Ok(response);
            }
        };
        response.headers_mut().insert("content-type", "application/json".parse().unwrap());
        let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        *response.body_mut() = answer.to_string().into();
        Ok(response)
    }

    fn last(&self) -> (HeaderMap, String) {
        self.calls.lock().unwrap().last().cloned().unwrap()
    }
}

fn gateway(server: SocketAddr, legacy: bool, traces: Option<TraceSettings>) -> Gateway {
    let backend = Backend { protocol_version: legacy.then(|| "2025-06-18".to_owned()), ..backend(server) };
    let section = objects::section("b", backend.name.clone(), "b");
    let route = objects::route(ObjectName::new("default", "r"), vec![section]);
    let snapshot = objects::snapshot(vec![], vec![backend], vec![route]);
    let settings = Settings {
        listen: Listen::plain(([127, 0, 0, 1], 0).into()),
        admin: None,
        debug: None,
        workers: 2,
        keyring: Keyring::parse(&ringway_seal::generate_file_text().unwrap()).unwrap(),
        tombstone_file: None,
        access_log: LogTarget::Off,
        traces,
        limits: LimitSettings::default(),
    };
    Gateway::start(settings, snapshot).unwrap()
}

async fn post(gateway: SocketAddr, headers: &[(&str, &str)], body: String) -> (HeaderMap, String) {
    let stream = TcpStream::connect(gateway).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::post("/mcp").header("host", gateway.to_string());
    for (name, value) in [("content-type", "application/json"), ("accept", "application/json, text/event-stream")] {
        request = request.header(name, value);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.body(Full::new(Bytes::from(body))).unwrap()).await.unwrap();
    let (head, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(head.status.is_success() && !body.contains(r#""error":"#), "{}: {body}", head.status);
    (head.headers, body)
}

/// A modern call; `meta`: more members of `_meta`.
async fn modern_call(gateway: &Gateway, headers: &[(&str, &str)], meta: &str) -> String {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"b_t", "arguments":{{"x":"argum3nt"}},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}},"io.modelcontextprotocol/clientInfo":{{"name":"c","version":"1"}}{meta}}}}}}}"#
    );
    let routing = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/call"), ("mcp-name", "b_t")];
    let secret = [("authorization", "Bearer t0ken")];
    post(gateway.local_addr(), &[&routing[..], &secret, headers].concat(), body.clone()).await;
    body
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pair of spans of a tool call.
fn pair(receiver: &Receiver, least: usize) -> (Span, Span) {
    let spans = receiver.spans(least);
    let text = format!("{spans:?}");
    for secret in SECRETS {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let of = |kind: SpanKind| {
        let mut found = spans.iter().filter(|span| span.kind() == kind && span.name.starts_with("tools/call "));
        let only = found.next().unwrap().clone();
        assert!(found.next().is_none(), "{text}");
        only
    };
    let (server, client) = (of(SpanKind::Server), of(SpanKind::Client));
    assert_eq!((&server.trace_id, &server.span_id), (&client.trace_id, &client.parent_span_id));
    (server, client)
}

async fn end(gateway: Gateway) {
    let ended = tokio::task::spawn_blocking(move || gateway.shutdown(Duration::from_secs(5)));
    ended.await.unwrap();
}

#[tokio::test]
async fn a_modern_call_is_traced_from_its_meta_to_its_backend() {
    let receiver = Receiver::start([]);
    let (server, address) = Server::start().await;
    let gateway = gateway(address, false, Some(settings(&receiver.url, &[])));
    let headers = [("traceparent", OTHER), ("tracestate", "h=1"), ("x-extra", "e")];
    let sent = modern_call(&gateway, &headers, &format!(r#", "traceparent" : "{CALLER}","tracestate":"m=1""#)).await;
    end(gateway).await;

    let (of_server, of_client) = pair(&receiver, 2);
    assert_eq!(
        (hex(&of_server.trace_id).as_str(), hex(&of_server.parent_span_id).as_str()),
        (TRACE, "00f067aa0ba902b7")
    );
    assert_eq!((of_server.name.as_str(), of_client.name.as_str()), ("tools/call b_t", "tools/call t"));
    let context = format!("00-{TRACE}-{}-01", hex(&of_client.span_id));
    let (headers, body) = server.last();
    let all = |name: &str| headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert_eq!((all("traceparent"), all("tracestate"), all("x-extra")), (vec![&*context], vec!["m=1"], vec!["e"]));
    // Nothing else of the body was touched.
    assert_eq!(body, sent.replace("b_t", "t").replace(CALLER, &context));
    let (at_server, at_client) = (attributes(&of_server.attributes), attributes(&of_client.attributes));
    for attributes in [&at_server, &at_client] {
        assert_eq!((&*attributes["error.type"], &*attributes["mcp.protocol.version"]), ("tool_error", "2026-07-28"));
        assert_eq!((&*attributes["jsonrpc.request.id"], &*attributes["ringway.backend"]), ("7", "default/b"));
    }
    assert_eq!((&*at_server["ringway.route"], &*at_server["http.response.status_code"]), ("default/r", "200"));
    assert_eq!(at_client["server.port"], address.port().to_string());
    assert!(!at_server.contains_key("mcp.session.id"), "a modern call has no session");
}

#[tokio::test]
async fn a_legacy_call_is_traced_by_headers_and_its_body_is_left_alone() {
    let receiver = Receiver::start([]);
    let (server, address) = Server::start().await;
    let gateway = gateway(address, true, Some(settings(&receiver.url, &[])));
    let at = gateway.local_addr();
    let hello = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#;
    let (headers, _) = post(at, &[], hello.to_owned()).await;
    let id = headers["mcp-session-id"].to_str().unwrap().to_owned();
    let session = [("mcp-session-id", id.as_str()), ("mcp-protocol-version", "2025-06-18")];
    post(at, &session, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned()).await;
    let call = format!(
        r#"{{"jsonrpc":"2.0","id":"c","method":"tools/call","params":{{"name":"b_t","arguments":{{"x":"argum3nt"}},"_meta":{{"traceparent":"{CALLER}"}}}}}}"#
    );
    post(at, &[&session[..], &[("traceparent", OTHER)]].concat(), call.clone()).await;
    end(gateway).await;

    let (of_server, of_client) = pair(&receiver, 4);
    assert_eq!(hex(&of_server.parent_span_id), "00f067aa0ba902b7");
    let (headers, body) = server.last();
    assert_eq!(headers["traceparent"], format!("00-{TRACE}-{}-01", hex(&of_client.span_id)));
    assert_eq!(body, call.replace("b_t", "t"));
    let attributes = attributes(&of_server.attributes);
    assert_eq!(attributes["mcp.session.id"].len(), 24);
    let text = format!("{:?}", receiver.spans(4));
    assert!(!text.contains(&id), "the session id stands in a span");
}

#[tokio::test]
async fn a_caller_that_is_not_sampled_stays_so_and_a_trace_may_start_here() {
    let receiver = Receiver::start([]);
    let (server, address) = Server::start().await;
    let gateway = gateway(address, false, Some(settings(&receiver.url, &[])));
    let unsampled = CALLER.replace("-01", "-00");
    let sent = modern_call(&gateway, &[], &format!(r#","traceparent":"{unsampled}""#)).await;
    let (headers, body) = server.last();
    let context = headers["traceparent"].to_str().unwrap();
    assert!(context.starts_with(&format!("00-{TRACE}-")) && context.ends_with("-00"), "{context}");
    // No span of ours stands between caller and backend.
    assert_eq!(body, sent.replace("b_t", "t"));
    modern_call(&gateway, &[("tracestate", "orphan=1")], "").await;
    end(gateway).await;
    let (of_server, of_client) = pair(&receiver, 2);
    assert!(of_server.parent_span_id.is_empty());
    let (headers, _) = server.last();
    assert_eq!(headers["traceparent"], format!("00-{}-{}-01", hex(&of_server.trace_id), hex(&of_client.span_id)));
    assert!(!headers.contains_key("tracestate"), "it belongs to no trace");
}

#[tokio::test]
async fn without_a_collector_a_callers_context_passes_through() {
    let (server, address) = Server::start().await;
    let gateway = gateway(address, false, None);
    let sent = modern_call(&gateway, &[("traceparent", CALLER), ("tracestate", "h=1")], "").await;
    let (headers, body) = server.last();
    assert_eq!((headers["traceparent"].as_bytes(), headers["tracestate"].as_bytes()), (CALLER.as_bytes(), &b"h=1"[..]));
    assert_eq!(body, sent.replace("b_t", "t"));
    modern_call(&gateway, &[], "").await;
    assert!(!server.last().0.contains_key("traceparent"), "nobody began a trace");
    end(gateway).await;
}
