//! Client scripts that print `PASS`, `FAIL` or `SKIP` lines: run one, and judge its lines, alone or against those of a direct run.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::wait;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Fail,
    Skip,
}

/// What a client script said.
#[derive(Debug, Clone)]
pub struct Report {
    pub output: String,
    status: ExitStatus,
    checks: Vec<(Verdict, String)>,
}

/// Runs `command` to its end, for at most `within`.
pub fn run(command: &mut Command, within: Duration) -> Result<Report> {
    let mut file = tempfile::tempfile().context("output of a client")?;
    let (out, err): (File, File) = (file.try_clone()?, file.try_clone()?);
    let mut child = command
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONUNBUFFERED", "1")
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .spawn()
        .with_context(|| format!("start of {command:?}"))?;
    let ended = wait::until("a client script to end", within, || child.try_wait().context("state of a client"));
    if ended.is_err() {
        child.kill().context("kill of a client")?;
        child.wait().context("end of a client")?;
    }
    let mut output = String::new();
    file.rewind()?;
    file.read_to_string(&mut output).context("output of a client")?;
    let status = ended.with_context(|| format!("{command:?}\n{output}"))?;
    let checks = output.lines().filter_map(check).collect();
    Ok(Report { output, status, checks })
}

fn check(line: &str) -> Option<(Verdict, String)> {
    let (word, rest) = line.split_once(' ')?;
    let verdict = match word {
        "PASS" => Verdict::Pass,
        "FAIL" => Verdict::Fail,
        "SKIP" => Verdict::Skip,
        _ => return None,
    };
    Some((verdict, rest.to_owned()))
}

// === impl Report ===

impl Report {
    /// Every check passed, at least one was made, and the script ended well.
    pub fn all_passed(&self) -> Result<()> {
        let passed = self.count(Verdict::Pass);
        ensure!(self.status.success() && passed > 0 && passed == self.checks.len(), "{}\n{}", self.status, self.output);
        Ok(())
    }

    /// Whatever passed in `direct` (the same script straight at the server) passed here. A script makes its checks in one order, so the place is
    /// the check; what follows the name in a line (counts, URIs) may differ.
    pub fn no_worse_than(&self, direct: &Self) -> Result<()> {
        ensure!(direct.count(Verdict::Pass) > 0, "the direct run passed nothing:\n{}", direct.output);
        let lost: Vec<_> = (direct.checks.iter().enumerate())
            .filter(|(place, (verdict, _))| {
                *verdict == Verdict::Pass && self.checks.get(*place).is_none_or(|(ours, _)| *ours != Verdict::Pass)
            })
            .map(|(_, (_, line))| line.as_str())
            .collect();
        ensure!(
            lost.is_empty() && (self.status.success() || !direct.status.success()),
            "passed direct, not through the gateway: {lost:?}\n-- through the gateway ({})\n{}\n-- direct ({})\n{}",
            self.status,
            self.output,
            direct.status,
            direct.output
        );
        Ok(())
    }

    /// How many checks ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|(found, _)| *found == verdict).count()
    }
}
