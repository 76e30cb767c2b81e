//! Puts the parts together and takes them apart again. No rules here.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use kube::{Client, Config};
use ringway_translate::Install;
use ringway_translate::install::ClusterInstall;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, Health};
use crate::certificates::{Identity, Keeper};
use crate::config::Args;
use crate::events::Events;
use crate::freshness;
use crate::lease::{self, Candidate, Claim, Told};
use crate::metrics::Metrics;
use crate::observe::Observer;
use crate::publish::{self, Publisher};
use crate::reconcile::{Parts, Reconciler};
use crate::status::writer::{Context, Writer};

/// How long streams may take to end after the Lease was released.
const END: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("no access to the API server")]
    Config(#[source] Box<kube::config::InferConfigError>),
    #[error("no client for the API server")]
    Client(#[source] kube::Error),
    #[error("{address} cannot be bound")]
    Bind { address: SocketAddr, source: std::io::Error },
}

/// What most parts share.
struct Common {
    client: Client,
    install: ClusterInstall,
    claim: watch::Receiver<Claim>,
    answered: watch::Receiver<Instant>,
    publisher: Arc<Publisher>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    stop: CancellationToken,
    tasks: TaskTracker,
    /// Of statuses, while the Lease is held.
    writes: TaskTracker,
}

/// Runs until `shutdown`, then gives the Lease back and ends every stream.
///
/// # Errors
/// An address cannot be bound, or nothing says where the API server is.
pub async fn run(args: Args, install: ClusterInstall, shutdown: impl Future<Output = ()>) -> Result<(), AppError> {
    let client = client().await?;
    let (stream, admin_listener) = (bind(args.stream).await?, bind(args.admin).await?);
    let (publisher, health) = (Publisher::new(), Health::new());
    let metrics = metrics(&publisher);
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (claims, claim) = watch::channel(Claim::default());
    let (told, answered) = watch::channel(Instant::now());
    let told = Told { claims, answered: told };
    let (candidate, writes) = (candidate(&args, &install), TaskTracker::new());
    let ended = ended(stop.clone(), writes.clone());
    tasks.spawn(lease::run(client.clone(), candidate, told, stop.clone().cancelled_owned(), ended));
    let common = Common { client, install, claim, answered, publisher, metrics, health, stop, tasks, writes };
    let admin = admin::serve(admin_listener, Arc::clone(&common.health), Arc::clone(&common.metrics));
    common.spawn(admin);
    let mut identity = common.certificates(args.pod_ip);
    common.rounds(args.pod_name);

    tokio::pin!(shutdown);
    tokio::select! {
        () = &mut shutdown => {}
        identity = first(&mut identity) => {
            let (publisher, claim) = (Arc::clone(&common.publisher), common.claim.clone());
            common.tasks.spawn(streams(stream, publisher, identity, claim, common.stop.clone()));
            common.health.serving();
            shutdown.await;
        }
    }
    tracing::info!("ending");
    common.stop.cancel();
    common.tasks.close();
    if tokio::time::timeout(END, common.tasks.wait()).await.is_err() {
        tracing::warn!("some streams did not end in {} s; they are cut", END.as_secs());
    }
    Ok(())
}

// === impl Common ===

impl Common {
    /// Cut off at the end, wherever it is.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(task));
    }

    fn certificates(&self, address: IpAddr) -> watch::Receiver<Option<Identity>> {
        let (identities, identity) = watch::channel(None);
        let (client, install, claims) = (self.client.clone(), self.install.clone(), self.claim.clone());
        self.spawn(Keeper { client, install, address, claims }.run(identities));
        identity
    }

    /// Observe, translate, publish, status.
    fn rounds(&self, pod: String) {
        let observer = Observer::new(self.client.clone(), self.install.clone());
        observer.start();
        self.spawn(freshness::run(freshness::Parts {
            answered: self.answered.clone(),
            observer: Arc::clone(&observer),
            publisher: Arc::clone(&self.publisher),
            health: Arc::clone(&self.health),
            metrics: Arc::clone(&self.metrics),
        }));
        let writer = Writer::new(Context {
            client: self.client.clone(),
            observer: Arc::clone(&observer),
            claims: self.claim.clone(),
            events: Events::start(self.client.clone(), pod, Arc::clone(&self.metrics)),
            metrics: Arc::clone(&self.metrics),
            writes: self.writes.clone(),
        });
        self.spawn(Arc::clone(&writer).run());
        let parts = Parts {
            observer,
            publisher: Arc::clone(&self.publisher),
            writer,
            install: Arc::new(Install::Cluster(Box::new(self.install.clone()))),
            claims: self.claim.clone(),
            metrics: Arc::clone(&self.metrics),
            health: Arc::clone(&self.health),
        };
        self.spawn(Reconciler::new(parts).run());
    }
}

/// When no status is being written any more, at the end.
async fn ended(stop: CancellationToken, writes: TaskTracker) {
    stop.cancelled().await;
    writes.close();
    writes.wait().await;
}

fn candidate(args: &Args, install: &ClusterInstall) -> Candidate {
    Candidate {
        namespace: install.namespace.clone(),
        lease: format!("{}-operator", install.name),
        identity: args.pod_name.clone(),
        address: SocketAddr::new(args.pod_ip, args.stream.port()).to_string(),
    }
}

/// The config stream and the relay, until `stop`.
async fn streams(
    listener: TcpListener,
    publisher: Arc<Publisher>,
    identity: Identity,
    mut claim: watch::Receiver<Claim>,
    stop: CancellationToken,
) {
    let (leaders, leader) = watch::channel(None);
    let follow = async move {
        loop {
            let current = claim.borrow_and_update().leader.clone();
            leaders.send_if_modified(|old| std::mem::replace(old, current.clone()) != current);
            if claim.changed().await.is_err() {
                return;
            }
        }
    };
    let relay = publish::relay(Arc::clone(&publisher), leader, identity.client, stop.clone().cancelled_owned());
    let serve = publish::serve(listener, identity.server, publisher, stop.clone().cancelled_owned());
    let (served, (), _) = tokio::join!(serve, relay, stop.run_until_cancelled_owned(follow));
    if let Err(error) = served {
        tracing::error!(error = &error as &dyn std::error::Error, "the config stream ended");
    }
}

async fn client() -> Result<Client, AppError> {
    let mut config = Config::infer().await.map_err(|error| AppError::Config(Box::new(error)))?;
    // Every caller has a pause of its own; a retry behind its back would outlive the Lease.
    config.default_retry = false;
    Client::try_from(config).map_err(AppError::Client)
}

async fn bind(address: SocketAddr) -> Result<TcpListener, AppError> {
    TcpListener::bind(address).await.map_err(|source| AppError::Bind { address, source })
}

fn metrics(publisher: &Publisher) -> Arc<Metrics> {
    let mut metrics = Metrics::new();
    publisher.counters().register(&mut metrics.registry);
    Arc::new(metrics)
}

/// Waits for ever if it never comes.
async fn first(identity: &mut watch::Receiver<Option<Identity>>) -> Identity {
    match identity.wait_for(Option::is_some).await.map(|identity| identity.clone()) {
        Ok(Some(identity)) => identity,
        _ => std::future::pending().await,
    }
}
