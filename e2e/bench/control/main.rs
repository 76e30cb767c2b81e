//! The benchmark of the control path: a real API server, one operator, pods as processes; how long from a write until every pod serves it.
//!
//! Runs inside a cluster without nodes (`just bench-control`). Routes grow from one size to the next; at each size single routes are changed and
//! every pod is asked until it serves the change. Live means that a pod answers at the route's new path.
//!
//! `ringway-bench-control [--smoke] [--routes 100,1000,10000] [--pods N] [--fake-pods N] [--changes N]`
//!
//! In any case the operator must stay below the memory that its chart allows, and every status must come to be true.

mod api;
mod fake;
mod processes;
mod run;
mod table;
mod world;

use std::env;
use std::io::{Write as _, stderr};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// What was asked for.
#[derive(Debug, Clone)]
struct Options {
    /// Sizes, growing.
    routes: Vec<usize>,
    pods: usize,
    /// That follow and obey as pods do, and serve nothing.
    fake_pods: usize,
    /// Changes measured at each size.
    changes: usize,
    smoke: bool,
}

fn main() -> ExitCode {
    match options(env::args().skip(1)).and_then(|options| run::run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(stderr(), "the benchmark failed: {error:?}"));
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options { routes: vec![100, 1_000, 10_000], pods: 2, fake_pods: 0, changes: 200, smoke: false };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--smoke" => options = Options { routes: vec![20], pods: 1, fake_pods: 3, changes: 5, smoke: true },
            "--routes" => {
                let sizes = value()?;
                options.routes =
                    sizes.split(',').map(str::parse).collect::<Result<_, _>>().context("--routes wants numbers")?;
            }
            "--pods" => options.pods = value()?.parse().context("--pods")?,
            "--fake-pods" => options.fake_pods = value()?.parse().context("--fake-pods")?,
            "--changes" => options.changes = value()?.parse().context("--changes")?,
            _ => bail!("unknown argument {argument}"),
        }
    }
    options.routes.sort_unstable();
    Ok(options)
}
