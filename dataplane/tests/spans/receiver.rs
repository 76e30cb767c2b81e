//! A collector in this process: takes OTLP over HTTP, decodes it, and answers as it is told to.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

const LONG: Duration = Duration::from_secs(20);

/// One collector; its thread ends with the process.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    /// What to answer next; afterwards everything is taken.
    script: VecDeque<Answer>,
    /// Every request, taken or not.
    requests: Vec<(HeaderMap, String)>,
    taken: Vec<ExportTraceServiceRequest>,
}

#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// A status, with `Retry-After` in seconds.
    Status(u16, Option<u32>),
    /// Taken but for so many spans.
    Partial(i64),
    /// Never.
    Hang,
}

impl Receiver {
    pub(crate) fn start(script: impl IntoIterator<Item = Answer>) -> Self {
        let state =
            Arc::new((Mutex::new(State { script: script.into_iter().collect(), ..State::default() }), Condvar::new()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let state = Arc::clone(&served);
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
            });
        });
        Self { url, state }
    }

    /// All spans taken, once there are at least `count`.
    pub(crate) fn spans(&self, count: usize) -> Vec<Span> {
        let all = |state: &State| -> Vec<Span> {
            let resources = state.taken.iter().flat_map(|request| &request.resource_spans);
            resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans).cloned().collect()
        };
        let (mutex, changed) = &*self.state;
        let wait = changed.wait_timeout_while(mutex.lock().unwrap(), LONG, |state| all(state).len() < count);
        let spans = all(&wait.unwrap().0);
        assert!(spans.len() >= count, "{} spans of {count}", spans.len());
        spans
    }

    /// All requests, once there are at least `count`.
    pub(crate) fn requests(&self, count: usize) -> Vec<(HeaderMap, String)> {
        let (mutex, changed) = &*self.state;
        let wait = changed.wait_timeout_while(mutex.lock().unwrap(), LONG, |state| state.requests.len() < count);
        let requests = wait.unwrap().0.requests.clone();
        assert!(requests.len() >= count, "{} requests of {count}", requests.len());
        requests
    }

    pub(crate) fn taken(&self) -> Vec<ExportTraceServiceRequest> {
        self.state.0.lock().unwrap().taken.clone()
    }
}

async fn answer(
    state: Arc<(Mutex<State>, Condvar)>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let next = {
        let mut state = state.0.lock().unwrap();
        state.requests.push((head.headers, head.uri.to_string()));
        let next = state.script.pop_front();
        if matches!(next, None | Some(Answer::Partial(_))) {
            state.taken.push(ExportTraceServiceRequest::decode(body).unwrap());
        }
        next
    };
    state.1.notify_all();
    let mut response = Response::new(Full::new(Bytes::new()));
    match next {
        None => {}
        Some(Answer::Partial(rejected_spans)) => {
            let partial = ExportTracePartialSuccess { rejected_spans, error_message: "too many".to_owned() };
            *response.body_mut() = ExportTraceServiceResponse { partial_success: Some(partial) }
                .encode_to_vec()
                .into_iter()
                .collect::<Bytes>()
                .into();
        }
        Some(Answer::Status(status, wait)) => {
            *response.status_mut() = status.try_into().unwrap();
            if let Some(wait) = wait {
                response.headers_mut().insert("retry-after", wait.into());
            }
        }
        Some(Answer::Hang) => std::future::pending().await,
    }
    Ok(response)
}

/// Attributes by name, numbers as text.
pub(crate) fn attributes(all: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &KeyValue| match value.value.clone().unwrap().value.unwrap() {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let map: BTreeMap<_, _> = all.iter().map(|each| (each.key.clone(), text(each))).collect();
    assert_eq!(map.len(), all.len(), "an attribute stands twice");
    map
}
