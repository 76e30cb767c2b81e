//! The life of a pod: keys and state from disk, the gateway, the operator's stream, files that change, signals.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringway_config_stream::Pod;
use ringway_dataplane::app::{
    Gateway, Listen, LogTarget, SettingError, Settings, StartError, TraceSettings, limit_setting,
};
use ringway_dataplane::config::{FollowSettings, Follower, Obey};
use ringway_dataplane::process::files::Watched;
use ringway_dataplane::process::signals::{Signal, Signals};
use ringway_dataplane::process::{self, Ended};
use ringway_seal::{KeyFileError, Keyring};

use crate::args::Args;

/// How often files are looked at that may have changed. The kubelet itself takes up to a minute.
const LOOK: Duration = Duration::from_secs(5);

/// Why a pod cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PodError {
    #[error("{0}")]
    Arguments(String),
    #[error("--keys {path}: {source}")]
    KeyFile { path: String, source: io::Error },
    #[error("--keys {path}: {source}")]
    Keys { path: String, source: KeyFileError },
    #[error("--state {path}: {source}")]
    State { path: String, source: io::Error },
    #[error(transparent)]
    Traces(#[from] SettingError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs until a signal.
///
/// # Errors
/// When keys, state, addresses or settings cannot be used at the start.
pub(crate) fn run(args: &Args) -> Result<Ended, PodError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(live(args))
}

async fn live(args: &Args) -> Result<Ended, PodError> {
    let mut signals = Signals::new()?;
    let mut keys = Watched::new(&args.keys);
    let keyring = read_keys(&mut keys)?.ok_or_else(|| PodError::Arguments("--keys: nothing was read".to_owned()))?;
    let gateway = Arc::new(Gateway::start(settings(args, keyring)?, None)?);
    gateway.config_missing(format!("nothing came from {} yet", args.operator));
    let following = Follower::new(follow(args, &gateway), Arc::clone(&gateway) as Arc<dyn Obey>).spawn()?;
    announce(args, &gateway);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => rekey(&mut keys, &gateway),
            signal = signals.next() => match signal {
                Signal::Reload => rekey(&mut keys, &gateway),
                Signal::Stop => break,
            },
        }
    }
    let ended = process::drain(gateway, args.drain_delay, Duration::from_secs(args.grace), &mut signals).await?;
    if ended == Ended::Drained {
        following.stop();
    }
    Ok(ended)
}

fn follow(args: &Args, gateway: &Gateway) -> FollowSettings {
    let pod = Pod {
        namespace: args.pod.pod_namespace.clone(),
        name: args.pod.pod_name.clone(),
        uid: args.pod.pod_uid.clone(),
        incarnation: gateway.incarnation(),
        node: args.pod.node_name.clone(),
        zone: String::new(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    FollowSettings::new(&args.operator, &args.tls, Some(args.state.clone()), pod)
}

fn announce(args: &Args, gateway: &Gateway) {
    for (port, address) in &args.ports {
        tracing::info!(port, address = %gateway.port_addr(*port).unwrap_or(*address), "listening");
    }
    if let Some(address) = gateway.admin_addr() {
        tracing::info!(%address, "health and metrics");
    }
    if let Some(address) = gateway.debug_addr() {
        tracing::info!(%address, "configuration and facts can be looked at");
    }
}

/// The keys, if they are others than before.
fn read_keys(file: &mut Watched) -> Result<Option<Keyring>, PodError> {
    let path = file.path().display().to_string();
    let bytes = file.changed().map_err(|source| PodError::KeyFile { path: path.clone(), source })?;
    let Some(bytes) = bytes else { return Ok(None) };
    let keyring = Keyring::parse(&String::from_utf8_lossy(&bytes)).map_err(|source| PodError::Keys { path, source })?;
    Ok(Some(keyring))
}

/// A rotation adds the new key to every pod first, then puts it on the first line.
fn rekey(file: &mut Watched, gateway: &Gateway) {
    match read_keys(file) {
        Ok(None) => {}
        Ok(Some(keyring)) => {
            tracing::info!(keys = ?keyring, "keys read");
            gateway.rekey(keyring);
        }
        Err(error) => tracing::error!(%error, "the keys cannot be read; the last ones are used on"),
    }
}

fn settings(args: &Args, keyring: Keyring) -> Result<Settings, PodError> {
    make_directory(&args.state).map_err(|source| PodError::State { path: args.state.display().to_string(), source })?;
    Ok(Settings {
        listen: Listen::Ports(args.sockets().map_err(PodError::Arguments)?),
        admin: Some(args.admin),
        debug: args.debug,
        workers: args.workers.map_or_else(process::processors, usize::from),
        keyring,
        tombstone_file: Some(args.state.join("tombstones")),
        access_log: LogTarget::parse(&args.access_log),
        traces: TraceSettings::from_variables(|name| std::env::var(name).ok())?,
        limits: limit_setting::settings(&args.limit),
    })
}

/// For its owner alone, where it is made here.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
