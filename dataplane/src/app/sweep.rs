//! Frees what idle sessions hold: their records here and their sessions at the backends.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::upstream;
use crate::worker::Worker;

/// Looks for idle sessions this often.
const PERIOD: Duration = Duration::from_secs(15);

/// Runs until the gateway stops, on the thread of `worker`, whose connections it uses.
pub(super) async fn run(worker: Arc<Worker>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let routes = worker.shared.routes.load_full();
        // The longest idle time of any route: a record does not know its route, and freeing late is harmless.
        let idle = routes.routes().map(|r| r.rules().spec.sessions.idle_timeout).max().unwrap_or(Duration::from_secs(1_800));
        for (_, bindings) in worker.shared.owner.sweep(clock::unix_millis(), idle) {
            worker.shared.telemetry.metrics.session(crate::telemetry::labels::SessionEvent::Expired);
            for (backend, session) in bindings {
                if let Some(server) = routes.server(backend) {
                    upstream::end_session(&worker.pool, server, &session).await;
                }
            }
        }
        worker.shared.telemetry.metrics.sessions.set(i64::try_from(worker.shared.owner.records()).unwrap_or(i64::MAX));
    }
}
