//! Files to a snapshot, or to every problem in them. Called by `run` and `validate`.

use ringway_snapshot::Snapshot;
use ringway_translate::{Install, Problem, World, parse_documents, translate};

use crate::config_dir::TextFile;

/// What files hold.
#[derive(Debug)]
pub struct Loaded {
    /// Everything without an error.
    pub snapshot: Snapshot,
    /// In the order of file, line and column.
    pub problems: Vec<Problem>,
}

/// Reads and translates for this process; `${NAME}` in Secrets is the environment's.
#[must_use]
pub fn load(files: &[TextFile]) -> Loaded {
    load_for(files, &Install::Standalone)
}

/// Reads and translates for an install.
#[must_use]
pub fn load_for(files: &[TextFile], install: &Install) -> Loaded {
    let mut objects = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        let (mut found, mut wrong) = parse_documents(&file.name, &file.text);
        objects.append(&mut found);
        problems.append(&mut wrong);
    }
    let mut translation = translate(&World::from_objects(objects), install, &|name| std::env::var(name).ok());
    problems.append(&mut translation.problems);
    problems.sort();
    problems.dedup();
    Loaded { snapshot: translation.snapshot, problems }
}

// === impl Loaded ===

impl Loaded {
    /// How many problems keep something from being served.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.is_error()).count()
    }
}
