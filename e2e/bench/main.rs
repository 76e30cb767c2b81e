//! The benchmark: Ringway beside a real Envoy on one fixed upstream, in one run.
//!
//! nginx answers (core 0, with the load), the gateways take core 1, one at a time under load. Every answer is compared byte for byte; one wrong
//! answer voids the run. What counts is CPU per request over all threads of the gateway, as a ratio to Envoy's plain proxy on the same body.
//!
//! `ringway-bench [--smoke] [--seconds N] [--rounds N] [--connections N] [--case WORD] [--without ringway]`

mod cases;
mod load;
mod measure;
mod peers;
mod upstream;

use std::env;
use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What was asked for.
#[derive(Debug, Clone)]
struct Options {
    seconds: Duration,
    rounds: usize,
    connections: usize,
    case: String,
    ringway: bool,
    smoke: bool,
}

fn main() -> ExitCode {
    match options(env::args().skip(1)).and_then(|options| bench(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(stderr(), "the benchmark failed: {error:?}"));
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let mut options = Options {
        seconds: Duration::from_secs(5),
        rounds: 5,
        connections: 32,
        case: String::new(),
        ringway: true,
        smoke: false,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--smoke" => {
                options = Options { seconds: Duration::from_secs(1), rounds: 1, smoke: true, ..options };
            }
            "--seconds" => options.seconds = Duration::from_secs_f64(value()?.parse().context("--seconds")?),
            "--rounds" => options.rounds = value()?.parse().context("--rounds")?,
            "--connections" => options.connections = value()?.parse().context("--connections")?,
            "--case" => options.case = value()?,
            "--without" if value()? == "ringway" => options.ringway = false,
            _ => bail!("unknown argument {argument}"),
        }
    }
    Ok(options)
}

fn bench(options: &Options) -> Result<()> {
    measure::pin_self(0)?;
    let upstream = upstream::Upstream::start()?;
    let envoy = peers::Envoy::start(upstream.port())?;
    let ringway = options.ringway.then(|| peers::Ringway::start(upstream.port())).transpose()?;
    let mut cases = cases::all(&upstream, &envoy, ringway.as_ref(), options.connections)?;
    cases.retain(|case| case.name.contains(&options.case));
    let mut table = measure::Table::default();
    for _ in 0..options.rounds {
        for case in &cases {
            for side in &case.sides {
                let figures =
                    measure::measure(side, options.seconds).with_context(|| format!("{}, {}", case.name, side.name))?;
                table.add(case.name, side.name, figures);
            }
        }
    }
    let mut out = stdout().lock();
    writeln!(out, "{}", table.render(options.smoke))?;
    if options.smoke {
        writeln!(out, "smoke: answers checked, no figure judged")?;
    }
    Ok(())
}
