//! The MCP conformance suite, in both generations, against a URL; and the comparison of two runs check by check.
//!
//! What passes direct must pass through the gateway, and nothing may fail there that did not fail direct. There is no list of expected failures.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{places, script};

/// The suite ends each scenario after 30 s by itself.
const RUN: Duration = Duration::from_secs(400);
/// `2026-11-24T09-48-39-148Z` and the dash before it, at the end of a result folder's name.
const STAMP: usize = 25;

/// One way to run the suite.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    pub label: &'static str,
    package: &'static str,
    arguments: &'static [&'static str],
}

/// 0.1.16, every scenario: the legacy wire.
pub const LEGACY: Suite = Suite { label: "0.1.16 all", package: "conformance-legacy", arguments: &["--suite", "all"] };
/// 0.2.0-alpha.12, what 2025-11-25 requires.
pub const REQUIRED_2025_11_25: Suite = Suite {
    label: "0.2.0-alpha.12 2025-11-25",
    package: "conformance-modern",
    arguments: &["--requirements", "2025-11-25"],
};
/// 0.2.0-alpha.12, what 2026-07-28 requires.
pub const REQUIRED_2026_07_28: Suite = Suite {
    label: "0.2.0-alpha.12 2026-07-28",
    package: "conformance-modern",
    arguments: &["--requirements", "2026-07-28"],
};

/// How often a check passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
}

/// Every check of a run, by scenario and check id.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    checks: BTreeMap<(String, String), Tally>,
    evidence: BTreeMap<(String, String), Vec<String>>,
}

// === impl Suite ===

impl Suite {
    /// Runs it against the server or gateway at `address`.
    pub fn run(&self, address: SocketAddr, path: &str) -> Result<Outcome> {
        let folder = tempfile::tempdir().context("a folder for conformance results")?;
        let entry = places::installed(&format!("conformance/node_modules/{}/dist/index.js", self.package))?;
        let mut command = Command::new(places::installed("conformance/node_modules/node/bin/node")?);
        // The suite's check against DNS rebinding works with this host name only.
        let url = format!("http://localhost:{}{path}", address.port());
        command.arg(entry).args(["server", "--url", &url]).args(self.arguments).arg("-o").arg(folder.path());
        let report = script::run(&mut command, RUN)?;
        let outcome = Outcome::read(folder.path())?;
        ensure!(outcome.total().passed > 0, "no check passed at {url}:\n{}", report.output);
        Ok(outcome)
    }
}

// === impl Outcome ===

impl Outcome {
    /// Passed and failed checks in all.
    pub fn total(&self) -> Tally {
        self.checks.values().fold(Tally::default(), |sum, tally| Tally {
            passed: sum.passed + tally.passed,
            failed: sum.failed + tally.failed,
        })
    }

    /// The checks that passed in `direct` and not (so often) here, or failed here and not (so often) there; each with what the suite said.
    pub fn losses(&self, direct: &Self) -> Vec<String> {
        let mut keys: Vec<_> = direct.checks.keys().chain(self.checks.keys()).collect();
        keys.sort();
        keys.dedup();
        let mut losses = Vec::new();
        for key in keys {
            let (ours, theirs) = (self.tally(key), direct.tally(key));
            if ours.passed < theirs.passed || ours.failed > theirs.failed {
                let said = self.evidence.get(key).map(|lines| lines.join("\n      ")).unwrap_or_default();
                losses.push(format!(
                    "{} / {}: direct {} passed {} failed, here {} passed {} failed\n      {said}",
                    key.0, key.1, theirs.passed, theirs.failed, ours.passed, ours.failed
                ));
            }
        }
        losses
    }

    fn tally(&self, key: &(String, String)) -> Tally {
        self.checks.get(key).copied().unwrap_or_default()
    }

    /// Reads `server-SCENARIO-TIME/checks.json` of every scenario.
    fn read(folder: &Path) -> Result<Self> {
        let mut outcome = Self::default();
        for entry in fs::read_dir(folder).context("conformance results")? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let scenario = name.strip_prefix("server-").and_then(|rest| rest.get(..rest.len().checked_sub(STAMP)?));
            let scenario = scenario.with_context(|| format!("the name of a result folder: {name}"))?;
            let text = fs::read_to_string(entry.path().join("checks.json"))
                .with_context(|| format!("checks of {scenario}"))?;
            let checks: Vec<Value> = serde_json::from_str(&text).with_context(|| format!("checks of {scenario}"))?;
            for check in &checks {
                outcome.note(scenario, check);
            }
        }
        Ok(outcome)
    }

    fn note(&mut self, scenario: &str, check: &Value) {
        let key = (scenario.to_owned(), check["id"].as_str().unwrap_or("?").to_owned());
        let tally = self.checks.entry(key.clone()).or_default();
        let status = check["status"].as_str().unwrap_or("?");
        match status {
            "SUCCESS" => tally.passed += 1,
            "FAILURE" => tally.failed += 1,
            // INFO, WARNING and SKIPPED say nothing about conformance.
            _ => {}
        }
        if status != "SUCCESS" {
            let said = format!("{status} {} {}", check["errorMessage"].as_str().unwrap_or_default(), check["details"]);
            self.evidence.entry(key).or_default().push(said.chars().take(600).collect());
        }
    }
}
