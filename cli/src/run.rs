//! `ringway run`: the gateway on files, with hot reload, until a signal ends it.
//!
//! All or nothing: files with an error change nothing, so a slip of the pen cannot take a route away.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ringway_dataplane::app::{Gateway, Listen, LogTarget, Settings, TlsFiles, TraceSettings};
use ringway_dataplane::process::{self, Ended};
use ringway_snapshot::Snapshot;
use tokio::sync::mpsc;

use crate::args::Run;
use crate::config_dir::{self, ReadError, TextFile, Watch};
use crate::exit::{CommandError, Exit};
use crate::keys;
use crate::limits;
use crate::load::{Loaded, load};
use crate::remote;
use crate::signals::{Signal, Signals};

/// Serves until a signal.
///
/// # Errors
/// When files, keys, addresses or certificates cannot be used at the start.
pub fn run(options: &Run) -> Result<Exit, CommandError> {
    remote::block_on(serve(options))
}

async fn serve(options: &Run) -> Result<Exit, CommandError> {
    let mut signals = Signals::new()?;
    let files = config_dir::read(&options.file)?;
    let snapshot = first(&files)?;
    announce(&snapshot);
    let gateway =
        Gateway::start(settings(options)?, snapshot).map_err(|error| CommandError::Failed(error.to_string()))?;
    tracing::info!(address = %gateway.local_addr(), "listening");
    if let Some(address) = gateway.admin_addr() {
        tracing::info!(%address, "health and metrics");
    }
    let (watch, mut reloads) = watch(&options.file, &files)?;
    loop {
        tokio::select! {
            Some(reload) = reloads.recv() => match reload {
                Some(snapshot) => {
                    // Said only once it is true.
                    gateway.apply(snapshot.clone());
                    announce(&snapshot);
                }
                None => gateway.config_rejected(),
            },
            signal = signals.next() => match signal {
                Signal::Reload => {
                    rekey(options, &gateway);
                    watch.reload();
                }
                Signal::Stop => break,
            },
        }
    }
    drop(watch);
    drain(gateway, Duration::from_secs(options.grace), &mut signals).await
}

/// Lets calls end; a second signal does not wait for them.
///
/// # Errors
/// When no thread can be had to wait on.
pub async fn drain(gateway: Gateway, grace: Duration, signals: &mut Signals) -> Result<Exit, CommandError> {
    match process::drain(Arc::new(gateway), Duration::ZERO, grace, signals).await? {
        Ended::Drained => Ok(Exit::Done),
        Ended::Interrupted => Ok(Exit::Interrupted),
    }
}

/// At the start there is no last good configuration: errors end the program.
fn first(files: &[TextFile]) -> Result<Snapshot, CommandError> {
    let loaded = load(files);
    report(&loaded);
    match loaded.errors() {
        0 => Ok(Snapshot { generation: 1, ..loaded.snapshot }),
        1 => Err(CommandError::Failed("the configuration has an error".to_owned())),
        errors => Err(CommandError::Failed(format!("the configuration has {errors} errors"))),
    }
}

/// Reads the keys again: a rotation adds the new key to every process first, then puts it on the first line.
fn rekey(options: &Run, gateway: &Gateway) {
    let file = options.keys.clone().unwrap_or_else(|| keys::default_file(&keys::state_directory(&options.file)));
    match keys::load(&file) {
        Ok(keyring) => {
            tracing::info!(keys = ?keyring, "keys read");
            gateway.rekey(keyring);
        }
        Err(error) => tracing::error!(%error, "the keys cannot be read; the last ones are used on"),
    }
}

/// Reads and translates on the watching thread; `None` is a configuration that cannot be served.
fn watch(path: &Path, files: &[TextFile]) -> Result<(Watch, mpsc::UnboundedReceiver<Option<Snapshot>>), CommandError> {
    // Unbounded, but each of them settled for at least a poll, and the receiver only swaps pointers.
    let (reloads, receiver) = mpsc::unbounded_channel();
    let mut generation = 1;
    let watch = config_dir::watch(path.to_owned(), files, move |files| {
        let reload = reload(files).map(|snapshot| {
            generation += 1;
            Snapshot { generation, ..snapshot }
        });
        // The receiver goes away only when the program ends.
        drop(reloads.send(reload));
    })?;
    Ok((watch, receiver))
}

fn reload(files: Result<Vec<TextFile>, ReadError>) -> Option<Snapshot> {
    let files = match files {
        Ok(files) => files,
        Err(error) => {
            tracing::error!(%error, "the configuration cannot be read; the last good one is served on");
            return None;
        }
    };
    let loaded = load(&files);
    report(&loaded);
    if loaded.errors() > 0 {
        tracing::error!(errors = loaded.errors(), "the configuration is not taken; the last good one is served on");
        return None;
    }
    Some(loaded.snapshot)
}

fn report(loaded: &Loaded) {
    for problem in &loaded.problems {
        if problem.is_error() {
            tracing::error!("{problem}");
        } else {
            tracing::warn!("{problem}");
        }
    }
}

fn announce(snapshot: &Snapshot) {
    let (routes, backends) = (snapshot.routes.len(), snapshot.backends.len());
    tracing::info!(generation = snapshot.generation, routes, backends, "configuration taken");
    if routes == 0 {
        tracing::warn!("no route: every request will be answered 404");
    }
}

fn settings(options: &Run) -> Result<Settings, CommandError> {
    let state = keys::state_directory(&options.file);
    let keyring = match &options.keys {
        Some(file) => keys::load(file)?,
        None => keys::load_or_generate(&keys::default_file(&state))?,
    };
    let state = options.keys.as_ref().and_then(|file| file.parent()).map_or(state, Path::to_owned);
    let workers = options.workers.map_or_else(process::processors, usize::from);
    let traces = TraceSettings::from_variables(|name| std::env::var(name).ok())
        .map_err(|error| CommandError::Failed(error.to_string()))?;
    let tls = options.tls_cert.clone().zip(options.tls_key.clone());
    Ok(Settings {
        listen: Listen::Own {
            address: options.listen,
            tls: tls.map(|(certificate, key)| TlsFiles { certificate, key }),
        },
        admin: options.admin.0,
        debug: options.debug,
        workers,
        keyring,
        tombstone_file: Some(state.join("tombstones")),
        access_log: LogTarget::parse(&options.access_log),
        traces,
        limits: limits::settings(&options.limit),
    })
}
