//! A pod that follows, with its files and its disk. What obeys remembers what it was given.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringway_config_stream::{Facts, Pod, Rejection};
use ringway_dataplane::config::{FollowSettings, Follower, Obey};
use ringway_dataplane::telemetry::metrics::StreamMetrics;
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::certificates::Authority;
use crate::objects::same;
use crate::replica::until;

#[derive(Default)]
pub(crate) struct Obedient {
    pub applied: Mutex<Vec<Snapshot>>,
    pub refuses: Mutex<Vec<Rejection>>,
    pub facts: Mutex<Arc<Facts>>,
    /// How long applying takes.
    pub slowness: Mutex<Duration>,
    pub metrics: Arc<StreamMetrics>,
}

pub(crate) struct TestPod {
    pub obedient: Arc<Obedient>,
    pub tls: Arc<TempDir>,
    pub state: Arc<TempDir>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Obey for Obedient {
    fn apply(&self, snapshot: Snapshot) -> Vec<Rejection> {
        std::thread::sleep(*self.slowness.lock().unwrap());
        self.applied.lock().unwrap().push(snapshot);
        self.refuses.lock().unwrap().clone()
    }

    fn facts(&self) -> Arc<Facts> {
        Arc::clone(&self.facts.lock().unwrap())
    }

    fn keyring(&self) -> Arc<Keyring> {
        Arc::new(Keyring::new([7; 32], []).unwrap())
    }

    fn metrics(&self) -> Arc<StreamMetrics> {
        Arc::clone(&self.metrics)
    }

    fn unreachable(&self, reason: &str) {
        assert!(!reason.is_empty());
    }
}

pub(crate) fn settings(name: &str, operator: &str, tls: &Path, state: Option<&Path>) -> FollowSettings {
    let pod = Pod { namespace: "system".into(), name: name.into(), incarnation: 1, ..Pod::default() };
    FollowSettings::new(operator, tls, state.map(Path::to_owned), pod)
}

impl TestPod {
    pub(crate) fn start(name: &str, operator: &str, authority: &Authority) -> Self {
        Self::start_holding(name, operator, authority, Duration::from_secs(60))
    }

    pub(crate) fn start_holding(name: &str, operator: &str, authority: &Authority, hold: Duration) -> Self {
        let (tls, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        authority.write_pod_files(tls.path());
        let files = (Arc::new(tls), Arc::new(state));
        let settings = settings(name, operator, files.0.path(), Some(files.1.path()));
        Self::follow(FollowSettings { hold, ..settings }, files)
    }

    fn follow(settings: FollowSettings, (tls, state): (Arc<TempDir>, Arc<TempDir>)) -> Self {
        let obedient = Arc::new(Obedient::default());
        let follower = Follower::new(settings, Arc::clone(&obedient) as Arc<dyn Obey>);
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(follower.run(async { drop(stopped.await) }));
        Self { obedient, tls, state, stop, task }
    }

    /// The process ends in order and starts again with its disk.
    pub(crate) async fn restart(self, name: &str, operator: &str) -> Self {
        let files = (Arc::clone(&self.tls), Arc::clone(&self.state));
        self.stop().await;
        Self::with_files(name, operator, files)
    }

    pub(crate) fn with_files(name: &str, operator: &str, files: (Arc<TempDir>, Arc<TempDir>)) -> Self {
        Self::follow(settings(name, operator, files.0.path(), Some(files.1.path())), files)
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }

    pub(crate) fn serves(&self, snapshot: &Snapshot) -> bool {
        self.obedient.applied.lock().unwrap().last().is_some_and(|applied| same(applied, snapshot))
    }

    pub(crate) async fn comes_to_serve(&self, snapshot: &Snapshot) {
        until("the pod serves the snapshot", || self.serves(snapshot)).await;
    }

    pub(crate) fn applied(&self) -> usize {
        self.obedient.applied.lock().unwrap().len()
    }
}
