//! Frees what idle sessions hold: their records here and their sessions at the backends.

use std::sync::Arc;
use std::time::Duration;

use crate::clock;
use crate::worker::Worker;

/// Looks for idle sessions this often.
const PERIOD: Duration = Duration::from_secs(5);

/// Runs until the gateway stops, on the thread of `worker`, whose connections it uses.
pub(super) async fn run(worker: Arc<Worker>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let routes = worker.shared.routes.load_full();
        for server in routes.servers() {
            let processes = i64::try_from(server.levels().processes).unwrap_or(i64::MAX);
            worker.shared.telemetry.metrics.backend(&server.backend.name.to_string()).processes.set(processes);
        }
        // Records are grouped by the idle time of their route, in seconds.
        for freed in worker.shared.owner.sweep(clock::unix_millis(), |idle| u64::from(idle) * 1_000) {
            worker.end_freed(freed);
        }
    }
}
