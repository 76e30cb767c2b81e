//! For unit tests: what stands in for an API server that does not answer. Nothing else may use it.

use std::convert::Infallible;
use std::time::Duration;

use kube::Client;
use kube::client::Body;
use tokio::sync::watch;

/// Takes every request and never answers, as at the other end of a connection that went dead.
#[derive(Debug, Default)]
pub(crate) struct MuteServer {
    asked: watch::Sender<usize>,
}

// === impl MuteServer ===

impl MuteServer {
    pub(crate) fn client(&self) -> Client {
        let asked = self.asked.clone();
        let service = tower::service_fn(move |_: http::Request<Body>| {
            asked.send_modify(|count| *count += 1);
            std::future::pending::<Result<http::Response<Body>, Infallible>>()
        });
        Client::new(service, "default")
    }

    /// Fails unless there were `count` requests `within` this time.
    pub(crate) async fn asked(&self, count: usize, within: Duration) {
        let mut asked = self.asked.subscribe();
        let reached = tokio::time::timeout(within, asked.wait_for(|asked| *asked >= count)).await;
        assert!(reached.is_ok(), "{} of {count} requests", *self.asked.borrow());
    }
}
