//! `ringway validate`: every problem of a configuration, with file, line and field.

use std::io::{self, Read};
use std::path::Path;

use ringway_translate::install::ClusterInstall;
use ringway_translate::{Install, Problem};
use serde::Serialize;

use crate::args::Validate;
use crate::config_dir::{self, TextFile};
use crate::exit::{CommandError, Exit};
use crate::load::{Loaded, load_for};
use crate::output::{self, BAD, Format, GOOD, WARN};

/// A problem as programs read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding<'a> {
    severity: &'static str,
    file: &'a str,
    line: u64,
    column: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    object: Option<String>,
    field: String,
    reason: String,
    message: &'a str,
}

/// Checks the files under a path; `-` is standard input.
///
/// # Errors
/// When they cannot be read or the findings not written. Findings are no error: see the exit code.
pub fn validate(options: &Validate) -> Result<Exit, CommandError> {
    let install = options.cluster_rules.as_deref().map_or(Ok(Install::Standalone), cluster_rules)?;
    let path = options.file.as_path();
    let files = if path == Path::new("-") { vec![standard_input()?] } else { config_dir::read(path)? };
    let loaded = load_for(&files, &install);
    match options.output {
        Format::Table => show(&files, &loaded)?,
        Format::Json => output::line(&serde_json::to_string_pretty(&findings(&loaded)).map_err(io::Error::other)?)?,
        Format::Yaml => output::yaml(&findings(&loaded))?,
    }
    Ok(if loaded.errors() == 0 { Exit::Done } else { Exit::Failed })
}

fn cluster_rules(path: &Path) -> Result<Install, CommandError> {
    let failed = |error: &dyn std::fmt::Display| CommandError::Failed(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    let install: ClusterInstall = serde_yaml::from_str(&text).map_err(|error| failed(&error))?;
    Ok(Install::Cluster(Box::new(install)))
}

fn standard_input() -> io::Result<TextFile> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text)?;
    Ok(TextFile { name: "<stdin>".to_owned(), text })
}

fn show(files: &[TextFile], loaded: &Loaded) -> io::Result<()> {
    for problem in &loaded.problems {
        let style = if problem.is_error() { BAD } else { WARN };
        output::line(&format!("{style}{}{style:#}", output::printable(&problem.to_string())))?;
    }
    let (errors, warnings) = (loaded.errors(), loaded.problems.len() - loaded.errors());
    let style = if errors == 0 { GOOD } else { BAD };
    output::note(&format!(
        "{style}{}, {}{style:#}: {} and {} in {}",
        counted(errors, "error"),
        counted(warnings, "warning"),
        counted(loaded.snapshot.routes.len(), "good route"),
        counted(loaded.snapshot.backends.len(), "good backend"),
        counted(files.len(), "file"),
    ));
    Ok(())
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn findings(loaded: &Loaded) -> Vec<Finding<'_>> {
    loaded.problems.iter().map(Finding::new).collect()
}

impl<'a> Finding<'a> {
    fn new(problem: &'a Problem) -> Self {
        Self {
            severity: if problem.is_error() { "error" } else { "warning" },
            file: &problem.file,
            line: problem.line,
            column: problem.column,
            object: problem.object.as_ref().map(ToString::to_string),
            field: problem.field.to_string(),
            reason: problem.reason.to_string(),
            message: &problem.message,
        }
    }
}
