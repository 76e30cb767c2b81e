//! What `ringway status` found, as data: sections of checks, each with its remedy; and how it is printed.

use std::io::{self, IsTerminal};

use serde::Serialize;

use crate::cluster::ClusterError;
use crate::output::{self, BAD, DIM, Format, GOOD, STRONG, WARN};

/// Lines of a section that a person is shown; programs get all.
const SHOWN: usize = 25;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Ok,
    /// Could not be looked at.
    Unchecked,
    /// Worth a look; nothing that the install serves is stopped by it.
    Warning,
    Problem,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub level: Level,
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
    /// `MCPRoute tools/engineering`, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Of the condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Checks that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    pub name: &'static str,
    pub checks: Vec<Check>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub result: Level,
    pub problems: usize,
    pub warnings: usize,
    /// What could not be looked at.
    pub unchecked: usize,
    pub sections: Vec<Section>,
}

// === impl Check ===

impl Check {
    pub fn ok(message: impl Into<String>) -> Self {
        Self { level: Level::Ok, message: message.into(), remedy: None, object: None, reason: None }
    }

    pub fn warning(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warning, remedy: Some(remedy.into()), ..Self::ok(message) }
    }

    pub fn problem(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Problem, remedy: Some(remedy.into()), ..Self::ok(message) }
    }

    /// What could not be looked at; the rest goes on.
    pub fn blind(what: &str, error: &ClusterError) -> Self {
        let remedy = if error.is_forbidden() {
            "not checked: it takes a role that may do this"
        } else {
            "not checked: try again; if it stays so, look at what did not answer"
        };
        let check = Self::warning(format!("cannot look at {what}: {error}"), remedy);
        Self { level: Level::Unchecked, ..check }
    }
}

// === impl Report ===

impl Report {
    #[must_use]
    pub fn new(mut sections: Vec<Section>) -> Self {
        sections.retain(|section| !section.checks.is_empty());
        let count = |level| sections.iter().flat_map(|one| &one.checks).filter(|check| check.level == level).count();
        let (problems, warnings, unchecked) = (count(Level::Problem), count(Level::Warning), count(Level::Unchecked));
        let worst = sections.iter().flat_map(|one| &one.checks).map(|check| check.level).max();
        Self { result: worst.unwrap_or(Level::Ok), problems, warnings, unchecked, sections }
    }

    /// Is there nothing that was not looked at?
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.unchecked == 0
    }

    /// Prints it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn print(&self, format: Format) -> io::Result<()> {
        match format {
            Format::Table => output::line(&self.text(io::stdout().is_terminal())),
            Format::Json => output::line(&serde_json::to_string_pretty(self).map_err(io::Error::other)?),
            Format::Yaml => output::yaml(self),
        }
    }

    /// For people; `fancy`: with signs that not every log shows.
    fn text(&self, fancy: bool) -> String {
        let mut lines = Vec::new();
        for section in &self.sections {
            lines.push(format!("{STRONG}{}{STRONG:#}", section.name));
            lines.extend(section.checks.iter().take(SHOWN).flat_map(|check| check.lines(fancy)));
            if let Some(more) = section.checks.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                lines.push(format!("  {DIM}and {more} more: -o json shows all{DIM:#}"));
            }
            lines.push(String::new());
        }
        lines.push(self.verdict());
        lines.join("\n")
    }

    fn verdict(&self) -> String {
        let counted = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let (problems, warnings) = (counted(self.problems, "problem"), counted(self.warnings, "warning"));
        let unchecked = match self.unchecked {
            0 => String::new(),
            count => format!(", {count} not checked"),
        };
        match self.result {
            Level::Ok => format!("{GOOD}All is well{GOOD:#}"),
            Level::Unchecked => format!("{WARN}No problem in what could be looked at{unchecked}{WARN:#}"),
            Level::Warning => format!("{WARN}No problem, {warnings}{unchecked}{WARN:#}"),
            Level::Problem => format!("{BAD}{problems}, {warnings}{unchecked}{BAD:#}"),
        }
    }
}

