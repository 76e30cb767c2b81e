//! A client of HTTP/2 and of TLS, which the one of exact bytes does not speak. Sends the same requests, and reads events
//! by the same plain decoder.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use ringway_testkit::PATIENCE;
use ringway_testkit::ask::Ask;
use ringway_testkit::sse::{Decoder, Event};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::stage::{Session, Stage, initialize};

type Body = BoxBody<Bytes, Infallible>;

/// One connection.
#[derive(Debug)]
pub(crate) enum Speaker {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

/// An answer of which the head has come.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) session: Option<String>,
    body: Incoming,
    decoder: Decoder,
}

/// Never waits longer than any other peer.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: never"))
}

async fn one(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Speaker {
    let (sender, connection) = http1::handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    Speaker::One(sender)
}

async fn two(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, ping: Option<Duration>) -> Speaker {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.timer(TokioTimer::new()).keep_alive_interval(ping).keep_alive_while_idle(true).keep_alive_timeout(PATIENCE);
    let (sender, connection) = builder.handshake(TokioIo::new(io)).await.unwrap();
    tokio::spawn(connection);
    Speaker::Two(sender)
}

/// The body in frames of this size; in one without it.
fn body(content: &[u8], size: Option<usize>) -> Body {
    let Some(size) = size else { return Full::new(Bytes::copy_from_slice(content)).boxed() };
    let frames: Vec<_> = content.chunks(size).map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    BodyExt::boxed(StreamBody::new(futures::stream::iter(frames)))
}

// === impl Speaker ===

impl Speaker {
    /// HTTP/2 without an upgrade: both sides know beforehand.
    pub(crate) async fn prior_knowledge(address: SocketAddr) -> Self {
        two(TcpStream::connect(address).await.unwrap(), None).await
    }

    /// The same with frames of its own while it asks nothing, as many clients send, and its first bytes in writes of
    /// these sizes, with a pause after each, so that the server sees it alone.
    pub(crate) async fn chatty(address: SocketAddr, sizes: &'static [usize]) -> Self {
        let (near, mut far) = tokio::io::duplex(64 << 10);
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            for size in sizes {
                let mut piece = vec![0; *size];
                far.read_exact(&mut piece).await?;
                stream.write_all(&piece).await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tokio::io::copy_bidirectional(&mut far, &mut stream).await
        });
        two(near, Some(Duration::from_millis(50))).await
    }

    /// TLS with these protocols on offer, of which the server chooses.
    pub(crate) async fn tls(address: SocketAddr, certificate: &CertificateDer<'static>, offer: &[&[u8]]) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = offer.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connecting = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = soon("the handshake", connecting).await.unwrap();
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") { two(stream, None).await } else { one(stream).await }
    }

    /// One more request at a time on the same connection.
    pub(crate) fn also(&self) -> Self {
        match self {
            Self::One(_) => panic!("HTTP/1.1 has no streams"),
            Self::Two(sender) => Self::Two(sender.clone()),
        }
    }

    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn begin(&mut self, ask: &Ask) -> Heard {
        self.in_frames(ask, None).await
    }

    /// The same with its body in frames of this size and no length announced.
    pub(crate) async fn in_frames(&mut self, ask: &Ask, size: Option<usize>) -> Heard {
        self.attempt(ask, size).await.unwrap_or_else(|error| panic!("no answer to {ask:?}: {error}"))
    }

    /// A request that the server may refuse by closing.
    pub(crate) async fn attempt(&mut self, ask: &Ask, size: Option<usize>) -> hyper::Result<Heard> {
        let multiplexed = matches!(self, Self::Two(_));
        let uri = if multiplexed { format!("http://localhost{}", ask.path()) } else { ask.path().to_owned() };
        let mut request = Request::builder().method(ask.verb()).uri(uri);
        for (name, value) in ask.fields() {
            if !multiplexed || !name.eq_ignore_ascii_case("host") {
                request = request.header(name, value.as_slice());
            }
        }
        let request = request.body(body(ask.content(), size)).unwrap();
        let response = match self {
            Self::One(sender) => {
                sender.ready().await?;
                soon("an answer", sender.send_request(request)).await?
            }
            Self::Two(sender) => {
                sender.ready().await?;
                soon("an answer", sender.send_request(request)).await?
            }
        };
        let (head, body) = response.into_parts();
        let session = head.headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        Ok(Heard { status: head.status, version: head.version, session, body, decoder: Decoder::default() })
    }

    /// The whole answer as text.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> String {
        self.begin(ask).await.text().await
    }

    /// Opens a session over this connection.
    pub(crate) async fn session(&mut self, stage: &Stage, path: &str) -> Session {
        let opened = self.begin(&Ask::post(path, initialize(r#"{"elicitation":{}}"#))).await;
        let id = opened.session.clone();
        let text = opened.text().await;
        let session = Session::known(stage, path, &id.unwrap_or_else(|| panic!("no session: {text}")));
        let ready = self.begin(&session.message(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)).await;
        assert_eq!(ready.status, 202);
        ready.text().await;
        session
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn closed(&mut self) {
        let closing = async {
            loop {
                let ready = match self {
                    Self::One(sender) => sender.ready().await,
                    Self::Two(sender) => sender.ready().await,
                };
                if ready.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        soon("the end of the connection", closing).await;
    }

    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::One(sender) => !sender.is_closed(),
            Self::Two(sender) => !sender.is_closed(),
        }
    }
}

// === impl Heard ===

impl Heard {
    /// The whole body as text.
    pub(crate) async fn text(self) -> String {
        let bytes = soon("the end of a body", self.body.collect()).await.unwrap().to_bytes();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn piece(&mut self) -> bool {
        let frame = soon("the next frame", self.body.frame()).await.map(|frame| frame.unwrap());
        if let Some(data) = frame.as_ref().and_then(|frame| frame.data_ref()) {
            self.decoder.push(data);
        }
        frame.is_some()
    }

    /// The next event that says `what`, on a stream that may announce changed lists at any time.
    pub(crate) async fn said(&mut self, what: &str) -> Event {
        loop {
            while let Some(event) = self.decoder.next_event() {
                if String::from_utf8_lossy(&event.data).contains(what) {
                    return event;
                }
            }
            assert!(self.piece().await, "the stream ended without {what}");
        }
    }

    /// Reads so many comments; events between them are passed over.
    pub(crate) async fn comments(&mut self, count: usize) {
        let wanted = self.decoder.comments + count;
        while self.decoder.comments < wanted {
            assert!(self.piece().await, "the stream ended without a comment");
            while self.decoder.next_event().is_some() {}
        }
    }
}
