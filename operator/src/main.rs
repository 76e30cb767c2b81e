//! The `ringway-operator` binary: reads settings, starts the log and the runtime, runs until a signal.

use std::process::ExitCode;

use clap::Parser as _;
use ringway_operator::app;
use ringway_operator::config::{self, Args, LogFormat};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Frees memory back to the system after a burst, which the C library's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            let mut text = format!("error: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text.push_str(&format!(": {error}"));
                cause = error.source();
            }
            // Nobody is left to tell if this fails.
            let _ = writeln!(std::io::stderr(), "{text}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    log(&args)?;
    let install = config::read(&args.config)?;
    // The client for the API server takes whatever is installed.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        return Err("a TLS provider is installed already".into());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let shutdown = async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        };
        app::run(args, install, shutdown).await.map_err(Box::<dyn std::error::Error>::from)
    });
    // Watches hang on the API server; nothing of them is worth waiting for.
    runtime.shutdown_background();
    outcome
}

fn log(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    // The library's own lines say again, at length, what the watches say once.
    let filter = EnvFilter::try_new(format!("kube_runtime=error,kube_client=error,{}", args.log))
        .map_err(|error| format!("--log: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match args.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    }
    .map_err(|error| format!("the log cannot be started: {error}").into())
}