impl Check {
    fn lines(&self, fancy: bool) -> Vec<String> {
        let (style, sign) = match (self.level, fancy) {
            (Level::Ok, true) => (GOOD, "✓"),
            (Level::Ok, false) => (GOOD, "[ok]"),
            (Level::Unchecked, true) => (WARN, "?"),
            (Level::Unchecked, false) => (WARN, "[unchecked]"),
            (Level::Warning, true) => (WARN, "!"),
            (Level::Warning, false) => (WARN, "[warning]"),
            (Level::Problem, true) => (BAD, "✗"),
            (Level::Problem, false) => (BAD, "[problem]"),
        };
        let object = self.object.as_deref().map(|object| format!("{object}: ")).unwrap_or_default();
        let reason = self.reason.as_deref().map(|reason| format!("{reason}: ")).unwrap_or_default();
        let message = output::printable(&self.message);
        let mut lines = vec![format!("  {style}{sign}{style:#} {object}{reason}{message}")];
        if let Some(remedy) = &self.remedy {
            let arrow = if fancy { "→" } else { "->" };
            lines.push(format!("      {DIM}{arrow} {}{DIM:#}", output::printable(remedy)));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(checks: Vec<Check>) -> Report {
        Report::new(vec![Section { name: "Things", checks }])
    }

    fn plain(report: &Report) -> String {
        anstream::adapter::strip_str(&report.text(false)).to_string()
    }

    #[test]
    fn the_worst_check_decides() {
        assert_eq!(report(vec![Check::ok("a")]).result, Level::Ok);
        assert_eq!(report(vec![Check::ok("a"), Check::warning("b", "c")]).result, Level::Warning);
        let bad = report(vec![Check::problem("a", "b"), Check::warning("b", "c"), Check::ok("d")]);
        assert_eq!((bad.result, bad.problems, bad.warnings, bad.is_whole()), (Level::Problem, 1, 1, true));
        let error = ClusterError::Unfit("no".to_owned());
        let partly = report(vec![Check::ok("a"), Check::blind("b", &error)]);
        assert_eq!((partly.result, partly.unchecked, partly.is_whole()), (Level::Unchecked, 1, false));
        assert!(plain(&partly).contains("[unchecked] cannot look at b: no"), "{}", plain(&partly));
        let both = report(vec![Check::blind("b", &error), Check::warning("c", "d")]);
        assert_eq!(both.result, Level::Warning);
    }

    #[test]
    fn people_see_every_remedy_and_logs_see_ascii() {
        let mut check = Check::problem("spec.url: \u{1b}[2J", "mend it");
        (check.object, check.reason) = (Some("MCPBackend a/b".to_owned()), Some("Invalid".to_owned()));
        let text = plain(&report(vec![Check::ok("fine"), check]));
        assert_eq!(
            text,
            "Things\n  [ok] fine\n  [problem] MCPBackend a/b: Invalid: spec.url: \u{fffd}[2J\n      -> mend it\n\n1 problem, 0 warnings"
        );
        assert!(report(vec![Check::ok("fine")]).text(true).contains('✓'));
    }

    #[test]
    fn long_sections_are_cut_for_people_alone() {
        let many = report((0..SHOWN + 3).map(|number| Check::ok(number.to_string())).collect());
        assert!(plain(&many).contains("and 3 more: -o json"));
        assert_eq!(many.sections[0].checks.len(), SHOWN + 3);
    }

    #[test]
    fn programs_get_stable_words() {
        let text = serde_json::to_string(&report(vec![Check::warning("a", "b")])).unwrap();
        assert_eq!(
            text,
            r#"{"result":"warning","problems":0,"warnings":1,"unchecked":0,"sections":[{"name":"Things","checks":[{"level":"warning","message":"a","remedy":"b"}]}]}"#
        );
    }
}
