//! Where a pod's configuration comes from: the operator's stream, and the last good copy on disk.
//!
//! A thread of its own, so that neither a large update nor a slow disk takes a worker's time. What is asked of the rest
//! of the process is [`Obey`]. The pod serves on with what it has for as long as no replica of the operator can be
//! reached; a replica that is behind what it serves is held back from. Knows no Kubernetes and reads no YAML.

mod connect;
mod disk;
mod keeper;
mod serving;
mod stream;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use ringway_config_stream::{Facts, Pod, Rejection, backoff, limits, link};
use ringway_seal::Keyring;
use ringway_snapshot::Snapshot;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tonic::transport::Channel;

use crate::telemetry::metrics::StreamMetrics;
use connect::{ConnectError, Operator, TlsDirectory};
use keeper::Keeper;
use serving::Serving;
use stream::{End, Stream};

/// The snapshot's file in the directory of the state.
const FILE: &str = "snapshot";
/// A pod that a replica makes hold looks for another replica, so many times until it takes the older state.
const SWITCHES: u32 = 6;
/// For the disk to take the last copy at the end.
const LAST_COPY: Duration = Duration::from_secs(5);

/// Who serves what the stream brings.
pub trait Obey: Send + Sync + 'static {
    /// Serves `snapshot` from now on, and says what of it cannot be used.
    fn apply(&self, snapshot: Snapshot) -> Vec<Rejection>;
    /// All that is known now of backends and routes, each text within its bound. The same allocation: nothing is new.
    fn facts(&self) -> Arc<Facts>;
    /// Seals the secrets of the copy on disk.
    fn keyring(&self) -> Arc<Keyring>;
    fn metrics(&self) -> Arc<StreamMetrics>;
    /// There is no stream, and why. Of interest to who has nothing to serve yet.
    fn unreachable(&self, reason: &str);
}

/// What a pod is told to follow.
#[derive(Debug, Clone)]
pub struct FollowSettings {
    /// `host:port`; the name may have the addresses of several replicas, and is the one in their certificate.
    pub operator: String,
    /// Directory with `ca.crt`, `tls.crt` and `tls.key`.
    pub tls: PathBuf,
    /// Directory of the copy. `None`: there is none.
    pub state: Option<PathBuf>,
    pub pod: Pod,
    /// How long an older state is held back from: [`limits::HOLD`].
    pub hold: Duration,
}

/// Follows the operator. Made, it has the copy on disk served; then it is [run](Self::run) or [spawned](Self::spawn).
pub struct Follower {
    settings: FollowSettings,
    obey: Arc<dyn Obey>,
    serving: Serving,
}

/// The thread that follows. Dropped, it ends in its own time.
#[derive(Debug)]
pub struct Following {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

// === impl FollowSettings ===

impl FollowSettings {
    #[must_use]
    pub fn new(operator: impl Into<String>, tls: impl Into<PathBuf>, state: Option<PathBuf>, pod: Pod) -> Self {
        Self { operator: operator.into(), tls: tls.into(), state, pod, hold: limits::HOLD }
    }
}

// === impl Follower ===

impl Follower {
    /// Reads the copy on disk and has it served. A copy that cannot be read is warned of and not used.
    #[must_use]
    pub fn new(settings: FollowSettings, obey: Arc<dyn Obey>) -> Self {
        let copy = settings.state.as_ref().and_then(|directory| {
            let path = directory.join(FILE);
            disk::read(&path, &obey.keyring()).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), %error, "the last snapshot on disk cannot be used");
                None
            })
        });
        let mut serving = Serving::new(settings.hold);
        if let Some(copy) = copy {
            tracing::info!(generation = copy.snapshot.generation, "serving the last snapshot from disk");
            let rejections = obey.apply(copy.snapshot.clone());
            serving.restore(copy.snapshot, copy.position, rejections);
        }
        Self { settings, obey, serving }
    }

    /// Follows in a thread of its own.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(self) -> io::Result<Following> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::Builder::new().name("ringway-config".to_owned()).spawn(move || {
            // A dropped sender stops, too.
            runtime.block_on(self.run(async { drop(stopped.await) }));
            // A name that is being looked up must not hold up the end.
            runtime.shutdown_background();
        })?;
        Ok(Following { stop, thread })
    }

    /// Follows until `stop`, then has the disk take the last copy.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let path = self.settings.state.as_ref().map(|directory| directory.join(FILE));
        let keeper = path.map(|path| Keeper::start(path, Arc::clone(&self.obey)));
        tokio::select! {
            () = self.follow(keeper.as_ref()) => {}
            () = stop => {}
        }
        self.obey.metrics().connected.set(0);
        if let Some(keeper) = keeper
            && tokio::time::timeout(LAST_COPY, keeper.end()).await.is_err()
        {
            tracing::warn!("the disk did not take the last snapshot in time");
        }
    }

    async fn follow(&mut self, keeper: Option<&Keeper>) {
        let operator = Operator::new(&self.settings.operator);
        let (mut failures, mut avoid) = (0, None);
        loop {
            let end = match self.connect(&operator, avoid).await {
                Ok((tls, channel, address)) => {
                    avoid = Some(address);
                    let Self { settings, obey, serving } = &mut *self;
                    Stream { settings, obey, serving, keeper, tls, has_updated: false }.run(channel).await
                }
                Err(error) => End::Broken { reason: error.to_string(), was_good: false },
            };
            self.obey.metrics().connected.set(0);
            match end {
                End::Switch => failures = 0,
                End::Rotated => {
                    (failures, avoid) = (0, None);
                    continue;
                }
                End::Broken { reason, was_good } => {
                    failures = if was_good { 0 } else { failures + 1 };
                    self.obey.unreachable(&reason);
                    self.complain(failures, &reason);
                }
            }
            sleep(link::pause(failures, backoff::random())).await;
        }
    }

    /// Loudly at first, then ever more rarely.
    fn complain(&self, failures: u32, reason: &str) {
        let operator = &self.settings.operator;
        if failures.is_power_of_two() || failures == 0 {
            tracing::warn!(%operator, reason, failures, "no stream from the operator; what is there is served on");
        } else {
            tracing::debug!(%operator, reason, failures, "no stream from the operator");
        }
    }

    async fn connect(
        &self,
        operator: &Operator,
        avoid: Option<SocketAddr>,
    ) -> Result<(TlsDirectory, Channel, SocketAddr), ConnectError> {
        let tls = TlsDirectory::read(&self.settings.tls).await?;
        let (channel, address) = operator.connect(&tls, avoid).await?;
        Ok((tls, channel, address))
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("settings", &self.settings).finish_non_exhaustive()
    }
}

// === impl Following ===

impl Following {
    /// Ends the stream and waits until the disk took the last copy.
    pub fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread of the configuration ended by a panic");
        }
    }
}
