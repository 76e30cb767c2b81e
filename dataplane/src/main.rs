//! The `ringway-dataplane` binary: a pod of a cluster. Reads its arguments, starts a gateway, and keeps it until a signal.

mod args;
mod pod;

use std::process::ExitCode;

use clap::Parser as _;
use ringway_dataplane::process::Ended;
use ringway_dataplane::process::logging;

use args::Args;

/// Frees memory back to the system after a burst, which the C library's allocator does not.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As shells count Ctrl-C: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Err(error) = logging::start(&args.log_level, args.log_format) {
        // There is no log to say it in.
        return args::fail(&format!("--log-level: {error}"));
    }
    match pod::run(&args) {
        Ok(Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::Interrupted) => INTERRUPTED.into(),
        Err(error) => {
            tracing::error!(%error, "cannot run");
            ExitCode::FAILURE
        }
    }
}
