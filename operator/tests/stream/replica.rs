//! A replica of the operator, as far as the stream goes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use ringway_config_stream::Position;
use ringway_operator::publish::{self, PodState, Publisher};
use ringway_snapshot::{ObjectName, Snapshot};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::certificates::Authority;

pub(crate) struct Replica {
    pub publisher: Arc<Publisher>,
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Replica {
    pub(crate) async fn start(authority: &Authority) -> Self {
        Self::start_at(authority, ([127, 0, 0, 1], 0).into()).await
    }

    pub(crate) async fn start_at(authority: &Authority, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tls = Arc::new(ArcSwap::from_pointee(authority.server()));
        let publisher = Publisher::new();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = publish::serve(listener, tls, Arc::clone(&publisher), async { drop(stopped.await) });
        let server = tokio::spawn(async { served.await.unwrap() });
        Self { publisher, address, stop, server }
    }

    pub(crate) fn publish(&self, snapshot: &Snapshot, position: Position) {
        let refused = self.publisher.publish(snapshot, position);
        assert_eq!(refused, []);
    }

    /// What is known of the pod called `name`.
    pub(crate) fn pod(&self, name: &str) -> Option<Arc<PodState>> {
        self.publisher.pods().borrow().get(&ObjectName::new("system", name)).cloned()
    }

    /// Waits until what is known of the pod called `name` is as it should.
    pub(crate) async fn pod_is(&self, name: &str, is_so: impl Fn(&PodState) -> bool) -> Arc<PodState> {
        let found = || self.pod(name).filter(|state| is_so(state));
        until("the table says so of the pod", || found().is_some()).await;
        found().unwrap()
    }

    /// Ends in order: streams are ended, the port is free.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.server.await.unwrap();
    }
}

/// Polls until it is so.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}
