//! HTTP for the demo servers: accept, the checks that both eras share, whole request bodies, JSON and event answers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use ringway_mcp::sse;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use super::rpc;

/// The tools take a few numbers and a name.
const MAX_BODY: usize = 1 << 20;
/// A request arrives in one go on loopback; this only ends connections that were left open half-way.
const SLOW: Duration = Duration::from_secs(30);
/// Events that wait for a slow reader before its call waits too.
const EVENTS: usize = 16;
/// What calls in flight may take once the server is told to stop; streams without an end are cut then.
const GRACE: Duration = Duration::from_secs(5);

pub(super) type Reply = Response<BoxBody<Bytes, Infallible>>;

/// A reply that ends the way of a request early.
pub(super) type Refusal = Box<Reply>;

/// What one of the servers does with a request whose body is there.
pub(super) trait Handler: Send + Sync + 'static {
    fn handle(self: Arc<Self>, head: Parts, body: Bytes) -> impl Future<Output = Reply> + Send;
}

/// The writing end of an event stream.
#[derive(Debug, Clone)]
pub(super) struct Events {
    sender: mpsc::Sender<Bytes>,
}

struct EventBody(mpsc::Receiver<Bytes>);

/// Serves until `stop`, then lets calls in flight end; connections end with their clients.
pub(super) async fn accept<H: Handler>(listener: TcpListener, handler: Arc<H>, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors: wait for some to close.
                tracing::warn!(%error, "a demo server cannot accept");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let handler = Arc::clone(&handler);
        let service = service_fn(move |request| {
            let handler = Arc::clone(&handler);
            async move { Ok::<_, Infallible>(respond(handler, request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(SLOW)
            .serve_connection(TokioIo::new(stream), service);
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a demo server ended with an error");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        tracing::debug!("streams were open at the end");
    }
}

async fn respond<H: Handler>(handler: Arc<H>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(SLOW, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(body)) => handler.handle(head, body.to_bytes()).await,
        Ok(Err(_)) => empty(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => empty(StatusCode::REQUEST_TIMEOUT),
    }
}

/// The checks before a POST is read: origin, `Accept`, `Content-Type`; in the order of the specification.
pub(super) fn check_post(headers: &HeaderMap) -> Result<(), Refusal> {
    check_origin(headers)?;
    if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
        let text = "Accept must list application/json and text/event-stream";
        return Err(rpc::refuse(StatusCode::NOT_ACCEPTABLE, text));
    }
    let kind = text_of(headers, header::CONTENT_TYPE).unwrap_or_default();
    if !essence(kind).eq_ignore_ascii_case("application/json") {
        return Err(rpc::refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
    }
    Ok(())
}

/// Pages of other hosts may not use a server that trusts its own machine.
pub(super) fn check_origin(headers: &HeaderMap) -> Result<(), Refusal> {
    let local = headers.get(header::ORIGIN).is_none_or(|origin| {
        let url = origin.to_str().ok().and_then(|text| Url::parse(text).ok());
        url.is_some_and(|url| matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
    });
    if local { Ok(()) } else { Err(rpc::refuse(StatusCode::FORBIDDEN, "this origin is not allowed")) }
}

/// Does `Accept` cover a type? Several headers and wildcards count.
pub(super) fn accepts(headers: &HeaderMap, wanted: &str) -> bool {
    let family = wanted.split('/').next().unwrap_or_default();
    headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| {
            let one = essence(one);
            one == "*/*" || one.eq_ignore_ascii_case(wanted) || one.strip_suffix("/*") == Some(family)
        })
}

fn essence(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim()
}

/// A header as text, if it is there once and readable.
pub(super) fn text_of(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    let mut all = headers.get_all(name).iter();
    let first = all.next()?;
    if all.next().is_some() { None } else { first.to_str().ok() }
}

pub(super) fn empty(status: StatusCode) -> Reply {
    with_body(status, Empty::new().boxed())
}

pub(super) fn json(status: StatusCode, body: &Value) -> Reply {
    let mut reply = with_body(status, Full::new(Bytes::from(body.to_string())).boxed());
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

/// 405 with the methods that are allowed.
pub(super) fn wrong_method(allow: &'static str, method: &Method) -> Refusal {
    let mut reply = rpc::refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("{method} is not served here"));
    reply.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    reply
}

/// An open event stream. Its head goes out at once, with a comment: some clients wait for a first byte.
pub(super) fn events() -> (Events, Reply) {
    let (sender, receiver) = mpsc::channel(EVENTS);
    let mut first = Vec::new();
    sse::encode_comment(&mut first);
    // The channel was made one line above: there is room.
    let opened = sender.try_send(Bytes::from(first));
    tracing::trace!(?opened, "an event stream was opened");
    let mut reply = with_body(StatusCode::OK, EventBody(receiver).boxed());
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    (Events { sender }, reply)
}

fn with_body(status: StatusCode, body: BoxBody<Bytes, Infallible>) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply
}

// === impl Events ===

impl Events {
    /// Sends one message; false when the client has gone.
    pub(super) async fn send(&self, message: &Value) -> bool {
        let mut bytes = Vec::new();
        sse::encode_event(&mut bytes, Some("message"), None, None, message.to_string().as_bytes());
        self.sender.send(Bytes::from(bytes)).await.is_ok()
    }

    /// Sends a comment, so that nobody takes the silence for death; false when the client has gone.
    pub(super) async fn keep_alive(&self) -> bool {
        let mut bytes = Vec::new();
        sse::encode_comment(&mut bytes);
        self.sender.send(Bytes::from(bytes)).await.is_ok()
    }

    /// Waits until the client has gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

// === impl EventBody ===

impl Body for EventBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_may_be_split_weighted_or_wild() {
        let mut headers = HeaderMap::new();
        headers.append(header::ACCEPT, HeaderValue::from_static("application/json;q=0.9, text/*"));
        assert!(accepts(&headers, "application/json") && accepts(&headers, "text/event-stream"));
        assert!(!accepts(&headers, "image/png"));
        headers.append(header::ACCEPT, HeaderValue::from_static("*/*"));
        assert!(accepts(&headers, "image/png"));
        assert!(!accepts(&HeaderMap::new(), "application/json"));
    }

    #[test]
    fn only_pages_of_this_machine_may_call() {
        for (origin, allowed) in [
            ("http://localhost:6274", true),
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("https://evil.example", false),
            ("http://localhost.evil.example", false),
            ("null", false),
        ] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            assert_eq!(check_origin(&headers).is_ok(), allowed, "{origin}");
        }
        assert!(check_origin(&HeaderMap::new()).is_ok());
    }
}
