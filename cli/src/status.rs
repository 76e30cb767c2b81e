//! `ringway status`: is the install in the cluster whole, and what to do where it is not.
//!
//! `gather` asks, `check` judges what was answered, `report` prints. Reads only.

pub mod check;
pub mod facts;
pub mod gather;
pub mod report;

use std::pin::pin;
use std::time::Duration;

use tokio::time::Instant;

use crate::cluster::{Access, ClusterError};
use crate::exit::{CommandError, Exit};
use crate::output::{self, Format};
use facts::{Facts, Scope};
use report::{Level, Report};

/// Between two looks of `--wait`.
const PAUSE: Duration = Duration::from_secs(2);

/// Shown under `ringway status --help`.
const EXITS: &str = "\
Exit codes:
  0  no problem, and all was looked at (warnings may be there)
  1  problems
  2  wrong command line or kubeconfig
  4  the API server cannot be reached
  5  no problem in what could be looked at";

/// What to look at, and how.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXITS)]
pub struct Status {
    /// Namespace of the Ringway install [default: found by its labels]
    #[arg(short, long, value_name = "NAMESPACE", help_heading = "Cluster")]
    namespace: Option<String>,
    /// Which cluster.
    #[command(flatten)]
    access: Access,
    /// Look again until there is no problem, for at most this long (`90s`, `5m`); warnings are not waited for
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    wait: Option<Duration>,
    /// Look at definitions, operator and data plane alone: no Secrets, no one's objects, no port-forward
    #[arg(long)]
    install_only: bool,
    /// How to print what was found
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

fn duration(text: &str) -> Result<Duration, ringway_crds::DurationError> {
    text.parse::<ringway_crds::Duration>().map(|parsed| parsed.0)
}

/// Looks, and prints the last look.
///
/// # Errors
/// When there is no kubeconfig or nothing can be printed. Problems are no error: see the exit code.
pub async fn status(options: &Status) -> Result<Exit, CommandError> {
    let cluster = options.access.cluster().await?;
    let scope = if options.install_only { Scope::Install } else { Scope::Whole };
    let deadline = Instant::now() + options.wait.unwrap_or_default();
    // Once for all: a signal between two waits would be lost.
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut said = None;
    loop {
        let facts = tokio::select! {
            facts = Box::pin(gather::facts(&cluster, options.namespace.as_deref(), scope)) => facts,
            _ = &mut interrupt => return Ok(Exit::Interrupted),
        };
        let report = check::report(&facts);
        if report.result != Level::Problem || Instant::now() >= deadline {
            report.print(options.output)?;
            return Ok(exit(&report, &facts));
        }
        if said != Some(report.problems) {
            said = Some(report.problems);
            output::note(&waiting(&report));
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            _ = &mut interrupt => {
                report.print(options.output)?;
                return Ok(Exit::Interrupted);
            }
        }
    }
}

fn waiting(report: &Report) -> String {
    let mut problems = report.sections.iter().flat_map(|one| &one.checks).filter(|one| one.level == Level::Problem);
    let first = problems.next().map(|check| output::one_line(&check.message)).unwrap_or_default();
    let others = match report.problems.saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("waiting: {first}{others}")
}

fn exit(report: &Report, facts: &Facts) -> Exit {
    match (report.result, &facts.kubernetes) {
        (_, Err(ClusterError::Unreachable { .. })) => Exit::Unreachable,
        (Level::Problem, _) => Exit::Failed,
        // Silence would pass for health.
        _ if !report.is_whole() => Exit::Refused,
        _ => Exit::Done,
    }
}
